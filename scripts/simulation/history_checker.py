"""Judges the history of a whole run, in the manner of Jepsen: can what the ledger showed be explained?

Of each order, `place` and `cancel` are operations. One is *ok* when a report of its end was heard, *fail* when it was
rejected, and *info* as long as nobody knows; a crash makes every open one info for ever, and an info may take effect at
any later time. What takes effect are the broker's executions.

Of each symbol, the shares that the ledger shows are a register. Each value of it has to be the sum of a set of
executions that contains no one that was not made yet, and that only grows, within a life and across lives: an execution
that was counted once is neither forgotten nor counted again. A correction is an effect of its own, of the difference.
Which ones a value consists of is not known, so every set that may be is followed; the file that a life leaves names its
executions, and ends the doubt.
"""

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from itertools import combinations
from typing import NamedTuple, cast

from simulation.history import Entry, History, What
from trader.domain.decision import Side
from trader.domain.events import FillReported, OrderCancelled, OrderRejected
from trader.domain.order import Fill, reversal_of

_MOST_AT_ONCE = 6
"""Executions of one symbol that are counted between two looks."""
_MOST_SETS = 200
"""A register that may consist of more is not followed, up to the next file."""
_OF_A_PERSON = ("adopted-", "missing-", "resolved-")
"""Executions that an operator has made in the book alone begin so."""


class Result(StrEnum):
    """What became of an operation, as far as the daemon has heard."""

    OK = "ok"
    FAIL = "fail"
    INFO = "info"


@dataclass(slots=True)
class Operation:
    """An order, from its placing on."""

    ref: str
    symbol: str
    quantity: int
    result: Result = Result.INFO
    cancel: Result | None = None
    """None: nobody has asked for it."""
    executed: int = 0
    """Shares, at the broker."""


class _Effect(NamedTuple):
    """One execution, as it moves the register of its symbol."""

    execution_id: str
    shares: int


@dataclass(slots=True)
class _Register:
    """The shares of one symbol. `sets`: every set of executions that the newest value may consist of."""

    value: int = 0
    sets: list[tuple[_Effect, ...]] = field(default_factory=lambda: [()])
    """Those counted since the last file, in the order in which they were."""
    settled: frozenset[str] = frozenset()
    """Effects that the last file has."""
    made: dict[str, int] = field(default_factory=dict)
    """Executions that may be counted by now."""

    def shows(self, value: int) -> bool:
        """Follow the sets that explain a value; False when there is none."""
        if value == self.value:
            return True
        found: dict[tuple[_Effect, ...], None] = {}
        for counted in self.sets:
            taken = {effect.execution_id for effect in counted}
            more = [
                _Effect(id_, shares)
                for id_, shares in self.made.items()
                if id_ not in self.settled and id_ not in taken
            ]
            for chosen in _summing_to(more, value - self.value):
                found[tuple(sorted((*counted, *chosen)))] = None
        self.value, self.sets = value, list(found) if len(found) <= _MOST_SETS else []
        return bool(found)


def _summing_to(effects: Sequence[_Effect], shares: int) -> Iterator[tuple[_Effect, ...]]:
    for size in range(1, min(len(effects), _MOST_AT_ONCE) + 1):
        for chosen in combinations(effects, size):
            if sum(effect.shares for effect in chosen) == shares:
                yield chosen


def operations(entries: Sequence[Entry]) -> dict[str, Operation]:
    """Every operation of a run with its result, by reference."""
    found: dict[str, Operation] = {}
    shares: dict[str, int] = {}
    open_: set[str] = set()
    for entry in entries:
        if entry.what is What.PLACED:
            symbol, _, quantity = cast("tuple[str, bool, int]", entry.value)
            found.setdefault(entry.subject, Operation(entry.subject, symbol, quantity))
            open_.add(entry.subject)
        elif entry.what is What.CANCELLED and entry.subject in found:
            found[entry.subject].cancel = Result.INFO
        elif entry.what is What.HEARD:
            _hear(found, open_, entry)
        elif entry.what is What.ENDED:
            open_.clear()  # nobody who asked is there any more: their operations stay info
        elif entry.what is What.EXECUTED:
            fill = cast("Fill", entry.value)
            shares[fill.execution_id] = fill.quantity
            if fill.order_ref in found:
                corrected = shares[fill.corrects[-1]] if fill.corrects else 0
                found[fill.order_ref].executed += fill.quantity - corrected
    return found


