"""Orders over a real socket: what is sent, and what is told of it."""

import asyncio

import pytest
from gateway.faults import (
    Alter,
    CommissionFirst,
    Correct,
    Delay,
    Duplicate,
    FillAfterCancel,
    FillWhileDown,
    HoldForLocate,
    Ignore,
    Lose,
    Note,
    Refuse,
    Reject,
    Reorder,
    StatusFirst,
    TwoPermIds,
    UnknownZone,
)
from ibkr_rig import ACCOUNT, PATIENCE_S, QUICK, Rig, a_desk, an_adapter, an_entry, an_exit, fills, ref

from trader.adapters.ibkr.messages import Status
from trader.domain.events import (
    EpochEnded,
    FillReported,
    OrderAccepted,
    OrderCancelled,
    OrderIdentified,
    OrderLost,
    OrderRejected,
)
from trader.domain.money import micros


async def test_an_entry_is_a_limit_order_for_the_day_under_our_reference() -> None:
    async with a_desk() as rig:
        rig.broker.place(an_entry(1, 100, 501.25))
        await rig.filled()
        [sent] = rig.gateway.asked("placeOrder")
        assert (sent.text("action"), sent.text("orderType"), sent.text("tif")) == ("BUY", "LMT", "DAY")
        assert (sent.text("account"), sent.text("orderRef")) == (ACCOUNT, ref(1))
        assert sent.number("lmtPrice") == 501.25
        assert sent.whole("conId") == 320227571
        assert not sent.flag("outsideRth")


async def test_a_fill_is_told_at_once_with_the_commission_that_comes_with_it() -> None:
    async with a_desk() as rig:
        rig.broker.place(an_entry(1, 400))
        [fill] = await rig.filled()
        assert (fill.order_ref, fill.account, fill.quantity) == (ref(1), "paper", 400)
        assert fill.price_micros == micros(rig.gateway.truth.executions[0].price)
        assert fill.fault == ""
        assert fill.commission_micros == micros(2)
        await rig.quiet()
        assert rig.kinds() == ["OrderAccepted", "FillReported"]


async def test_a_commission_that_comes_later_is_its_execution_told_again() -> None:
    async with a_desk() as rig:
        rig.gateway.faults.add(Delay(on="commissionReport", delay_s=0.05))
        rig.broker.place(an_entry(1, 400))
        fill, with_cost = [event.fill for event in await rig.told(FillReported, 2)]
        assert fill.commission_micros == 0
        assert with_cost == fill._replace(commission_micros=micros(2))


async def test_an_exit_is_a_market_order() -> None:
    async with a_desk() as rig:
        rig.broker.place(an_entry(1))
        await rig.filled()
        rig.broker.place(an_exit(2))
        await rig.filled(2)
        assert rig.gateway.asked("placeOrder")[-1].text("orderType") == "MKT"
        assert rig.gateway.truth.positions(ACCOUNT) == {}


async def test_one_reference_is_sent_once() -> None:
    async with a_desk() as rig:
        rig.broker.place(an_entry(1))
        rig.broker.place(an_entry(1))
        await rig.filled()
        await rig.quiet()
        assert rig.placed() == 1


async def test_a_reference_that_the_broker_has_shown_is_not_sent_again_by_the_next_process() -> None:
    async with a_desk() as rig:
        rig.broker.place(an_entry(1, limit=400))
        await rig.told(OrderAccepted)
        await rig.connection.close()
        async with an_adapter(rig.gateway) as later:
            await later.broker.evidence([ref(1)])
            later.broker.place(an_entry(1, limit=400))
            await later.quiet()
        assert rig.placed() == 1


async def test_what_cannot_be_sent_is_rejected_and_not_sent() -> None:
    async with a_desk() as rig:
        rig.broker.place(an_entry(1, symbol="JPM"))
        rig.broker.place(an_entry(2, limit=501.005))
        rig.broker.place(an_entry(3)._replace(limit_micros=None))
        rig.broker.place(an_entry(4, shares=0))
        rig.broker.place(an_entry(5)._replace(ref="paper-1\0-0005"))
        await rig.quiet()
        assert [event.order_ref for event in rig.of(OrderRejected)] == [
            ref(1),
            ref(2),
            ref(3),
            ref(4),
            "paper-1\0-0005",
        ]
        assert rig.gateway.asked("placeOrder") == []


