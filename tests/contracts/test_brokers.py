"""What every broker promises behind its port: the paper broker, and Interactive Brokers over a real socket."""

from collections.abc import AsyncIterator
from datetime import timedelta
from typing import Protocol

import pytest
from builders import NOON, a_bar
from gateway import Gateway
from ibkr_rig import ACCOUNT, PATIENCE_S, QUICK, Rig, an_adapter, an_entry, an_exit, ref

from trader.adapters.paper.broker import PaperBroker
from trader.domain.decision import Purpose
from trader.domain.events import BrokerEvent, FillReported, OrderAccepted, OrderCancelled
from trader.domain.market import BarTime
from trader.domain.money import micros
from trader.domain.order import Fill
from trader.domain.rules import Costs
from trader.services.ports import Broker

_MINUTE = timedelta(minutes=1)
CALL = "QQQ261218C00500000"


class Desk(Protocol):
    """A broker with a market behind it, in which a test makes the prices."""

    events: list[BrokerEvent]

    @property
    def broker(self) -> Broker:
        """The broker."""
        ...

    def trade(self, price: float, symbol: str = "QQQ") -> None:
        """The market trades at a price."""
        ...

    async def settled(self) -> None:
        """Wait until everything that follows from what was done has been told."""
        ...


class PaperDesk:
    """The paper broker, and bars."""

    def __init__(self) -> None:
        self.events: list[BrokerEvent] = []
        self.broker = PaperBroker(self.events.append, Costs())
        self._minutes = 0

    def trade(self, price: float, symbol: str = "QQQ") -> None:
        """A minute in which nothing but this price was traded."""
        start = NOON + self._minutes * _MINUTE
        self._minutes += 1
        self.broker.match(BarTime(start + _MINUTE, _MINUTE, (a_bar(symbol, price, start=start, opens=price),)))

    async def settled(self) -> None:
        """It tells everything at once."""


class IbkrDesk:
    """A gateway of our own, and the adapter."""

    def __init__(self, rig: Rig) -> None:
        self.broker = rig.broker
        self.events = rig.events
        self._rig = rig

    def trade(self, price: float, symbol: str = "QQQ") -> None:
        """A trade."""
        self._rig.gateway.market.trade(symbol, price, 1_000)

    async def settled(self) -> None:
        """What was asked last is answered behind everything else."""
        await self._rig.quiet()


@pytest.fixture(params=["paper", "ibkr"])
async def desk(request: pytest.FixtureRequest) -> AsyncIterator[Desk]:
    """Each broker in turn."""
    if request.param == "paper":
        yield PaperDesk()
        return
    timing = QUICK._replace(heartbeat_s=PATIENCE_S)
    async with Gateway(accounts=(ACCOUNT,), seed=7) as gateway, an_adapter(gateway, timing=timing) as rig:
        gateway.market.list_option(CALL)
        await rig.contracts.qualify([CALL])
        yield IbkrDesk(rig)


def fills(desk: Desk) -> list[Fill]:
    """What was reported as filled, as it was told first: a commission may be told later."""
    first: dict[str, Fill] = {}
    for event in desk.events:
        if isinstance(event, FillReported):
            first.setdefault(event.fill.execution_id, event.fill)
    return list(first.values())


def told(desk: Desk, kind: type[OrderAccepted] | type[OrderCancelled]) -> list[str]:
    """References of the orders of which this was told."""
    return [event.order_ref for event in desk.events if isinstance(event, kind)]


async def test_an_order_is_acknowledged_once_and_then_filled_once(desk: Desk) -> None:
    desk.broker.place(an_entry(1, limit=501))
    await desk.settled()
    assert told(desk, OrderAccepted) == [ref(1)]
    assert fills(desk) == []
    desk.trade(500)
    await desk.settled()
    assert told(desk, OrderAccepted) == [ref(1)]
    assert sum(fill.quantity for fill in fills(desk)) == 100


async def test_an_entry_is_filled_within_its_limit_or_not_at_all(desk: Desk) -> None:
    desk.broker.place(an_entry(1, limit=500))
    await desk.settled()
    desk.trade(501)
    await desk.settled()
    assert fills(desk) == []
    desk.trade(499)
    await desk.settled()
    assert all(fill.price_micros <= micros(500) for fill in fills(desk))
    assert sum(fill.quantity for fill in fills(desk)) == 100


async def test_what_is_filled_can_be_booked_under_its_order(desk: Desk) -> None:
    desk.broker.place(an_entry(1))
    await desk.settled()
    desk.trade(500)
    await desk.settled()
    for fill in fills(desk):
        assert fill.fault == ""
        assert (fill.order_ref, fill.account, fill.symbol) == (ref(1), "paper", "QQQ")
        assert fill.executed_at.tzinfo is not None


