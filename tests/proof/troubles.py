"""What happens to the daemon in a stage.

A trouble arms faults of the gateway, which strike by themselves, and may have hands of its own: before the stage goes,
and to heal what it has done. Faults are cleared, and what was held back or stalled goes on, when it is healed.
"""

from collections.abc import Awaitable, Callable, Iterable
from datetime import timedelta
from decimal import Decimal
from typing import NamedTuple

from gateway.fault_script import FOR_EVER, Fault
from gateway.faults import (
    Alter,
    ChildrenDie,
    ClientIdTaken,
    CommissionFirst,
    Correct,
    Delay,
    Drop,
    Duplicate,
    EmptyPositions,
    FillAfterCancel,
    FillWhileDown,
    HalfFrame,
    Hold,
    HoldForLocate,
    Ignore,
    Kill,
    Lose,
    LoseConnection,
    Mute,
    NoGreeting,
    Note,
    Refuse,
    Reject,
    Reorder,
    Reset,
    Stall,
    StatusFirst,
    TwoPermIds,
    UnknownZone,
)
from gateway.orders import Order

from proof.rig import ACCOUNT, OTHER_ACCOUNT, Rig
from proof.stages import OTHER, SYMBOL, Stage, Trait, nothing
from proof.truth import OVERFILLED, Allowed

_FAR_AWAY_USD = 50
_SOME = 7
_NOTICED_S = 0.2
"""The other side has seen it, and not yet come back."""
_FIVE_S = 5.0
_LASTS_S = 20.0
_AN_HOUR = timedelta(hours=1)
_CENT = Decimal("0.01")
_THIRD = "MSFT"


Arming = Callable[[Rig, Stage], Iterable[Fault]]


class Trouble(NamedTuple):
    """One of them."""

    name: str
    arm: Arming = lambda rig, stage: ()
    before: Callable[[Rig], Awaitable[None]] = nothing
    then: Callable[[Rig], Awaitable[None]] = nothing
    """Once the stage goes."""
    heal: Callable[[Rig], Awaitable[None]] = nothing
    needs: frozenset[Trait] = frozenset()
    """Without them it cannot strike."""
    allowed: Allowed = Allowed()


def _says(make: Callable[[str], Fault]) -> Arming:
    """A fault of the message that the stage is about."""
    return lambda _, stage: (make(stage.says),)


def _asks(make: Callable[[str], Fault]) -> Arming:
    """A fault of the request that the stage makes."""
    return lambda _, stage: (make(stage.asks),)


def _is(*faults: Fault) -> Arming:
    """The same faults in every stage."""
    return lambda _, __: faults


def _reconnecting(*faults: Fault) -> Arming:
    """The connection is reset, and then these happen."""
    return lambda _, stage: (Reset(stage.says), *faults)


def _killed(*faults: Fault) -> Arming:
    """The daemon is killed, and then these happen."""
    return lambda rig, stage: (Kill(stage.says, rig.daemon.kill), *faults)


async def _lose_servers(rig: Rig) -> None:
    rig.fired["1100"] += 1
    rig.gateway.lose_servers()


async def _restore_1101(rig: Rig) -> None:
    rig.fired["1101"] += 1
    rig.gateway.restore_servers(data_lost=True)


async def _restore_1102(rig: Rig) -> None:
    rig.fired["1102"] += 1
    rig.gateway.restore_servers(data_lost=False)


async def _farms_come_and_go(rig: Rig) -> None:
    for code in (2103, 2105, 2157, 2119, 2107, 2108, 2104, 2106, 2158):
        for farm in ("usfarm", "usfarm.nj", "ushmds"):
            rig.fired[str(code)] += 1
            rig.gateway.notify(code, f"a farm comes or goes:{farm}")


async def _port_is_moved(rig: Rig) -> None:
    rig.fired["1300"] += 1
    rig.gateway.notify(1300, "TWS socket port has been reset and this connection is being dropped.")


