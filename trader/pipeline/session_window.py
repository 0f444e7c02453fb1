"""Intent -> Admitted, while entries are allowed: the session's phase, an option's last days, halts, breakers."""

from datetime import datetime
from typing import NamedTuple

from trader.domain.decision import Intent, Refusal, Rule, Stage
from trader.domain.portfolio import Portfolio
from trader.domain.rules import Rules
from trader.domain.session import Phase, SessionDay
from trader.domain.symbol import is_option, option_of
from trader.pipeline.exits import expires

MAY_ENTER = frozenset({Phase.OPEN})


class Admitted(NamedTuple):
    """An intent that may open a position now. Only an admitted intent is sized."""

    intent: Intent


def admit(
    intent: Intent, session: SessionDay | None, portfolio: Portfolio, rules: Rules, now: datetime
) -> Admitted | Refusal:
    """Refuse an entry outside its window, under a halt or a latch. Exits do not come by here."""
    phase = session.phase(now) if session is not None else Phase.CLOSED
    if session is None or phase is Phase.CLOSED:
        return Refusal(Stage.SESSION, Rule.SESSION_CLOSED, intent.symbol)
    if phase not in MAY_ENTER:
        return Refusal(
            Stage.SESSION,
            Rule.AFTER_CUTOFF,
            intent.symbol,
            measured=(session.closes_at - now).total_seconds() / 60,
            limit=(session.closes_at - session.entries_stop_at).total_seconds() / 60,
            detail="minutes to the close",
        )
    if is_option(intent.symbol) and expires(intent.symbol, rules.exit_rule(intent.symbol), session, now):
        days = (option_of(intent.symbol).expiry - session.day).days
        least = rules.exit_rule(intent.symbol).days_to_expiry
        return Refusal(Stage.SESSION, Rule.EXPIRES, intent.symbol, days, least, "days to expiry; it would be sold")
    halt = portfolio.halt_for(intent.family, intent.symbol)
    if halt is not None:
        return Refusal(Stage.SESSION, Rule.HALTED, intent.symbol, detail=f"{halt.key}: {halt.reason}")
    latch = portfolio.latch_for(intent.family, intent.symbol)
    if latch is not None:
        why = f"{latch.key}: {latch.cause}; {latch.formula}"
        return Refusal(Stage.SESSION, Rule.BREAKER, intent.symbol, latch.measured, latch.limit, why, latch.breaker)
    return Admitted(intent)
