"""`trader status`: one screen, or one line, that says how things stand."""

from collections import Counter
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Annotated, NamedTuple

import typer

from trader.app.cli.accounts import COLUMNS, LEAST, AccountRow, rows_of, told
from trader.app.cli.context import (
    ConfigOption,
    DbOption,
    JsonOption,
    account_of,
    settings_for,
    settings_of_every_account,
)
from trader.app.cli.funnel import Funnel, read_funnel
from trader.app.cli.output import Exit, complain, is_terminal, say, show_facts, show_rows
from trader.app.cli.refreshing import keep_showing
from trader.app.cli.tables import printable
from trader.app.cli.zones import TzOption, in_zone, on_terminal, zone
from trader.domain.session import NEW_YORK, new_york_date

if TYPE_CHECKING:  # the standing needs the settings, which are slow to import
    from trader.app.account_figures import AccountFigures
    from trader.app.settings import Settings
    from trader.app.standing import DaemonSays, MarketNow, Standing

_HELD = ("symbol", "quantity", "avg_cost", "last", "unrealized_pnl", "stop_loss", "take_profit", "state")
_WORKING = ("order_ref", "symbol", "side", "quantity", "filled", "limit_price", "state", "purpose")


def status_command(
    short: Annotated[bool, typer.Option("--short", help="In one line.")] = False,
    watch: Annotated[bool, typer.Option("--watch", "-w", help="Again and again, until Ctrl-C.")] = False,
    every: Annotated[float, typer.Option(min=0.2, help="Seconds between two looks of --watch.")] = 2.0,
    config: ConfigOption = None,
    db: DbOption = None,
    as_json: JsonOption = False,
    tz: TzOption = "",
) -> None:
    """How things stand: daemon, session, money, positions, orders; a row for each of several accounts. Without a
    daemon, what the book says."""
    asked = _Asked(settings_for(config, db), settings_of_every_account(config, db), short, as_json, tz)
    if watch:
        keep_showing(lambda: _look(asked), every)
        return
    code = _exit(_look(asked))
    if code is not Exit.OK:
        raise typer.Exit(code)


class _Asked(NamedTuple):
    """Of which account, and in which way."""

    settings: "Settings"
    every: "list[Settings]"
    short: bool
    as_json: bool
    tz: str


def _look(asked: _Asked) -> "Standing":
    """Look once, and show it."""
    from trader.app.standing import ask_daemon, read_standing

    settings, tz = asked.settings, asked.tz
    daemon = ask_daemon(settings)
    with account_of(settings) as (book, account, _):
        standing = read_standing(book, settings, daemon)
        funnel = None
        if standing.market is not None:
            funnel = read_funnel(book, account, new_york_date(standing.market.at))
    accounts = rows_of(asked.every, standing)
    if asked.as_json:
        rows = [row.facts() for row in accounts]
        show_facts({**_as_json(standing, funnel, tz), "accounts": rows}, as_json=True)
    elif asked.short:
        say(_in_one_line(standing))
    elif is_terminal():
        _show(standing, funnel, tz)
        _show_accounts(accounts, tz)
    else:
        _write(standing, funnel, tz)
        _show_accounts(accounts, tz)
    return standing


def _exit(standing: "Standing") -> Exit:
    if standing.daemon.down:
        return Exit.DAEMON_DOWN
    if standing.daemon.answer is None:
        return Exit.NO_ANSWER
    differs = standing.drift or standing.cash_drift is not None
    findings = standing.version_differs or differs or (standing.exits is not None and standing.exits.gaps)
    return Exit.FINDINGS if findings else Exit.OK


def _show_accounts(accounts: Sequence[AccountRow], tz: str) -> None:
    """Where there are several: of one alone everything has been said."""
    if len(accounts) <= 1:
        return
    say("")
    rows = in_zone(COLUMNS, [row.cells() for row in accounts], tz, as_json=False)
    show_rows(COLUMNS, rows, as_json=False, title="Accounts", least=LEAST)
    for row in accounts:
        if row.why:
            complain(f"{row.account}: {row.why}")


