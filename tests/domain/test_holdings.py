"""Broker against book, instrument by instrument."""

from trader.domain.holdings import Differs, compare


def test_two_lists_that_agree_match_whole() -> None:
    found = compare({"QQQ": 10, "AAPL": 5}, {"AAPL": 5, "QQQ": 10})
    assert (found.broker, found.book, found.matched, found.instruments, found.differences) == (2, 2, 2, 2, ())


def test_every_kind_of_difference_is_counted_by_itself() -> None:
    found = compare({"QQQ": 10, "AAPL": 5, "NOW": 1, "QCOM": 2}, {"QQQ": 10, "AAPL": 4, "MSFT": 7})
    assert (found.broker, found.book, found.matched, found.instruments) == (3, 4, 1, 5)
    assert {kind: found.count(kind) for kind in Differs} == {"phantom": 2, "missing": 1, "quantity_differs": 1}
    assert [(one.symbol, one.kind) for one in found.differences] == [
        ("AAPL", Differs.QUANTITY),
        ("MSFT", Differs.MISSING),
        ("NOW", Differs.PHANTOM),
        ("QCOM", Differs.PHANTOM),
    ]


def test_as_many_on_both_sides_are_not_the_same() -> None:
    """Counts agree, and nothing matches."""
    found = compare({"QQQ": 10}, {"AAPL": 10})
    assert (found.broker, found.book, found.matched) == (1, 1, 0)


def test_a_short_is_held_by_the_broker_and_what_is_flat_by_nobody() -> None:
    found = compare({"QQQ": 10, "AAPL": 0}, {"QQQ": -10, "MSFT": -1, "JD": 0})
    assert [(one.symbol, one.kind) for one in found.differences] == [
        ("MSFT", Differs.MISSING),
        ("QQQ", Differs.QUANTITY),
    ]