async def test_nothing_is_sent_while_the_servers_are_lost() -> None:
    async with a_desk() as rig:
        rig.gateway.lose_servers()
        await rig.told(EpochEnded)
        rig.broker.place(an_entry(1))
        [rejected] = await rig.told(OrderRejected)
        assert "servers lost" in rejected.reason
        assert rig.gateway.asked("placeOrder") == []


async def test_nothing_is_cancelled_while_the_servers_are_lost() -> None:
    async with a_desk() as rig:
        rig.broker.place(an_entry(1, limit=400))
        await rig.told(OrderAccepted)
        rig.gateway.lose_servers()
        await rig.told(EpochEnded)
        rig.broker.cancel(ref(1))
        rig.gateway.restore_servers(data_lost=False)
        await rig.reconnected()
        await rig.quiet()
        assert rig.gateway.asked("cancelOrder") == []


async def test_a_cancelled_order_has_ended_when_the_broker_says_so() -> None:
    async with a_desk() as rig:
        rig.broker.place(an_entry(1, limit=400))
        await rig.told(OrderAccepted)
        rig.broker.cancel(ref(1))
        await rig.told(OrderCancelled)
        await rig.quiet()
        assert rig.kinds() == ["OrderAccepted", "OrderCancelled"]


async def test_an_order_of_an_earlier_process_is_cancelled_by_the_id_that_the_broker_shows() -> None:
    async with a_desk() as rig:
        rig.broker.place(an_entry(1, limit=400))
        await rig.told(OrderAccepted)
        await rig.connection.close()
        async with an_adapter(rig.gateway) as later:
            await later.broker.evidence([ref(1)])
            later.broker.cancel(ref(1))
            [cancelled] = await later.told(OrderCancelled)
            assert cancelled.order_ref == ref(1)


async def test_a_cancel_of_what_nobody_knows_sends_nothing() -> None:
    async with a_desk() as rig:
        rig.broker.cancel(ref(1))
        await rig.quiet()
        assert rig.gateway.asked("cancelOrder") == []
        assert rig.gateway.asked("reqGlobalCancel") == []


async def test_a_notice_of_a_cancel_before_its_status_is_no_doubt() -> None:
    async with a_desk() as rig:
        rig.broker.place(an_entry(1, limit=400))
        await rig.told(OrderAccepted)
        await rig.quiet()
        late = rig.gateway.faults.add(Reorder(on="orderStatus"))
        rig.broker.cancel(ref(1))
        await rig.told(OrderCancelled)
        await asyncio.sleep(2 * rig.connection.timing.executions_s)
        assert rig.gateway.faults.fired[late] == 1
        assert rig.kinds() == ["OrderAccepted", "OrderCancelled"]


async def test_a_cancel_whose_status_never_comes_is_of_unknown_fate() -> None:
    async with a_desk() as rig:
        rig.broker.place(an_entry(1, limit=400))
        await rig.told(OrderAccepted)
        rig.gateway.faults.add(Lose(on="orderStatus", times=10))
        rig.broker.cancel(ref(1))
        [lost] = await rig.told(OrderLost)
        assert "202" in lost.reason
        assert "no status has said so" in lost.reason


# errors


@pytest.mark.parametrize("code", [103, 105, 110, 201, 321, 388, 434, 460, 10243, 10268])
async def test_an_error_makes_the_fate_unknown_and_ends_nothing(code: int) -> None:
    async with a_desk() as rig:
        rig.gateway.faults.add(Reject(code=code, status=""))
        rig.broker.place(an_entry(1))
        [lost] = await rig.told(OrderLost)
        assert f"IB error {code}" in lost.reason
        await rig.quiet()
        assert set(rig.kinds()) == {"OrderLost"}


