"""The dashboard: a process of its own that reads the book, asks the daemon by its socket, and serves this host."""
