"""What the broker says when it is asked: complete, or unknown."""

import asyncio
from datetime import UTC, datetime

import pytest
from gateway.faults import Alter, EmptyPositions, HalfFrame, Ignore, Lose, MessageFault, Refuse, Reset
from ibkr_rig import ACCOUNT, QUICK, a_desk, an_adapter, an_entry, fills, ref

from trader.adapters.ibkr.asking import told_since
from trader.adapters.ibkr.cash import cash_micros
from trader.domain.errors import BrokerUnreachable
from trader.domain.events import Evidence, OrderAccepted, OrderCancelled
from trader.domain.money import micros


async def test_a_complete_answer_tells_executions_orders_and_positions() -> None:
    async with a_desk() as rig:
        rig.broker.place(an_entry(1))
        await rig.filled()
        rig.broker.place(an_entry(2, limit=400, symbol="AAPL"))
        await rig.told(OrderAccepted, 2)
        rig.broker.place(an_entry(3, limit=400, symbol="MSFT"))
        await rig.told(OrderAccepted, 3)
        rig.broker.cancel(ref(3))
        await rig.told(OrderCancelled)
        evidence = await rig.broker.evidence([ref(1), ref(2), ref(3)])
        assert evidence.unknown == ()
        assert evidence.executions is not None
        assert evidence.ended is not None
        assert [fill.order_ref for fill in evidence.executions] == [ref(1)]
        assert evidence.working == frozenset({ref(2)})
        assert {name: (end.filled, end.rejected) for name, end in evidence.ended.items()} == {
            ref(1): (100, False),
            ref(3): (0, False),
        }
        assert evidence.positions == {"QQQ": 100}


async def test_what_may_end_meanwhile_is_asked_for_in_the_list_that_it_leaves_first() -> None:
    """An order that ends between two answers is in the later one, and so are the shares of an execution."""
    async with a_desk() as rig:
        await rig.broker.evidence([])
        lists = ("reqAllOpenOrders", "reqCompletedOrders", "reqExecutions", "reqPositions")
        asked = [request.name for request in rig.gateway.requests if request.name in lists]
        last = {name: len(asked) - asked[::-1].index(name) for name in lists}
        assert last["reqAllOpenOrders"] < last["reqCompletedOrders"]
        first_look_at_positions = asked.index("reqPositions") + 1
        assert max(last["reqExecutions"], last["reqCompletedOrders"]) < first_look_at_positions


async def test_an_answer_says_which_connection_has_told_it_and_how_far_back_it_goes() -> None:
    async with a_desk() as rig:
        before = rig.clock.now()
        rig.gateway.disconnect()
        await rig.reconnected()
        evidence = await rig.broker.evidence([])
        assert evidence.epoch_began_at is not None
        assert before < evidence.epoch_began_at < rig.clock.now()
        assert evidence.told_since == told_since(rig.clock.now())


@pytest.mark.parametrize("at", [datetime(2026, 11, 23, 5, tzinfo=UTC), datetime(2026, 11, 24, 4, 59, tzinfo=UTC)])
def test_ib_tells_the_new_york_day(at: datetime) -> None:
    assert told_since(at) == datetime(2026, 11, 23, 5, tzinfo=UTC)


@pytest.mark.parametrize(
    ("request_name", "part"),
    [
        ("reqExecutions", "executions"),
        ("reqAllOpenOrders", "working"),
        ("reqCompletedOrders", "ended"),
        ("reqPositions", "positions"),
    ],
)
async def test_a_part_that_is_not_answered_is_unknown_and_the_others_are_not(request_name: str, part: str) -> None:
    async with a_desk(timing=QUICK._replace(request_s=0.15)) as rig:
        rig.gateway.faults.add(Ignore(on=request_name))
        assert (await rig.broker.evidence([])).unknown == (part,)
        assert rig.connection.is_open


@pytest.mark.parametrize(
    ("marker", "part"),
    [
        ("execDetailsEnd", "executions"),
        ("openOrderEnd", "working"),
        ("completedOrdersEnd", "ended"),
        ("positionEnd", "positions"),
    ],
)
async def test_a_part_without_its_end_marker_is_unknown(marker: str, part: str) -> None:
    async with a_desk(timing=QUICK._replace(request_s=0.15)) as rig:
        rig.broker.place(an_entry(1))
        await rig.filled()
        rig.gateway.faults.add(Lose(on=marker))
        evidence = await rig.broker.evidence([ref(1)])
        assert evidence.unknown == (part,)