def _hear(found: dict[str, Operation], open_: set[str], entry: Entry) -> None:
    event = entry.value
    ref = event.fill.order_ref if isinstance(event, FillReported) else getattr(event, "order_ref", "")
    operation = found.get(ref)
    if operation is None or ref not in open_:
        return
    if isinstance(event, OrderRejected):
        operation.result = Result.FAIL
    elif isinstance(event, OrderCancelled):
        operation.result = Result.OK
        operation.cancel = Result.OK if operation.cancel is not None else None
    elif isinstance(event, FillReported) and operation.executed >= operation.quantity:
        operation.result = Result.OK
        operation.cancel = Result.FAIL if operation.cancel is not None else None


def unexplained(history: History) -> Iterator[str]:
    """What cannot be, in words."""
    yield from _operations_beyond_themselves(history.entries)
    yield from _Reading(history.entries).faults()


def _operations_beyond_themselves(entries: Sequence[Entry]) -> Iterator[str]:
    """One that failed has no effect, and none has more than was asked: it would have taken effect twice."""
    placed = Counter(entry.subject for entry in entries if entry.what is What.PLACED)
    for ref, operation in operations(entries).items():
        if placed[ref] > 1:
            yield f"{ref} of {operation.symbol} was placed {placed[ref]} times"
        if operation.result is Result.FAIL and operation.executed:
            yield f"{ref} of {operation.symbol} was rejected, and {operation.executed} shares of it were executed"
        if operation.executed > operation.quantity:
            yield f"{ref} asked for {operation.quantity} {operation.symbol}, and {operation.executed} were executed"


