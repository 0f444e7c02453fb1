"""Two accounts at one gateway, each with an adapter of its own: neither hears or holds anything of the other."""

from collections.abc import AsyncIterator
from typing import NamedTuple

import pytest
from gateway import Gateway
from ibkr_rig import ACCOUNT, Rig, an_adapter, an_entry, an_exit, fills

from trader.domain.order import Order
from trader.domain.reference import order_ref

OTHER = "DU1000002"


class Pair(NamedTuple):
    """Both adapters."""

    large: Rig
    tiny: Rig


@pytest.fixture
async def pair() -> AsyncIterator[Pair]:
    async with Gateway(accounts=(ACCOUNT, OTHER), seed=7) as gateway:
        gateway.market.trade("QQQ", 500.10)
        async with (
            an_adapter(gateway, client_id=7, name="large") as large,
            an_adapter(gateway, client_id=8, name="tiny", account=OTHER) as tiny,
        ):
            yield Pair(large, tiny)


def of(name: str, order: Order, number: int = 1) -> Order:
    """The same order of an account, under its reference."""
    return order._replace(account=name, ref=order_ref(name, 1, number))


async def test_an_execution_is_heard_by_its_own_account_alone(pair: Pair) -> None:
    pair.large.broker.place(of("large", an_entry(shares=100)))
    [fill] = await pair.large.filled()
    assert (fill.account, fill.order_ref, fill.quantity) == ("large", order_ref("large", 1, 1), 100)
    await pair.tiny.quiet()
    assert pair.tiny.kinds() == []


async def test_what_the_gateway_tells_is_of_one_account(pair: Pair) -> None:
    """Orders that work, executions, what is held and cash: all of it with the other's beside it."""
    pair.large.broker.place(of("large", an_entry(shares=100)))
    pair.tiny.broker.place(of("tiny", an_entry(shares=7)))
    await pair.large.filled()
    await pair.tiny.filled()
    resting = of("large", an_entry(limit=400.0), number=2)
    pair.large.broker.place(resting)
    await pair.large.until(lambda: len(pair.large.kinds()) >= 3)

    of_large, of_tiny = await pair.large.broker.evidence(()), await pair.tiny.broker.evidence(())
    assert (of_large.positions, of_tiny.positions) == ({"QQQ": 100}, {"QQQ": 7})
    assert (of_large.working, of_tiny.working) == (frozenset({resting.ref}), frozenset())
    assert of_large.executions == tuple(fills(pair.large))
    assert of_tiny.executions == tuple(fills(pair.tiny))
    assert of_large.cash_micros != of_tiny.cash_micros


async def test_a_sale_of_one_leaves_the_shares_of_the_other(pair: Pair) -> None:
    for rig, name in zip(pair, ("large", "tiny"), strict=True):
        rig.broker.place(of(name, an_entry(shares=10)))
        await rig.filled()
    pair.tiny.broker.place(of("tiny", an_exit(2, shares=10), number=2))
    await pair.tiny.filled(2)
    assert (await pair.tiny.broker.evidence(())).positions == {}
    assert (await pair.large.broker.evidence(())).positions == {"QQQ": 10}


async def test_the_reference_of_another_account_is_not_asked_about_here(pair: Pair) -> None:
    pair.large.broker.place(of("large", an_entry(limit=400.0)))
    await pair.large.until(pair.large.kinds)
    pair.tiny.broker.cancel(order_ref("large", 1, 1))
    await pair.tiny.quiet()
    assert (await pair.large.broker.evidence(())).working == frozenset({order_ref("large", 1, 1)})