@pytest.mark.parametrize(
    ("message", "field", "part"),
    [
        ("openOrder", "totalQuantity", "working"),
        ("completedOrder", "totalQuantity", "ended"),
        ("position", "conId", "positions"),
        ("execDetails", "orderId", "executions"),
    ],
)
async def test_an_item_that_cannot_be_read_leaves_its_list_unknown_and_our_orders_leave(
    message: str, field: str, part: str
) -> None:
    async with a_desk() as rig:
        rig.gateway.order_by_hand(ACCOUNT, "MSFT", "BUY", 5, limit=100)
        rig.gateway.cancel(rig.gateway.order_by_hand(ACCOUNT, "MSFT", "BUY", 6, limit=100))
        rig.gateway.endow(ACCOUNT, "MSFT", 5, 400)
        rig.gateway.place_by_hand(ACCOUNT, "MSFT", "BUY", 5, price=400)
        rig.gateway.faults.add(Alter(on=message, field=field, value="x", symbol="MSFT", times=1_000))
        for _ in range(3):
            assert (await rig.broker.evidence([])).unknown == (part,)
        assert rig.ear.epochs == [1]
        rig.gateway.disconnect()
        await rig.reconnected()
        rig.broker.place(an_entry(1))
        await rig.filled()
        rig.gateway.faults.clear()
        assert (await rig.broker.evidence([])).unknown == ()
        assert rig.log.said("IB LIST NOT READABLE")


async def test_an_answer_that_is_refused_is_unknown() -> None:
    async with a_desk(timing=QUICK._replace(request_s=0.15)) as rig:
        rig.gateway.faults.add(Refuse(on="reqExecutions", code=321, text="read-only"))
        assert (await rig.broker.evidence([])).unknown == ("executions",)


async def test_empty_positions_just_after_a_log_in_are_not_believed() -> None:
    async with a_desk() as rig:
        rig.gateway.endow(ACCOUNT, "QQQ", 10, 500)
        empty = rig.gateway.faults.add(EmptyPositions())
        assert (await rig.broker.evidence([])).positions == {"QQQ": 10}
        assert rig.gateway.faults.fired[empty] == 1


async def test_an_answer_that_shows_nothing_is_given_more_time_before_it_is_believed() -> None:
    async with a_desk(timing=QUICK._replace(second_look_s=0, empty_look_s=0.3)) as rig:
        loop = asyncio.get_running_loop()
        began = loop.time()
        assert (await rig.broker.evidence([])).positions == {}
        assert loop.time() - began >= 0.3
        rig.gateway.endow(ACCOUNT, "QQQ", 10, 500)
        rig.gateway.disconnect()
        await rig.reconnected()
        began = loop.time()
        assert (await rig.broker.evidence([])).positions == {"QQQ": 10}
        assert loop.time() - began < 0.3


async def test_each_epoch_looks_at_the_positions_twice_and_then_once() -> None:
    async with a_desk() as rig:
        for _ in range(3):
            await rig.broker.evidence([])
        assert len(rig.gateway.asked("reqPositions")) == 2 + 1 + 1
        rig.gateway.disconnect()
        await rig.reconnected()
        await rig.broker.evidence([])
        assert len(rig.gateway.asked("reqPositions")) == 4 + 2


async def test_positions_that_never_agree_are_unknown() -> None:
    async with a_desk() as rig:
        rig.gateway.endow(ACCOUNT, "QQQ", 10, 500)
        rig.gateway.faults.add(EmptyPositions())
        rig.gateway.faults.add(EmptyPositions(nth=3))
        assert (await rig.broker.evidence([])).positions is None


async def test_without_a_connection_there_is_no_evidence() -> None:
    async with a_desk() as rig:
        rig.gateway.lose_servers()
        await rig.until(lambda: not rig.connection.is_open)
        with pytest.raises(BrokerUnreachable, match="1100"):
            await rig.broker.evidence([])


async def test_an_answer_across_the_end_of_an_epoch_proves_nothing() -> None:
    async with a_desk() as rig:
        rig.gateway.faults.add(Ignore(on="reqExecutions"))
        asked = asyncio.create_task(rig.broker.evidence([]))
        await rig.until(lambda: rig.gateway.asked("reqExecutions"))
        rig.gateway.restore_servers(data_lost=False)
        with pytest.raises(BrokerUnreachable):
            await asked


_IN_ANSWERS = (
    "execDetails",
    "execDetailsEnd",
    "openOrder",
    "openOrderEnd",
    "completedOrder",
    "completedOrdersEnd",
    "position",
    "positionEnd",
    "accountUpdateMulti",
    "accountUpdateMultiEnd",
)


@pytest.mark.parametrize("ends", [Reset, HalfFrame])
@pytest.mark.parametrize("message", _IN_ANSWERS)
async def test_an_answer_in_the_middle_of_which_the_connection_ends_proves_nothing(
    message: str, ends: type[MessageFault]
) -> None:
    async with a_desk() as rig:
        rig.broker.place(an_entry(1))
        await rig.filled()
        rig.broker.place(an_entry(2, limit=400, symbol="AAPL"))
        await rig.told(OrderAccepted, 2)
        rig.gateway.faults.add(ends(on=message))
        with pytest.raises(BrokerUnreachable, match="ended meanwhile"):
            await rig.broker.evidence([ref(1), ref(2)])
        await rig.reconnected()
        evidence = await rig.broker.evidence([ref(1), ref(2)])
        assert (evidence.unknown, evidence.positions, evidence.working) == ((), {"QQQ": 100}, frozenset({ref(2)}))