@pytest.mark.parametrize("code", [10349, 404])
async def test_an_order_that_lives_on_after_an_error_is_found_working(code: int) -> None:
    async with a_desk() as rig:
        rig.gateway.faults.add(Note(on="placeOrder", code=code, text="a preset of TWS"))
        rig.broker.place(an_entry(1, limit=400))
        await rig.told(OrderAccepted)
        assert not {"OrderCancelled", "OrderRejected"} & set(rig.kinds())
        assert (await rig.broker.evidence([ref(1)])).working == frozenset({ref(1)})


async def test_a_notice_beside_an_order_is_logged_and_changes_nothing() -> None:
    async with a_desk() as rig:
        rig.gateway.faults.add(Note(on="placeOrder", code=399, text="held until the open"))
        rig.broker.place(an_entry(1, limit=400))
        await rig.told(OrderAccepted)
        assert rig.kinds() == ["OrderAccepted"]
        assert rig.log.said(f"{ref(1)} IB error 399")


async def test_inactive_is_no_end() -> None:
    async with a_desk() as rig:
        rig.gateway.faults.add(Reject())
        rig.broker.place(an_entry(1))
        await rig.told(OrderLost)
        await rig.quiet()
        assert set(rig.kinds()) == {"OrderLost"}
        ended = (await rig.broker.evidence([ref(1)])).ended
        assert ended is not None
        assert ended[ref(1)].rejected


async def test_an_order_held_for_a_locate_works() -> None:
    async with a_desk() as rig:
        rig.gateway.faults.add(HoldForLocate())
        rig.broker.place(an_entry(1))
        await rig.told(OrderAccepted)
        await rig.quiet()
        assert rig.of(OrderLost) == []
        rig.gateway.fill(rig.gateway.truth.orders[0])
        await rig.filled()


async def test_a_refused_cancel_of_a_filled_order_is_no_news() -> None:
    async with a_desk() as rig:
        rig.broker.place(an_entry(1))
        await rig.filled()
        await rig.quiet()
        rig.broker.cancel(ref(1))
        await rig.until(lambda: [said for said in rig.ear.messages if getattr(said, "code", 0) in (161, 10147, 10148)])
        assert not {"OrderCancelled", "OrderLost"} & set(rig.kinds())


async def test_a_refused_cancel_of_an_order_that_may_live_leaves_its_fate_to_the_evidence() -> None:
    async with a_desk() as rig:
        rig.broker.place(an_entry(1, limit=400))
        await rig.told(OrderAccepted)
        rig.gateway.faults.add(Refuse(on="cancelOrder", code=10147, text="not found"))
        rig.broker.cancel(ref(1))
        await rig.told(OrderLost)
        assert rig.of(OrderCancelled) == []
        assert (await rig.broker.evidence([ref(1)])).working == frozenset({ref(1)})


# fills, and what goes wrong with them


async def test_a_filled_order_whose_execution_was_lost_is_of_unknown_fate() -> None:
    async with a_desk() as rig:
        rig.gateway.faults.add(Lose(on="execDetails"))
        rig.broker.place(an_entry(1))
        [lost] = await rig.told(OrderLost)
        assert lost.reason == "Filled with 100 shares, of which 0 were told"
        executions = (await rig.broker.evidence([ref(1)])).executions
        assert executions is not None
        assert [fill.quantity for fill in executions] == [100]


async def test_a_status_before_its_execution_is_no_loss() -> None:
    async with a_desk() as rig:
        rig.gateway.faults.add(StatusFirst())
        rig.broker.place(an_entry(1))
        await rig.filled()
        await asyncio.sleep(2 * rig.connection.timing.executions_s)
        assert rig.of(OrderLost) == []


async def test_a_commission_before_its_execution_is_in_the_fill() -> None:
    async with a_desk() as rig:
        rig.gateway.faults.add(CommissionFirst())
        rig.broker.place(an_entry(1, 400))
        await rig.filled()
        await rig.quiet()
        assert [fill.commission_micros for fill in fills(rig)] == [micros(2)]


async def test_a_commission_that_comes_twice_is_told_once() -> None:
    async with a_desk() as rig:
        rig.gateway.faults.add(Duplicate(on="commissionReport"))
        rig.broker.place(an_entry(1))
        await rig.filled()
        await rig.quiet()
        assert len(rig.of(FillReported)) == 1


