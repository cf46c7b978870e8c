"""What people think of the assistant's answers, once a night."""
