"""Incident 2: 712 buys in an hour, 52 of one symbol, by a runner that was made anew every 15 seconds."""

from trader.adapters.paper.broker import Treatment
from trader.app.drills.drill import Drill, Ended, after_the_last_entry, ended
from trader.app.drills.evidence import Kind
from trader.app.drills.rehearsal import Progress, a_rehearsal
from trader.app.settings import Settings

_TIMES = 52
_RUNNERS = 3


async def _duplicate_buys(settings: Settings, tick: Progress) -> Ended:
    async with a_rehearsal(settings, tick) as rehearsal:
        symbol = rehearsal.cast.singles[0]
        most = 0

        def look() -> None:
            nonlocal most
            most = max(most, rehearsal.broker.working_on(symbol))

        rehearsal.after_each_step.append(look)
        rehearsal.broker.treats = lambda _: Treatment(delay_bars=30, ignore_cancel=True)
        for _ in range(_RUNNERS):
            await rehearsal.signals(symbol, 1.0, _TIMES)
            rehearsal.script.times = _TIMES
            await rehearsal.bar({symbol: 1.0})
            await rehearsal.restart()
            await rehearsal.bar()
        harm = f"{most} orders to buy {symbol} worked at once" if most > 1 else ""
        asked = 2 * _TIMES * _RUNNERS
        otherwise = f"of {asked} signals for {symbol}, by {_RUNNERS} runners made anew, {most} became an order"
        return await ended(rehearsal, harm, otherwise, after_the_last_entry(rehearsal, Kind.REFUSAL))


DRILLS = (
    Drill(
        "duplicate-buys",
        "incident 2, duplicate buys",
        "one symbol is signalled 52 times at once, on two ways, by three runners made anew",
        8,
        _duplicate_buys,
    ),
)
