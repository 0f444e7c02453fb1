"""A live day played again: its recorded inputs, by the same code, with the configuration and strategy of now.

    recording    what a book has of a day: its runs, their inputs, what they have journaled
    earlier      the book as it was when the first of these runs began
    again        the day, played into that book
    divergence   the first thing that was decided otherwise

What is decided by the clock alone is asked at the instants at which the live day has journaled something. A strategy is
asked again, inline, and its answers are heard when the live ones were.
"""
