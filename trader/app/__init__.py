"""Wiring: settings, the concrete classes, the daemon's life, the command line."""
