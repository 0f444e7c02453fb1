"""Nouns. Immutable values and the pure rules that belong to them; standard library only, no clock, no I/O."""
