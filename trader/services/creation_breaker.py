"""The breaker of positions that come to be too fast: it stops the account's entries until a person resumes them.

It is asked twice: about an entry, which is refused (see `size`), and about what has come to be in some other way, as by
an execution that nobody expected. Exits never ask it.
"""

from datetime import datetime, timedelta

from trader.domain.alarm import AlarmType
from trader.domain.creation import HOUR, too_many_in_an_hour, too_regular
from trader.domain.decision import UNSTAMPED, Refusal, Rule
from trader.domain.portfolio import Halt
from trader.domain.rules import Limits
from trader.services.draft import Draft
from trader.services.step import Level, Step

CREATION_RULES = frozenset({Rule.CREATIONS_PER_HOUR, Rule.REGULAR_CREATIONS})


def created_last_hour(draft: Draft) -> int:
    """Positions that came to be within the hour, and after entries were last resumed."""
    since = draft.now - HOUR + timedelta(microseconds=1)
    if draft.day is not None:
        since = max(since, draft.day.creations_from)
    held = [position for position in draft.positions.values() if position.opened_at >= since]
    return len(held) + len([at for times in draft.past_creations.values() for at in times if at >= since])


def watch_creations(step: Step, limits: Limits) -> None:
    """Look at the positions that this step's executions have made."""
    draft = step.draft
    symbols = sorted({booking.fill.symbol for booking in draft.commit.bookings if booking.created})
    created = created_last_hour(draft) if symbols else 0
    for symbol in symbols:
        times = _created(draft, symbol)
        refusal = too_many_in_an_hour(symbol, created, limits) or too_regular(symbol, times, limits)
        if refusal is not None:
            stop_entries(step, refusal)


def _created(draft: Draft, symbol: str) -> list[datetime]:
    """When the day's positions of a symbol came to be, as far as they count."""
    held, since = draft.positions.get(symbol), draft.day.creations_from if draft.day is not None else UNSTAMPED
    times = (*draft.past_creations.get(symbol, ()), *((held.opened_at,) if held is not None else ()))
    return [at for at in times if at >= since]


def stop_entries(step: Step, refusal: Refusal) -> None:
    """Halt everything, journal the alarm and say it, unless everything is halted already."""
    draft = step.draft
    if "all" in draft.halts:
        return
    why = (
        f"positions are created too fast: {refusal.measured} {refusal.detail}, {refusal.limit} allowed "
        f"({refusal.rule}), the last of {refusal.symbol}"
    )
    draft.alarm(AlarmType.CREATION_RATE, refusal.symbol, why)
    draft.halt(Halt("all", "", why, draft.now))
    step.say(
        Level.ERROR,
        f"CREATION RATE {why}; entries stopped until `trader resume --reason ...` account={draft.account}",
    )
