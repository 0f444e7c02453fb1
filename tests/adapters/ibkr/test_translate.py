"""The edge between IB's texts and floats and our numbers."""

import time
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st
from ibkr_rig import an_entry, an_exit

from trader.adapters.ibkr.translate import (
    fault_of,
    is_set,
    moment_of,
    price_micros,
    revisions_before,
    symbol_named,
    symbol_of,
    text_fault,
    unrevised,
    whole_shares,
    wire_order,
)
from trader.domain.money import micros
from trader.domain.reference import is_order_ref, order_ref

HEARD = datetime(2026, 4, 6, 18, 0, tzinfo=UTC)


@pytest.mark.parametrize(
    ("text", "at"),
    [
        ("20260406 10:00:00 US/Eastern", datetime(2026, 4, 6, 14, 0, tzinfo=UTC)),
        ("20260406 10:00:00 America/New_York", datetime(2026, 4, 6, 14, 0, tzinfo=UTC)),
        ("20260406 16:00:00 Europe/Berlin", datetime(2026, 4, 6, 14, 0, tzinfo=UTC)),
        ("20260406-14:00:00", datetime(2026, 4, 6, 14, 0, tzinfo=UTC)),
    ],
)
def test_a_time_with_its_zone_is_exact(text: str, at: datetime) -> None:
    assert moment_of(text, HEARD) == (at, "")


