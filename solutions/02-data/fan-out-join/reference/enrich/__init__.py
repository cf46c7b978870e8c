"""Order lines, with what five other tables know about them."""
