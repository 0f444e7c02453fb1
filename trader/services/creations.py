"""When positions have come to be, as far as that counts: of the day, and since a person has last looked."""

from datetime import datetime, timedelta

from trader.domain.breaker import Breaker
from trader.domain.creation import HOUR
from trader.domain.decision import UNSTAMPED, Rule
from trader.services.draft import Draft

CREATION_RULES = {
    Rule.CREATIONS_PER_HOUR: Breaker.CREATIONS_PER_HOUR,
    Rule.REGULAR_CREATIONS: Breaker.REGULAR_CREATIONS,
}
"""What refuses an entry that would be one too many, and the breaker that trips then."""


def created_last_hour(draft: Draft) -> int:
    """Positions that came to be within the hour, and after a person has last looked."""
    since = draft.now - HOUR + timedelta(microseconds=1)
    if draft.day is not None:
        since = max(since, draft.day.creations_from)
    held = [position for position in draft.positions.values() if position.opened_at >= since]
    return len(held) + len([at for times in draft.past_creations.values() for at in times if at >= since])


def created_times(draft: Draft, symbol: str) -> list[datetime]:
    """When the day's positions of a symbol came to be."""
    held, since = draft.positions.get(symbol), draft.day.creations_from if draft.day is not None else UNSTAMPED
    times = (*draft.past_creations.get(symbol, ()), *((held.opened_at,) if held is not None else ()))
    return [at for at in times if at >= since]
