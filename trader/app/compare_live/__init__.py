"""A live day played again: its recorded inputs, by the same code, with the configuration and strategy of now.

    recording    what a book has of a day: its runs, their inputs, and from where on they cannot be compared
    earlier      the book as it was when the first of these runs began
    again        the day, played into that book
    divergence   the first thing that was decided otherwise

Time, and what was measured of the host and of the broker's clock, are inputs like any other where something came of
them. A strategy is asked again, inline, and its answers are heard when the live ones were.
"""
