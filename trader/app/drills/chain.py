"""Incident 1: conflicts, days held overnight, 294 trades a block, by a chain of components that were good alone."""

from collections.abc import Callable
from datetime import timedelta

from trader.adapters.paper.broker import Treatment
from trader.app.drills.cast import cast_of
from trader.app.drills.drill import Drill, Ended, after_the_last_entry, ended, not_played
from trader.app.drills.evidence import Catch, Evidence, Kind
from trader.app.drills.rehearsal import Progress, Rehearsal, a_rehearsal
from trader.app.settings import Settings
from trader.app.strategies import load_strategy
from trader.domain.decision import Side
from trader.domain.family import Family
from trader.domain.order import Order

_OF = "incident 1, position conflicts"
_SURE, _OPPOSITE = 1.0, 0.0
_ALL_MAY_STAY = "everything may be held overnight, as it is set"
_MOST_TRADES = 100 / 480
"""Executions a bar: a block of 480 bars was expected to have 50 to 100, and had 294."""


def _slow_closes(order: Order) -> Treatment:
    return Treatment(delay_bars=8) if order.side is Side.SELL else Treatment()


class _BothSides:
    """Looks after every step whether a family is held, or on its way to be held, long and inverse."""

    def __init__(self, rehearsal: Rehearsal, family: Family) -> None:
        self.seen = ""
        self._rehearsal = rehearsal
        self._family = family
        rehearsal.after_each_step.append(self._look)

    def _look(self) -> None:
        book = self._rehearsal.engine.book
        symbols = [symbol for symbol in self._family.members if symbol in book.positions or symbol in book.locks]
        if len({self._family.members[symbol] > 0 for symbol in symbols}) > 1 and not self.seen:
            self.seen = f"{' and '.join(symbols)} were held, or about to be, at the same moment"


async def _conflict(settings: Settings, tick: Progress) -> Ended:
    async with a_rehearsal(settings, tick) as rehearsal:
        family = rehearsal.cast.two_sided()
        if family is None:
            return not_played("no family of the configuration has an inverse member")
        both = _BothSides(rehearsal, family)
        rehearsal.broker.treats = _slow_closes
        await rehearsal.bar({family.name: _SURE})
        await rehearsal.bar()
        for _ in range(6):
            await rehearsal.bar({family.name: _OPPOSITE})
            await rehearsal.signals(family.name, _OPPOSITE)
        by = after_the_last_entry(rehearsal, Kind.REFUSAL)
        return await ended(rehearsal, both.seen, f"{family.name} was never held both ways", by)


async def _overnight(settings: Settings, tick: Progress) -> Ended:
    if _all_may_stay(settings):
        return not_played(_ALL_MAY_STAY)
    async with a_rehearsal(settings, tick) as rehearsal:
        session, everything = rehearsal.session, dict.fromkeys(rehearsal.cast.drivers, _SURE)
        await rehearsal.skip_to(session.entries_stop_at - timedelta(minutes=5))
        await rehearsal.bars_until(session.flatten_at, everything)
        rehearsal.broker.treats = _Stubborn()
        await rehearsal.bars_until(session.flatten_at + timedelta(minutes=1), everything)
        await rehearsal.restart()
        await rehearsal.bars_until(session.closes_at, everything)
        otherwise = f"{_flat(rehearsal)}, though closes were refused, filled in parts, and the daemon died meanwhile"
        return await ended(rehearsal, _held_over(rehearsal), otherwise, _flatten_or_refusal(rehearsal))


async def _own_strategy(settings: Settings, tick: Progress) -> Ended:
    if _all_may_stay(settings):
        return not_played(_ALL_MAY_STAY)
    strategy = load_strategy(settings.strategy.entry, settings.strategy.params)
    async with a_rehearsal(settings, tick, strategy) as rehearsal:
        rehearsal.broker.treats = _Stubborn()
        for bar_time in rehearsal.market(rehearsal.session.day):
            await rehearsal.play(bar_time)
            if bar_time.ends_at == rehearsal.session.flatten_at + timedelta(minutes=1):
                await rehearsal.restart()
        orders = len(rehearsal.broker.entries)
        otherwise = f"{settings.strategy.name} has ordered {orders} times on a day of the embedded market"
        if not orders:
            return not_played(otherwise)
        return await ended(rehearsal, _held_over(rehearsal), f"{otherwise}, and was {_flat(rehearsal)}", _last_exit)