@pytest.mark.parametrize(("field", "value"), [("currency", "EUR"), ("commission", "1.7976931348623157E308")])
async def test_a_commission_that_is_no_amount_of_dollars_is_not_booked(field: str, value: str) -> None:
    async with a_desk() as rig:
        rig.gateway.faults.add(Alter(on="commissionReport", field=field, value=value))
        rig.broker.place(an_entry(1))
        await rig.filled()
        await rig.quiet()
        assert [event.fill.commission_micros for event in rig.of(FillReported)] == [0]


async def test_an_execution_that_comes_twice_is_told_once() -> None:
    async with a_desk() as rig:
        rig.gateway.faults.add(Duplicate(on="execDetails"))
        rig.broker.place(an_entry(1))
        await rig.filled()
        await rig.quiet()
        assert len(fills(rig)) == 1


async def test_a_correction_names_what_it_replaces() -> None:
    async with a_desk() as rig:
        rig.gateway.faults.add(Correct(shares=60))
        rig.broker.place(an_entry(1))
        await rig.filled(2)
        first, second = fills(rig)
        assert second.corrects == (first.execution_id,)
        assert (first.quantity, second.quantity) == (100, 60)


async def test_a_bust_is_a_correction_to_nothing() -> None:
    async with a_desk() as rig:
        rig.broker.place(an_entry(1))
        await rig.filled()
        rig.gateway.correct(rig.gateway.truth.executions[0].exec_id, 0)
        await rig.filled(2)
        assert fills(rig)[1].is_bust


async def test_an_execution_in_an_unknown_time_zone_is_told_and_doubted_aloud() -> None:
    async with a_desk() as rig:
        zone = rig.gateway.faults.add(UnknownZone())
        rig.broker.place(an_entry(1))
        [fill] = await rig.filled()
        assert rig.gateway.faults.fired[zone] == 1
        assert abs((fill.executed_at - rig.clock.now()).total_seconds()) < 5
        assert "Central European Standard Time" in rig.log.errors[0]


async def test_a_cancel_that_says_more_than_was_told_is_no_end() -> None:
    async with a_desk() as rig:
        rig.broker.place(an_entry(1, limit=400))
        await rig.told(OrderAccepted)
        rig.gateway.faults.add(Lose(on="execDetails"))
        rig.gateway.fill(rig.gateway.truth.orders[0], 40)
        rig.broker.cancel(ref(1))
        [lost, *_] = await rig.told(OrderLost)
        assert lost.reason == "Cancelled with 40 shares filled, of which 0 were told"
        assert rig.of(OrderCancelled) == []


async def test_a_cancel_that_does_not_say_how_much_was_filled_is_no_end() -> None:
    async with a_desk() as rig:
        rig.broker.place(an_entry(1, limit=400))
        await rig.told(OrderAccepted)
        rig.gateway.faults.add(Alter(on="orderStatus", field="filled", value="NaN"))
        rig.broker.cancel(ref(1))
        await rig.told(OrderLost)
        assert rig.of(OrderCancelled) == []


async def test_a_fill_after_a_cancel_is_told() -> None:
    async with a_desk() as rig:
        rig.gateway.faults.add(FillAfterCancel(30))
        rig.broker.place(an_entry(1, limit=400))
        await rig.told(OrderAccepted)
        rig.broker.cancel(ref(1))
        await rig.filled()
        assert fills(rig)[0].quantity == 30


async def test_an_order_that_works_again_after_its_end_is_cancelled() -> None:
    async with a_desk() as rig:
        rig.gateway.faults.add(Alter(on="orderStatus", field="status", value="Cancelled"))
        rig.gateway.faults.add(Note("placeOrder", 202, "Order Canceled - reason:"))
        rig.broker.place(an_entry(1, limit=400))
        await rig.told(OrderCancelled)
        await rig.broker.evidence([])
        await rig.until(lambda: rig.gateway.asked("cancelOrder"))
        assert rig.of(OrderAccepted) in ([], [OrderAccepted(ref(1))])
        assert rig.log.said(f"{ref(1)} WORKS AGAIN")


