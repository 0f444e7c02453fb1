"""The daemon's door: whatever is asked is answered in words, and a door that was taken away is put back."""

# ruff: noqa: ASYNC240  (files of a test are small and near)

import asyncio
import json
import logging
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from trader.adapters.control import Answer, ControlServer, DaemonDown, NoAnswer, Request, ask
from trader.domain.errors import BookUnwritable


async def answer(request: Request) -> Answer:
    """What a daemon might do: some requests make it stumble."""
    if request.get("ask") == "stumble":
        return {"number": float(int(str(request["number"])))}
    if request.get("ask") == "unsayable":
        return {"number": object()}
    return {"heard": request.get("ask")}


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "door.sock"


@pytest.fixture
async def server(path: Path) -> AsyncIterator[ControlServer]:
    server = ControlServer(path, answer)
    await server.start()
    yield server
    await server.stop()


async def said_to(path: Path, line: bytes) -> Answer:
    """Send a line as it is; what is answered."""
    reader, writer = await asyncio.open_unix_connection(str(path))
    writer.write(line)
    await writer.drain()
    received = await asyncio.wait_for(reader.read(), 5)
    writer.close()
    told: Answer = json.loads(received)
    return told


@pytest.mark.parametrize(
    ("line", "error"),
    [
        (b"[" * 60_000 + b"\n", "nested too deeply"),
        (b'{"ask": ' * 5_000 + b"\n", "nested too deeply"),
        (b"x" * 64_000 + b"\n", "not a JSON line"),
        (b"[]\n", "not a JSON object"),
        (b'{"ask": "stumble", "number": "1' + b"0" * 400 + b'"}\n', "OverflowError"),
        (b'{"ask": "stumble"}\n', "KeyError"),
        (b'{"ask": "unsayable"}\n', "TypeError"),
    ],
    ids=lambda value: value[:30] if isinstance(value, bytes) else value,
)
async def test_whatever_is_asked_is_answered_in_words(
    path: Path, server: ControlServer, line: bytes, error: str, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.DEBUG):
        told = await said_to(path, line)
    assert told["ok"] is False
    assert error in str(told["error"])
    assert [record for record in caplog.records if record.levelno >= logging.WARNING] == []
    assert await asyncio.to_thread(ask, path, {"ask": "status"}) == {"ok": True, "heard": "status"}


async def test_a_command_that_was_not_answered_may_have_been_carried_out_and_that_is_said(path: Path) -> None:
    async def hear(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readline()
        await asyncio.sleep(2)
        writer.close()

    async with await asyncio.start_unix_server(hear, path):
        with pytest.raises(NoAnswer, match="may have been carried out"):
            await asyncio.to_thread(ask, path, {"command": "flatten"}, 0.2)


async def test_a_line_that_is_too_long_is_called_so(path: Path, server: ControlServer) -> None:
    assert "longer than 65536 bytes" in str((await said_to(path, b"x" * 70_000))["error"])


async def test_a_door_that_was_removed_is_put_back(path: Path, server: ControlServer) -> None:
    assert not await server.keep()
    path.unlink()
    with pytest.raises(DaemonDown):
        await asyncio.to_thread(ask, path, {"ask": "status"})
    assert await server.keep()
    assert await asyncio.to_thread(ask, path, {"ask": "status"}) == {"ok": True, "heard": "status"}
    assert not await server.keep()


async def test_a_door_that_was_replaced_is_put_back(path: Path, server: ControlServer) -> None:
    path.unlink()
    path.write_text("something else")
    assert await server.keep()
    assert await asyncio.to_thread(ask, path, {"ask": "status"}) == {"ok": True, "heard": "status"}


async def test_a_door_that_cannot_be_put_back_is_said(path: Path, server: ControlServer) -> None:
    path.unlink()
    path.mkdir()
    with pytest.raises(BookUnwritable, match="cannot listen for commands"):
        await server.keep()
    path.rmdir()
    assert await server.keep()


async def test_another_daemons_door_is_left_alone_on_leaving(path: Path) -> None:
    first, second = ControlServer(path, answer), ControlServer(path, answer)
    await first.start()
    await second.start()
    await first.stop()
    assert await asyncio.to_thread(ask, path, {"ask": "status"}) == {"ok": True, "heard": "status"}
    await second.stop()
    assert not path.exists()
