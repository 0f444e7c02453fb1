"""What happens to the daemon in a stage.

A trouble arms faults of the gateway, which strike by themselves, and may have hands of its own: before the stage goes,
and to heal what it has done. Faults are cleared, and what was held back or stalled goes on, when it is healed.
"""

from collections.abc import Awaitable, Callable, Iterable
from decimal import Decimal
from typing import NamedTuple

from gateway.fault_script import FOR_EVER, Fault
from gateway.faults import (
    Alter,
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

from proof.rig import ACCOUNT, OTHER_ACCOUNT, Rig
from proof.stages import OTHER, SYMBOL, Stage, Trait, nothing
from proof.truth import OVERFILLED, Allowed

_FAR_AWAY_USD = 50
_SOME = 7
_NOTICED_S = 0.2
"""The other side has seen it, and not yet come back."""
_THIRD = "MSFT"


Arming = Callable[[Rig, Stage], Iterable[Fault]]


class Trouble(NamedTuple):
    """One of them."""

    name: str
    arm: Arming = lambda rig, stage: ()
    before: Callable[[Rig], Awaitable[None]] = nothing
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
    for code in (2103, 2105, 2104, 2106):
        rig.fired[str(code)] += 1
        rig.gateway.notify(code, "a farm comes or goes:usfarm")


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


async def _fill_what_was_held(rig: Rig) -> None:
    for order in list(rig.gateway.truth.live()):
        if order.why_held == "locate":
            rig.gateway.fill(order)


async def _correct_the_newest(rig: Rig) -> None:
    """The exchange corrects an execution that was booked long ago."""
    rig.fired["correction later"] += 1
    newest = rig.gateway.truth.executions[-1]
    rig.gateway.correct(newest.exec_id, price=newest.price + Decimal("0.05"))


_PLACES, _FILLS = frozenset({Trait.PLACES}), frozenset({Trait.FILLS})
_CANCELS, _RESTS = frozenset({Trait.CANCELS}), frozenset({Trait.RESTS})
_HALTED = Allowed(halted=True)
_TWICE_AS_MUCH = Allowed(halted=True, oversold=True, broken=(OVERFILLED,))
_NO_END = 2

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
    Trouble("market data refused", _reconnecting(Refuse("reqRealTimeBars", 420, "Invalid Real-time Query: pacing"))),
    # a new session
    Trouble("no end of executions", _reconnecting(Lose("execDetailsEnd", times=_NO_END))),
    Trouble("no end of open orders", _reconnecting(Lose("openOrderEnd", times=_NO_END))),
    Trouble("no end of positions", _reconnecting(Lose("positionEnd", times=_NO_END))),
    Trouble("no end of completed orders", _reconnecting(Lose("completedOrdersEnd", times=_NO_END))),
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
    Trouble("farms come and go", before=_farms_come_and_go),
    # executions
    Trouble("commission first", _is(CommissionFirst()), needs=_FILLS),
    Trouble("status first", _is(StatusFirst()), needs=_FILLS),
    Trouble("price corrected", _is(Correct(price=Decimal("499.37"), symbol=SYMBOL)), needs=_FILLS),
    Trouble("shares corrected", _is(Correct(shares=33)), needs=_FILLS),
    Trouble("bust", _is(Correct(shares=0)), needs=_FILLS),
    Trouble("corrected while down", _says(Reset), heal=_correct_the_newest, needs=_FILLS),
    Trouble("unknown zone", _is(UnknownZone()), needs=_FILLS),
    # orders
    Trouble("refused: 201", _is(Reject(201)), needs=_PLACES),
    Trouble("refused: 201, no status", _is(Reject(201, status="")), needs=_PLACES),
    Trouble("refused: 110, no status", _is(Reject(110, status="")), needs=_PLACES),
    Trouble("refused: cancelled", _is(Reject(202, status="Cancelled")), needs=_PLACES),
    Trouble("held for locate", _is(HoldForLocate()), heal=_fill_what_was_held, needs=_PLACES),
    Trouble("two permIds", _is(TwoPermIds()), needs=_PLACES, allowed=_TWICE_AS_MUCH),
    Trouble("filled after its cancel", _is(FillAfterCancel(_SOME)), needs=_CANCELS, allowed=_HALTED),
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
