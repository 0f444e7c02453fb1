"""The engine's inbox: bounded for those who can wait, in order, and never closed to the broker."""

import asyncio

import pytest

from trader.domain.events import OrderAccepted
from trader.services.inbox import Inbox

EVENTS = [OrderAccepted(f"order {n}") for n in range(10)]


async def waiting(inbox: Inbox, *numbers: int) -> list["asyncio.Task[None]"]:
    tasks = [asyncio.create_task(inbox.put(EVENTS[n])) for n in numbers]
    await asyncio.sleep(0)
    return tasks


async def test_who_can_wait_waits_for_room_and_comes_in_in_his_turn() -> None:
    inbox = Inbox(bound=2)
    tasks = await waiting(inbox, 0, 1, 2, 3, 4)
    assert [task.done() for task in tasks] == [True, True, False, False, False]
    assert await inbox.take(1) == [EVENTS[0]]
    await asyncio.sleep(0.01)
    assert [task.done() for task in tasks] == [True, True, True, False, False]
    assert await inbox.take(9) == EVENTS[1:3]
    await asyncio.sleep(0.01)
    assert await inbox.take(9) == EVENTS[3:5]


async def test_what_the_broker_reports_goes_in_beyond_the_bound() -> None:
    inbox = Inbox(bound=2)
    for event in EVENTS:
        inbox.post(event)
    (task,) = await waiting(inbox, 0)
    assert await inbox.take(9) == EVENTS[:9]
    await task
    assert await inbox.take(9) == [EVENTS[9], EVENTS[0]]


async def test_who_gave_up_takes_nobodys_place() -> None:
    inbox = Inbox(bound=1)
    _, given_up, next_one = await waiting(inbox, 0, 1, 2)
    given_up.cancel()
    await asyncio.sleep(0)
    assert await inbox.take(9) == [EVENTS[0]]
    await asyncio.wait_for(next_one, timeout=1)
    assert await inbox.take(9) == [EVENTS[2]]


async def test_what_does_not_come_on_the_loop_is_refused_and_nothing_of_it_stays() -> None:
    inbox = Inbox()
    with pytest.raises(RuntimeError):
        await asyncio.to_thread(inbox.post, EVENTS[0])
    assert len(inbox) == 0
    inbox.post(EVENTS[1])
    assert await asyncio.wait_for(inbox.take(9), 1) == [EVENTS[1]]
