"""A strategy that has run away: the opposite on every bar, of everything it knows, until somebody stops it."""

from datetime import timedelta

from trader.app.drills.drill import Drill, Ended, after_the_last_entry, ended
from trader.app.drills.evidence import Kind
from trader.app.drills.rehearsal import Progress, a_rehearsal
from trader.app.settings import Settings
from trader.domain.decision import Side
from trader.domain.money import dollars
from trader.domain.symbol import value_micros

_QUIET = timedelta(minutes=60)
"""Entries that have stopped for so long, while they are asked for, are stopped."""


async def _runaway(settings: Settings, tick: Progress) -> Ended:
    async with a_rehearsal(settings, tick) as rehearsal:
        drivers, ends_at = rehearsal.cast.drivers, rehearsal.session.entries_stop_at
        last, number = rehearsal.now, 0
        while rehearsal.now < ends_at and rehearsal.now - last < _QUIET:
            await rehearsal.bar(dict.fromkeys(drivers, 1.0 if number % 4 < 2 else 0.0))
            number += 1
            entries = rehearsal.broker.entries
            last = entries[-1].created_at if entries else last
        bought_micros = sum(
            value_micros(order.symbol, order.quantity, order.limit_micros or 0)
            for order in rehearsal.broker.sent
            if order.side is Side.BUY
        )
        orders = len(rehearsal.broker.entries)
        bought = f"{orders} orders to buy, for {dollars(bought_micros):,.0f} USD in all"
        harm = "" if rehearsal.now - last >= _QUIET else f"nothing stopped it until the session did: {bought}"
        return await ended(rehearsal, harm, f"stopped after {bought}", after_the_last_entry(rehearsal, Kind.REFUSAL))


DRILLS = (
    Drill("runaway", "a runaway strategy", "the opposite of everything, every other bar, for a session", 375, _runaway),
)