def _write(standing: "Standing", funnel: Funnel | None, tz: str) -> None:
    """For a pipe: facts, positions and orders, with an empty line between them."""
    facts = _as_json(standing, funnel, tz)
    facts |= {"halts": {halt.key: halt.reason for halt in standing.halts}}
    facts["breakers"] = {str(row["breaker"]): row["cause"] for row in standing.tripped}
    for name in ("positions", "orders", "warnings"):
        del facts[name]
    show_facts(facts, as_json=False)
    for columns, rows in ((_HELD, standing.positions), (_WORKING, standing.orders)):
        say("")
        show_rows(columns, [[row[name] for name in columns] for row in rows], as_json=False)
    for warning in standing.warnings:
        complain(f"WARNING: {warning}")


def _show(standing: "Standing", funnel: Funnel | None, tz: str) -> None:
    kind = f"{standing.book['kind']}, epoch {standing.book.get('epoch')}, seed {standing.book.get('seed')}"
    facts: dict[str, object] = {
        "daemon": _daemon(standing.daemon),
        "book": f"{standing.book['path']} ({kind})",
        "account": standing.account,
        "state": _state(standing),
        **({"connection": standing.connection.in_words()} if standing.connection is not None else {}),
        **({"strategy": _strategy(standing)} if standing.strategy else {}),
        **_session(standing.market, tz),
        "breakers": _breakers(standing),
        "cash": f"{standing.cash:,.2f}",
        "equity": f"{standing.equity:,.2f}",
        "P&L of the day": _signed(standing.figures.pnl_day),
        "P&L in total": _signed(standing.figures.pnl_total),
        "positions created": f"{standing.figures.created_last_hour} in the last hour",
        "reconciled": _reconciled(standing.figures, tz),
        "refusals of the day": standing.figures.refusals_in_words or "none",
        **({"exits": standing.exits.in_words()} if standing.exits is not None else {}),
        "alarms": f"{standing.alarms} not acknowledged; see `trader alerts`" if standing.alarms else "none open",
        "signals of the day": funnel.in_one_line() if funnel is not None else "none",
        **({"runs": _runs(standing.daemon)} if standing.daemon.text("build") else {}),
        "code on disk": standing.code_on_disk + ("" if standing.daemon.answer is None else _same(standing)),
    }
    show_facts(facts, as_json=False)
    _table("Positions", _HELD, standing.positions)
    _table("Working orders", _WORKING, standing.orders)
    for warning in standing.warnings:
        _say_loudly(warning)


def _reconciled(figures: "AccountFigures", tz: str) -> str:
    if figures.reconciled_at is None:
        return "never; phantoms unknown"
    return f"{on_terminal(figures.reconciled_at, tz)}, {figures.phantoms} phantoms"


def _runs(daemon: "DaemonSays") -> str:
    return " ".join(f"{name}={daemon.text(name)}" for name in ("code", "configuration", "schema"))


def _same(standing: "Standing") -> str:
    return ", NOT what runs" if standing.code_differs else ", the same as runs"


def _daemon(daemon: "DaemonSays") -> str:
    if daemon.answer is not None:
        since = daemon.text("started_at")
        return f"running, process {daemon.text('pid')}, version {daemon.text('version')}, since {since}"
    return "DOWN; this is what the book says" if daemon.down else f"NO ANSWER: {daemon.why}"


def _breakers(standing: "Standing") -> str:
    counts = Counter(str(row["state"]) for row in standing.breakers)
    words = ", ".join(f"{count} {state}" for state, count in sorted(counts.items(), reverse=True))
    return f"{words}; see `trader breakers`"


def _strategy(standing: "Standing") -> str:
    told = standing.strategy
    process = f", process {told['pid']}" if told.get("pid") else ""
    return f"{told.get('name')}, {told.get('state')}{process}, begun anew {told.get('restarts')} times"


