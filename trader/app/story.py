"""The whole story of a signal, an order, an execution or a trade, line by line and in time order."""

import sqlite3
from collections.abc import Callable, Iterator
from datetime import datetime
from typing import NamedTuple

from trader.adapters.sqlite.journal import Facts, read_facts
from trader.adapters.sqlite.rows import from_us
from trader.app.links import AccountRows, Episode, Links
from trader.domain.money import dollars, usd
from trader.domain.order import LIVE
from trader.domain.symbol import units_of

_BEFORE, _AFTER = 0, 2**62
"""Places of what the journal has no number for: signals come before their consequences, results after."""


class Happening(NamedTuple):
    """One line. `place` orders what happened at the same instant as the journal has it."""

    at: datetime
    place: int
    what: str
    id: str
    said: str


def tell(rows: AccountRows, links: Links) -> list[Happening]:
    """Put the lines of a story in order."""
    happenings = [*_signals(rows, links), *_events(rows, links), *_results(rows, links)]
    return sorted(happenings, key=lambda happening: happening[:2])


def _signals(rows: AccountRows, links: Links) -> Iterator[Happening]:
    for id_ in sorted(links.signals):
        for row in rows.all("SELECT * FROM book_signals WHERE account = ? AND id = ?", id_):
            probability = "no probability" if row["probability"] is None else f"{row['probability']:.4f}"
            age_s = (row["received_us"] - row["signal_us"]) / 1e6
            many = f"; {row['count']} of this kind at once" if row["count"] > 1 else ""
            origin = f"{row['symbol']} {probability} from {row['source'] or 'outside'}, {age_s:.1f} s old"
            said = f"{origin}: {_fate(row)}{many}"
            yield Happening(from_us(row["signal_us"]), _BEFORE, "signal", id_, said)


def _fate(row: sqlite3.Row) -> str:
    ordered = f" {row['order_ref']}" if row["order_ref"] else ""
    if row["rule"] is None:
        return f"{row['outcome']}{ordered}"
    measured = f", measured {row['measured']:g}" if row["measured"] is not None else ""
    limit = f", limit {row['limit_value']:g}" if row["limit_value"] is not None else ""
    detail = f" ({row['detail']})" if row["detail"] else ""
    return f"{row['outcome']}{ordered} at {row['stage']} by {row['rule']}{measured}{limit}{detail}"


def _events(rows: AccountRows, links: Links) -> Iterator[Happening]:
    """What the journal says of the orders, the executions and the positions."""
    symbols = {episode.symbol for episode in links.episodes}
    for ref in links.orders:
        symbols |= {
            row[0] for row in rows.all("SELECT symbol FROM book_orders WHERE account = ? AND order_ref = ?", ref)
        }
    for symbol in sorted(symbols):
        for row in rows.all(
            "SELECT seq, type, symbol, at_us, data FROM book_events WHERE account = ? AND symbol = ? ORDER BY seq",
            symbol,
        ):
            told = _TELLERS.get(row["type"])
            if told is not None:
                yield from _told(row, told, links)


def _told(row: sqlite3.Row, teller: "Teller", links: Links) -> Iterator[Happening]:
    try:
        facts = read_facts(row["data"])
        if _belongs(row, facts, links):
            yield from teller(row, facts)
    except ValueError as error:
        if any(episode.holds(row["symbol"], row["at_us"]) for episode in links.episodes):
            said = f"event {row['seq']} cannot be read: {error}; see `trader rebuild --check`"
            yield Happening(from_us(row["at_us"]), row["seq"], row["type"], "", said)


def _belongs(row: sqlite3.Row, facts: Facts, links: Links) -> bool:
    if "execution_id" in facts:
        return facts.text("execution_id") in links.executions or facts.text("order_ref") in links.orders
    if "order_ref" in facts:
        return facts.text("order_ref") in links.orders
    return any(episode.holds(row["symbol"], row["at_us"]) for episode in links.episodes)


Teller = Callable[[sqlite3.Row, Facts], Iterator[Happening]]