class _Reading:
    """From the first entry to the last."""

    def __init__(self, entries: Sequence[Entry]) -> None:
        self._entries = entries
        self._registers: dict[str, _Register] = {}
        self._written: dict[str, tuple[str, int]] = {}
        """Executions of the newest file: symbol and shares."""
        self._made: dict[str, tuple[str, int]] = {}
        """Every revision of the broker, and what undoes one that was corrected."""
        self._counts_for: dict[str, tuple[str, ...]] = {}
        """Revision -> the effects that a file has which has it."""
        self._busts: dict[str, tuple[str, ...]] = {}
        """They have no row of their own: one was heard where what it replaces was undone."""
        self._cut: dict[str, int] = {}
        """Sales that were booked in part, with their shares."""

    def faults(self) -> Iterator[str]:
        """Everything that cannot be explained; a register that has lost its way is followed no further."""
        by_hand = self._made_by_a_person()
        self._cut = self._sold_beyond_what_was_held()
        for entry in self._entries:
            if entry.what is What.BEGAN:
                for symbol, effect in by_hand.get(entry.life, ()):
                    self._of(symbol).made[effect.execution_id] = effect.shares
            elif entry.what is What.EXECUTED:
                self._make(cast("Fill", entry.value))
            elif entry.what is What.BOOKED:
                yield from self._shown(entry)
            elif entry.what is What.WRITTEN:
                yield from self._left(entry)

    def _make(self, fill: Fill) -> None:
        """A revision counts for the executions that it corrects, each of which is undone where it was booked."""
        shares, chain = self._cut.get(fill.execution_id, _signed(fill.side, fill.quantity)), fill.corrects
        self._made[fill.execution_id] = (fill.symbol, shares)
        for id_ in chain:
            self._made[reversal_of(id_)] = (fill.symbol, -self._made[id_][1])
        if fill.is_bust:
            self._busts[fill.execution_id] = chain
        self._counts_for[fill.execution_id] = (*chain, *map(reversal_of, chain))
        effect = reversal_of(chain[-1]) if chain else fill.execution_id
        self._of(fill.symbol).made[effect] = shares - (self._made[chain[-1]][1] if chain else 0)

    def _of(self, symbol: str) -> _Register:
        return self._registers.setdefault(symbol, _Register())

    def _shown(self, entry: Entry) -> Iterator[str]:
        register, value = self._of(entry.subject), cast("int", entry.value)
        if register.sets and not register.shows(value):
            yield (
                f"life {entry.life} at {entry.at_s:.3f} s: the ledger shows {value} {entry.subject}, and no executions "
                f"that were made by then, each counted once, make that"
            )

    def _left(self, entry: Entry) -> Iterator[str]:
        """A file names its executions: it has to have those of the file before, and what was shown since."""
        rows = {row[0]: (row[1], _signed(Side(row[2]), row[3])) for row in _rows(entry)}
        if len(rows) != len(_rows(entry)):
            yield f"life {entry.life} has left a file in which an execution stands twice"
        for id_, (symbol, _) in self._written.items():
            if id_ not in rows:
                yield f"life {entry.life} has left a file that has forgotten {id_} of {symbol}"
        for id_, effect in rows.items():
            if not id_.startswith(_OF_A_PERSON) and self._made.get(id_) != effect:
                yield f"life {entry.life} has booked {id_} as {effect}; the broker has made {self._made.get(id_)}"
        self._written = rows
        for symbol, register in self._registers.items():
            yield from self._settle(entry, symbol, register)

    def _settle(self, entry: Entry, symbol: str, register: _Register) -> Iterator[str]:
        """One of the sets that explained the newest value is in the file; the file may have more."""
        rows = {id_: shares for id_, (of, shares) in self._written.items() if of == symbol}
        heard = [id_ for id_ in self._busts if any(reversal_of(before) in rows for before in self._busts[id_])]
        settled = frozenset(effect for id_ in (*rows, *heard) for effect in (id_, *self._counts_for.get(id_, ())))
        if register.sets and not any(all(effect.execution_id in settled for effect in one) for one in register.sets):
            yield f"life {entry.life} has shown {register.value} {symbol}, and its file cannot explain it"
        register.settled, register.value, register.sets = settled, sum(rows.values()), [()]

    def _sold_beyond_what_was_held(self) -> dict[str, int]:
        """Executions of which a file has fewer shares sold than were: no short is booked, and a person is told."""
        made = {entry.subject: cast("Fill", entry.value) for entry in self._entries if entry.what is What.EXECUTED}
        cut: dict[str, int] = {}
        for entry in self._entries:
            for id_, _, side, quantity in _rows(entry) if entry.what is What.WRITTEN else ():
                if side == Side.SELL and id_ in made and quantity < made[id_].quantity:
                    cut[id_] = -quantity
        return cut

    def _made_by_a_person(self) -> dict[int, list[tuple[str, _Effect]]]:
        """Executions that are new in the file of a life and were made in it by a person, by life."""
        found: dict[int, list[tuple[str, _Effect]]] = {}
        known: set[str] = set()
        for entry in self._entries:
            if entry.what is What.WRITTEN:
                for id_, symbol, side, quantity in _rows(entry):
                    if id_ not in known and id_.startswith(_OF_A_PERSON):
                        effect = _Effect(id_, _signed(Side(side), quantity))
                        found.setdefault(entry.life, []).append((symbol, effect))
                    known.add(id_)
        return found


def _rows(entry: Entry) -> Sequence[tuple[str, str, str, int]]:
    return cast("Sequence[tuple[str, str, str, int]]", entry.value)


def _signed(side: Side, quantity: int) -> int:
    return quantity if side is Side.BUY else -quantity
