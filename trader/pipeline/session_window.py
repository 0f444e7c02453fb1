"""Intent -> Admitted, while entries are allowed: the session's phase, and halts."""

from datetime import datetime
from typing import NamedTuple

from trader.domain.decision import Intent, Refusal, Rule, Stage
from trader.domain.portfolio import Portfolio
from trader.domain.session import Phase, SessionDay

MAY_ENTER = frozenset({Phase.OPEN})


class Admitted(NamedTuple):
    """An intent that may open a position now. Only an admitted intent is sized."""

    intent: Intent


def admit(intent: Intent, session: SessionDay | None, portfolio: Portfolio, now: datetime) -> Admitted | Refusal:
    """Refuse an entry outside its window or under a halt. Exits do not come by here."""
    if session is None or session.phase(now) is Phase.CLOSED:
        return Refusal(Stage.SESSION, Rule.SESSION_CLOSED, intent.symbol)
    if session.phase(now) not in MAY_ENTER:
        return Refusal(
            Stage.SESSION,
            Rule.AFTER_CUTOFF,
            intent.symbol,
            measured=(session.closes_at - now).total_seconds() / 60,
            limit=(session.closes_at - session.entries_stop_at).total_seconds() / 60,
            detail="minutes to the close",
        )
    halt = portfolio.halt_for(intent.family, intent.symbol)
    if halt is not None:
        return Refusal(Stage.SESSION, Rule.HALTED, intent.symbol, detail=f"{halt.key}: {halt.reason}")
    return Admitted(intent)
