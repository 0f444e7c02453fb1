"""Protection at Interactive Brokers: sent with its entry or alone, whole or not at all, and it sells once."""

from decimal import Decimal

from gateway import Gateway
from gateway.faults import ChildrenDie, Refuse, Reject
from ibkr_rig import ACCOUNT, Rig, a_desk, an_adapter, an_entry, ref

from trader.domain.decision import Purpose, Side
from trader.domain.events import OrderAccepted, OrderCancelled, OrderLost, OrderRejected, OrderShown
from trader.domain.money import micros
from trader.domain.order import Order
from trader.domain.terms import Terms

PAIR = (ref(2), ref(3))


def a_pair(shares: int = 100, *, stop: float = 493.0, target: float = 511.0, oca: str = "") -> list[Order]:
    child = an_entry(2, shares)._replace(
        side=Side.SELL, purpose=Purpose.PROTECTION, oca=oca or ref(1), limit_micros=None, stop_micros=micros(stop)
    )
    return [child, child._replace(ref=ref(3), stop_micros=None, limit_micros=micros(target))]


def held(gateway: Gateway) -> dict[str, int]:
    return {symbol: int(shares) for symbol, shares in gateway.truth.positions(ACCOUNT).items()}


def working(rig: Rig) -> list[str]:
    return sorted(order.order_ref for order in rig.gateway.truth.live())


async def test_an_entry_and_its_pair_are_one_bracket_that_only_the_last_one_sets_off() -> None:
    async with a_desk() as rig:
        rig.broker.place(an_entry(1, limit=400), a_pair())
        await rig.until(lambda: len(rig.gateway.asked("placeOrder")) == 3)
        entry, stop, target = rig.gateway.asked("placeOrder")
        assert [sent.flag("transmit") for sent in (entry, stop, target)] == [False, False, True]
        assert [sent.whole("parentId") for sent in (entry, stop, target)] == [0, entry.id, entry.id]
        assert [sent.text("tif") for sent in (entry, stop, target)] == ["DAY", "GTC", "GTC"]
        assert (stop.text("orderType"), stop.number("auxPrice")) == ("STP", Decimal(493))
        assert (target.text("orderType"), target.number("lmtPrice")) == ("LMT", Decimal(511))
        assert (stop.text("ocaGroup"), stop.whole("ocaType")) == (target.text("ocaGroup"), 2)
        assert entry.text("ocaGroup") == ""


async def test_protection_sells_without_us_and_once() -> None:
    async with a_desk() as rig:
        rig.broker.place(an_entry(1), a_pair())
        await rig.filled()
        rig.gateway.market.trade("QQQ", 492.0)
        _, sale = await rig.filled(2)
        assert (sale.order_ref, sale.side, sale.quantity) == (PAIR[0], Side.SELL, 100)
        await rig.told(OrderCancelled)
        assert [event.order_ref for event in rig.of(OrderCancelled)] == [PAIR[1]]
        assert (held(rig.gateway), working(rig)) == ({}, [])


async def test_protection_is_shown_as_working_to_the_next_question() -> None:
    async with a_desk() as rig:
        rig.broker.place(an_entry(1), a_pair())
        await rig.filled()
        assert (await rig.broker.evidence(PAIR)).working == frozenset(PAIR)


async def test_each_order_of_a_pair_alone_works_by_itself() -> None:
    async with a_desk() as rig:
        rig.broker.place(an_entry(1))
        await rig.filled()
        rig.broker.protect(a_pair(oca=ref(2)))
        await rig.until(lambda: working(rig) == sorted(PAIR))
        sent = rig.gateway.asked("placeOrder")[1:]
        assert [one.whole("parentId") for one in sent] == [0, 0]
        assert [one.flag("transmit") for one in sent] == [True, True]
        assert (await rig.broker.evidence(PAIR)).working == frozenset(PAIR)


async def test_the_target_of_a_pair_alone_ends_its_stop() -> None:
    async with a_desk() as rig:
        rig.broker.place(an_entry(1))
        await rig.filled()
        rig.broker.protect(a_pair(oca=ref(2)))
        await rig.until(lambda: working(rig) == sorted(PAIR))
        rig.gateway.market.trade("QQQ", 512.0)
        await rig.told(OrderCancelled)
        assert held(rig.gateway) == {}


