"""Strategies that come with the project, one a file. Any class with `on_bar(bar)` is a strategy."""
