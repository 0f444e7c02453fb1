"""Five-second bars made into minutes. Time is what the test says it is."""

from collections.abc import Iterable
from datetime import UTC, datetime, timedelta

from hypothesis import given
from hypothesis import strategies as some

from trader.adapters.ibkr.minute_bars import FiveSeconds, Minute, MinuteBars
from trader.domain.market import Bar, BarTime

OPEN = datetime(2026, 11, 20, 14, 30, tzinfo=UTC)
FIRST, SECOND = OPEN + timedelta(minutes=1), OPEN + timedelta(minutes=2)
MINUTE = timedelta(minutes=1)


def piece(symbol: str, seconds: float, cents: int = 10_000, volume: int = 10, traded: bool = True) -> FiveSeconds:
    """Five seconds that start so long after the open, with a range of four cents."""
    at, price = OPEN + timedelta(seconds=seconds), cents * 10_000
    return FiveSeconds(Bar(symbol, at, price, price + 30_000, price - 10_000, price + 10_000, volume), traded)


def whole(symbol: str, minute: int = 0, without: Iterable[int] = ()) -> list[FiveSeconds]:
    """A minute's twelve pieces, each a cent higher than the one before; some may be missing."""
    return [piece(symbol, minute * 60 + 5 * n, 10_000 + n) for n in range(12) if n not in set(without)]


def taken(pieces: Iterable[FiveSeconds]) -> MinuteBars:
    minutes = MinuteBars()
    for one in pieces:
        assert minutes.take(one)
    return minutes


def due(minutes: MinuteBars, now: datetime, *expected: str) -> list[Minute]:
    return list(minutes.due(now, expected or ("QQQ",)))


def names(minute: Minute) -> list[str]:
    return [bar.symbol for bar in minute.bar_time.bars]


def test_a_minute_is_given_when_every_symbol_has_its_last_five_seconds() -> None:
    minutes = taken([*whole("QQQ"), *whole("SPY", without=[11])])
    assert due(minutes, FIRST, "QQQ", "SPY") == []
    minutes.take(piece("SPY", 55))
    (minute,) = due(minutes, FIRST, "QQQ", "SPY")
    assert names(minute) == ["QQQ", "SPY"]
    assert due(minutes, FIRST, "QQQ", "SPY") == []


def test_who_is_not_expected_is_not_waited_for() -> None:
    minutes = taken([*whole("QQQ"), *whole("SPY", without=[11])])
    (minute,) = due(minutes, FIRST, "QQQ")
    assert names(minute) == ["QQQ"]


def test_no_minute_is_given_before_its_end() -> None:
    minutes = taken(whole("QQQ"))
    assert due(minutes, FIRST - timedelta(milliseconds=1)) == []
    assert len(due(minutes, FIRST)) == 1


def test_a_minute_is_put_together_exactly() -> None:
    (minute,) = due(taken(whole("QQQ")), FIRST)
    bar = Bar("QQQ", OPEN, 100_000_000, 100_140_000, 99_990_000, 100_120_000, 120)
    assert minute == Minute(BarTime(FIRST, MINUTE, (bar,)), {})


def test_pieces_out_of_order_make_the_same_minute() -> None:
    assert due(taken(reversed(whole("QQQ"))), FIRST) == due(taken(whole("QQQ")), FIRST)


def test_five_seconds_that_come_twice_count_once() -> None:
    again = piece("QQQ", 0, cents=1, volume=1_000_000)
    minutes = taken([*whole("QQQ"), again])
    assert due(minutes, FIRST) == due(taken(whole("QQQ")), FIRST)


def test_who_is_not_finished_is_waited_for_only_two_seconds() -> None:
    minutes = taken([*whole("QQQ"), *whole("SPY", without=[11])])
    assert due(minutes, FIRST + timedelta(seconds=1.9), "QQQ", "SPY") == []
    (minute,) = due(minutes, FIRST + timedelta(seconds=2), "QQQ", "SPY")
    assert names(minute) == ["QQQ"]
    assert minute.lacking == {"SPY": 1}