def _order_created(row: sqlite3.Row, facts: Facts) -> Iterator[Happening]:
    at, seq, ref = from_us(row["at_us"]), row["seq"], facts.text("order_ref")
    limit = facts.number_or_none("limit_micros")
    terms = f"at most {price(limit)}" if limit is not None else "at the market"
    wish = f"{facts.text('side')} {facts.number('quantity')} {row['symbol']} {terms}"
    if "sized_by" in facts:
        yield from _grounds(row, facts, ref)
    if "reserved_micros" in facts:
        family = f"family {facts.text('family')} {facts.number('direction'):+d}"
        reserved = f"{usd(facts.number('reserved_micros'))} USD reserved"
        yield Happening(at, seq, "lock", ref, f"acquired on {row['symbol']}, {family}, {reserved}")
    yield Happening(at, seq, "order", ref, f"created: {wish}, {facts.text('purpose')} because {facts.text('reason')}")


def _grounds(row: sqlite3.Row, facts: Facts, ref: str) -> Iterator[Happening]:
    """Every stage that the entry has passed: what was measured, and what it was compared with."""
    symbol, family = row["symbol"], facts.text("family")
    p = facts.fraction("probability") if facts.number("direction") > 0 else 1 - facts.fraction("probability")
    side = "up" if facts.number("direction") > 0 else "down"
    passed = {
        "allocation": f"p({side}) {p:.4f}, at least {facts.fraction('threshold'):g}: {symbol}",
        "conflict": f"nothing against it in family {family}",
        "session": f"open, {facts.number('seconds_to_cutoff') / 60:.0f} min until entries stop",
        "sizing": (
            f"{facts.text('sized_by')} leaves {usd(facts.number('room_micros'))} USD of an equity of "
            f"{usd(facts.number('equity_micros'))}: {facts.number('quantity')} {units_of(symbol)} at a last price of "
            f"{price(facts.number('price_micros'))}"
        ),
    }
    for stage, said in passed.items():
        yield Happening(from_us(row["at_us"]), row["seq"], stage, ref, said)


def _order_state(row: sqlite3.Row, facts: Facts) -> Iterator[Happening]:
    said = f"{facts.text('state')}: {facts.text('reason')}"
    yield Happening(from_us(row["at_us"]), row["seq"], "order", facts.text("order_ref"), said)


def _lock_released(row: sqlite3.Row, facts: Facts) -> Iterator[Happening]:
    said = f"released, {facts.text('evidence')}"
    yield Happening(from_us(row["at_us"]), row["seq"], "lock", facts.text("order_ref"), said)


def _fill(row: sqlite3.Row, facts: Facts) -> Iterator[Happening]:
    booked_at, seq, execution = from_us(row["at_us"]), row["seq"], facts.text("execution_id")
    said = (
        f"{facts.text('side')} {facts.number('quantity')} {row['symbol']} at {price(facts.number('price_micros'))}, "
        f"commission {usd(facts.number('commission_micros'))}, realised {usd(facts.number('realized_micros'))}, "
        f"{facts.number('held')} held after it ({facts.text('purpose')}: {facts.text('reason')})"
    )
    yield Happening(from_us(facts.number("executed_us")), seq, "fill", execution, said)
    stop, target = facts.number_or_none("stop_micros"), facts.number_or_none("take_profit_micros")
    if facts.flag("position_created") and stop is not None and target is not None:
        held = f"{facts.number('held')} {units_of(row['symbol'])}"
        yield Happening(booked_at, seq, "position", row["symbol"], f"created, {held}")
        plan = f"stop {price(stop)}, take profit {price(target)}"
        yield Happening(booked_at, seq, "exit plan", row["symbol"], plan)
    if facts.flag("lock_released"):
        yield Happening(booked_at, seq, "lock", facts.text("order_ref"), "released, filled")


def _commission(row: sqlite3.Row, facts: Facts) -> Iterator[Happening]:
    said = f"{usd(facts.number('commission_micros'))} for {row['symbol']}, told after the execution"
    yield Happening(from_us(row["at_us"]), row["seq"], "commission", facts.text("execution_id"), said)


def _unexpected_fill(row: sqlite3.Row, facts: Facts) -> Iterator[Happening]:
    said = f"NOT BOOKED: {facts.text('reported')}"
    yield Happening(from_us(row["at_us"]), row["seq"], "fill", facts.text("execution_id"), said)


def _position_closing(row: sqlite3.Row, facts: Facts) -> Iterator[Happening]:
    signal = f", signal {facts.text('signal_id')}" if facts.text("signal_id") else ""
    said = f"closing because {facts.text('reason')} ({facts.text('purpose')}{signal})"
    yield Happening(from_us(row["at_us"]), row["seq"], "position", row["symbol"], said)


