"""`trader why ID`: the whole story, from whichever end it is pulled."""

import asyncio
import json
from pathlib import Path

import pytest
from builders import a_machine
from replayed_book import ReplayedBook, a_replayed_book, trader

from trader.adapters.paper.broker import Treatment

ENTRY, EXIT = "paper-1-0004", "paper-1-0005"
"""Of AAPL: bought at 10:31 because of S-0005, sold at 11:31 because of its stop."""


@pytest.fixture(scope="module")
def book(tmp_path_factory: pytest.TempPathFactory) -> ReplayedBook:
    """The whole day."""
    return a_replayed_book(tmp_path_factory.mktemp("day"))


def story(book: ReplayedBook, id_: str) -> list[tuple[str, str, str]]:
    """What, of which id, and what is said; in order."""
    answer = book.trader("why", id_)
    assert answer.code == 0, answer.err
    return [(row["what"], row["id"], row["said"]) for row in answer.rows()]


def test_a_round_trip_is_told_from_the_signal_to_the_result(book: ReplayedBook) -> None:
    assert story(book, "S-0005") == [
        ("signal", "S-0005", "AAPL 0.9000 from Scripted, 0.0 s old: ordered paper-1-0004"),
        ("allocation", ENTRY, "p(up) 0.9000, at least 0.75: AAPL"),
        ("conflict", ENTRY, "nothing against it in family AAPL"),
        ("session", ENTRY, "open, 314 min until entries stop"),
        (
            "sizing",
            ENTRY,
            "position_size leaves 14,999.26 USD of an equity of 99,995.10: 74 shares at a last price of 200.00",
        ),
        ("lock", ENTRY, "acquired on AAPL, family AAPL +1, 14,875.00 USD reserved"),
        ("order", ENTRY, "created: BUY 74 AAPL at most 201.00, entry because signal"),
        (
            "fill",
            "paper-1-0004.1",
            "BUY 74 AAPL at 200.02, commission 1.00, realised -1.00, 74 held after it (entry: signal)",
        ),
        ("position", "AAPL", "created, 74 shares"),
        ("exit plan", "AAPL", "stop 197.21, take profit 204.23"),
        ("lock", ENTRY, "released, filled"),
        ("position", "AAPL", "closing because stop (exit)"),
        ("order", EXIT, "created: SELL 74 AAPL at the market, exit because stop"),
        (
            "fill",
            "paper-1-0005.1",
            "SELL 74 AAPL at 195.98, commission 1.00, realised -299.96, 0 held after it (exit: stop)",
        ),
        (
            "round trip",
            "AAPL",
            "74 AAPL bought at 200.02, sold at 195.98 because stop, held 60 min: -300.96 USD with commissions",
        ),
    ]


@pytest.mark.parametrize("id_", [ENTRY, EXIT, "paper-1-0004.1", "paper-1-0005.1", "3", "4"])
def test_the_story_is_the_same_from_every_end(book: ReplayedBook, id_: str) -> None:
    assert story(book, id_) == story(book, "S-0005")


def test_it_is_told_in_time_order(book: ReplayedBook) -> None:
    times = [row["timestamp"] for row in book.trader("why", "S-0005").rows()]
    assert times == sorted(times)
    assert (times[0], times[-1]) == ("2025-06-23T14:31:00.000Z", "2025-06-23T15:32:00.000Z")


def test_a_refusal_names_stage_rule_measure_and_limit(book: ReplayedBook) -> None:
    [(_, _, said)] = story(book, "S-0009")
    assert said == (
        "AAPL 0.9000 from Scripted, 0.0 s old: refused at session by after_cutoff, measured 13, limit 15 "
        "(minutes to the close)"
    )


def test_a_signal_that_was_no_probability_is_told_as_it_was(book: ReplayedBook) -> None:
    [(_, _, said)] = story(book, "S-0008")
    assert "AAPL 2.0000" in said
    assert "refused at signal by bad_probability, measured 2, limit 1 (outside [0, 1])" in said


def test_folded_signals_are_counted(book: ReplayedBook, tmp_path: Path) -> None:
    many = book.copy_to(tmp_path / "many")
    many.damage("UPDATE book_signals SET count = 12 WHERE id = 'S-0009'")
    [(_, _, said)] = story(many, "S-0009")
    assert said.endswith("; 12 of this kind at once")


