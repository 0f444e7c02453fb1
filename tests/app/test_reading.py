"""The read side of the command line: what the book holds, and what a reader is told of it."""

import json
from itertools import pairwise
from pathlib import Path

import pytest
from builders import a_machine
from replayed_book import PretendedDaemon, ReplayedBook, a_replayed_book, trader

from trader.adapters.control import socket_path
from trader.adapters.fingerprint import code_fingerprint


@pytest.fixture(scope="module")
def book(tmp_path_factory: pytest.TempPathFactory) -> ReplayedBook:
    """The whole day: flat at its end."""
    return a_replayed_book(tmp_path_factory.mktemp("day"))


@pytest.fixture(scope="module")
def noon(tmp_path_factory: pytest.TempPathFactory) -> ReplayedBook:
    """The day up to 12:20: TQQQ is held, and was last seen at 80 dollars."""
    book = a_replayed_book(tmp_path_factory.mktemp("noon"), until="12:20")
    book.damage("INSERT OR REPLACE INTO book_marks VALUES ('paper', 'TQQQ', 80000000, 1750695360000000, 0)")
    return book


def test_positions_are_what_is_held(noon: ReplayedBook, book: ReplayedBook) -> None:
    [held] = noon.trader("positions").rows()
    assert (held["symbol"], held["quantity"], held["avg_cost"], held["state"]) == ("TQQQ", "185", "80.01", "open")
    assert float(held["stop_loss"]) < 80.01 < float(held["take_profit"])
    assert (held["last"], held["last_at"], held["unrealized_pnl"]) == ("80.0", "2025-06-23T16:16:00.000Z", "-1.85")
    assert book.trader("positions").rows() == []


def test_positions_all_shows_the_flat_ones_too(noon: ReplayedBook) -> None:
    rows = noon.trader("positions", "--all").rows()
    assert {row["symbol"]: row["state"] for row in rows} == {"AAPL": "flat", "QQQ": "flat", "TQQQ": "open"}
    assert next(row for row in rows if row["symbol"] == "AAPL")["unrealized_pnl"] == ""


def test_orders_are_shown_oldest_first_and_can_be_chosen(book: ReplayedBook) -> None:
    rows = book.trader("orders").rows()
    assert [row["symbol"] for row in rows] == ["QQQ", "QQQ", "MSFT", "AAPL", "AAPL", "TQQQ", "TQQQ", "SQQQ", "SQQQ"]
    assert [row["state"] for row in book.trader("orders", "--symbol", "msft").rows()] == ["cancelled"]
    assert [row["order_ref"] for row in book.trader("orders", "--last", "2").rows()] == [
        "paper-1-0008",
        "paper-1-0009",
    ]


async def test_open_orders_are_those_that_may_still_be_filled(tmp_path: Path) -> None:
    async with a_machine(tmp_path) as market:
        await market.bar(says={"QQQ": 0.8})
        answer = trader("orders", "--open", "--db", str(market.path))
        assert [(row["symbol"], row["side"]) for row in answer.rows()] == [("QQQ", "BUY")]
        await market.bar()
        assert trader("orders", "--open", "--db", str(market.path)).rows() == []


def test_trades_can_be_chosen_by_symbol_and_day(book: ReplayedBook) -> None:
    assert len(book.trader("trades").rows()) == 8
    assert [row["reason"] for row in book.trader("trades", "--symbol", "AAPL").rows()] == ["signal", "stop"]
    assert len(book.trader("trades", "--day", "2025-06-23").rows()) == 8
    assert book.trader("trades", "--day", "2025-06-24").rows() == []


def test_a_listing_that_is_cut_says_so(book: ReplayedBook) -> None:
    cut, whole = book.trader("trades", "--last", "3"), book.trader("trades", "--last", "0")
    assert [row["id"] for row in cut.rows()] == ["6", "7", "8"]
    assert cut.err == "the newest 3 of 8; --last 0 shows all\n"
    assert (len(whole.rows()), whole.err) == (8, "")