def _stop_tightened(row: sqlite3.Row, facts: Facts) -> Iterator[Happening]:
    said = f"stop raised to {price(facts.number('stop_micros'))}"
    yield Happening(from_us(row["at_us"]), row["seq"], "exit plan", row["symbol"], said)


def _drift_found(row: sqlite3.Row, facts: Facts) -> Iterator[Happening]:
    said = f"book {facts.number('book')}, broker {facts.number('broker')}"
    yield Happening(from_us(row["at_us"]), row["seq"], "drift", row["symbol"], said)


def _drift_ended(row: sqlite3.Row, facts: Facts) -> Iterator[Happening]:
    yield Happening(from_us(row["at_us"]), row["seq"], "drift", row["symbol"], f"ended: {facts.text('reason')}")


def _identity_broken(row: sqlite3.Row, facts: Facts) -> Iterator[Happening]:
    said = f"IDENTITY BROKEN: {facts.text('what')}"
    yield Happening(from_us(row["at_us"]), row["seq"], "order", facts.text("order_ref"), said)


def _alarm(row: sqlite3.Row, facts: Facts) -> Iterator[Happening]:
    yield Happening(from_us(row["at_us"]), row["seq"], "alarm", row["symbol"], facts.text("what"))


_TELLERS: dict[str, Teller] = {
    "order_created": _order_created,
    "order_state": _order_state,
    "lock_released": _lock_released,
    "fill": _fill,
    "commission": _commission,
    "unexpected_fill": _unexpected_fill,
    "identity_broken": _identity_broken,
    "position_closing": _position_closing,
    "stop_tightened": _stop_tightened,
    "drift_found": _drift_found,
    "drift_ended": _drift_ended,
    "alarm": _alarm,
}


def _results(rows: AccountRows, links: Links) -> Iterator[Happening]:
    """How it ended, or how it stands."""
    for episode in links.episodes:
        yield from _round_trips(rows, episode) if episode.until_us is not None else _still_held(rows, episode)
    for ref in sorted(links.orders):
        yield from _orders(rows, ref)


def _orders(rows: AccountRows, ref: str) -> Iterator[Happening]:
    """Where an order stands, if it lives, and what the broker calls it."""
    for row in rows.all("SELECT * FROM book_orders WHERE account = ? AND order_ref = ?", ref):
        at = from_us(row["updated_us"])
        if row["state"] in LIVE:
            yield Happening(
                at, _AFTER, "order", ref, f"is {row['state']} now, {row['filled']} of {row['quantity']} filled"
            )
        if row["perm_id"] is not None:
            yield Happening(at, _AFTER, "order", ref, f"has permId {row['perm_id']} at the broker")


def _round_trips(rows: AccountRows, episode: Episode) -> Iterator[Happening]:
    for trip in rows.all(
        "SELECT * FROM book_round_trips WHERE account = ? AND symbol = ? AND opened_us = ? AND closed_us = ?",
        episode.symbol,
        episode.fills[0]["executed_us"],
        episode.fills[-1]["executed_us"],
    ):
        quantity, held_min = trip["quantity"], (trip["closed_us"] - trip["opened_us"]) / 60e6
        shares = quantity * trip["multiplier"]
        said = (
            f"{quantity} {episode.symbol} bought at {price(trip['bought_micros'] // shares)}, sold at "
            f"{price(trip['sold_micros'] // shares)} because {trip['exit_reason']}, held {held_min:,.0f} min: "
            f"{dollars(trip['pnl_micros']):+,.2f} USD with commissions"
        )
        yield Happening(from_us(episode.fills[-1]["booked_us"]), _AFTER, "round trip", episode.symbol, said)


def _still_held(rows: AccountRows, episode: Episode) -> Iterator[Happening]:
    for row in rows.all(
        "SELECT * FROM book_positions WHERE account = ? AND symbol = ? AND quantity > 0", episode.symbol
    ):
        cost_micros = row["cost_micros"] // (row["quantity"] * row["multiplier"])
        said = (
            f"is {row['state']} now, {row['quantity']} held at {price(cost_micros)}, stop "
            f"{price(row['stop_micros'])}, take profit {price(row['take_profit_micros'])}"
        )
        known_us = max(row["updated_us"], episode.fills[-1]["booked_us"])
        yield Happening(from_us(known_us), _AFTER, "position", episode.symbol, said)


def price(price_micros: int) -> str:
    """A price in dollars, to the cent, or to the hundredth of a cent where there is one."""
    text = f"{dollars(price_micros):,.4f}"
    return text.removesuffix("00")
