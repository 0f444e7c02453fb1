"""The screen of `trader top`, and its keys. What it does goes to the daemon by the same socket as the commands.

Rule 1: what is read is read by a thread of its own, one look after the other: a silent daemon does not stop the screen.
Rule 2: nothing of the book is markup: it is written as text, and what would move the cursor as its code.
Rule 3: everything is closed only when FLATTEN has been typed.
"""

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import ClassVar, NamedTuple

from rich.text import Text
from textual import on, work
from textual.app import App, ComposeResult
from textual.binding import BindingType
from textual.containers import Vertical, VerticalScroll
from textual.screen import ModalScreen
from textual.widgets import DataTable, Footer, Input, Label, Static

from trader.adapters.sqlite.rows import from_us
from trader.app.cli.tables import printable
from trader.app.settings import Settings
from trader.app.standing import Standing
from trader.app.top.looking import Seen, look
from trader.app.web.commanding import CONFIRMATION, command
from trader.app.web.overview import OpenAlarm
from trader.domain.errors import TraderError
from trader.domain.session import NEW_YORK
from trader.domain.symbol import units_of

_EVERY_S = 1.0
_BAD = "bold red"
_TABLES: Mapping[str, tuple[str, ...]] = {
    "positions": ("symbol", "held", "entry", "last", "stop", "target", "P&L", "exits", "state"),
    "orders": ("order", "symbol", "side", "quantity", "filled", "limit", "state", "purpose"),
    "barriers": ("kept back by", "what", "why"),
    "alarms": ("alarm", "severity", "last", "what", "about", "times", "said"),
    "signals": ("time", "symbol", "probability", "outcome", "rule", "measured", "limit", "times"),
}


class Asked(NamedTuple):
    """A command, as it was typed."""

    name: str
    reason: str
    confirmation: str = ""


class Ask(ModalScreen[Asked | None]):
    """Why; and for what closes everything the word for it."""

    BINDINGS: ClassVar[list[BindingType]] = [("escape", "dismiss(None)", "back")]

    def __init__(self, command_name: str, headline: str) -> None:
        super().__init__()
        self._command = command_name
        self._headline = headline

    def compose(self) -> ComposeResult:
        """One line, or two."""
        with Vertical(id="ask"):
            yield Label(self._headline)
            yield Input(placeholder="reason", id="reason", max_length=200)
            if self._command == "flatten":
                yield Input(placeholder=f"type {CONFIRMATION}", id="confirmation")
            yield Label("Enter does it, Escape goes back", classes="quiet")

    @on(Input.Submitted)
    def typed(self) -> None:
        """Done when nothing is empty; else on to what is."""
        fields = {field.id: field for field in self.query(Input)}
        for field in fields.values():
            if not field.value.strip():
                field.focus()
                return
        confirmation = fields["confirmation"].value if "confirmation" in fields else ""
        self.dismiss(Asked(self._command, fields["reason"].value.strip(), confirmation))


class Top(App[None]):
    """One account, live."""

    CSS = """
    #strip { height: auto; padding: 0 1; }
    #answer { height: auto; padding: 0 1; }
    DataTable { height: auto; max-height: 14; margin: 0 0 1 0; }
    Ask { align: center middle; }
    #ask { width: 70; height: auto; border: thick $accent; padding: 1 2; background: $surface; }
    .quiet { color: $text-muted; }
    """
    BINDINGS: ClassVar[list[BindingType]] = [
        ("h", "ask('halt', 'Stop entries; exits go on')", "halt"),
        ("r", "ask('resume', 'Allow entries again')", "resume"),
        ("a", "ask('acknowledge', 'Acknowledge the alarms that are shown')", "acknowledge"),
        ("f", "ask('flatten', 'Stop entries and close everything at the market')", "flatten"),
        ("q", "quit", "quit"),
    ]
    ENABLE_COMMAND_PALETTE = False

    def __init__(self, settings: Settings) -> None:
        super().__init__()
        self._settings = settings
        self._shown_alarms: list[int] = []

    def compose(self) -> ComposeResult:
        """What has to be seen first stands first."""
        yield Static(id="strip")
        yield Static(id="answer")
        with VerticalScroll():
            for name in _TABLES:
                yield DataTable(id=name, cursor_type="none", show_cursor=False)
        yield Footer()

    def on_mount(self) -> None:
        """Look now, and again and again."""
        self.title = f"trader {self._settings.account.name}"
        for name, columns in _TABLES.items():
            self.query_one(f"#{name}", DataTable).add_columns(*columns)
        self.read()
        self.set_interval(_EVERY_S, self.read)

    def action_ask(self, name: str, title: str) -> None:
        """Ask for the reason, then do it."""
        self.push_screen(Ask(name, title), self._ask_daemon)

    def _ask_daemon(self, asked: Asked | None) -> None:
        if asked is not None:
            self._say("asking ...")
            self.order(asked, list(self._shown_alarms))

    @work(thread=True, group="orders")
    def order(self, asked: Asked, alarms: list[int]) -> None:
        """Ask the daemon, beside the screen."""
        typed = {"reason": asked.reason, "confirmation": asked.confirmation}
        if asked.name == "acknowledge":
            said = command(self._settings, asked.name, {**typed, "alarms": alarms})
        else:
            said = command(self._settings, asked.name, typed)
        self.call_from_thread(self._say, f"{asked.name}: {said.body.get('message') or said.body.get('error')}")
        self.call_from_thread(self.read)

    def read(self) -> None:
        """Look, unless the last look still goes on."""
        if not any(worker.group == "looks" and worker.is_running for worker in self.workers):
            self.look()

    @work(thread=True, group="looks")
    def look(self) -> None:
        """Read beside the screen."""
        try:
            seen = look(self._settings)
        except TraderError as error:
            self.call_from_thread(self._say, f"STALE, what you see is old: {error}")
            return
        self.call_from_thread(self._show, seen)

    def _say(self, sentence: str) -> None:
        self.query_one("#answer", Static).update(Text(printable(sentence), style="bold"))

    def _show(self, seen: Seen) -> None:
        standing = seen.standing
        self._shown_alarms = [alarm.id for alarm in seen.alarms]
        self.query_one("#strip", Static).update(strip(standing))
        self._fill("positions", (_position(standing, position) for position in standing.positions))
        self._fill("orders", (_order(order) for order in standing.orders))
        self._fill("barriers", standing.barriers)
        self._fill(
            "alarms",
            (_alarm(alarm) for alarm in seen.alarms),
        )
        self._fill("signals", (_signal(signal) for signal in seen.signals))

    def _fill(self, name: str, rows: Iterable[Sequence[object]]) -> None:
        """Anew; where it was scrolled to stays."""
        table = self.query_one(f"#{name}", DataTable)
        table.clear()
        for row in rows:
            table.add_row(*map(_cell, row))
        table.display = name in ("positions", "signals") or table.row_count > 0