def test_an_entry_that_was_cancelled_is_told_with_every_state(book: ReplayedBook) -> None:
    assert [(what, said) for what, _, said in story(book, "S-0004")][5:] == [
        ("lock", "acquired on MSFT, family MSFT +1, 14,875.00 USD reserved"),
        ("order", "created: BUY 37 MSFT at most 402.00, entry because signal"),
        ("order", "cancelling: not done in 60 s"),
        ("order", "cancelled: cancelled as asked"),
        ("lock", "released, cancelled: cancelled as asked"),
    ]


def test_a_turn_is_told_with_both_positions(book: ReplayedBook) -> None:
    told = story(book, "S-0007")
    assert ("position", "TQQQ", "closing because turn (exit, signal S-0007)") in told
    assert [id_ for what, id_, _ in told if what == "round trip"] == ["TQQQ", "SQQQ"]
    assert {id_ for what, id_, _ in told if what == "signal"} == {"S-0006", "S-0007"}
    assert ("position", "SQQQ", "closing because eod (eod)") in told


def test_a_closing_signal_tells_what_it_closed(book: ReplayedBook) -> None:
    told = story(book, "S-0003")
    assert ("position", "QQQ", "closing because signal (exit, signal S-0003)") in told
    assert [id_ for what, id_, _ in told if what == "fill"] == ["paper-1-0001.1", "paper-1-0002.1"]
    assert {id_ for what, id_, _ in told if what == "signal"} == {"S-0001", "S-0003"}
    assert told == story(book, "S-0001"), "and the signal that opened it tells who closed it"


async def test_the_next_position_of_the_symbol_is_another_story(tmp_path: Path) -> None:
    """Its order is made at the instant at which the last position got flat."""
    async with a_machine(tmp_path) as market:
        await market.bars(2, says={"QQQ": 0.8})
        await market.bar(says={"QQQ": 0.5})
        await market.bar(says={"QQQ": 0.8})
        await market.bar()
        assert market.held() == {"QQQ": 29}
        first = {row["id"] for row in trader("why", "paper-1-0001", "--db", str(market.path)).rows()}
        second = {row["id"] for row in trader("why", "paper-1-0003", "--db", str(market.path)).rows()}
    assert {"paper-1-0001", "paper-1-0002"} <= first
    assert not {"paper-1-0003", "paper-1-0003.1"} & first
    assert not {"paper-1-0001", "paper-1-0002"} & second


async def test_what_is_still_held_says_so(tmp_path: Path) -> None:
    async with a_machine(tmp_path) as market:
        await market.bars(2, says={"QQQ": 0.8})
        rows = trader("why", "S-0001", "--db", str(market.path)).rows()
    assert (rows[-1]["what"], rows[-1]["id"]) == ("position", "QQQ")
    assert rows[-1]["said"].startswith("is open now, 29 held at 500.05, stop 493.04, take profit 510.5")


async def test_a_partly_filled_order_says_how_far_it_is(tmp_path: Path) -> None:
    patient = {"entry_timeout_s": 600}
    async with a_machine(tmp_path, script=lambda _: Treatment(parts=(10,)), signals=patient) as market:
        await market.bar(says={"QQQ": 0.8})
        await market.bar()
        said = [row["said"] for row in trader("why", "paper-1-0001", "--db", str(market.path)).rows()]
    assert any(line.startswith("BUY 10 QQQ at") for line in said)
    assert "is working now, 10 of 29 filled" in said


async def test_a_rejected_exit_belongs_to_the_story(tmp_path: Path) -> None:
    async with a_machine(tmp_path) as market:
        await market.bars(2, says={"QQQ": 0.8})
        market.script = lambda _: Treatment(reject="not now")
        await market.bar(says={"QQQ": 0.5})
        market.script = lambda _: Treatment()
        await market.bars(3)
        said = [row["said"] for row in trader("why", "S-0001", "--db", str(market.path)).rows()]
    assert "rejected: not now" in said
    assert said[-1].startswith("29 QQQ bought at 500.05")


