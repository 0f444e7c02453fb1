"""Drills: disasters that have happened elsewhere, played against a scratch copy of somebody's own configuration.

    scratch     the configuration, whose book, market, broker and alarms are replaced by ones that touch nothing
    rehearsal   the engine, its audit and a paper broker that can be made to fail, driven by hand
    evidence    what the scratch book says of who said "no", who stopped entries, and what was closed
    drill       what a drill is, and what has come of it
    catalogue   every drill there is

A drill knows what must not happen, and not what should prevent it: that is read from the book. A protection that is
new shows by itself.
"""
