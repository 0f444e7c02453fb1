"""A gateway with a price for QQQ, and a client that has been greeted."""

from collections.abc import AsyncIterator

import pytest

from gateway import Gateway
from gateway.raw_client import RawClient


@pytest.fixture
async def gateway() -> AsyncIterator[Gateway]:
    async with Gateway(seed=7) as running:
        running.market.trade("QQQ", 500)
        yield running


@pytest.fixture
async def client(gateway: Gateway) -> AsyncIterator[RawClient]:
    async with RawClient(gateway) as connected:
        yield connected