def _all_may_stay(settings: Settings) -> bool:
    rules = settings.rules()
    return all(rules.exit_rule(symbol).overnight for symbol in cast_of(settings).prices)


def _flat(rehearsal: Rehearsal) -> str:
    """What is held after the close, and may be, in words."""
    stay = ", ".join(f"{shares} {symbol}" for symbol, shares in rehearsal.held.items())
    return f"flat at the close but for what may stay overnight ({stay})" if stay else "flat at the close"


def _held_over(rehearsal: Rehearsal) -> str:
    """What is held and may not be held overnight, in words."""
    rules = rehearsal.settings.rules()
    stay = [f"{shares} {symbol}" for symbol, shares in rehearsal.held.items() if not rules.exit_rule(symbol).overnight]
    return f"{', '.join(stay)} were held after the close" if stay else ""


def _last_exit(evidence: Evidence) -> Catch | None:
    """What has made it flat in the end."""
    return next((catch for catch in reversed(evidence.catches) if catch.kind is Kind.EXIT), None)


def _flatten_or_refusal(rehearsal: Rehearsal) -> Callable[[Evidence], Catch | None]:
    """The close that the session's end has made; where nothing was bought, whatever has refused that."""

    def find(evidence: Evidence) -> Catch | None:
        closed = (catch for catch in evidence.catches if catch.kind is Kind.EXIT and catch.said == "purpose eod")
        exit_ = next(closed, None) or evidence.first(Kind.EXIT)
        return exit_ if exit_ is not None or rehearsal.broker.entries else evidence.first(Kind.REFUSAL)

    return find


class _Stubborn:
    """A broker that refuses each symbol's first close, fills a few shares of the second, and then does its work."""

    def __init__(self) -> None:
        self._closes: dict[str, int] = {}

    def __call__(self, order: Order) -> Treatment:
        if order.side is Side.BUY:
            return Treatment()
        number = self._closes[order.symbol] = self._closes.get(order.symbol, 0) + 1
        if number == 1:
            return Treatment(reject="not now, says the exchange")
        return Treatment(parts=(1, 2, 100_000_000)) if number == 2 else Treatment()


async def _churn(settings: Settings, tick: Progress) -> Ended:
    bars = 240
    async with a_rehearsal(settings, tick) as rehearsal:
        [driver, *_] = rehearsal.cast.drivers
        enter = settings.thresholds.enter_1x
        for n in range(bars):
            await rehearsal.bar({driver: enter + (0.01 if n % 2 else -0.01)})
        trades = len(rehearsal.broker.sent)
        harm = f"{trades} orders in {bars} bars of one opinion that wavers" if trades > bars * _MOST_TRADES else ""

        def by(evidence: Evidence) -> Catch | None:
            catch = after_the_last_entry(rehearsal, Kind.UNCHANGED, Kind.REFUSAL)(evidence)
            is_kept = catch is not None and catch.kind is Kind.UNCHANGED
            return catch._replace(limit=settings.thresholds.leave_1x) if catch is not None and is_kept else catch

        return await ended(rehearsal, harm, f"{trades} orders in {bars} bars", by)


DRILLS = (
    Drill("conflict", _OF, "the opinion turns while the broker takes eight minutes to close", 10, _conflict),
    Drill(
        "overnight", _OF, "closes are refused, filled in parts, and the daemon dies before the close", 30, _overnight
    ),
    Drill(
        "own-strategy", _OF, "your strategy, on a day of the embedded market, with the same broker", 390, _own_strategy
    ),
    Drill("churn", _OF, "a probability that wavers around the threshold, for 240 bars", 240, _churn),
)
