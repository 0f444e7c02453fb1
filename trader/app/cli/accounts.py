"""A row for each account of the configuration, and of the book: what `trader status` shows where there are several."""

from typing import TYPE_CHECKING, NamedTuple

from trader.app.cli.context import account_of, accounts_in
from trader.domain.errors import BookError

if TYPE_CHECKING:  # they need the settings, which are slow to import
    from trader.app.account_figures import AccountFigures
    from trader.app.settings import Settings
    from trader.app.standing import Standing

COLUMNS = (
    "account",
    "state",
    "positions",
    "created_last_hour",
    "phantoms",
    "reconciled_at",
    "refusals",
    "pnl_day",
    "pnl_total",
)
LEAST = ("reconciled_at", "refusals")
UNKNOWN = "unknown"


class AccountRow(NamedTuple):
    """How one account stands; without figures where its book cannot be read."""

    account: str
    state: str
    figures: "AccountFigures | None"
    why: str = ""

    def cells(self) -> list[object]:
        """In the order of the columns."""
        facts = self.facts()
        if self.figures is not None:
            facts["refusals"] = self.figures.refusals_in_words
        return [facts[name] for name in COLUMNS]

    def facts(self) -> dict[str, object]:
        """The same by the columns' names; refusals by rule."""
        if self.figures is None:
            unknown = {name: None if name.endswith("_at") else UNKNOWN for name in COLUMNS[2:]}
            return {"account": self.account, "state": self.state, **unknown, "why": self.why}
        return {"account": self.account, "state": self.state, **told(self.figures)}


def told(figures: "AccountFigures") -> dict[str, object]:
    """An account's figures by the names of their columns. What is unknown is said to be, and is no 0."""
    facts = figures._asdict()
    del facts["account"]
    return {**facts, "phantoms": UNKNOWN if figures.phantoms is None else figures.phantoms}


def rows_of(every: "list[Settings]", seen: "Standing") -> list[AccountRow]:
    """Each configured account, then those that only the books have, by name; one has been looked at before."""
    return [
        AccountRow(seen.account, seen.state, seen.figures) if settings.account.name == seen.account else _row(settings)
        for settings in (*every, *undeclared(every))
    ]


def undeclared(every: "list[Settings]") -> "list[Settings]":
    """Of accounts that only the books of the configured ones have, by name."""
    known = {settings.account.name for settings in every}
    others = {name: settings for settings in every for name in accounts_in(settings.book.db) if name not in known}
    return [_as(name, others[name]) for name in sorted(others)]


def _as(name: str, settings: "Settings") -> "Settings":
    """The settings of the book that an account is in; of its own it has none."""
    return settings.model_copy(update={"account": settings.account.model_copy(update={"name": name})})


def _row(settings: "Settings") -> AccountRow:
    from trader.app.standing import ask_daemon, read_standing

    name = settings.account.name
    try:
        with account_of(settings) as (book, _, _):
            standing = read_standing(book, settings, ask_daemon(settings))
    except BookError as error:
        return AccountRow(name, "UNKNOWN", None, str(error))
    return AccountRow(name, standing.state, standing.figures)
