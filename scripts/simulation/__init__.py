"""Deterministic simulation: whole trading days of the whole daemon, in virtual time, against a world that misbehaves.

    loop         virtual time, and a seeded order of whatever is ready
    faults       what may go wrong, and how often it has
    venue, wire  what is true at the broker, and what of it the daemon gets to hear
    market       the bars, and what of them the daemon gets to see
    host         the machine under the daemon: its seams, one by one
    person       the operator, at bad moments
    life, world  one run of the daemon until it ends or is killed; what survives it
    invariants   what has to be true, by number; `history` is judged when a run is over
    command      many seeds on all cores, the ledger of what was run, and how to see a failure again

Everything follows from a seed and a commit.
"""
