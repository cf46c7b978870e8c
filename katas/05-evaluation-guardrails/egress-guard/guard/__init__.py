"""What the egress guard does to a text on its way out."""
