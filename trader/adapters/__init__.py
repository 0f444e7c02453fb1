"""Foreign names. Each package keeps one part of the world behind a port."""
