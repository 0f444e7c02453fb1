"""Which end comes next, and what is met until then: from the seed alone, so that a run can be repeated."""

from collections import Counter, deque
from random import Random

from crash_rig.daemon_process import Plan, Trouble
from crash_rig.life import End, Lived
from crash_rig.messages import Mischief
from crash_rig.points import all_points

_AIMED = 11
"""So many lives of a run are aimed at a named failpoint."""
_DEEPEST = 3
_TRIED_AGAIN = 2
_FIRST = (
    "book.make_book.before",
    "book.connect",
    "book.make_book.after",
    "store.stamp",
    "store.ensure_account",
    "store.commit.account_opened",
)
"""What happens once in a book's life, in this order: each can still be reached after a death at the one before."""
_ONCE = (
    *_FIRST,
    "recovery.",
    "broker.evidence",
    *(f"store.commit.{event}" for event in ("run_started", "day_started", "flat_proven", "not_flat", "left_overnight")),
    *(f"store.commit.{event}" for event in ("drift_", "conflict_found", "unexpected_fill", "nothing_journaled")),
)
"""What happens seldom in a life."""

_CALLS_FOR = {
    "spill.": Trouble.BAD_DISK,
    "store.commit.command": Trouble.OPERATOR,
    "store.commit.halted": Trouble.OPERATOR,
    "store.commit.resumed": Trouble.OPERATOR,
    "store.commit.cash_moved": Trouble.OPERATOR,
    "broker.place.manual": Trouble.OPERATOR,
    "spill.append.manual": Trouble.OPERATOR,
    "store.commit.run_stopped": Trouble.STOP,
    "backup.": Trouble.BACKUP,
}
_CALLS_FOR_MISCHIEF = {
    "store.commit.drift_found": "holds_foreign",
    "store.commit.conflict_found": "trades_by_hand",
    "store.commit.unexpected_fill": "trades_by_hand",
    "store.commit.alarm": "trades_by_hand",
    "store.commit.commission": "is_stubborn",
    "store.commit.not_flat": "is_stubborn",
    "store.commit.left_overnight": "is_stubborn",
}
"""What a failpoint needs, to be likely to be reached."""


_SPILLED = Plan("spill.append.exit.after", troubles=frozenset({Trouble.BAD_DISK}))
_PREPARED_BY = {
    "store.commit.drift_ended.before": Plan(after_s=0.4, mischief=Mischief(holds_foreign=True)),
    "store.commit.drift_ended.after": Plan(after_s=0.4, mischief=Mischief(holds_foreign=True)),
    "recovery.take_up_spilled.before": _SPILLED,
    "recovery.take_up_spilled.after": _SPILLED,
}
"""What a failpoint needs of the life before."""


class Plans:
    """Which end comes next. Every failpoint has its turn: each run takes the next few, in an order of the seed's."""

    def __init__(self, seed: int, number: int) -> None:
        self._random = Random(f"{seed}:{number}")
        points = all_points()
        Random(seed).shuffle(points)
        start = number * _AIMED
        mine = [points[at % len(points)] for at in range(start, start + _AIMED)]
        self._aims = deque(sorted(mine, key=_order_in_life))
        self._missed: Counter[str] = Counter()
        self._depth = 1
        self._prepared: str | None = None
        """An aim for which the life before has made the conditions."""

    def next(self, before: Lived | None) -> Plan:
        """The next life's plan; after a death, sometimes one that ends in the recovery from it."""
        random = self._random
        died = before is not None and before.end is not End.IN_ORDER
        if died and self._depth < _DEEPEST and random.random() < 0.3:
            self._depth += 1
            return Plan(start_step=random.randint(1, 60), mischief=self._mischief())
        self._depth = 1
        if self._prepared is not None:
            aim, self._prepared = self._prepared, None
            return self._aimed(aim)
        if self._aims and self._aims[0] in _PREPARED_BY:
            self._prepared = self._aims.popleft()
            return _PREPARED_BY[self._prepared]
        if self._aims and random.random() < 0.75:
            return self._aimed(self._aims.popleft())
        return Plan(after_s=random.uniform(0.005, 0.6), troubles=self._troubles(), mischief=self._mischief())

    def learn(self, plan: Plan, lived: Lived) -> None:
        """A failpoint that was not reached is tried again, later."""
        if plan.point and plan.point not in lived.names and self._missed[plan.point] < _TRIED_AGAIN:
            self._missed[plan.point] += 1
            self._aims.append(plan.point)

    def _aimed(self, point: str) -> Plan:
        called_for = {trouble for prefix, trouble in _CALLS_FOR.items() if point.startswith(prefix)}
        mischief = self._mischief()
        for prefix, name in _CALLS_FOR_MISCHIEF.items():
            if point.startswith(prefix):
                mischief = mischief._replace(**{name: True})  # type: ignore[arg-type]
        is_rare = called_for or point.startswith(_ONCE) or point in self._missed
        nth = 1 if is_rare else self._random.choice((1, 1, 2, 3, 5))
        return Plan(point, nth, troubles=frozenset(called_for) or self._troubles(), mischief=mischief)

    def _troubles(self) -> frozenset[Trouble]:
        return frozenset({Trouble.BAD_DISK} if self._random.random() < 0.35 else ())

    def _mischief(self) -> Mischief:
        luck = self._random.random
        return Mischief(
            seed=f"{luck()}",
            is_slow=luck() < 0.35,
            is_stubborn=luck() < 0.35,
            is_vague=luck() < 0.2,
            trades_by_hand=luck() < 0.08,
            holds_foreign=luck() < 0.08,
        )


def _order_in_life(point: str) -> int:
    return next((number for number, first in enumerate(_FIRST) if point.startswith(first)), len(_FIRST))
