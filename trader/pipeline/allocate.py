"""Signal -> Allocation: which instrument of the family the probability asks for.

With p the probability that the family rises: p >= enter_3x asks for +3, p >= enter_1x for +1, 1-p >= enter_3x for -3,
1-p >= enter_1x for -1, anything else for cash. What is held is kept down to the lower leave level: hysteresis, without
which a probability that jitters around a threshold trades on every bar (incident 1: 294 trades a block).
"""

from trader.domain.decision import Allocation, Refusal, Rule, Signal, Stage
from trader.domain.family import Families, Family
from trader.domain.market import Prices
from trader.domain.portfolio import Portfolio
from trader.domain.rules import Thresholds


def allocate(
    signal: Signal, families: Families, portfolio: Portfolio, prices: Prices, thresholds: Thresholds
) -> Allocation | Refusal:
    """Choose the instrument to hold, or cash. A family is driven by its underlying alone."""
    driver = families.instrument(signal.symbol).family
    if driver != signal.symbol:
        return Refusal(
            Stage.ALLOCATION,
            Rule.NOT_THE_UNDERLYING,
            signal.symbol,
            detail=f"family {driver} is driven by signals for {driver}",
        )
    family = families.family(driver)
    held = _held_leverage(family, portfolio)
    leverage = wanted_leverage(signal.probability, held, thresholds)
    symbol = _member(family, leverage)
    if symbol is not None and prices.last(symbol) is None:
        if held:
            return Allocation(signal, driver, None)  # what is held has to go all the same
        return Refusal(Stage.ALLOCATION, Rule.NO_PRICE, symbol, detail="no bar of this symbol has been seen")
    return Allocation(signal, driver, symbol)


def wanted_leverage(probability: float, held: int, thresholds: Thresholds) -> int:
    """Signed leverage asked for, given the leverage held (0: none). Symmetric: f(1-p, -held) == -f(p, held)."""
    for side, p in ((1, probability), (-1, 1 - probability)):
        own = held * side
        if p >= thresholds.enter_3x or (own > 1 and p >= thresholds.leave_3x):
            return 3 * side
        if p >= thresholds.enter_1x or (own == 1 and p >= thresholds.leave_1x):
            return side
    return 0


def threshold_passed(probability: float, leverage: int, thresholds: Thresholds) -> float:
    """The threshold by which a member of this leverage is held: to enter, else to leave."""
    p = probability if leverage > 0 else 1 - probability
    enter, leave = (
        (thresholds.enter_1x, thresholds.leave_1x) if abs(leverage) == 1 else (thresholds.enter_3x, thresholds.leave_3x)
    )
    return enter if p >= enter else leave


def _held_leverage(family: Family, portfolio: Portfolio) -> int:
    """Leverage of what is held, being bought or turned to; 0 for nothing. The largest, should there be two.

    A turn counts from its beginning: between its two halves nothing is held, and hysteresis must not forget it.
    """
    if family.name in portfolio.turning:
        return family.members[portfolio.turning[family.name]]
    owned = [
        leverage
        for symbol, leverage in family.members.items()
        if symbol in portfolio.positions or symbol in portfolio.locks
    ]
    return max(owned, key=abs, default=0)


def _member(family: Family, leverage: int) -> str | None:
    """The member for a leverage: a family without a triple takes its single, a family without an inverse cash."""
    if leverage == 0:
        return None
    side = 1 if leverage > 0 else -1
    return family.with_leverage(leverage) or family.with_leverage(side)