def _state(standing: "Standing") -> str:
    causes = [f"{halt.key}: {halt.reason} (since {_new_york(halt.since)})" for halt in standing.halts]
    return standing.state + (f"; entries halted for {'; '.join(causes)}" if causes else "")


def _session(market: "MarketNow | None", tz: str) -> dict[str, object]:
    if market is None:
        return {"market time": "none yet"}
    half_day = ", a half day" if market.half_day else ""
    return {
        "market time": on_terminal(market.at, tz),
        "session": market.phase + half_day,
        "next": ", ".join(f"{what} {_new_york(at, today=market.at)}" for what, at in market.next),
    }


def _new_york(at: datetime, today: datetime | None = None) -> str:
    """The time of day, with its date where that is another one than today's."""
    local = at.astimezone(NEW_YORK)
    same = today is not None and new_york_date(today) == local.date()
    return f"{local:%H:%M %Z}" if same else f"{local:%Y-%m-%d %H:%M %Z}"


def _signed(amount: float | None) -> str:
    return "none yet" if amount is None else f"{amount:+,.2f}"


def _table(title: str, columns: Sequence[str], rows: Sequence[Mapping[str, object]]) -> None:
    say("")
    if rows:
        show_rows(columns, [[row[name] for name in columns] for row in rows], as_json=False, title=title)
    else:
        say(f"{title}: none")


def _say_loudly(warning: str) -> None:
    from rich.console import Console

    Console().print(f"WARNING: {printable(warning)}", style="bold white on red", markup=False, highlight=False)


def _in_one_line(standing: "Standing") -> str:
    market = standing.market
    when = f"{market.at.astimezone(NEW_YORK):%Y-%m-%d %H:%M %Z} {market.phase}" if market is not None else "no session"
    halts = ",".join(halt.key for halt in standing.halts) or "-"
    tripped = ",".join(dict.fromkeys(str(row["breaker"]) for row in standing.tripped)) or "-"
    day = f"{standing.figures.pnl_day:+.2f}" if standing.figures.pnl_day is not None else "-"
    return (
        f"{standing.state} {standing.account} {standing.book['kind']} {when} equity={standing.equity:.2f} "
        f"day={day} total={standing.figures.pnl_total:+.2f} positions={len(standing.positions)} "
        f"orders={len(standing.orders)} halts={halts} "
        f"breakers={tripped}{' CODE DIFFERS' if standing.code_differs else ''}"
    )


def _as_json(standing: "Standing", funnel: Funnel | None, tz: str) -> dict[str, object]:
    there = zone(tz) if tz else UTC
    daemon, market = standing.daemon, standing.market
    known = ("pid", "version", "code", "configuration", "schema", "build", "started_at")
    return {
        "daemon": {
            "running": daemon.answer is not None,
            "down": daemon.down,
            **({name: daemon.answer.get(name) for name in known} if daemon.answer is not None else {"why": daemon.why}),
        },
        "book": standing.book,
        "account": standing.account,
        "state": standing.state,
        "halts": [halt._asdict() for halt in standing.halts],
        "breakers": standing.breakers,
        "connection": standing.connection.as_answer() if standing.connection is not None else None,
        "strategy": standing.strategy or None,
        "market_time": market.at.astimezone(there) if market is not None else None,
        "phase": market.phase if market is not None else None,
        "next": {what.replace(" ", "_"): at.astimezone(there) for what, at in market.next}
        if market is not None
        else {},
        "cash": standing.cash,
        "equity": standing.equity,
        **told(standing.figures),  # its positions are listed below
        "alarms": standing.alarms,
        "exits": standing.exits.consistency if standing.exits is not None else None,
        "positions": standing.positions,
        "orders": standing.orders,
        "signals": funnel.outcomes if funnel is not None else {},
        "filled": funnel.levels[-1].passed if funnel is not None else 0,
        "code_on_disk": standing.code_on_disk,
        "code_differs": standing.code_differs,
        "version_differs": standing.version_differs,
        "warnings": standing.warnings,
    }
