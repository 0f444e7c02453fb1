"""A gateway in a process of its own does what it is told, and tells the truth."""

import asyncio
import json
import os
import sys
from pathlib import Path

import pytest

from gateway.remote import RemoteGateway

_TESTS = str(Path(__file__).resolve().parents[1])


async def test_a_gateway_in_another_process_is_driven_by_commands() -> None:
    async with RemoteGateway("--seed", "7", "--accounts", "DU1,DU2") as gateway:
        _, writer = await asyncio.open_connection("127.0.0.1", gateway.port)
        writer.close()
        await gateway.do("trade", symbol="QQQ", price="500.10")
        await gateway.do(
            "bar",
            symbol="QQQ",
            starts_at="2026-01-05T17:00:00+00:00",
            open=500,
            high=501,
            low=499,
            close=500,
            volume=10,
        )
        order = await gateway.do("order_by_hand", account="DU1", symbol="QQQ", action="BUY", shares=100, limit="490.50")
        await gateway.do("fill", perm_id=order["permId"], shares=40)
        await gateway.do("endow", account="DU2", symbol="SPY", shares=5, average_cost=600)
        truth = await gateway.do("truth")
        assert truth["positions"] == {"DU1": {"QQQ": 40}, "DU2": {"SPY": 5}}
        assert [(one["status"], one["filled"], one["limit"]) for one in truth["orders"]] == [("Submitted", 40, "490.5")]
        assert truth["cash"]["DU1"] == "979999"
        assert await gateway.do("fault", kind="Lose", on="execDetails", nth=2)
        assert await gateway.do("fired") == {}


async def test_the_clock_of_a_remote_gateway_can_be_set() -> None:
    async with RemoteGateway() as gateway:
        await gateway.do("set_clock", at="2026-01-05T17:00:00+00:00")
        assert str(await gateway.do("now")).startswith("2026-01-05T17:00:")


async def test_an_answer_goes_to_who_has_asked() -> None:
    async with RemoteGateway() as gateway:
        impatient = asyncio.create_task(gateway.do("endow", account="DU1", symbol="QQQ", shares=1, average_cost=1))
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        impatient.cancel()
        assert await gateway.do("clients") == []


async def test_a_command_that_cannot_be_done_says_why() -> None:
    async with RemoteGateway() as gateway:
        for command, why in (("fly", "KeyError: 'fly'"), ("trade", "TypeError"), ("place_by_hand", "TypeError")):
            with pytest.raises(AssertionError, match=why):
                await gateway.do(command)


async def test_a_gateway_ends_when_nobody_drives_it_any_more() -> None:
    command = (sys.executable, "-m", "gateway")
    env = {**os.environ, "PYTHONPATH": _TESTS}
    process = await asyncio.create_subprocess_exec(*command, stdout=asyncio.subprocess.PIPE, env=env)
    assert process.stdout is not None
    ports = json.loads(await process.stdout.readline())
    _, writer = await asyncio.open_connection("127.0.0.1", ports["control"])
    writer.close()
    assert await asyncio.wait_for(process.wait(), 10) == 0


async def test_a_remote_restart_keeps_its_port() -> None:
    async with RemoteGateway() as gateway:
        await gateway.do("stop")
        with pytest.raises(ConnectionRefusedError):
            await asyncio.open_connection("127.0.0.1", gateway.port)
        await gateway.do("start")
        _, writer = await asyncio.open_connection("127.0.0.1", gateway.port)
        writer.close()