async def test_another_accounts_positions_are_not_ours() -> None:
    async with a_desk() as rig:
        rig.gateway.endow(ACCOUNT, "QQQ", 10, 500)
        rig.gateway.faults.add(Alter(on="position", field="account", value="DU9", times=1_000))
        assert (await rig.broker.evidence([])).positions == {}


async def test_a_fraction_of_a_share_is_listed_and_only_whole_shares_count() -> None:
    async with a_desk() as rig:
        rig.gateway.endow(ACCOUNT, "QQQ", 10, 500)
        rig.gateway.faults.add(Alter(on="position", field="position", value="10.5", times=1_000))
        assert (await rig.broker.evidence([])).positions == {"QQQ": 10}
        assert "10.5 shares, of which 10 are whole" in rig.broker.foreign[0].what


async def test_a_short_fraction_is_a_short() -> None:
    async with a_desk() as rig:
        rig.gateway.endow(ACCOUNT, "QQQ", 10, 500)
        rig.gateway.faults.add(Alter(on="position", field="position", value="-0.5", times=1_000))
        assert (await rig.broker.evidence([])).positions == {"QQQ": -1}


@pytest.mark.parametrize("shares", ["inf", "-inf", "NaN", "1.7976931348623157E308", "1e25", "9223372036854775808"])
async def test_shares_that_no_position_can_have_leave_the_positions_unknown(shares: str) -> None:
    async with a_desk() as rig:
        rig.gateway.endow(ACCOUNT, "QQQ", 10, 500)
        rig.gateway.faults.add(Alter(on="position", field="position", value=shares, times=1_000))
        for _ in range(2):
            assert (await rig.broker.evidence([])).positions is None
        rig.gateway.faults.clear()
        assert (await rig.broker.evidence([])).positions == {"QQQ": 10}
        assert rig.broker.foreign == ()


@pytest.mark.parametrize("cash", ["inf", "NaN", "1.7976931348623157E308", "1e25", "-9223372036854775808"])
async def test_cash_that_no_account_can_have_is_unknown(cash: str) -> None:
    async with a_desk() as rig:
        rig.gateway.faults.add(Alter(on="accountUpdateMulti", field="value", value=cash, times=1_000))
        assert await cash_micros(rig.connection) is None


async def test_an_answer_without_the_accounts_cash_is_not_complete() -> None:
    async with a_desk(timing=QUICK._replace(request_s=0.15)) as rig:
        rig.gateway.faults.add(Lose(on="accountUpdateMultiEnd"))
        assert (await rig.broker.evidence([])).unknown == ("positions",)
        assert (await rig.broker.evidence([])).unknown == ()


async def test_what_is_no_stock_is_listed_and_not_counted_as_shares() -> None:
    async with a_desk() as rig:
        rig.gateway.endow(ACCOUNT, "QQQ", 10, 500)
        rig.gateway.faults.add(Alter(on="position", field="secType", value="OPT", times=1_000))
        assert (await rig.broker.evidence([])).positions == {}
        assert "OPT" in rig.broker.foreign[0].what


async def test_another_contract_of_a_symbol_that_is_traded_is_listed_and_not_counted_as_its_shares() -> None:
    """A share of the same name at another exchange: an order for the one we know would sell nothing of it."""
    async with a_desk() as rig:
        rig.gateway.endow(ACCOUNT, "QQQ", 10, 500)
        rig.gateway.faults.add(Alter(on="position", field="conId", value="4711", times=1_000))
        assert (await rig.broker.evidence([])).positions == {}
        [found] = rig.broker.foreign
        assert (found.kind, found.id, found.what) == ("position", "4711", "10 of STK in USD")


async def test_the_next_process_finds_everything_by_reference() -> None:
    async with a_desk() as rig:
        rig.broker.place(an_entry(1))
        await rig.filled()
        rig.broker.place(an_entry(2, limit=400, symbol="AAPL"))
        await rig.told(OrderAccepted, 2)
        told = fills(rig)
        await rig.connection.close()
        async with an_adapter(rig.gateway) as later:
            evidence: Evidence = await later.broker.evidence([ref(1), ref(2)])
            assert evidence.executions is not None
            assert evidence.ended is not None
            assert list(evidence.executions) == told
            assert evidence.working == frozenset({ref(2)})
            assert evidence.ended[ref(1)].filled == 100


async def test_the_cash_of_the_account_is_told_in_dollars() -> None:
    async with a_desk() as rig:
        assert await cash_micros(rig.connection) == micros(rig.gateway.truth.cash(ACCOUNT))


async def test_cash_that_is_not_told_completely_is_unknown() -> None:
    async with a_desk(timing=QUICK._replace(request_s=0.15)) as rig:
        rig.gateway.faults.add(Lose(on="accountUpdateMultiEnd"))
        assert await cash_micros(rig.connection) is None
