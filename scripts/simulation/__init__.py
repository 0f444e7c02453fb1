"""Deterministic simulation: whole trading days of the whole daemon, in virtual time, against a world that misbehaves.

    loop         virtual time, and a seeded order of whatever is ready
    faults       what may go wrong, and how often it has
    venue, wire  what is true at the broker, and what of it the daemon gets to hear
    exchange     when, and how much of, an order is filled
    market       the bars, and what of them the daemon gets to see
    host         the machine under the daemon: its seams, one by one
    person       the operator, at bad moments
    life, world  one run of the daemon until it ends or is killed; what survives it
    invariants   what has to be true, by number; `history` is judged when a run is over
    command      what `scripts/simulate` does; `asked` is what can be typed
    runs, crew   one run and what it leaves; many at a time, each in a process of its own
    scratch      their files, and who clears them
    seeds        the ledger of what was run; `summary` adds it up
    shrinking    the fewest faults that a failure takes; `failure` and `story` tell it

Everything follows from a seed and a commit.
"""
