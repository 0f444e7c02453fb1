"""The book on disk: one SQLite file, one writer."""
