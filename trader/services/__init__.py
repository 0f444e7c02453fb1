"""Promises. Asynchronous use cases, and the ports through which they reach the world (`ports.py`)."""
