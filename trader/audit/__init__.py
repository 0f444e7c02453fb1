"""The audit: watches the book with code that shares nothing with the code that writes it."""
