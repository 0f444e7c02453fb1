"""The embedded paper broker."""
