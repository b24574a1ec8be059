"""What the forms of both machines use."""
