"""Connections in a loop's memory are as good as sockets, and always the same."""

import asyncio
import socket
from collections.abc import Awaitable, Callable
from random import Random
from typing import TypeVar

import pytest
from simulation.loop import SeededLoop

_Result = TypeVar("_Result")
_PORT = 4002
_SENT = [bytes([number]) * 40 for number in range(50)]


class Peer(asyncio.Protocol):
    """Keeps what it hears."""

    def __init__(self) -> None:
        self.pieces: list[bytes] = []
        self.transport: asyncio.Transport
        self.ended: list[object] = []

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self.transport = transport

    def data_received(self, data: bytes) -> None:
        assert not self.ended
        self.pieces.append(data)

    def connection_lost(self, exc: Exception | None) -> None:
        self.ended.append(exc)


def on_a_loop(seed: int, what: Callable[[SeededLoop], Awaitable[_Result]]) -> _Result:
    loop = SeededLoop(Random(seed), lambda: None)
    try:
        return loop.run_until_complete(what(loop))
    finally:
        loop.close()


async def a_connection(loop: SeededLoop) -> tuple[Peer, Peer]:
    """Who listens, and who connects."""
    listening, connecting = Peer(), Peer()
    await loop.create_server(lambda: listening, "127.0.0.1", _PORT)
    await loop.create_connection(lambda: connecting, "127.0.0.1", _PORT)
    return listening, connecting


async def pieces_of_what_is_sent(loop: SeededLoop) -> list[bytes]:
    listening, connecting = await a_connection(loop)
    for each in _SENT:
        connecting.transport.write(each)
        await asyncio.sleep(0.0003)
    connecting.transport.close()
    await asyncio.sleep(5)
    assert (listening.ended, connecting.ended) == ([None], [None])
    return listening.pieces


@pytest.mark.parametrize("seed", range(20))
def test_what_is_sent_arrives_in_order_and_its_end_after_it(seed: int) -> None:
    assert b"".join(on_a_loop(seed, pieces_of_what_is_sent)) == b"".join(_SENT)


def test_a_seed_says_in_which_pieces() -> None:
    made = [on_a_loop(seed, pieces_of_what_is_sent) for seed in (1, 1, 2)]
    assert made[0] == made[1]
    assert made[0] != made[2]


def test_a_reset_is_heard_as_one() -> None:
    async def reset(loop: SeededLoop) -> list[object]:
        listening, connecting = await a_connection(loop)
        raw = listening.transport.get_extra_info("socket")
        raw.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"")
        listening.transport.abort()
        await asyncio.sleep(5)
        return connecting.ended

    [error] = on_a_loop(1, reset)
    assert isinstance(error, ConnectionResetError)


def test_nobody_connects_where_nobody_listens_or_after_a_death() -> None:
    async def refused(loop: SeededLoop) -> None:
        with pytest.raises(ConnectionRefusedError):
            await loop.create_connection(Peer, "127.0.0.1", _PORT)
        await a_connection(loop)
        loop.network.cut()
        with pytest.raises(ConnectionRefusedError):
            await loop.create_connection(Peer, "127.0.0.1", _PORT)

    on_a_loop(1, refused)


def test_what_the_dead_has_sent_arrives() -> None:
    async def sent(loop: SeededLoop) -> tuple[list[bytes], list[object]]:
        listening, connecting = await a_connection(loop)
        connecting.transport.write(b"BUY")
        loop.network.cut()
        await asyncio.sleep(5)
        return listening.pieces, listening.ended

    pieces, ended = on_a_loop(1, sent)
    assert (b"".join(pieces), ended) == (b"BUY", [None])


def test_who_does_not_read_is_not_told() -> None:
    async def waits(loop: SeededLoop) -> tuple[int, int]:
        listening, connecting = await a_connection(loop)
        reading = listening.transport
        reading.pause_reading()
        connecting.transport.write(b"wait")
        await asyncio.sleep(5)
        before = len(listening.pieces)
        reading.resume_reading()
        await asyncio.sleep(5)
        return before, len(b"".join(listening.pieces))

    assert on_a_loop(1, waits) == (0, 4)