def strip(standing: Standing) -> Text:
    """State and its cause, market, ages, money."""
    text = Text()
    text.append(f"{standing.state} ", style="bold green" if standing.state == "TRADING" else _BAD)
    text.append(f"{standing.account} {standing.book.get('kind')}  ", style="bold")
    market = standing.market
    if market is not None:
        coming = ", ".join(f"{what} {_clock(at)}" for what, at in market.next[:2])
        text.append(f"{_clock(market.at)} {market.phase}{', a half day' if market.half_day else ''}; {coming}")
    text.append("\n")
    text.append(f"{printable(_ages(standing))}\n")
    day = "none yet" if standing.figures.pnl_day is None else f"{standing.figures.pnl_day:+,.2f}"
    text.append(
        f"cash {standing.cash:,.2f}  equity {standing.equity:,.2f}  P&L of the day {day}, in total "
        f"{standing.figures.pnl_total:+,.2f}  created {standing.figures.created_last_hour} in the last hour"
    )
    if standing.exits is not None:
        text.append(f"\nexits {printable(standing.exits.in_words())}", style=_BAD if standing.exits.gaps else "")
    if standing.connection is not None:
        text.append(f"\n{printable(standing.connection.in_words())}")
    if standing.daemon.answer is None:
        text.append(f"\n{printable(standing.daemon.why)}", style=_BAD)
    for warning in standing.warnings:
        text.append(f"\n{printable(warning)}", style=_BAD)
    return text


def _ages(standing: Standing) -> str:
    work = standing.daemon.answer.get("work") if standing.daemon.answer is not None else None
    if not isinstance(work, Mapping):
        return "no daemon tells what it does"
    reconciled = standing.figures.reconciled_at
    compared = "never" if reconciled is None else _clock(reconciled)
    return (
        f"exits looked at {work.get('scan_s')} s ago, commit {work.get('commit_s')} s ago, loop lag at most "
        f"{work.get('loop_lag_s')} s, reconciled {compared}, phantoms {standing.figures.phantoms}"
    )


def _position(standing: Standing, position: Mapping[str, object]) -> Sequence[object]:
    symbol = str(position["symbol"])
    gaps = {gap.symbol for gap in standing.exits.gaps} if standing.exits is not None else set()
    watched = "not watched" if standing.exits is None else "NO" if symbol in gaps else "armed"
    names = ("avg_cost", "last", "stop_loss", "take_profit", "unrealized_pnl")
    held = f"{position['quantity']} {units_of(symbol)}"
    return (symbol, held, *(position[name] for name in names), watched, position["state"])


def _order(order: Mapping[str, object]) -> Sequence[object]:
    return [order[name] for name in ("order_ref", "symbol", "side", "quantity", "filled", "limit_price")] + [
        order["state"],
        order["purpose"],
    ]


def _alarm(alarm: OpenAlarm) -> Sequence[object]:
    last = _clock(datetime.fromisoformat(alarm.last_at))
    return (alarm.id, alarm.severity, last, alarm.type, alarm.subject, alarm.times, alarm.text)


def _signal(signal: Mapping[str, object]) -> Sequence[object]:
    at = _clock(from_us(int(str(signal["signal_us"]))))
    rule = f"{signal['stage']}.{signal['rule']}" if signal["rule"] is not None else ""
    names = ("measured", "limit_value", "count")
    return (at, signal["symbol"], signal["probability"], signal["outcome"], rule, *(signal[name] for name in names))


def _clock(at: datetime) -> str:
    """The time of day in New York, its zone named."""
    return f"{at.astimezone(NEW_YORK):%H:%M:%S %Z}"


def _cell(value: object) -> Text:
    written = f"{value:,.2f}" if isinstance(value, float) else printable(value)
    bad = written in ("NO", "unknown", "critical", "refused")
    return Text(written, style=_BAD if bad else "", justify="right" if isinstance(value, int | float) else "left")