@pytest.mark.parametrize("text", ["20260406  10:00:00", "20260406 10:00:00 Central European Standard Time"])
@pytest.mark.parametrize("host", ["Asia/Tokyo", "UTC"])
def test_an_unknown_zone_or_none_is_new_yorks_on_every_host(
    text: str, host: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TZ", host)
    time.tzset()
    try:
        moment = moment_of(text, HEARD)
    finally:
        monkeypatch.undo()
        time.tzset()
    assert moment.at == datetime(2026, 4, 6, 14, 0, tzinfo=UTC)
    assert "New York" in moment.doubt


@pytest.mark.parametrize(
    "text",
    [
        "",
        "soon",
        "20260231 10:00:00 US/Eastern",
        "20260406 25:00:00 US/Eastern",
        "00010101 00:00:00 Asia/Tokyo",
        "99991231 23:59:59 US/Eastern",
    ],
)
def test_a_time_that_cannot_be_read_is_the_time_it_was_heard(text: str) -> None:
    moment = moment_of(text, HEARD)
    assert moment.at == HEARD
    assert moment.doubt


@pytest.mark.parametrize("text", ["19600101 00:00:00 US/Eastern", "00010101 00:00:00", "20260328 10:00:00 US/Eastern"])
def test_no_execution_lies_further_back_than_ib_tells(text: str) -> None:
    """The day's limits count by that time."""
    moment = moment_of(text, HEARD)
    assert moment.at == HEARD
    assert "too far back" in moment.doubt


def test_an_execution_of_a_week_ago_keeps_its_time() -> None:
    assert moment_of("20260331 10:00:00 US/Eastern", HEARD).at == datetime(2026, 3, 31, 14, 0, tzinfo=UTC)


def test_no_execution_lies_ahead() -> None:
    assert moment_of("20260406 16:00:00 America/Chicago", HEARD).at == HEARD


@given(st.text(max_size=60))
def test_no_text_of_a_time_is_ever_an_error(text: str) -> None:
    assert moment_of(text, HEARD).at.tzinfo is not None
    assert moment_of(f"20260406 10:00:00 {text}", HEARD).at.tzinfo is not None


@pytest.mark.parametrize(("text", "shares"), [("100", 100), ("100.0", 100), ("0", 0), ("1E+2", 100), (100.0, 100)])
def test_whole_shares_are_whole(text: str | float, shares: int) -> None:
    assert whole_shares(text) == shares


@pytest.mark.parametrize("text", ["0.5", "", "NaN", "Infinity", "1.7976931348623157E308", "ten"])
def test_what_is_not_whole_is_no_number_of_shares(text: str) -> None:
    assert whole_shares(text) is None


def test_an_id_of_any_length_is_looked_at_in_no_time() -> None:
    began = time.perf_counter()
    for id_ in ("." * 3_000, "a." * 50_000 + "x", "a." * 50_000 + "02"):
        unrevised(id_)
    assert time.perf_counter() - began < 1


def test_numbers_that_are_not_set_are_none() -> None:
    assert not is_set(1.7976931348623157e308)
    assert not is_set(float("nan"))
    assert price_micros("1.7976931348623157E308") == 0


@given(st.integers(1, 10_000_000))
def test_a_price_goes_out_and_comes_back_exactly(cents: int) -> None:
    order = an_entry()._replace(limit_micros=cents * 10_000)
    assert price_micros(str(wire_order(order, "DU1").lmtPrice)) == cents * 10_000


def test_a_revision_replaces_all_lower_ones() -> None:
    assert revisions_before("0000e0d5.61fd.01.03") == ("0000e0d5.61fd.01.01", "0000e0d5.61fd.01.02")
    assert revisions_before("0000e0d5.61fd.01.01") == ()


@pytest.mark.parametrize("id_", ["12345", "12.34", "a.b.12345", "0000e0d5.61fd.01.3"])
def test_an_id_of_another_shape_replaces_nothing(id_: str) -> None:
    assert revisions_before(id_) == ()
    assert unrevised(id_) == (id_, 0)


def test_a_class_of_shares_has_our_name() -> None:
    assert symbol_of("BRK B") == "BRK.B"
    assert symbol_of("QQQ") == "QQQ"


@pytest.mark.parametrize("text", ["a\0b", "a\nb", "é", "x" * 41])
def test_a_text_that_could_be_read_as_two_does_not_go_out(text: str) -> None:
    assert text_fault(text)


def test_what_goes_out_is_for_the_day_and_regular_hours() -> None:
    for order in (an_entry(), an_exit(2)):
        wired = wire_order(order, "DU1")
        assert (wired.tif, wired.outsideRth, wired.account, wired.transmit) == ("DAY", False, "DU1", True)


def test_a_limit_off_the_tick_is_not_sent() -> None:
    assert fault_of(an_entry(limit=1.01), "DU1", 10_000) == ""
    assert "tick" in fault_of(an_entry()._replace(limit_micros=micros("1.001")), "DU1", 10_000)
    assert "tick" in fault_of(an_entry()._replace(limit_micros=0), "DU1", 10_000)


@given(st.integers(1, 99), st.integers(1, 2**40))
def test_a_reference_is_known_again(epoch: int, number: int) -> None:
    ref = order_ref("paper", epoch, number)
    assert is_order_ref(ref, "paper")
    assert not is_order_ref(ref, "live")
    assert not is_order_ref(f"x{ref}", "paper")


@pytest.mark.parametrize(
    "text", ["", "paper", "paper-1", "paper-1-", "paper-1-00001", "paper--0001", "paper-1-iiii", "paper-01-0001"]
)
def test_what_only_looks_like_a_reference_is_none(text: str) -> None:
    assert not is_order_ref(text, "paper")


@pytest.mark.parametrize(
    ("kind", "symbol", "local", "ours"),
    [
        ("STK", "BRK B", "BRK B", "BRK.B"),
        ("OPT", "QQQ", "QQQ   261218C00500000", "QQQ261218C00500000"),
        ("OPT", "QQQ", "QQQ1  261218C00500000", "OPT QQQ1  261218C00500000"),
        ("OPT", "QQQ", "", "OPT QQQ"),
        ("OPT", "QQQ", "QQQ", "OPT QQQ"),
        ("FUT", "QQQ", "QQQZ6", "FUT QQQZ6"),
        ("BAG", "QQQ", "", "BAG QQQ"),
    ],
)
def test_what_is_no_share_never_has_the_symbol_of_one(kind: str, symbol: str, local: str, ours: str) -> None:
    assert symbol_named(kind, symbol, local) == ours
