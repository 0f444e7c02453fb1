"""Incident 4: after a restart the registry of exits was empty; no exits, no entries, no warning."""

from trader.app.drills.drill import Drill, Ended, ended
from trader.app.drills.evidence import Catch, Evidence, Kind
from trader.app.drills.rehearsal import Progress, Rehearsal, a_rehearsal
from trader.app.settings import Settings

_BARS_TO_GET_OUT = 4
_STEPS_DOWN = 4


async def _lost_exits(settings: Settings, tick: Progress) -> Ended:
    async with a_rehearsal(settings, tick) as rehearsal:
        symbols = list(rehearsal.cast.singles[: max(settings.limits.open_positions, 1)])
        for _ in range(3):
            await rehearsal.bar(dict.fromkeys(symbols, 1.0))
        await rehearsal.bar()
        held = rehearsal.held
        await rehearsal.restart()
        await _fall(rehearsal)
        for _ in range(_BARS_TO_GET_OUT):
            await rehearsal.bar()
        left = [f"{shares} {symbol}" for symbol, shares in rehearsal.held.items()]
        harm = f"{', '.join(left)} were held on, far below their stops" if left else ""
        otherwise = f"{len(held)} positions were closed at their stops, which nobody had told the new daemon of"
        return await ended(rehearsal, harm, otherwise, _stop_or_refusal)


async def _fall(rehearsal: Rehearsal) -> None:
    """Let what is held fall to a quarter below each stop's distance, in steps that are no jumps for a collar."""
    positions = rehearsal.engine.book.positions
    targets: dict[str, float] = {}
    for symbol, position in positions.items():
        if position.exit_plan is not None:
            price = rehearsal.prices[symbol]
            targets[symbol] = max(position.exit_plan.stop_micros / 1e6 - price * 0.005, 0.01)
    for step in range(1, _STEPS_DOWN + 1):
        closes = {
            symbol: round(rehearsal.cast.prices[symbol] * (1 - step / _STEPS_DOWN) + target * step / _STEPS_DOWN, 2)
            for symbol, target in targets.items()
        }
        await rehearsal.bar(closes=closes)


def _stop_or_refusal(evidence: Evidence) -> Catch | None:
    return evidence.first(Kind.EXIT) or evidence.stopped() or evidence.first(Kind.REFUSAL)


DRILLS = (
    Drill(
        "lost-exits",
        "incident 4, positions without exits",
        "every slot is taken, the daemon dies, and prices fall through the stops",
        14,
        _lost_exits,
    ),
)
