"""`trader top`: the state of an account in a terminal, live, and the keys to act on it. Needs the extra `top`."""
