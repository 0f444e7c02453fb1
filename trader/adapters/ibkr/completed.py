"""Orders that have ended, as IB remembers them: by reference, for they come back without their order id."""

from collections.abc import Callable, Collection, Iterable

from trader.adapters.ibkr.messages import Completed
from trader.adapters.ibkr.translate import is_set, whole_shares
from trader.domain.events import Ended

_REJECTED = ("Inactive", "Rejected")


def ended_orders(
    asked: Collection[str], completed: Iterable[Completed], filled: Callable[[str], int]
) -> dict[str, Ended]:
    """What became of the orders asked about, as far as IB lists them.

    `filled` gives the shares of an order that its executions have told: no end says less.
    """
    of_ref: dict[str, list[Completed]] = {}
    for one in completed:
        if one.order_ref in asked:
            of_ref.setdefault(one.order_ref, []).append(one)
    ended = {}
    for ref, ends in of_ref.items():
        shares = [_filled(one) for one in ends]
        known = [count for count in shares if count is not None]
        if len(known) < len(shares):
            continue
        rejected = all(_is_rejected(one) for one in ends) and not sum(known)
        reason = "; ".join(dict.fromkeys(one.completed_status or one.status for one in ends))
        ended[ref] = Ended(max(sum(known), filled(ref)), f"{reason} at the broker", rejected)
    return ended


def _filled(one: Completed) -> int | None:
    """Shares filled; of a filled order that does not say so, all that it was for."""
    if is_set(one.filled):
        return whole_shares(one.filled)
    return whole_shares(one.quantity) if one.status == "Filled" and one.quantity else None


def _is_rejected(one: Completed) -> bool:
    return one.status in _REJECTED or one.completed_status.startswith(_REJECTED)
