"""The paper broker is never kinder than a market: no fill from before the order, none beyond its limit, every cost."""

from builders import MINUTE, NOON, a_bar, an_order, bar_time

from trader.adapters.paper.broker import PaperBroker, Treatment
from trader.domain.decision import Side
from trader.domain.events import BrokerEvent, FillReported, OrderCancelled
from trader.domain.money import micros
from trader.domain.order import Fill, Order
from trader.domain.rules import Costs

SLIPPING = Costs(slippage_ppm=1_000)


class Traded:
    """A broker, and what it has said."""

    def __init__(self, *orders: Order, costs: Costs = SLIPPING, parts: tuple[int, ...] = ()) -> None:
        self.said: list[BrokerEvent] = []
        self.broker = PaperBroker(self.said.append, costs, script=lambda _: Treatment(parts=parts))
        for order in orders:
            self.broker.place(order)

    def opens(self, price: float, minute: int = 0) -> list[Fill]:
        """Play a minute that opens at a price; give what it filled."""
        before = len(self.said)
        self.broker.match(bar_time(a_bar(close=price, start=NOON + minute * MINUTE)))
        return [event.fill for event in self.said[before:] if isinstance(event, FillReported)]


def test_a_bar_that_began_before_the_order_fills_nothing() -> None:
    traded = Traded(an_order())
    assert traded.opens(99.0, minute=-1) == []
    assert len(traded.opens(99.0, minute=0)) == 1


def test_an_entry_pays_the_slippage_up_to_its_limit_and_nothing_beyond() -> None:
    assert [fill.price_micros for fill in Traded(an_order()).opens(99.0)] == [micros(99.10)]
    assert [fill.price_micros for fill in Traded(an_order()).opens(99.95)] == [micros(100.0)]
    traded = Traded(an_order())
    assert traded.opens(100.01) == []
    assert len(traded.opens(100.0, minute=1)) == 1


def test_an_exit_gives_the_slippage_at_any_price() -> None:
    sale = an_order(side=Side.SELL)
    assert [fill.price_micros for fill in Traded(sale).opens(50.0)] == [micros(49.95)]


def test_an_order_is_filled_once_and_cannot_be_cancelled_then() -> None:
    traded = Traded(an_order())
    assert len(traded.opens(99.0)) == 1
    assert traded.opens(99.0, minute=1) == []
    traded.broker.cancel("paper-1-0001")
    assert not any(isinstance(event, OrderCancelled) for event in traded.said)


def test_the_parts_of_an_order_owe_the_commission_of_the_whole() -> None:
    traded = Traded(an_order(quantity=1_000), parts=(100, 100, 800))
    fills = [fill for minute in range(3) for fill in traded.opens(99.0, minute)]
    assert [fill.commission_micros for fill in fills] == [micros(1.0), 0, micros(4.0)]
    assert len({fill.execution_id for fill in fills}) == 3


def test_a_part_never_gives_commission_back() -> None:
    """The most that is owed is a share of the value, and that falls with the price."""
    traded = Traded(an_order(quantity=20), parts=(19, 1), costs=Costs(minimum_micros=micros(100.0)))
    fills = [*traded.opens(99.0), *traded.opens(1.0, minute=1)]
    assert [fill.commission_micros >= 0 for fill in fills] == [True, True]


def test_slippage_is_summed_over_fills_beside_the_opens_they_were_made_at() -> None:
    traded = Traded(an_order(quantity=10), parts=(4, 6))
    traded.opens(99.0)
    assert traded.broker.slippage_micros == 4 * micros(0.10)
    traded.opens(98.0, minute=1)
    assert traded.broker.slippage_micros == 4 * micros(0.10) + 6 * micros(0.10)