async def test_an_end_that_nobody_asked_for_and_nothing_explains_is_no_end() -> None:
    """A stop that works on would stand beside its successor, and both could sell."""
    async with a_desk() as rig:
        rig.gateway.faults.add(Alter(on="orderStatus", field="status", value="Cancelled", times=1000))
        rig.broker.place(an_entry(1, limit=400))
        await rig.told(OrderLost)
        assert (await rig.broker.evidence([])).working == frozenset({ref(1)})
        await rig.quiet()
        assert rig.of(OrderCancelled) == []
        assert not rig.gateway.asked("cancelOrder")


async def test_an_end_of_which_notice_is_given_late_is_one() -> None:
    async with a_desk() as rig:
        rig.gateway.faults.add(Delay(on="error", delay_s=2 * QUICK.executions_s))
        rig.broker.place(an_entry(1, limit=400))
        await rig.told(OrderAccepted)
        [order] = rig.gateway.truth.live()
        rig.gateway.cancel(order)
        await rig.told(OrderLost)
        await rig.told(OrderCancelled)


async def test_two_orders_from_one_are_told_once_and_left_alone() -> None:
    async with a_desk() as rig:
        rig.gateway.faults.add(TwoPermIds())
        rig.broker.place(an_entry(1, limit=400))
        await rig.told(OrderAccepted)
        for _ in range(2):
            assert (await rig.broker.evidence([ref(1)])).working == frozenset({ref(1)})
        first, second = rig.of(OrderIdentified)
        assert first.order_ref == second.order_ref == ref(1)
        assert {first.perm_id, second.perm_id} == {order.perm_id for order in rig.gateway.truth.live()}


async def test_the_id_of_an_order_is_told_before_anything_else_of_it() -> None:
    async with a_desk() as rig:
        rig.broker.place(an_entry(1))
        await rig.filled()
        assert [type(event) for event in rig.events[:2]] == [OrderIdentified, OrderAccepted]
        assert len(rig.of(OrderIdentified)) == 1


async def test_a_perm_id_stays_with_the_order_that_had_it_first() -> None:
    async with a_desk() as rig:
        rig.broker.place(an_entry(1, limit=400))
        await rig.told(OrderAccepted)
        [order] = rig.gateway.truth.live()
        rig.gateway.faults.add(Alter(on="openOrder", field="permId", value=str(order.perm_id)))
        rig.broker.place(an_entry(2, limit=400, symbol="AAPL"))
        await rig.told(OrderAccepted, 2)
        told = [(one.order_ref, one.perm_id) for one in rig.of(OrderIdentified)]
        assert (ref(2), order.perm_id) in told, "the services judge"
        rig.gateway.cancel(order)
        assert [one.order_ref for one in await rig.told(OrderCancelled)] == [ref(1)]


async def test_the_end_of_one_of_two_orders_is_no_end() -> None:
    async with a_desk() as rig:
        rig.gateway.faults.add(TwoPermIds())
        rig.broker.place(an_entry(1, limit=400))
        await rig.told(OrderAccepted)
        await rig.broker.evidence([ref(1)])
        first, second = rig.gateway.truth.live()
        rig.gateway.cancel(first)
        await rig.told(OrderLost)
        assert rig.of(OrderCancelled) == []
        assert (await rig.broker.evidence([ref(1)])).working == frozenset({ref(1)})
        rig.gateway.cancel(second)
        await rig.told(OrderCancelled)


# what is not ours


async def test_a_manual_trade_is_listed_and_no_fill_of_ours() -> None:
    async with a_desk() as rig:
        execution = rig.gateway.place_by_hand(ACCOUNT, "QQQ", "BUY", 50)
        rig.gateway.announce(execution)
        await rig.until(lambda: rig.broker.foreign)
        assert rig.of(FillReported) == []
        evidence = await rig.broker.evidence([])
        assert evidence.executions == ()
        assert evidence.positions == {"QQQ": 50}


async def test_a_foreign_order_is_listed_and_not_ours() -> None:
    async with a_desk() as rig:
        rig.gateway.order_by_hand(ACCOUNT, "QQQ", "BUY", 50, limit=400)
        assert (await rig.broker.evidence([])).working == frozenset()
        assert [found.kind for found in rig.broker.foreign] == ["order"]
        assert rig.gateway.asked("cancelOrder") == []


