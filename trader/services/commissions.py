"""Late commissions: a broker may tell what an execution has cost after the execution itself.

Rule 1: an execution that was booked without a commission is charged the one that a later report of it has, once. Cash,
what its position has realised and its round trip follow, also when it has been flat for long.
Rule 2: one that was undone is charged nothing, and one that is undone later gives everything back.
Rule 3: a commission that has changed is said, once a run; the booked one stays.
"""

from trader.domain.money import usd
from trader.domain.order import Fill, LateCommission
from trader.services.corrections import known_bookings
from trader.services.ports import Booking
from trader.services.step import Level, Step


def differs(booked_micros: int | None, told_micros: int) -> bool:
    """Whether a report tells another commission than is booked. None: nothing can be charged; 0: nothing was told."""
    return booked_micros is not None and told_micros not in (0, booked_micros)


def hear_again(step: Step, fill: Fill, booked_micros: int | None) -> None:
    """Take in another report of an execution that is booked with this commission."""
    if not differs(booked_micros, fill.commission_micros):
        return
    if booked_micros or fill.fault:
        _leave_it(step, fill, booked_micros or 0)
        return
    booking = known_bookings(step).get(fill.execution_id)
    if booking is not None:  # else it could not be looked up, and the step will not be written
        _charge(step, booking, fill.commission_micros)


def _leave_it(step: Step, fill: Fill, booked_micros: int) -> None:
    step.executions[fill.execution_id] = None
    step.say(
        Level.WARNING,
        f"COMMISSION DIFFERS {fill.symbol}: {fill.execution_id} is booked with {usd(booked_micros)} USD and told again "
        f"with {usd(fill.commission_micros)}; the booked one stays, book the rest with `trader cash book` "
        f"account={step.draft.account}",
    )


def _charge(step: Step, booking: Booking, commission_micros: int) -> None:
    fill = booking.fill
    late = LateCommission(fill.execution_id, fill.order_ref, fill.symbol, commission_micros)
    step.draft.charge(late, fill, is_past=_has_become_flat(step, booking))
    step.executions[fill.execution_id] = commission_micros
    step.say(
        Level.INFO,
        f"COMMISSION {fill.symbol} {usd(commission_micros)} of {fill.execution_id}, told late "
        f"account={step.draft.account}",
    )


def _has_become_flat(step: Step, booking: Booking) -> bool:
    """Whether the position of an execution was sold out after it: before this step, or in it."""
    commit, fill = step.draft.commit, booking.fill
    booked = [other.fill.execution_id for other in commit.bookings]
    since = booked[booked.index(fill.execution_id) :] if fill.execution_id in booked else booked
    return booking.is_past or any(trip.symbol == fill.symbol and trip.closed_by in since for trip in commit.round_trips)