async def test_a_lost_order_that_is_found_again_is_told(tmp_path: Path) -> None:
    from trader.domain.events import OrderAccepted

    async with a_machine(tmp_path, script=lambda _: Treatment(lose_acknowledgement=True, delay_bars=3)) as market:
        await market.bar(says={"QQQ": 0.8})
        await market.handle(OrderAccepted("paper-1-0001"))
        said = [row["said"] for row in trader("why", "paper-1-0001", "--db", str(market.path)).rows()]
    assert said[7:9] == ["unknown: no acknowledgement", "working: found at the broker"]


def test_a_signal_from_outside_says_its_age_and_source(tmp_path: Path) -> None:
    async def day() -> Path:
        async with a_machine(tmp_path) as market:
            await market.submit("QQQ", 0.8, "mine-17")
            return market.path

    db = asyncio.run(day())
    [signal, *_] = trader("why", "mine-17", "--db", str(db)).rows()
    assert signal["said"] == "QQQ 0.8000 from outside, 0.0 s old: ordered paper-1-0001"


@pytest.mark.parametrize(
    ("id_", "near"),
    [
        ("S-000Z", ["S-0005", "S-0006", "S-0007", "S-0008", "S-0009"]),
        ("S-0000", ["S-0001", "S-0002", "S-0003", "S-0004", "S-0005"]),
        ("paper-1-0004.9", ["paper-1-0004.1"]),
        ("99", []),
    ],
)
def test_an_unknown_id_names_the_nearest(book: ReplayedBook, id_: str, near: list[str]) -> None:
    answer = book.trader("why", id_)
    assert answer.code == 5
    assert answer.out == ""
    named = answer.err.strip().partition("near it: ")[2]
    assert (named.split(", ") if named else []) == near


def test_an_id_of_another_account_is_unknown(book: ReplayedBook, tmp_path: Path) -> None:
    both = book.copy_to(tmp_path / "both")
    both.damage("INSERT INTO book_accounts SELECT 'other', 1, 1, 0, 0, 0, 1, 1, 0, 0 FROM book_stamp")
    both.damage("UPDATE book_signals SET account = 'other' WHERE id = 'S-0009'")
    assert both.trader("why", "S-0009").code == 5


def test_an_event_that_cannot_be_read_is_part_of_the_story(book: ReplayedBook, tmp_path: Path) -> None:
    torn = book.copy_to(tmp_path / "torn")
    torn.damage("UPDATE book_events SET data = '{' WHERE type = 'position_closing' AND symbol = 'AAPL'")
    said = [said for _, _, said in story(torn, "S-0005")]
    assert any("cannot be read" in line and "rebuild --check" in line for line in said)


def test_the_story_in_json(book: ReplayedBook) -> None:
    told = json.loads(book.trader("why", "3", "--json").out)
    assert (told["id"], told["kind"]) == ("3", "execution")
    assert told["story"][0]["id"] == "S-0005"


async def test_the_story_of_a_signal_tells_of_its_repeats(tmp_path: Path) -> None:
    async with a_machine(tmp_path) as market:
        await market.submit("QQQ", 0.5, "x1")
        await market.submit("QQQ", 0.8, "x1")
        await market.bar({"QQQ": 0.8})
        said = [row["said"] for row in trader("why", "x1", "--db", str(market.path)).rows()]
        assert len(said) == 2
        assert sum("refused at signal by repeated" in line for line in said) == 1


async def test_what_is_told_of_an_option_is_a_price_a_share(tmp_path: Path) -> None:
    call = "QQQ250718C00500000"
    async with a_machine(tmp_path) as market:
        market.prices[call] = 4.0
        await market.bar()
        await market.submit(call, 0.9, "mine")
        await market.bar()
        held = trader("why", "mine", "--db", str(market.path)).rows()
        await market.submit(call, 0.5)
        await market.bar()
        sold = trader("why", "mine", "--db", str(market.path)).rows()
    assert held[-1]["said"] == "is open now, 4 held at 4.10, stop 2.05, take profit 8.20"
    assert next(row["said"] for row in held if row["what"] == "position") == "created, 4 contracts"
    assert sold[-1]["said"].startswith(f"4 {call} bought at 4.10, sold at 3.90 because signal")
