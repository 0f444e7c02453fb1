"""What is at the broker and not ours: seen, told once, left alone."""

from typing import NamedTuple

from trader.services.ports import Log

_LONGEST_SYMBOL, _LONGEST_WORDS = 40, 200


class Foreign(NamedTuple):
    """One finding. `kind` is order, execution or position; `id` tells it from others of its kind."""

    kind: str
    id: str
    account: str
    symbol: str
    what: str


class ForeignList:
    """Keeps findings for a report, the last state of each."""

    def __init__(self, log: Log) -> None:
        self._log = log
        self._found: dict[tuple[str, str], Foreign] = {}

    def add(self, found: Foreign) -> None:
        """Keep a finding, in few and plain words whatever its texts are; say it when it is new or has changed."""
        found = found._replace(
            symbol=_plain(found.symbol, _LONGEST_SYMBOL),
            what=_plain(found.what, _LONGEST_WORDS),
            account=_plain(found.account, _LONGEST_SYMBOL),
        )
        key = (found.kind, found.id)
        if self._found.get(key) != found:
            self._found[key] = found
            self._log.warning(f"FOREIGN {found.kind.upper()} {found.symbol}: {found.what}; left alone")

    def remove(self, kind: str, still_there: set[str]) -> None:
        """Forget findings of a kind that a complete answer does not show any more."""
        for key in [key for key in self._found if key[0] == kind and key[1] not in still_there]:
            del self._found[key]

    @property
    def all(self) -> tuple[Foreign, ...]:
        """Everything found, in the order in which it was."""
        return tuple(self._found.values())


def _plain(text: str, longest: int) -> str:
    """It goes to a terminal: nothing in it may be more than letters."""
    return ascii(text[:longest])[1:-1][:longest]