async def test_the_status_of_another_clients_order_of_the_same_id_is_not_ours() -> None:
    async with a_desk() as rig:
        rig.broker.place(an_entry(1, limit=400))
        await rig.told(OrderAccepted)
        order_id = rig.gateway.asked("placeOrder")[0].whole("orderId")
        rig.broker.hear(Status(order_id, 8, 999, "Cancelled", 0, 100, ""))
        assert rig.kinds() == ["OrderAccepted"]


async def test_the_status_of_another_order_under_an_id_of_ours_is_not_ours() -> None:
    """Ids come a second time where their sequence was set back; a permId does not."""
    async with a_desk() as rig:
        rig.broker.place(an_entry(1, limit=400))
        await rig.told(OrderAccepted)
        rig.gateway.faults.add(Alter(on="orderStatus", field="permId", value="4711"))
        rig.gateway.cancel(rig.gateway.truth.orders[0])
        await rig.quiet()
        assert rig.kinds() == ["OrderAccepted"]
        assert [one.perm_id for one in rig.of(OrderIdentified)] == [rig.gateway.truth.orders[0].perm_id]


async def test_what_is_said_of_orders_before_the_account_is_known_is_not_heard() -> None:
    """A gateway that was restarted tells the orders of this client at once, whoever has logged in to it."""
    async with a_desk() as rig:
        rig.broker.place(an_entry(1, limit=400))
        await rig.told(OrderAccepted)
        for accounts in ((), ("DU9999999",)):
            rig.session.accounts = accounts
            rig.client.decoder.interpret(["3", str(rig.gateway.truth.orders[0].order_id), "Cancelled", *"00000070", ""])
        assert rig.kinds() == ["OrderAccepted"]


async def test_an_execution_with_numbers_left_out_is_told_all_the_same() -> None:
    async with a_desk() as rig:
        rig.gateway.faults.add(Alter(on="execDetails", field="orderId", value=""))
        rig.broker.place(an_entry(1))
        await rig.filled()
        assert fills(rig)[0].order_ref == ref(1)


@pytest.mark.parametrize(("field", "value", "names"), [("currency", "EUR", "EUR"), ("conId", "4711", "4711")])
async def test_an_execution_of_another_contract_or_currency_cannot_be_booked_though_it_carries_our_reference(
    field: str, value: str, names: str
) -> None:
    async with a_desk() as rig:
        rig.gateway.faults.add(Alter(on="execDetails", field=field, value=value))
        rig.broker.place(an_entry(1))
        [fill] = await rig.filled()
        assert fill.order_ref == ref(1)
        assert names in fill.fault


@pytest.mark.parametrize("text", ["\x1b[31m\nforged\u202e", "A" * 1_000_000])
@pytest.mark.parametrize("field", ["symbol", "action", "orderType", "status", "account"])
async def test_what_is_told_of_a_foreign_order_is_short_and_plain(field: str, text: str) -> None:
    async with a_desk() as rig:
        rig.gateway.order_by_hand(ACCOUNT, "QQQ", "BUY", 50, limit=400)
        rig.gateway.faults.add(Alter(on="openOrder", field=field, value=text))
        await rig.broker.evidence([])
        [found] = rig.broker.foreign
        assert all(len(told) <= 200 and told.isascii() and told.isprintable() for told in found)


async def test_a_foreign_order_that_is_gone_is_not_listed_any_more() -> None:
    async with a_desk() as rig:
        order = rig.gateway.order_by_hand(ACCOUNT, "QQQ", "BUY", 50, limit=400)
        await rig.broker.evidence([])
        rig.gateway.cancel(order)
        await rig.broker.evidence([])
        assert rig.broker.foreign == ()


@pytest.mark.parametrize("status", ["Filled", "Cancelled", "ApiCancelled"])
async def test_an_order_that_is_over_does_not_work_though_it_is_listed_as_open(status: str) -> None:
    async with a_desk() as rig:
        rig.broker.place(an_entry(1, limit=400))
        await rig.told(OrderAccepted)
        rig.gateway.faults.add(Alter(on="openOrder", field="status", value=status))
        assert (await rig.broker.evidence([])).working == frozenset()


