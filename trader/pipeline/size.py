"""Intent -> Ticket: whole shares from equity, price and limits.

Rule 1: the size is a share of equity, never of free cash; so the same signal asked twice changes nothing (incident 1:
free cash as the target bought and sold in turn).
Rule 2: cash that working entries have reserved is spent; a ticket reserves its worst case, limit price and commission.
Rule 3: a limit that leaves less than the wanted size cuts it down; one that leaves less than the smallest order
refuses, and the refusal names that limit.
"""

from datetime import datetime, timedelta
from operator import itemgetter
from typing import NamedTuple

from trader.domain.creation import too_many_in_an_hour, too_regular
from trader.domain.decision import ExitTicket, Intent, Purpose, Refusal, Rule, Stage, Ticket
from trader.domain.exit_plan import ExitReason
from trader.domain.ledger import Position
from trader.domain.market import Bar, Prices
from trader.domain.money import MICROS_PER_DOLLAR, part, tick_up
from trader.domain.portfolio import Portfolio
from trader.domain.rules import Costs, Limits
from trader.domain.symbol import ticks_of, units_of, value_micros
from trader.pipeline.session_window import Admitted


class Unchanged(NamedTuple):
    """What is held is what is wanted, but for less than the re-size threshold."""

    symbol: str


class _Room(NamedTuple):
    """How much one limit still lets in, micros."""

    room_micros: int
    rule: Rule
    used_micros: int
    limit_micros: int


