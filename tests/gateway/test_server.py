"""The server: connections, versions, restarts, and what it does not forgive."""

from decimal import Decimal

import pytest

from gateway import ClientBroke, Gateway
from gateway.raw_client import RawClient, outline
from gateway.wire import frame


async def test_the_lower_of_both_versions_is_spoken() -> None:
    async with Gateway(server_version=200) as gateway, RawClient(gateway) as client:
        assert client.version == 200
        older = RawClient(gateway)
        await older.connect("v157..178")
        assert older.version == 178


def test_versions_that_are_another_protocol_are_not_offered() -> None:
    with pytest.raises(ValueError, match="176 to 200"):
        Gateway(server_version=201)


async def test_a_restart_forgets_nothing_and_keeps_its_port() -> None:
    async with Gateway() as gateway:
        gateway.market.trade("QQQ", 500)
        async with RawClient(gateway) as client:
            client.place(1, "BUY", 100)
            await client.hear()
            port = gateway.port
            await gateway.stop()
            assert await client.is_closed()
        await gateway.start()
        assert gateway.port == port
        async with RawClient(gateway) as client:
            client.ask("reqExecutions", version=3, reqId=4)
            assert outline(await client.hear()) == ["execDetails", "commissionReport", "execDetailsEnd"]
            assert [m.values["orderId"] for m in client.greeted if m.name == "nextValidId"] == [2]


async def test_a_client_id_is_taken_while_its_client_is_there() -> None:
    async with Gateway() as gateway, RawClient(gateway), RawClient(gateway) as second:
        assert outline(second.greeted) == ["error 326"]
        assert gateway.client_ids == (1,)


async def test_clients_do_not_hear_of_one_anothers_orders() -> None:
    async with Gateway() as gateway, RawClient(gateway, 1) as one, RawClient(gateway, 2) as two:
        gateway.market.trade("QQQ", 500)
        one.place(1, "BUY", 100)
        await one.hear()
        assert await two.hear() == []


async def test_a_client_that_breaks_the_protocol_fails_the_test() -> None:
    gateway = Gateway()
    await gateway.start()
    async with RawClient(gateway) as client:
        client.send(frame(["61", "1", "surplus"]))
        assert await client.next() is None
    with pytest.raises(ClientBroke, match="left over"):
        await gateway.__aexit__(None, None, None)


async def test_every_request_is_kept_with_its_values() -> None:
    async with Gateway() as gateway, RawClient(gateway, 3) as client:
        client.place(1, "BUY", 100, orderRef="why")
        await client.hear()
        assert [request.name for request in gateway.requests] == [
            "startApi",
            "reqCurrentTime",
            "placeOrder",
            "reqCurrentTime",
        ]
        (placed,) = gateway.asked("placeOrder")
        assert (placed.client_id, placed.text("orderRef"), placed.number("totalQuantity")) == (3, "why", Decimal(100))


async def test_the_gateway_can_say_anything() -> None:
    async with Gateway() as gateway, RawClient(gateway) as client:
        gateway.notify(2103, "Market data farm connection is broken:usfarm")
        assert outline(await client.hear()) == ["error 2103"]