async def test_an_execution_of_another_account_is_not_ours_even_under_a_reference_like_ours() -> None:
    async with a_desk() as rig:
        rig.gateway.faults.add(Alter(on="execDetails", field="account", value="DU9"))
        rig.broker.place(an_entry(1))
        await rig.until(lambda: rig.broker.foreign)
        assert rig.of(FillReported) == []


async def test_an_open_order_of_another_account_is_not_ours_even_under_a_reference_like_ours() -> None:
    async with a_desk() as rig:
        rig.broker.place(an_entry(1, limit=400))
        await rig.told(OrderAccepted)
        rig.gateway.faults.add(Alter(on="openOrder", field="account", value="DU9", times=10))
        assert (await rig.broker.evidence([ref(1)])).working == frozenset()
        assert [(found.kind, found.account) for found in rig.broker.foreign] == [("order", "DU9")]


# margin


async def test_more_of_what_is_held_is_bought_after_a_margin_check() -> None:
    async with a_desk() as rig:
        await _hold(rig)
        rig.broker.place(an_entry(2))
        await rig.filled(2)
        assert [one.flag("whatIf") for one in rig.gateway.asked("placeOrder")] == [False, True, False]


async def test_what_the_margin_does_not_allow_is_rejected_with_the_numbers_and_not_sent() -> None:
    async with a_desk() as rig:
        await _hold(rig)
        rig.broker.place(an_entry(2, shares=100_000))
        [rejected] = await rig.told(OrderRejected)
        assert "margin" in rejected.reason
        assert rig.placed() == 1


async def test_a_margin_without_numbers_is_no_answer() -> None:
    async with a_desk() as rig:
        await _hold(rig)
        for field in ("initMarginAfter", "equityWithLoanAfter"):
            rig.gateway.faults.add(Alter(on="openOrder", field=field, value="1.7976931348623157E308", times=1_000))
        rig.broker.place(an_entry(2))
        [rejected] = await rig.told(OrderRejected)
        assert "no answer about its margin" in rejected.reason
        assert rig.placed() == 1


async def test_an_order_cancelled_during_its_margin_check_is_not_sent() -> None:
    async with a_desk() as rig:
        await _hold(rig)
        rig.broker.place(an_entry(2))
        rig.broker.cancel(ref(2))
        await rig.told(OrderCancelled)
        await rig.quiet()
        assert rig.placed() == 1


async def test_an_order_whose_margin_was_asked_when_the_connection_ended_was_not_sent_and_says_so() -> None:
    async with a_desk(timing=QUICK._replace(margin_s=10 * PATIENCE_S)) as rig:
        await _hold(rig)
        rig.gateway.faults.add(Ignore(on="placeOrder"))
        rig.broker.place(an_entry(2))
        rig.gateway.disconnect()
        [rejected] = await rig.told(OrderRejected)
        assert "connection ended before it left" in rejected.reason


async def _hold(rig: Rig) -> None:
    rig.broker.place(an_entry(1))
    await rig.filled()
    await rig.quiet()


# the end of an epoch


async def test_what_waits_when_the_servers_are_lost_does_not_leave() -> None:
    async with a_desk(timing=QUICK._replace(heartbeat_s=PATIENCE_S)) as rig:
        rig.broker.place(an_entry(1, limit=400))
        await rig.told(OrderAccepted)
        for _ in range(45):  # as many as may leave in a second: what follows has to wait
            rig.session.outgoing.order(lambda: None, lambda: None)
        rig.broker.cancel(ref(1))
        rig.broker.place(an_entry(2, limit=400))
        rig.gateway.lose_servers()
        [rejected] = await rig.told(OrderRejected)
        assert rejected.order_ref == ref(2)
        assert rig.placed() == 1
        assert rig.gateway.asked("cancelOrder") == []