async def _data_are_taken(rig: Rig) -> None:
    rig.fired["10197"] += 1
    rig.gateway.notify(10197, "No market data during competing live session")


def _data_are(type_: int) -> Callable[[Rig], Awaitable[None]]:
    """The kind of the data that come, 1 is live."""

    async def told(rig: Rig) -> None:
        rig.fired[f"market data type {type_}"] += 1
        rig.gateway.tell_market_data_type(type_)

    return told


def _clock_is_off(by_s: int) -> Callable[[Rig], Awaitable[None]]:
    async def skewed(rig: Rig) -> None:
        rig.fired[f"clock {by_s:+} s"] += 1
        rig.skew = timedelta(seconds=by_s)

    return skewed


async def _clock_is_set(rig: Rig) -> None:
    rig.skew = timedelta()


def _wall_jumps(by: timedelta) -> Callable[[Rig], Awaitable[None]]:
    """Somebody sets this host's clock; that of the gateway stays right."""

    async def jumped(rig: Rig) -> None:
        rig.fired["wall clock jumps"] += 1
        rig.clock.origin += by
        rig.skew -= by
        await rig.passes(_LASTS_S)

    return jumped


async def _wall_is_set(rig: Rig) -> None:
    rig.clock.origin += rig.skew
    rig.skew = timedelta()


def _suspended(seconds: float) -> Callable[[Rig], Awaitable[None]]:
    async def sleeps(rig: Rig) -> None:
        rig.fired["suspended"] += 1
        rig.daemon.suspend(seconds)

    return sleeps


async def _disconnect(rig: Rig) -> None:
    rig.fired["disconnect"] += 1
    rig.gateway.disconnect()
    await rig.passes(_NOTICED_S)


async def _restart_gateway(rig: Rig) -> None:
    rig.fired["gateway restarts"] += 1
    await rig.gateway.stop()


async def _gateway_is_back(rig: Rig) -> None:
    await rig.gateway.start()


async def _roll_back_ids(rig: Rig) -> None:
    rig.fired["order ids rolled back"] += 1
    rig.gateway.roll_back_order_ids()
    await _disconnect(rig)


async def _restart_daemon(rig: Rig) -> None:
    rig.fired["daemon restarts"] += 1
    await rig.daemon.stop()
    await rig.start()


async def _order_by_hand(rig: Rig) -> None:
    rig.fired["order by hand"] += 1
    rig.gateway.order_by_hand(ACCOUNT, SYMBOL, "BUY", _SOME, limit=_FAR_AWAY_USD)


async def _trade_elsewhere_by_hand(rig: Rig) -> None:
    rig.fired["trade by hand elsewhere"] += 1
    rig.gateway.announce(rig.gateway.place_by_hand(ACCOUNT, _THIRD, "BUY", _SOME))


async def _buy_by_hand(rig: Rig) -> None:
    rig.fired["purchase by hand"] += 1
    rig.gateway.announce(rig.gateway.place_by_hand(ACCOUNT, SYMBOL, "BUY", _SOME))


async def _trade_of_another_account(rig: Rig) -> None:
    rig.fired["trade of another account"] += 1
    rig.gateway.announce(rig.gateway.place_by_hand(OTHER_ACCOUNT, SYMBOL, "SELL", _SOME))
    rig.gateway.announce(rig.gateway.place_by_hand(OTHER_ACCOUNT, OTHER, "BUY", _SOME))


async def _reset_at_night(rig: Rig) -> None:
    """First the servers go, then the gateway; it is back before they are."""
    await _lose_servers(rig)
    await rig.passes(_FIVE_S)
    await _restart_gateway(rig)


async def _night_is_over(rig: Rig) -> None:
    await _gateway_is_back(rig)
    await rig.passes(_FIVE_S)
    await _restore_1102(rig)


async def _fill_what_was_held(rig: Rig) -> None:
    for order in list(rig.gateway.truth.live()):
        if order.why_held == "locate":
            rig.gateway.fill(order)


