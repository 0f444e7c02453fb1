"""Bugs around orders, one for each number."""

from planting import Planted

BUGS: dict[str, Planted] = {}
