"""What somebody may have meant by a word that is not known."""

from collections.abc import Iterable
from difflib import get_close_matches

_ALIKE = 0.6


def nearest(word: str, known: Iterable[str]) -> str | None:
    """The known word that is most like it, capitals or not; None where none is near."""
    by_letters = {name.lower(): name for name in sorted(known)}
    close = get_close_matches(word.lower(), by_letters, n=1, cutoff=_ALIKE)
    return by_letters[close[0]] if close else None


def did_you_mean(word: str, known: Iterable[str]) -> str:
    """The end of a sentence about it, to be put behind: names the nearest word, or nothing."""
    meant = nearest(word, known)
    return f"; did you mean {meant}?" if meant is not None else ""