def test_signals_can_be_chosen_by_fate_and_rule(book: ReplayedBook) -> None:
    assert len(book.trader("signals").rows()) == 9
    refused = book.trader("signals", "--refused").rows()
    assert [row["rule"] for row in refused] == ["symbol_locked", "bad_probability", "after_cutoff"]
    [late] = book.trader("signals", "--rule", "after_cutoff").rows()
    assert (late["measured"], late["limit_value"], late["detail"]) == ("13.0", "15.0", "minutes to the close")


def test_an_unknown_rule_names_the_nearest(book: ReplayedBook) -> None:
    answer = book.trader("signals", "--rule", "after_cutof")
    assert answer.code == 2
    assert "did you mean after_cutoff?" in answer.err


@pytest.mark.parametrize(
    ("arguments", "says"),
    [(["trades", "--day", "23.6.2025"], "2025-06-23"), (["trades", "--tz", "Mars/Olympus"], "no time zone")],
)
def test_what_cannot_be_read_is_refused_with_how_to_write_it(
    book: ReplayedBook, arguments: list[str], says: str
) -> None:
    answer = book.trader(*arguments)
    assert answer.code == 2
    assert says in answer.err


def test_json_has_numbers_and_stored_times(book: ReplayedBook) -> None:
    trades = json.loads(book.trader("trades", "--json").out)
    assert trades[0]["quantity"] == 29
    assert trades[0]["timestamp"] == "2025-06-23T13:41:00.000Z"


def test_a_terminal_gets_a_table_in_new_york_time(book: ReplayedBook, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "200")
    shown = book.trader("trades", terminal=True).out
    assert "2025-06-23 09:41:00 EDT" in shown
    assert "\t" not in shown
    assert "2025-06-23 15:41:00 CEST" in book.trader("trades", "--tz", "Europe/Berlin", terminal=True).out
    assert "2025-06-23T15:41:00.000+02:00" in book.trader("trades", "--tz", "Europe/Berlin").out


NEVER_LEFT_OUT = {
    ("positions", "--all"): {"symbol", "quantity", "unrealized", "pnl", "stop", "loss", "take", "profit", "state"},
    ("orders",): {"order", "ref", "symbol", "side", "quantity", "filled", "state", "reason"},
    ("trades",): {"timestamp", "symbol", "side", "quantity", "price", "realized", "pnl"},
    ("signals",): {"id", "symbol", "probability", "outcome", "rule"},
    ("signals", "--refused"): {"id", "symbol", "probability", "rule", "measured", "limit", "value", "count"},
    ("status",): {"symbol", "quantity", "unrealized", "pnl", "stop", "loss", "take", "profit", "state"},
}


@pytest.mark.parametrize("command", NEVER_LEFT_OUT, ids=" ".join)
def test_80_columns_are_enough_and_nothing_is_cut(noon: ReplayedBook, command: tuple[str, ...]) -> None:
    shown = noon.trader(*command, terminal=True).out.splitlines()
    assert max(len(line.rstrip()) for line in shown) <= 80
    assert "…" not in "".join(shown)
    assert set(" ".join(shown).split()) >= NEVER_LEFT_OUT[command]
    rows = [line for line in shown if "QQQ" in line]
    assert len(rows) == {"orders": 3, "trades": 3, "positions": 2, "status": 1}.get(command[0], len(rows)) > 0


def test_on_a_narrow_terminal_the_day_of_all_times_is_in_the_title(noon: ReplayedBook) -> None:
    title, *_, row = noon.trader("trades", "--last", "1", terminal=True).out.splitlines()
    assert title.strip() == "2025-06-23 EDT"
    assert row.split()[:3] == ["5", "12:01:00", "TQQQ"]


def test_on_a_narrow_terminal_times_of_several_days_keep_their_date(noon: ReplayedBook, tmp_path: Path) -> None:
    both = noon.copy_to(tmp_path / "both")
    both.damage("UPDATE book_fills SET executed_us = executed_us + 86400000000 WHERE id = 5")
    title, *_, before, after = both.trader("trades", "--last", "2", terminal=True).out.splitlines()
    assert title.strip() == "EDT"
    assert ("06-23 11:31:00" in before, "06-24 12:01:00" in after) == (True, True)