def resize(intent: Intent, portfolio: Portfolio, prices: Prices, limits: Limits) -> ExitTicket | Unchanged | None:
    """Leave a held position alone inside the re-size threshold, reduce it above; None sends it on to `size`.

    Comes before every gate: a reduction must not wait for one. By a price that has jumped nothing is reduced, it may
    be a bad print: `size` asks for a second one.
    """
    held, bar = portfolio.positions.get(intent.symbol), prices.last(intent.symbol)
    if held is None or bar is None:
        return None
    target_micros = _target_micros(portfolio, limits)
    share_micros = value_micros(intent.symbol, 1, bar.close_micros)
    excess_micros = held.quantity * share_micros - target_micros
    if abs(excess_micros) <= part(target_micros, limits.resize_ppm):
        return Unchanged(intent.symbol)
    if excess_micros < 0 or prices.jump_ppm(intent.symbol) > limits.collar_ppm:
        return None
    excess = min(max(excess_micros // share_micros, 1), held.quantity)
    return ExitTicket(intent.symbol, excess, Purpose.EXIT, ExitReason.RESIZE, intent.signal.id)


def size(
    admitted: Admitted, portfolio: Portfolio, prices: Prices, limits: Limits, costs: Costs, now: datetime
) -> Ticket | Refusal:
    """Compute the order for an admitted intent, or name the limit that says no."""
    intent = admitted.intent
    bar = prices.last(intent.symbol)
    if bar is None:
        return Refusal(Stage.SIZING, Rule.NO_PRICE, intent.symbol)
    held = portfolio.positions.get(intent.symbol)
    ticket = (
        _age_refusal(intent.symbol, bar, prices, limits, now)
        or _jump_refusal(intent.symbol, prices, limits)
        or _jump_refusal(intent.signal.symbol, prices, limits)
        or _price_refusal(intent.symbol, bar, limits)
        or _count_refusal(intent.symbol, portfolio, limits, opens=held is None)
        or _ticket(intent, held, bar, portfolio, limits, costs)
    )
    if isinstance(ticket, Ticket) and ticket.takes_slot:
        return _creation_refusal(intent.symbol, portfolio, limits, now) or ticket
    return ticket


def _target_micros(portfolio: Portfolio, limits: Limits) -> int:
    return part(portfolio.equity_micros, limits.position_ppm)


def _age_refusal(symbol: str, bar: Bar, prices: Prices, limits: Limits, now: datetime) -> Refusal | None:
    age_s = (now - bar.timestamp - prices.interval).total_seconds()
    if age_s > limits.stale_price_s:
        others_trade = now - prices.newest_at <= timedelta(seconds=limits.stale_price_s)
        rule = Rule.SYMBOL_HALTED if others_trade else Rule.STALE_PRICE
        return Refusal(Stage.SIZING, rule, symbol, age_s, limits.stale_price_s, "seconds without a bar")
    return None


def _jump_refusal(symbol: str, prices: Prices, limits: Limits) -> Refusal | None:
    """Of what is bought, and of what drives it: a signal may say no more than that its last price is wrong."""
    jump_ppm = prices.jump_ppm(symbol)
    if jump_ppm > limits.collar_ppm:
        return Refusal(
            Stage.SIZING,
            Rule.PRICE_COLLAR,
            symbol,
            jump_ppm / 10_000,
            limits.collar_ppm / 10_000,
            "percent away from the bar before; a second print is needed",
        )
    return None


def _price_refusal(symbol: str, bar: Bar, limits: Limits) -> Refusal | None:
    """A premium below which no stop fits."""
    if bar.close_micros < limits.minimum_price_micros:
        return _money(Rule.MINIMUM_PRICE, symbol, bar.close_micros, limits.minimum_price_micros)
    return None


def _count_refusal(symbol: str, portfolio: Portfolio, limits: Limits, *, opens: bool) -> Refusal | None:
    day = portfolio.day
    loss_micros = day.opening_equity_micros - portfolio.equity_micros
    loss_limit_micros = part(day.opening_equity_micros, limits.day_loss_ppm)
    if loss_micros >= loss_limit_micros:
        return _money(Rule.DAY_LOSS, symbol, loss_micros, loss_limit_micros)
    if opens and portfolio.slots >= limits.open_positions:
        return Refusal(Stage.SIZING, Rule.OPEN_POSITIONS, symbol, portfolio.slots, limits.open_positions)
    if day.openings >= limits.openings_per_day:
        return Refusal(Stage.SIZING, Rule.OPENINGS_PER_DAY, symbol, day.openings, limits.openings_per_day)
    most = limits.max_day_trades_5d
    if opens and most is not None and portfolio.day_trades >= most:
        return Refusal(Stage.SIZING, Rule.DAY_TRADES, symbol, portfolio.day_trades, most, "in five sessions")
    if portfolio.entries_last_minute >= limits.orders_per_minute:
        return Refusal(
            Stage.SIZING, Rule.ORDER_RATE, symbol, portfolio.entries_last_minute, limits.orders_per_minute, "a minute"
        )
    return None


def entries_left(portfolio: Portfolio, limits: Limits, *, opens: bool) -> int:
    """How many entries the tightest of the limits that count them still lets in."""
    left = limits.openings_per_day - portfolio.day.openings
    left = min(left, limits.orders_per_minute - portfolio.entries_last_minute)
    if not opens:
        return left
    left = min(left, limits.open_positions - portfolio.slots)
    return left if limits.max_day_trades_5d is None else min(left, limits.max_day_trades_5d - portfolio.day_trades)


def _creation_refusal(symbol: str, portfolio: Portfolio, limits: Limits, now: datetime) -> Refusal | None:
    """Last of all: it stops every entry, and not for what something else refuses anyway."""
    times = (at for at in portfolio.past_creations.get(symbol, ()) if at >= portfolio.day.creations_from)
    too_many = too_many_in_an_hour(symbol, portfolio.created_last_hour + 1, limits)
    return too_many or too_regular(symbol, (*times, now), limits)


def _ticket(
    intent: Intent, held: Position | None, bar: Bar, portfolio: Portfolio, limits: Limits, costs: Costs
) -> Ticket | Refusal:
    symbol, price = intent.symbol, bar.close_micros
    limit_price = tick_up(price + part(price, limits.limit_offset_ppm), ticks_of(symbol))
    share_micros = value_micros(symbol, 1, price)
    owned_micros = held.quantity * share_micros if held is not None else 0
    wanted_micros = _target_micros(portfolio, limits) - owned_micros
    tightest = _Room(*min(_rooms(intent, wanted_micros, portfolio, limits), key=itemgetter(0)))
    quantity, worst_micros = _whole_shares(symbol, tightest.room_micros, limit_price, costs)
    if quantity == 0 and held is None and tightest.rule is Rule.POSITION_SIZE:
        return _too_dear(symbol, limit_price, tightest, costs)
    if quantity * share_micros < limits.minimum_notional_micros or quantity == 0:
        return _too_small(symbol, quantity * share_micros, tightest, limits)
    return Ticket(
        signal=intent.signal,
        family=intent.family,
        symbol=symbol,
        direction=intent.direction,
        quantity=quantity,
        limit_micros=limit_price,
        reserved_micros=worst_micros,
        reference_micros=price,
        takes_slot=held is None,
        sized_by=tightest.rule,
        room_micros=tightest.room_micros,
    )


def _rooms(
    intent: Intent, wanted_micros: int, portfolio: Portfolio, limits: Limits
) -> tuple[tuple[int, Rule, int, int], ...]:
    """Every limit on the size of an order, and what it leaves: the members of a `_Room`, of which one is needed."""
    equity = portfolio.equity_micros
    gross, gross_limit = portfolio.gross_micros, part(equity, limits.gross_ppm)
    family, family_limit = portfolio.family_micros.get(intent.family, 0), part(equity, limits.family_ppm)
    traded, traded_limit = portfolio.day.notional_micros, part(equity, limits.daily_notional_ppm)
    reserve = part(equity, limits.cash_reserve_ppm)
    spendable = portfolio.cash_micros - portfolio.reserved_micros
    return (
        (wanted_micros, Rule.POSITION_SIZE, 0, wanted_micros),
        (limits.order_notional_micros, Rule.ORDER_NOTIONAL, 0, limits.order_notional_micros),
        (gross_limit - gross, Rule.GROSS_EXPOSURE, gross, gross_limit),
        (family_limit - family, Rule.FAMILY_EXPOSURE, family, family_limit),
        (traded_limit - traded, Rule.DAILY_NOTIONAL, traded, traded_limit),
        (spendable - reserve, Rule.CASH_RESERVE, spendable, reserve),
    )


def _whole_shares(symbol: str, room_micros: int, limit_price: int, costs: Costs) -> tuple[int, int]:
    """The most shares, or contracts, whose worst case, commission included, fits into the room; and that worst case."""
    share_micros = value_micros(symbol, 1, limit_price)
    quantity = max(room_micros, 0) // share_micros
    while quantity > 0:
        worst_micros = quantity * share_micros + costs.commission_micros(symbol, quantity, limit_price)
        if worst_micros <= room_micros:
            return quantity, worst_micros
        quantity -= max(1, (worst_micros - room_micros) // (share_micros + costs.each_micros(symbol)))
    return 0, 0


def _too_dear(symbol: str, limit_price: int, room: _Room, costs: Costs) -> Refusal:
    """One share, or one contract, is more than a position may be."""
    one_micros = value_micros(symbol, 1, limit_price) + costs.commission_micros(symbol, 1, limit_price)
    refusal = _money(room.rule, symbol, one_micros, room.limit_micros)
    return refusal._replace(detail=f"USD for one of its {units_of(symbol)}")


def _too_small(symbol: str, notional_micros: int, tightest: _Room, limits: Limits) -> Refusal:
    if tightest.rule is Rule.POSITION_SIZE:
        return _money(Rule.MINIMUM_NOTIONAL, symbol, notional_micros, limits.minimum_notional_micros)
    return _money(tightest.rule, symbol, tightest.used_micros, tightest.limit_micros)


def _money(rule: Rule, symbol: str, measured_micros: int, limit_micros: int) -> Refusal:
    return Refusal(
        Stage.SIZING, rule, symbol, measured_micros / MICROS_PER_DOLLAR, limit_micros / MICROS_PER_DOLLAR, "USD"
    )
