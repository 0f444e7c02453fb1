"""Verbs. The chain from signal to ticket: pure, synchronous, total; `decide.py` shows it on one screen."""