async def test_an_order_that_was_not_answered_when_the_connection_ended_is_of_unknown_fate() -> None:
    async with a_desk() as rig:
        rig.gateway.faults.add(Lose(on="openOrder", times=10))
        rig.gateway.faults.add(Lose(on="orderStatus", times=10))
        rig.broker.place(an_entry(1, limit=400))
        await rig.until(rig.placed)
        rig.gateway.disconnect()
        await rig.told(EpochEnded)
        assert [event.order_ref for event in rig.of(OrderLost)] == [ref(1)]


async def test_a_fill_while_we_were_away_is_in_the_evidence_of_the_next_epoch() -> None:
    async with a_desk() as rig:
        rig.gateway.faults.add(FillWhileDown())
        rig.broker.place(an_entry(1, limit=400))
        await rig.told(OrderAccepted)
        rig.gateway.disconnect()
        await rig.reconnected()
        evidence = await rig.broker.evidence([ref(1)])
        assert evidence.executions is not None
        assert [fill.quantity for fill in evidence.executions] == [100]
        assert evidence.positions == {"QQQ": 100}
        assert fills(rig) == list(evidence.executions)


async def test_an_id_is_never_used_again_when_the_broker_has_rolled_its_ids_back() -> None:
    async with a_desk() as rig:
        rig.broker.place(an_entry(1, limit=400))
        await rig.told(OrderAccepted)
        rig.gateway.faults.add(Alter(on="nextValidId", field="orderId", value="1"))
        rig.gateway.disconnect()
        await rig.reconnected()
        rig.broker.place(an_entry(2, limit=401))
        await rig.told(OrderAccepted, 2)
        assert {order.order_ref for order in rig.gateway.truth.live()} == {ref(1), ref(2)}


async def test_an_id_of_an_order_that_has_ended_is_not_used_again_either() -> None:
    async with a_desk() as rig:
        rig.broker.place(an_entry(1))
        await rig.filled()
        rig.gateway.faults.add(Alter(on="nextValidId", field="orderId", value="1"))
        rig.gateway.disconnect()
        await rig.reconnected()
        rig.broker.place(an_entry(2, symbol="AAPL", limit=400))
        await rig.until(lambda: rig.placed() == 2)
        first, second = (one.whole("orderId") for one in rig.gateway.asked("placeOrder"))
        assert second > first


async def test_an_id_of_an_earlier_process_that_still_works_is_not_used_again() -> None:
    async with a_desk() as rig:
        rig.broker.place(an_entry(1, limit=400))
        await rig.told(OrderAccepted)
        used = rig.gateway.asked("placeOrder")[0].whole("orderId")
        await rig.connection.close()
        rig.gateway.faults.add(Alter(on="nextValidId", field="orderId", value=str(used)))
        async with an_adapter(rig.gateway, qualified=False) as later:
            assert later.session.next_id > used


@pytest.mark.parametrize("id_", [2**31 - 2, 2**40])
async def test_an_id_above_which_there_is_no_room_keeps_no_exit_from_leaving(id_: int) -> None:
    """IB takes no id of 2**31 or more."""
    async with a_desk() as rig:
        rig.broker.place(an_entry(1))
        await rig.filled()
        rig.gateway.faults.add(Alter(on="openOrder", field="orderId", value=str(id_), times=1_000))
        rig.gateway.order_by_hand(ACCOUNT, "AAPL", "BUY", 50, limit=1)
        await rig.broker.evidence([])
        rig.gateway.faults.clear()
        rig.broker.place(an_exit(2))
        await rig.filled(2)
        assert rig.gateway.asked("placeOrder")[-1].whole("orderId") < 2**31 - 1


@pytest.mark.parametrize("field", ["shares", "price"])
async def test_an_execution_that_could_not_be_read_is_in_the_next_complete_answer(field: str) -> None:
    async with a_desk() as rig:
        rig.gateway.faults.add(Alter("execDetails", field, "garbage"))
        rig.broker.place(an_entry(1))
        [unreadable] = await rig.filled()
        assert unreadable.fault
        evidence = await rig.broker.evidence([ref(1)])
        [whole] = evidence.executions or ()
        assert whole.fault == ""
        assert (whole.quantity, whole.commission_micros) == (100, micros(1))