async def test_what_cannot_be_sent_whole_is_not_sent_at_all() -> None:
    async with a_desk() as rig:
        stop, target = a_pair()
        off_the_tick = target._replace(limit_micros=micros(511) + 1)
        rig.broker.place(an_entry(1), [stop, off_the_tick])
        await rig.quiet()
        assert [event.order_ref for event in rig.of(OrderRejected)] == [ref(1), *PAIR]
        assert rig.gateway.asked("placeOrder") == []


async def test_an_entry_that_ends_unfilled_takes_its_pair_along() -> None:
    async with a_desk() as rig:
        rig.broker.place(an_entry(1, limit=400), a_pair())
        await rig.until(lambda: len(working(rig)) == 3)
        rig.broker.cancel(ref(1))
        await rig.told(OrderCancelled, 3)
        assert working(rig) == []


async def test_an_entry_whose_last_child_is_refused_does_not_lie_there_to_be_set_off_by_somebody() -> None:
    async with a_desk() as rig:
        rig.gateway.faults.add(Reject(201, nth=3))
        rig.broker.place(an_entry(1), a_pair())
        await rig.told(OrderCancelled, 2)
        assert [event.order_ref for event in rig.of(OrderCancelled)] == [ref(1), PAIR[0]]
        assert (working(rig), held(rig.gateway)) == ([], {})


async def test_a_child_that_is_refused_once_it_works_costs_its_entry_nothing() -> None:
    async with a_desk() as rig:
        rig.broker.place(an_entry(1, limit=400), a_pair())
        await rig.told(OrderAccepted, 3)
        rig.gateway.faults.add(Refuse("cancelOrder", 10148, "cannot be cancelled now"))
        rig.broker.cancel(PAIR[1])
        await rig.told(OrderLost)
        await rig.quiet()
        assert (rig.of(OrderLost)[0].order_ref, len(working(rig))) == (PAIR[1], 3)


async def test_children_that_die_with_their_entry_are_told_to_have_ended() -> None:
    async with a_desk() as rig:
        rig.gateway.faults.add(ChildrenDie())
        rig.gateway.market.depth("QQQ", 40)
        rig.broker.place(an_entry(1), a_pair())
        await rig.filled()
        rig.broker.cancel(ref(1))
        await rig.told(OrderCancelled, 3)
        assert (held(rig.gateway), working(rig)) == ({"QQQ": 40}, [])


async def test_what_somebody_has_changed_of_an_order_is_told_once() -> None:
    async with a_desk() as rig:
        rig.broker.place(an_entry(1), a_pair())
        await rig.filled()
        await rig.broker.evidence([])
        assert rig.of(OrderShown) == []
        [stop] = [order for order in rig.gateway.truth.live() if order.terms.stop is not None]
        rig.gateway.change_by_hand(stop, stop="100", shares=300)
        for _ in range(2):
            await rig.broker.evidence([])
        assert rig.of(OrderShown) == [OrderShown(PAIR[0], Terms(300, None, micros(100)))]


async def test_an_order_of_another_kind_than_was_sent_is_told_by_its_name() -> None:
    async with a_desk() as rig:
        rig.broker.place(an_entry(1), a_pair())
        await rig.filled()
        [stop] = [order for order in rig.gateway.truth.live() if order.terms.stop is not None]
        stop.terms = stop.terms._replace(order_type="TRAIL")
        await rig.broker.evidence([])
        assert rig.of(OrderShown) == [OrderShown(PAIR[0], Terms(100, None, None, "TRAIL"))]


async def test_what_an_earlier_run_has_sent_is_told_as_it_is_shown() -> None:
    async with a_desk() as rig:
        rig.broker.place(an_entry(1), a_pair())
        await rig.filled()
        await rig.connection.close()
        async with an_adapter(rig.gateway) as later:
            await later.broker.evidence([])
            shown = {told.order_ref: told.terms for told in later.of(OrderShown)}
        assert shown == {order.ref: Terms.of(order) for order in a_pair()}


async def test_protection_that_sells_less_as_its_other_order_sells_is_told_with_its_shares() -> None:
    async with a_desk() as rig:
        rig.broker.place(an_entry(1), a_pair())
        await rig.filled()
        rig.gateway.market.depth("QQQ", 40)
        rig.gateway.market.trade("QQQ", 511.0)
        await rig.filled(2)
        await rig.broker.evidence([])
        assert [told.terms.quantity for told in rig.of(OrderShown)] == [60]