async def cancel_the_second(rig: Rig) -> None:
    """A person who reads that IB has two orders under one reference."""
    first: dict[str, Order] = {}
    for order in list(rig.gateway.truth.live()):
        if order.order_ref and first.setdefault(order.order_ref, order) is not order:
            rig.fired["second order cancelled by hand"] += 1
            rig.gateway.cancel(order)


def _end_protection(is_meant: Callable[[Order], object]) -> Callable[[Rig], Awaitable[None]]:
    """The broker ends what protects, unasked."""

    async def end(rig: Rig) -> None:
        for order in list(rig.gateway.truth.live()):
            if order.oca_group and is_meant(order):
                rig.fired["protection ended there"] += 1
                rig.gateway.cancel(order)

    return end


def _change_protection(**by: str) -> Callable[[Rig], Awaitable[None]]:
    """Somebody changes what protects, in TWS: `limit` and `stop` are factors of the price."""

    async def change(rig: Rig) -> None:
        for order in list(rig.gateway.truth.live()):
            told = {name: getattr(order.terms, name) for name in by}
            if order.oca_group and all(told.values()):
                rig.fired["protection changed there"] += 1
                changed = {name: (price * Decimal(by[name])).quantize(_CENT) for name, price in told.items()}
                rig.gateway.change_by_hand(order, **changed)

    return change


