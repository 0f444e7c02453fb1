"""Mutation testing: mutmut on a copy of the tree, one area at a time, each with the tests that are about it."""
