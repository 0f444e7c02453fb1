"""Splits are not applied; what looks like one is found, so that nobody trades on the price before it."""

_RATIOS = ((2, 1), (3, 1), (3, 2), (4, 1), (5, 1), (6, 1), (8, 1), (10, 1), (15, 1), (20, 1), (25, 1), (50, 1))
_TOLERANCE = 0.05
"""A price moves overnight beside its split."""


def split_fitting(before_micros: int, after_micros: int) -> str:
    """Name the split that explains a price after a night: `2:1`, or `1:10` for a reverse one; empty for none."""
    for new, old in _RATIOS:
        if _near(before_micros * old, after_micros * new):
            return f"{new}:{old}"
        if _near(before_micros * new, after_micros * old):
            return f"{old}:{new}"
    return ""


def split_of_shares(before: int, after: int) -> str:
    """Name the split that makes so many shares of so many, but for the fraction that is paid out; empty for none."""
    for new, old in _RATIOS:
        if 0 <= before * new - after * old < old:
            return f"{new}:{old}"
        if 0 <= before * old - after * new < new and after:
            return f"{old}:{new}"
    return ""


def _near(expected: int, found: int) -> bool:
    return abs(found - expected) <= _TOLERANCE * expected