async def _make_stops_smaller(rig: Rig) -> None:
    for order in list(rig.gateway.truth.live()):
        if order.oca_group and order.terms.stop and order.quantity > 1:
            rig.fired["stop made smaller there"] += 1
            rig.gateway.change_by_hand(order, shares=max(order.quantity // 2, order.filled + 1))


async def _fill_the_other_leg(rig: Rig) -> None:
    """The exchange had it in hand before the broker could take it back."""
    rig.fired["both legs filled"] += 1
    leg = next(order for order in rig.gateway.truth.orders if order.oca_group and not order.filled)
    rig.gateway.fill(leg, _SOME)


async def _correct_the_newest(rig: Rig) -> None:
    """The exchange corrects an execution that was booked long ago."""
    rig.fired["correction later"] += 1
    newest = rig.gateway.truth.executions[-1]
    rig.gateway.correct(newest.exec_id, price=newest.price + Decimal("0.05"))


_PLACES, _FILLS = frozenset({Trait.PLACES}), frozenset({Trait.FILLS})
_CANCELS, _RESTS = frozenset({Trait.CANCELS}), frozenset({Trait.RESTS})
_PROTECTED = frozenset({Trait.PROTECTED})
_HALTED = Allowed(halted=True)
_TWICE_AS_MUCH = Allowed(halted=True, oversold=True, broken=(OVERFILLED,))
_OVERSOLD = Allowed(halted=True, oversold=True)
_NO_END = 2
_PACING = "Historical Market Data Service error message:API historical data query cancelled: pacing"

TROUBLES = (
    Trouble("none"),
    # a message on its way to us
    Trouble("lost", _says(Lose)),
    Trouble("duplicated", _says(Duplicate)),
    Trouble("late", _says(lambda on: Delay(on, 1.5))),
    Trouble("very late", _says(lambda on: Delay(on, 45.0))),
    Trouble("after the next", _says(Reorder)),
    Trouble("after the next three", _says(lambda on: Reorder(on, 3))),
    Trouble("held back", _says(Hold)),
    Trouble("half a frame", _says(HalfFrame)),
    Trouble("closed", _says(Drop)),
    Trouble("reset", _says(Reset)),
    Trouble("stalled", _says(Stall)),
    Trouble("no status ever", _is(Lose("orderStatus", times=FOR_EVER))),
    Trouble("no commission", _is(Lose("commissionReport", times=FOR_EVER)), needs=_FILLS),
    # a request of ours
    Trouble("ignored", _asks(Ignore)),
    Trouble("muted", _asks(Mute)),
    Trouble("never arrived", _asks(LoseConnection)),
    Trouble("too fast", _asks(lambda on: Refuse(on, 100, "Max rate of messages per second has been exceeded."))),
    Trouble("read only", _asks(lambda on: Refuse(on, 321, "Error validating request: API is in read-only mode."))),
    Trouble("noted", _asks(lambda on: Note(on, 399, "Order Message: a warning that ends nothing"))),
    Trouble("bars refused: 420", _reconnecting(Refuse("reqRealTimeBars", 420, "Invalid Real-time Query: pacing"))),
    Trouble("bars refused: 354", _reconnecting(Refuse("reqRealTimeBars", 354, "market data is not subscribed."))),
    Trouble("account refused: 322", _reconnecting(Refuse("reqAccountUpdatesMulti", 322, "requests at once"))),
    # market data
    Trouble("a hole in a minute", _is(Lose("realtimeBar"))),
    Trouble("history refused: 162", _is(Lose("realtimeBar"), Refuse("reqHistoricalData", 162, _PACING))),
    Trouble("no bars", _is(Lose("realtimeBar", times=FOR_EVER))),
    Trouble("data taken: 10197", before=_data_are_taken),
    Trouble("data frozen", before=_data_are(2), heal=_data_are(1)),
    Trouble("data delayed", before=_data_are(3), heal=_data_are(1)),
    Trouble("clock behind", before=_clock_is_off(20), heal=_clock_is_set),
    Trouble("clock ahead", before=_clock_is_off(-20), heal=_clock_is_set),
    Trouble("wall clock an hour ahead", then=_wall_jumps(_AN_HOUR), heal=_wall_is_set),
    Trouble("wall clock an hour behind", then=_wall_jumps(-_AN_HOUR), heal=_wall_is_set),
    Trouble("wall clock a day ahead", then=_wall_jumps(24 * _AN_HOUR), heal=_wall_is_set),
    Trouble("suspended", then=_suspended(40)),
    Trouble("suspended for long", then=_suspended(300)),
    # a new session
    Trouble("no end of executions", _reconnecting(Lose("execDetailsEnd", times=_NO_END))),
    Trouble("no end of open orders", _reconnecting(Lose("openOrderEnd", times=_NO_END))),
    Trouble("no end of positions", _reconnecting(Lose("positionEnd", times=_NO_END))),
    Trouble("no end of completed orders", _reconnecting(Lose("completedOrdersEnd", times=_NO_END))),
    Trouble("no end of account values", _reconnecting(Lose("accountUpdateMultiEnd", times=_NO_END))),
    Trouble("no answer about the time", _is(Ignore("reqCurrentTime"))),
    Trouble("positions empty, then full", _reconnecting(EmptyPositions())),
    Trouble("client id taken", _reconnecting(ClientIdTaken(times=3))),
    Trouble("no greeting", _reconnecting(NoGreeting())),
    Trouble("next id of 1", _reconnecting(Alter("nextValidId", "orderId", "1"))),
    Trouble("order ids rolled back", before=_roll_back_ids),
    Trouble("disconnected", before=_disconnect),
    Trouble("gateway restarts", before=_restart_gateway, heal=_gateway_is_back),
    Trouble("filled while down", _is(FillWhileDown()), before=_disconnect, needs=_RESTS),
    # the servers behind the gateway
    Trouble("1100, 1101", before=_lose_servers, heal=_restore_1101),
    Trouble("1100, 1102", before=_lose_servers, heal=_restore_1102),
    Trouble("reset at night", before=_reset_at_night, heal=_night_is_over),
    Trouble("farms come and go", before=_farms_come_and_go),
    Trouble("port moved: 1300", before=_port_is_moved),
    # executions
    Trouble("commission first", _is(CommissionFirst()), needs=_FILLS),
    Trouble("status first", _is(StatusFirst()), needs=_FILLS),
    Trouble("price corrected", _is(Correct(price=Decimal("499.37"), symbol=SYMBOL)), needs=_FILLS),
    Trouble("shares corrected", _is(Correct(shares=13)), needs=_FILLS),
    Trouble("bust", _is(Correct(shares=0)), needs=_FILLS),
    Trouble("corrected while down", _says(Reset), heal=_correct_the_newest, needs=_FILLS),
    Trouble("unknown zone", _is(UnknownZone()), needs=_FILLS),
    # orders
    Trouble("refused: 201", _is(Reject(201)), needs=_PLACES),
    Trouble("refused: 201, no status", _is(Reject(201, status="")), needs=_PLACES),
    Trouble("refused: 110, no status", _is(Reject(110, status="")), needs=_PLACES),
    Trouble("refused: cancelled", _is(Reject(202, status="Cancelled")), needs=_PLACES),
    Trouble("held for locate", _is(HoldForLocate()), heal=_fill_what_was_held, needs=_PLACES),
    Trouble("refused: 161", _is(Reject(161, status="Cancelled")), needs=_PLACES),
    Trouble("preset: 10349", _asks(lambda on: Note(on, 10349, "Order TIF was set to DAY based on order preset."))),
    Trouble("cancelled, and is not", _is(Alter("orderStatus", "status", "Cancelled")), needs=_PLACES),
    Trouble("two permIds", _is(TwoPermIds()), heal=cancel_the_second, needs=_PLACES, allowed=_TWICE_AS_MUCH),
    Trouble("cancel refused: 10147", _is(Refuse("cancelOrder", 10147, "OrderId is not found.")), needs=_CANCELS),
    Trouble("cancel refused: 10148", _is(Refuse("cancelOrder", 10148, "cannot be cancelled")), needs=_CANCELS),
    Trouble("filled after its cancel", _is(FillAfterCancel(_SOME)), needs=_CANCELS, allowed=_HALTED),
    # protection at the broker
    Trouble("its stop is refused", _is(Reject(201, nth=2)), needs=frozenset({Trait.SENDS_PAIR})),
    Trouble("its target is refused", _is(Reject(201, nth=3)), needs=frozenset({Trait.SENDS_PAIR})),
    Trouble("every pair is refused", _is(Reject(201, times=6)), needs=frozenset({Trait.PROTECTS})),
    Trouble("children die", _is(ChildrenDie()), needs=frozenset({Trait.ENDS_PART})),
    Trouble("stop ended there", before=_end_protection(lambda order: order.terms.stop), needs=_PROTECTED),
    Trouble("target ended there", before=_end_protection(lambda order: order.terms.limit), needs=_PROTECTED),
    Trouble("pair ended there", before=_end_protection(lambda _: True), needs=_PROTECTED),
    Trouble("stop moved there", before=_change_protection(stop="0.95"), needs=_PROTECTED),
    Trouble("stop moved up there", before=_change_protection(stop="1.004"), needs=_PROTECTED),
    Trouble("target moved there", before=_change_protection(limit="1.05"), needs=_PROTECTED),
    Trouble("stop made smaller there", before=_make_stops_smaller, needs=_PROTECTED),
    Trouble("both legs filled", heal=_fill_the_other_leg, needs=frozenset({Trait.BRACKET}), allowed=_OVERSOLD),
    # what is not ours
    Trouble("order by hand", before=_order_by_hand),
    Trouble("trade by hand elsewhere", before=_trade_elsewhere_by_hand),
    Trouble("purchase by hand", before=_buy_by_hand),
    Trouble("trade of another account", before=_trade_of_another_account),
    # the daemon itself
    Trouble("restarted in order", before=_restart_daemon),
    Trouble("killed", _killed()),
    Trouble("killed, filled while down", _killed(FillWhileDown()), needs=frozenset({Trait.GOES_ON})),
    Trouble("killed, its id lingers", _killed(ClientIdTaken(times=2))),
    Trouble("killed, no end of executions", _killed(Lose("execDetailsEnd"))),
    Trouble("killed, positions empty, then full", _killed(EmptyPositions())),
)
