"""The paper broker is never kinder than a market: no fill from before the order, none beyond its limit, every cost."""

from builders import MINUTE, NOON, a_bar, an_order, bar_time

from trader.adapters.paper.broker import PaperBroker, Treatment
from trader.domain.decision import Purpose, Side
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


# -- protection ----------------------------------------------------------------------------------------------------


def a_pair(shares: int = 10, *, stop: float = 98.0, target: float = 103.0, oca: str = "paper-1-0001") -> list[Order]:
    """A stop and a target, of an entry with that reference."""
    sale = an_order(quantity=shares, side=Side.SELL, purpose=Purpose.PROTECTION)._replace(oca=oca)
    return [
        sale._replace(ref="paper-1-0002", stop_micros=micros(stop), reason="stop"),
        sale._replace(ref="paper-1-0003", limit_micros=micros(target), reason="take_profit"),
    ]


class Protected(Traded):
    """A broker with an entry and its children, which is filled at the first minute's open."""

    def __init__(self, *, parts: tuple[int, ...] = ()) -> None:
        super().__init__(costs=Costs(slippage_ppm=0))
        self.broker._script = lambda order: Treatment(parts=parts if order.side is Side.BUY else ())
        self.broker.place(an_order(limit=101.0), a_pair())

    def minute(self, number: int, opens: float, high: float, low: float) -> list[tuple[str, int, float]]:
        """Play a minute, then look what it has touched: reference, shares and price of each sale."""
        before = len(self.said)
        start = NOON + number * MINUTE
        self.broker.match(bar_time(a_bar(close=opens, start=start, high=high, low=low)))
        self.broker._touch()
        fills = [event.fill for event in self.said[before:] if isinstance(event, FillReported)]
        return [
            (fill.order_ref, fill.quantity, fill.price_micros / 1_000_000) for fill in fills if fill.side is Side.SELL
        ]

    def ended(self) -> list[str]:
        """Orders whose end without a fill was told."""
        return [event.order_ref for event in self.said if isinstance(event, OrderCancelled)]


def test_a_stop_is_filled_at_its_price_inside_the_bar_of_its_entry() -> None:
    protected = Protected()
    assert protected.minute(0, 100.0, 100.0, 97.0) == [("paper-1-0002", 10, 98.0)]
    assert (protected.ended(), protected.broker._working) == (["paper-1-0003"], {})


def test_a_gap_through_the_stop_is_filled_at_the_open() -> None:
    protected = Protected()
    assert protected.minute(0, 100.0, 100.0, 99.0) == []
    assert protected.minute(1, 95.0, 96.0, 94.0) == [("paper-1-0002", 10, 95.0)]


def test_a_target_is_filled_at_its_price_or_a_better_open() -> None:
    assert Protected().minute(0, 100.0, 104.0, 100.0) == [("paper-1-0003", 10, 103.0)]
    protected = Protected()
    protected.minute(0, 100.0, 100.0, 100.0)
    assert protected.minute(1, 105.0, 106.0, 105.0) == [("paper-1-0003", 10, 105.0)]


def test_a_bar_that_touches_both_counts_as_the_stop() -> None:
    assert Protected().minute(0, 100.0, 104.0, 97.0) == [("paper-1-0002", 10, 98.0)]


def test_children_sell_no_more_than_their_entry_has_bought() -> None:
    protected = Protected(parts=(4,))
    assert protected.minute(0, 100.0, 100.0, 97.0) == [("paper-1-0002", 4, 98.0)]


def test_children_of_an_entry_that_has_bought_nothing_end_with_it() -> None:
    protected = Protected(parts=(0,))
    assert protected.minute(0, 100.0, 104.0, 97.0) == []
    protected.broker.cancel("paper-1-0001")
    assert protected.ended() == ["paper-1-0001", "paper-1-0002", "paper-1-0003"]


def test_protection_outlives_the_session_and_its_entry_does_not() -> None:
    protected = Protected(parts=(4,))
    protected.minute(0, 100.0, 100.0, 100.0)
    protected.broker.expire()
    assert protected.ended() == ["paper-1-0001"]
    assert protected.minute(1, 100.0, 100.0, 97.0) == [("paper-1-0002", 4, 98.0)]


def test_what_one_order_of_a_group_has_sold_the_other_sells_no_more() -> None:
    traded = Traded(costs=Costs(slippage_ppm=0))
    traded.broker._script = lambda order: Treatment(parts=(3,) if order.limit_micros is not None else ())
    traded.broker.protect(a_pair(oca="paper-1-0002"))
    traded.broker.match(bar_time(a_bar(close=100.0, start=NOON, high=104.0, low=100.0)))
    traded.broker.match(bar_time(a_bar(close=100.0, start=NOON + MINUTE, high=100.0, low=97.0)))
    traded.broker.match(bar_time(a_bar(close=100.0, start=NOON + 2 * MINUTE)))
    sold = [(event.fill.order_ref, event.fill.quantity) for event in traded.said if isinstance(event, FillReported)]
    assert sold == [("paper-1-0003", 3), ("paper-1-0002", 7)]
    assert traded.broker._working == {}


def test_an_option_slips_to_the_next_step_of_its_premium_for_a_hundred_shares() -> None:
    call = "QQQ261218C00500000"
    traded = Traded(an_order(call, 2, limit=4.5))
    start = NOON + MINUTE
    traded.broker.match(bar_time(a_bar(call, 4.0, start=start)))
    [fill] = [event.fill for event in traded.said if isinstance(event, FillReported)]
    assert (fill.symbol, fill.quantity, fill.price_micros) == (call, 2, micros(4.1))
    assert fill.commission_micros == micros(1.3)
    assert traded.broker.slippage_micros == micros(2 * 100 * 0.1)
