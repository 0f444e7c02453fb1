"""The start script and the daemon as a user meets them: real processes in a copy of this folder."""
