"""Where bars and signals come from."""