def test_on_a_very_narrow_terminal_a_symbol_is_still_whole(noon: ReplayedBook, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "12")
    shown = noon.trader("positions", terminal=True).out
    assert {"symbol", "TQQQ", "open"} <= set(shown.split())
    assert "…" not in shown


def test_an_account_that_the_book_has_not_is_named(book: ReplayedBook, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TRADER_ACCOUNT__NAME", "other")
    answer = book.trader("positions")
    assert answer.code == 2
    assert "no account 'other'; it has paper" in answer.err


def test_another_accounts_rows_are_never_shown(book: ReplayedBook, tmp_path: Path) -> None:
    both = book.copy_to(tmp_path / "both")
    both.damage("INSERT INTO book_accounts SELECT 'other', 1, 1, 0, 0, 0, 1, 1, 0, 0 FROM book_stamp")
    both.damage("UPDATE book_fills SET account = 'other' WHERE id = 1")
    both.damage("UPDATE book_signals SET account = 'other' WHERE id = 'S-0001'")
    assert both.trader("trades").rows()[0]["id"] == "2"
    assert both.trader("signals").rows()[0]["id"] == "S-0002"


def test_a_missing_book_is_said_and_not_made(tmp_path: Path) -> None:
    answer = trader("positions", "--db", str(tmp_path / "none.db"))
    assert answer.code == 2
    assert "there is no book" in answer.err
    assert not (tmp_path / "none.db").exists()


def test_a_missing_book_is_named_by_its_whole_path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Somebody who stands in another folder has to see where it was looked for."""
    monkeypatch.chdir(tmp_path)
    for command in ("status", "positions", "why"):
        answer = trader(command, *(["1"] if command == "why" else []))
        assert f"there is no book at {tmp_path / 'trading_data.db'};" in answer.err


def test_a_damaged_page_is_said(book: ReplayedBook, tmp_path: Path) -> None:
    torn = book.copy_to(tmp_path / "torn")
    page = int(torn.one("SELECT rootpage FROM sqlite_master WHERE name = 'book_fills'"))
    with torn.db.open("r+b") as file:
        file.seek((page - 1) * 4096)
        file.write(b"\xff" * 4096)
    answer = torn.trader("trades")
    assert answer.code == 2
    assert "cannot be read" in answer.err
    assert "doctor --full" in answer.err


# -- funnel -------------------------------------------------------------------------------------------------------


def test_the_funnel_adds_up(book: ReplayedBook) -> None:
    levels = json.loads(book.trader("funnel", "--json").out)["stages"]
    assert [level["stage"] for level in levels] == [
        *("signals", "allocation", "conflict", "session", "sizing", "lock", "orders", "filled")
    ]
    assert [level["entered"] for level in levels] == [9, 8, 8, 6, 5, 5, 5, 4]
    for level, after in pairwise(levels):
        assert level["entered"] == level["refused"] + level["left"] + level["passed"]
        assert level["passed"] == after["entered"]


def test_the_funnel_names_who_refused(book: ReplayedBook) -> None:
    levels = {level["stage"]: level for level in json.loads(book.trader("funnel", "--json").out)["stages"]}
    assert levels["signals"]["rules"] == {"bad_probability": 1}
    assert levels["conflict"]["rules"] == {"symbol_locked": 1}
    assert levels["conflict"]["left"] == 1
    assert levels["session"]["rules"] == {"after_cutoff": 1}
    assert levels["orders"]["rules"] == {"cancelled": 1}


def test_the_funnel_counts_folded_signals_each(book: ReplayedBook, tmp_path: Path) -> None:
    many = book.copy_to(tmp_path / "many")
    many.damage("UPDATE book_signals SET count = 40 WHERE rule = 'after_cutoff'")
    levels = {level["stage"]: level for level in json.loads(many.trader("funnel", "--json").out)["stages"]}
    assert levels["signals"]["entered"] == 48
    assert levels["session"]["refused"] == 40


def test_the_funnel_of_another_day_is_empty(book: ReplayedBook) -> None:
    rows = book.trader("funnel", "--day", "2025-06-24").rows()
    assert {row["in"] for row in rows} == {"0"}


def test_the_funnel_on_a_terminal_draws_bars(book: ReplayedBook, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "150")
    shown = book.trader("funnel", terminal=True).out.splitlines()
    drawn = {line.split()[0]: line.count("█") for line in shown if "█" in line}
    assert drawn["signals"] == 30
    assert drawn["filled"] == 13
    assert "█" not in book.trader("funnel").out


# -- status -------------------------------------------------------------------------------------------------------


RUNNING: dict[str, object] = {
    "pid": 4711,
    "version": "0.1.0",
    "code": code_fingerprint(),
    "started_at": "2025-06-23T13:00:00+00:00",
    "market_time": "2025-06-23T19:47:30+00:00",
    "phase": "flatten",
    "equity": 99_900.0,
}


@pytest.fixture
def own(noon: ReplayedBook, tmp_path: Path) -> ReplayedBook:
    """The book of 12:20, to be changed."""
    return noon.copy_to(tmp_path / "own")


@pytest.fixture
def wide(monkeypatch: pytest.MonkeyPatch) -> None:
    """A terminal on which everything has its room."""
    monkeypatch.setenv("COLUMNS", "200")


@pytest.mark.usefixtures("wide")
def test_status_without_a_daemon_is_what_the_book_says(noon: ReplayedBook) -> None:
    answer = noon.trader("status", terminal=True)
    facts = answer.facts()
    assert answer.code == 7
    assert facts["daemon"].startswith("DOWN")
    assert facts["state"] == "STOPPED"
    assert facts["market time"] == "2025-06-23 12:20:00 EDT"
    assert facts["session"] == "open"
    assert facts["next"] == ("entries stop 15:45 EDT, flatten 15:50 EDT, flat by 15:55 EDT, closes 16:00 EDT")
    assert facts["P&L of the day"] == facts["P&L in total"]
    assert "TQQQ 185 80.01 80.0 -1.85" in " ".join(answer.out.split())
    assert facts["signals of the day"].startswith("6 signals: 4 ordered, 1 closing, 0 unchanged, 1 refused, 3 filled")


@pytest.mark.usefixtures("wide")
def test_after_the_close_the_next_open_is_named(book: ReplayedBook) -> None:
    facts = book.trader("status", terminal=True).facts()
    assert facts["session"] == "closed"
    assert facts["next"] == "opens 2025-06-24 09:30 EDT"


@pytest.mark.usefixtures("wide")
def test_status_with_a_daemon_is_what_it_says(own: ReplayedBook) -> None:
    with PretendedDaemon(own, RUNNING):
        answer = own.trader("status", terminal=True)
    facts = answer.facts()
    assert answer.code == 0
    assert facts["daemon"] == "running, process 4711, version 0.1.0, since 2025-06-23T13:00:00+00:00"
    assert facts["state"] == "TRADING"
    assert facts["session"] == "flatten", "bars of half an hour end the day earlier"
    assert facts["next"].startswith("flatten 15:50")
    assert facts["equity"] == "99,691.29"
    assert facts["P&L in total"] == "-308.71"
    assert facts["code on disk"].endswith("the same as runs")


def test_other_code_on_disk_is_loud_and_a_finding(own: ReplayedBook) -> None:
    with PretendedDaemon(own, {**RUNNING, "code": "0123456789abcdef"}):
        answer, short = own.trader("status"), own.trader("status", "--short")
        shown = own.trader("status", terminal=True)
    assert answer.code == 4
    assert "THE RUNNING CODE IS NOT THE CODE ON DISK: 0123456789abcdef runs" in answer.err
    assert "THE RUNNING CODE IS NOT THE CODE ON DISK" in " ".join(shown.out.split())
    assert short.out.endswith("CODE DIFFERS\n")


@pytest.mark.usefixtures("wide")
def test_halts_are_shown_with_their_cause(own: ReplayedBook) -> None:
    own.damage(
        "INSERT INTO book_halts (account, scope, target, reason, since_us) "
        "VALUES ('paper', 'all', '', 'book and broker differ', 1750690800000000)"
    )
    with PretendedDaemon(own, RUNNING):
        state = own.trader("status", terminal=True).facts()["state"]
    assert state == "HALTED; entries halted for all: book and broker differ (since 2025-06-23 11:00 EDT)"


def test_a_halt_of_one_symbol_leaves_the_rest_trading(own: ReplayedBook) -> None:
    own.damage(
        "INSERT INTO book_halts (account, scope, target, reason, since_us) "
        "VALUES ('paper', 'symbol', 'AAPL', 'split', 1750690800000000)"
    )
    with PretendedDaemon(own, RUNNING):
        facts = own.trader("status").facts()
    assert (facts["state"], facts["halts.symbol:AAPL"]) == ("TRADING", "split")


def test_positions_without_a_daemon_are_a_warning(own: ReplayedBook) -> None:
    own.damage("UPDATE book_stamp SET kind = 'simulated'")
    assert "TQQQ held, and nobody watches the exits" in own.trader("status").err


def test_a_silent_daemon_is_not_a_dead_one(own: ReplayedBook, monkeypatch: pytest.MonkeyPatch) -> None:
    import socket

    monkeypatch.setattr("trader.app.standing._ANSWER_S", 0.05)
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as door:
        door.bind(str(socket_path(own.db, "paper")))
        door.listen()
        answer = own.trader("status")
    assert answer.code == 8
    assert (answer.facts()["daemon.running"], answer.facts()["daemon.down"]) == ("false", "false")
    assert answer.facts()["daemon.why"].startswith("the daemon did not answer within")
    assert answer.facts()["state"] == "SILENT"


def test_cash_that_was_moved_is_no_profit(tmp_path: Path) -> None:
    import asyncio

    from trader.domain.events import CommandName

    async def deposit() -> Path:
        async with a_machine(tmp_path) as market:
            await market.bar()
            await market.command(CommandName.CASH, amount_micros=5_000_000_000)
            return market.path

    facts = json.loads(trader("status", "--json", "--db", str(asyncio.run(deposit()))).out)
    assert facts["equity"] == 105_000.0
    assert facts["pnl_total"] == 0.0
    assert facts["pnl_day"] == 0.0


def test_an_order_of_unknown_fate_and_a_halt_file_are_warned_of(own: ReplayedBook) -> None:
    own.damage("UPDATE book_orders SET state = 'unknown' WHERE order_ref = 'paper-1-0006'")
    own.db.with_name("HALT").touch()
    warnings = json.loads(own.trader("status", "--json").out)["warnings"]
    assert any("nobody knows what became of paper-1-0006 BUY TQQQ" in warning for warning in warnings)
    assert any("keeps entries halted" in warning for warning in warnings)


def test_a_pipe_gets_the_status_as_plain_facts_and_rows(own: ReplayedBook) -> None:
    own.damage("UPDATE book_accounts SET cash_micros = 99947630000")
    answer = own.trader("status")
    facts, positions, orders = answer.out.split("\n\n")
    assert all(line.count("\t") == 1 for line in facts.splitlines())
    said = answer.facts()
    assert (said["cash"], said["daemon.down"], said["code_differs"]) == ("99947.63", "true", "false")
    assert said["next.entries_stop"] == "2025-06-23T19:45:00+00:00"
    assert positions.splitlines()[1].startswith("TQQQ\t185\t80.01\t80.0\t-1.85")
    assert len(orders.splitlines()) == 1


def test_status_in_one_line(noon: ReplayedBook) -> None:
    line = noon.trader("status", "--short").out
    assert line.count("\n") == 1
    assert line.startswith("STOPPED paper replay 2025-06-23 12:20 EDT open equity=")
    assert "positions=1 orders=0 halts=-" in line


def test_status_in_json(noon: ReplayedBook) -> None:
    facts = json.loads(noon.trader("status", "--json").out)
    assert (facts["daemon"]["running"], facts["daemon"]["down"]) == (False, True)
    assert facts["book"]["kind"] == "replay"
    assert facts["positions"][0]["symbol"] == "TQQQ"
    assert facts["next"]["closes"] == "2025-06-23T20:00:00+00:00"
    assert set(facts["next"]) == {"entries_stop", "flatten", "flat_by", "closes"}
    assert facts["signals"] == {"ordered": 4, "closing": 1, "refused": 1}
