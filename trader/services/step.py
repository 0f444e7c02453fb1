"""One step of the engine: what was gathered and decided together, to be committed together and then said."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum

from trader.domain.decision import Decision, Outcome, Refusal, Rule, Signal
from trader.domain.errors import BookUnwritable
from trader.domain.order import Fill
from trader.services.draft import Draft
from trader.services.ports import Booking, Excess, SignalRow


class Level(StrEnum):
    """How loudly a sentence is said."""

    INFO = "info"
    WARNING = "warning"
    ERROR = "error"


@dataclass(slots=True)
class Step:
    """The draft of the next book, and what has to be said once it is committed."""

    draft: Draft
    cancel: list[str] = field(default_factory=list)
    says: list[tuple[Level, str]] = field(default_factory=list)
    decided: dict[str, Decision] = field(default_factory=dict)
    """Order reference -> the decision that leads to it."""
    overruled: dict[str, Decision] = field(default_factory=dict)
    """Signal id -> what became of it when the database refused its entry."""
    results: dict[int, Decision | str] = field(default_factory=dict)
    """id() of an event somebody waits for -> the answer."""
    executions: dict[str, int | None] = field(default_factory=dict)
    """Executions taken up in this step, with the commission they are booked with; None where nothing can be charged."""
    beyond: dict[str, Excess] = field(default_factory=dict)
    """Executions that move their order in this step by shares that are not booked, or no longer."""
    looked_up: Mapping[str, Booking] = field(default_factory=dict)
    """What the book has of executions that are corrected or charged in this step, and of reversals."""
    moved: frozenset[str] = frozenset()
    """Of the cash movements that are asked for in this step: those that the book has."""
    unread: BookUnwritable | None = None
    """Why that could not be read: this step cannot be written, and what needs it is taken up again."""
    by_operator: list[Fill] = field(default_factory=list)
    """Corrections of this step: true once they are in the book, and not before."""
    heeded: bool = False
    """What was told in it has changed what later steps go by, though nothing has to be durable."""
    exceptions: int = 0
    """That were caught in it: each has cost what it was about, and is a bug."""
    duplicates: dict[str, int] = field(default_factory=dict)
    """Symbols whose entry was refused because of a working one, with the number of signals."""
    _folded: dict[tuple[str, str, Rule], SignalRow] = field(default_factory=dict)

    def say(self, level: Level, message: str) -> None:
        """Keep a sentence for after the commit."""
        self.says.append((level, message))

    def keep(self, signal: Signal, outcome: Outcome, refusal: Refusal | None, order_ref: str, *, fold: bool) -> None:
        """Record the fate of a signal; refusals of one kind, of signals without an id of their own, are folded."""
        if refusal is not None and refusal.rule is Rule.SYMBOL_LOCKED:
            self.duplicates[refusal.symbol] = self.duplicates.get(refusal.symbol, 0) + 1
        if refusal is not None and fold:
            key = (refusal.symbol, signal.source, refusal.rule)
            row = self._folded.get(key)
            if row is not None:
                row.count += 1
                return
        row = SignalRow(signal, self.draft.now, outcome, refusal, order_ref)
        if refusal is not None and fold:
            self._folded[key] = row
        self.draft.commit.signals.append(row)

    def say_duplicates(self) -> None:
        """`DUPLICATE BUY BLOCKED`, whichever stage refused: once a symbol, with the number of signals."""
        for symbol, count in self.duplicates.items():
            times = f" ({count} signals)" if count > 1 else ""
            self.say(Level.WARNING, f"DUPLICATE BUY BLOCKED: {symbol}{times} account={self.draft.account}")
