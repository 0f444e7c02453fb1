"""How often Python looks for garbage that reference counts have missed: seldom, as the loop stands still meanwhile."""

import gc

_NEW_OBJECTS = 50_000
"""Between two looks at the youngest. With Python's own 700 a burst of 2,000 orders is looked through 150 times,
which takes 73 ms, and 28 of them at once; with these one time, which takes 10."""

_YOUNGEST_PER_MIDDLE, _MIDDLE_PER_OLDEST = 20, 100


def collect_seldom() -> None:
    """Called once before the loop runs: what is loaded is never looked through again (25 ms and more each time), and
    what is made from now on seldom.
    """
    gc.freeze()
    gc.set_threshold(_NEW_OBJECTS, _YOUNGEST_PER_MIDDLE, _MIDDLE_PER_OLDEST)
