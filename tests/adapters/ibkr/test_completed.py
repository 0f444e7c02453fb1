"""Orders that have ended, as IB remembers them."""

from trader.adapters.ibkr.completed import ended_orders
from trader.adapters.ibkr.messages import Completed
from trader.domain.events import Ended

UNSET = 1.7976931348623157e308


def done(ref: str, status: str, filled: float, quantity: float = 0, said: str = "") -> Completed:
    """A completed order."""
    return Completed(1, "DU1", "QQQ", quantity, filled, ref, status, said)


def ends(*completed: Completed, asked: tuple[str, ...] = ("a",), told: int = 0) -> dict[str, Ended]:
    """What is made of them, when the executions have told so many shares of each."""
    return ended_orders(asked, completed, lambda _: told)


def test_only_orders_that_were_asked_about_are_told() -> None:
    assert list(ends(done("a", "Filled", 100), done("b", "Filled", 100))) == ["a"]


def test_the_shares_are_the_filled_ones_for_the_quantity_comes_back_as_nothing() -> None:
    assert ends(done("a", "Cancelled", 40, 0, "Cancelled by Trader"))["a"] == Ended(
        40, "Cancelled by Trader at the broker"
    )


def test_no_end_says_less_than_the_executions_have_told() -> None:
    assert ends(done("a", "Cancelled", 0), told=40)["a"].filled == 40


def test_an_end_that_does_not_say_how_much_was_filled_proves_nothing() -> None:
    assert ends(done("a", "Cancelled", UNSET, 100)) == {}
    assert ends(done("a", "Cancelled", 0.5, 100)) == {}


def test_a_filled_order_that_does_not_say_how_much_was_filled_whole() -> None:
    assert ends(done("a", "Filled", UNSET, 100))["a"].filled == 100


def test_two_orders_under_one_reference_are_told_together() -> None:
    assert ends(done("a", "Filled", 100), done("a", "Filled", 100))["a"].filled == 200


def test_inactive_without_a_fill_is_a_rejection() -> None:
    assert ends(done("a", "Inactive", 0))["a"].rejected
    assert not ends(done("a", "Inactive", 40))["a"].rejected
    assert not ends(done("a", "Inactive", 0), done("a", "Filled", 100))["a"].rejected
