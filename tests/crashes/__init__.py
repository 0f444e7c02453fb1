"""The crash rig's short form, and that it sees."""
