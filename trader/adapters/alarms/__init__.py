"""Ways by which alarms reach a person: programs, each in a process of its own, that are given a message."""