def test_what_comes_after_its_minute_was_given_is_counted_and_not_given() -> None:
    minutes = taken([*whole("QQQ"), *whole("SPY", without=[11])])
    assert len(due(minutes, FIRST + timedelta(seconds=2))) == 1
    assert not minutes.take(piece("SPY", 55))
    assert minutes.late == 1
    assert due(minutes, FIRST + timedelta(minutes=5)) == []


def test_a_hole_inside_a_minute_is_named() -> None:
    (minute,) = due(taken(whole("QQQ", without=[0, 4])), FIRST)
    assert names(minute) == ["QQQ"]
    assert minute.lacking == {"QQQ": 2}


def test_a_minute_without_a_trade_has_no_bar() -> None:
    quiet = [piece("SPY", 5 * n, traded=False) for n in range(12)]
    (minute,) = due(taken([*whole("QQQ"), *quiet]), FIRST)
    assert names(minute) == ["QQQ"]
    assert minute.lacking == {}


def test_five_seconds_without_a_trade_move_no_price() -> None:
    quiet = piece("QQQ", 0, cents=1, traded=False)
    (minute,) = due(taken([quiet, *whole("QQQ", without=[0])]), FIRST)
    assert minute.bar_time.bars[0].open_micros == 100_010_000
    assert minute.bar_time.bars[0].low_micros == 100_000_000
    assert minute.lacking == {}


def test_a_minute_in_which_nobody_traded_is_no_bar_time() -> None:
    quiet = [piece("QQQ", 5 * n, traded=False) for n in range(12)]
    minutes = taken(quiet)
    assert due(minutes, FIRST) == []
    assert minutes.given_until == FIRST


def test_minutes_are_given_in_order_though_a_later_one_is_finished_first() -> None:
    minutes = taken([*whole("QQQ", 1), *whole("QQQ", without=[11])])
    assert due(minutes, FIRST) == []
    minutes.take(piece("QQQ", 55))
    assert [minute.bar_time.ends_at for minute in due(minutes, SECOND)] == [FIRST, SECOND]


def test_what_was_given_by_somebody_else_is_not_given_again() -> None:
    minutes = taken([*whole("QQQ"), *whole("QQQ", 1)])
    minutes.pass_over(FIRST)
    assert not minutes.take(piece("QQQ", 0))
    assert [minute.bar_time.ends_at for minute in due(minutes, SECOND)] == [SECOND]


def test_a_minute_that_is_passed_over_does_not_bring_an_older_one_back() -> None:
    minutes = taken(whole("QQQ", 1))
    minutes.pass_over(SECOND)
    minutes.pass_over(FIRST)
    assert minutes.given_until == SECOND


_ARRIVALS = some.lists(some.tuples(some.sampled_from(["QQQ", "SPY"]), some.integers(0, 47), some.integers(0, 300)))


@given(_ARRIVALS)
def test_whatever_comes_when_ever_bar_times_go_forward_and_sums_are_right(
    arrivals: list[tuple[str, int, int]],
) -> None:
    minutes, given_, accepted = MinuteBars(), list[Minute](), dict[tuple[str, datetime], FiveSeconds]()
    for symbol, number, at_s in sorted(arrivals, key=lambda arrival: arrival[2]):
        one = piece(symbol, 5 * number, 10_000 + number)
        if minutes.take(one):
            accepted.setdefault((symbol, one.bar.timestamp), one)
        given_ += minutes.due(OPEN + timedelta(seconds=at_s), ["QQQ", "SPY"])
    ends = [minute.bar_time.ends_at for minute in given_]
    assert ends == sorted(set(ends))
    for minute in given_:
        for bar in minute.bar_time.bars:
            parts = [
                one.bar
                for (symbol, at), one in accepted.items()
                if symbol == bar.symbol and bar.timestamp <= at < bar.timestamp + MINUTE
            ]
            assert bar.volume == sum(part.volume for part in parts)
            assert minute.lacking.get(bar.symbol, 0) == 12 - len(parts)
            assert bar.high_micros == max(part.high_micros for part in parts)