async def test_an_exit_goes_at_the_market(desk: Desk) -> None:
    desk.broker.place(an_entry(1))
    await desk.settled()
    desk.trade(500)
    await desk.settled()
    desk.broker.place(an_exit(2))
    await desk.settled()
    desk.trade(450)
    await desk.settled()
    assert sum(fill.signed_quantity for fill in fills(desk)) == 0
    assert (await desk.broker.evidence([])).positions in ({}, {"QQQ": 0})


async def test_a_cancelled_order_ends_once_and_fills_no_more(desk: Desk) -> None:
    desk.broker.place(an_entry(1, limit=400))
    await desk.settled()
    desk.broker.cancel(ref(1))
    await desk.settled()
    desk.trade(300)
    await desk.settled()
    assert told(desk, OrderCancelled) == [ref(1)]
    assert fills(desk) == []


async def test_a_cancel_of_what_nobody_knows_is_no_event(desk: Desk) -> None:
    desk.broker.cancel(ref(1))
    await desk.settled()
    assert desk.events == []


async def test_an_answer_tells_what_works_and_what_was_executed_and_what_is_held(desk: Desk) -> None:
    desk.broker.place(an_entry(1, limit=501))
    await desk.settled()
    desk.trade(500)
    desk.broker.place(an_entry(2, limit=400, symbol="AAPL"))
    await desk.settled()
    evidence = await desk.broker.evidence([ref(1), ref(2)])
    assert evidence.unknown == ()
    assert evidence.executions is not None
    assert [fill.execution_id for fill in evidence.executions] == [fill.execution_id for fill in fills(desk)]
    assert evidence.working == frozenset({ref(2)})
    assert evidence.positions == {"QQQ": 100}


async def test_an_order_that_never_came_is_not_said_to_work(desk: Desk) -> None:
    evidence = await desk.broker.evidence([ref(9)])
    assert evidence.working == frozenset()
    assert evidence.executions == ()


async def test_contracts_are_bought_and_sold_under_their_own_name_beside_shares_of_their_underlying(desk: Desk) -> None:
    desk.broker.place(an_entry(1))
    await desk.settled()
    desk.trade(500)
    desk.broker.place(an_entry(2, shares=3, limit=4.5, symbol=CALL))
    await desk.settled()
    desk.trade(4, CALL)
    await desk.settled()
    bought = [fill for fill in fills(desk) if fill.order_ref == ref(2)]
    assert {(fill.symbol, fill.fault) for fill in bought} == {(CALL, "")}
    assert sum(fill.quantity for fill in bought) == 3
    assert all(micros(4) <= fill.price_micros <= micros(4.5) for fill in bought)
    assert (await desk.broker.evidence([])).positions == {"QQQ": 100, CALL: 3}
    desk.broker.place(an_exit(3, shares=3, symbol=CALL))
    await desk.settled()
    desk.trade(5, CALL)
    await desk.settled()
    assert sum(fill.signed_quantity for fill in fills(desk) if fill.symbol == CALL) == 0
    evidence = await desk.broker.evidence([])
    assert evidence.positions is not None
    assert {symbol: held for symbol, held in evidence.positions.items() if held} == {"QQQ": 100}


async def test_a_contract_costs_what_the_fixed_plan_takes_for_one(desk: Desk) -> None:
    desk.broker.place(an_entry(1, shares=10, limit=4.5, symbol=CALL))
    await desk.settled()
    desk.trade(4, CALL)
    await desk.settled()
    told = [event.fill for event in desk.events if isinstance(event, FillReported)]
    assert told[-1].commission_micros == micros(6.5)


async def test_a_stop_of_an_option_sells_the_option(desk: Desk) -> None:
    desk.broker.place(an_entry(1, shares=3, limit=4.5, symbol=CALL))
    await desk.settled()
    desk.trade(4, CALL)
    await desk.settled()
    sale = an_exit(2, shares=3, symbol=CALL)._replace(purpose=Purpose.PROTECTION, oca="pair")
    stop = sale._replace(stop_micros=micros(2))
    target = sale._replace(ref=ref(3), limit_micros=micros(8))
    desk.broker.protect([stop, target])
    await desk.settled()
    desk.trade(1.5, CALL)
    desk.trade(1.5, CALL)
    await desk.settled()
    sold = [fill for fill in fills(desk) if fill.order_ref == ref(2)]
    assert [(fill.symbol, fill.quantity) for fill in sold] == [(CALL, 3)]
    assert told(desk, OrderCancelled) == [ref(3)]
