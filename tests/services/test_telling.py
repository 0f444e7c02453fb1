"""Couriers tell what a board has, at least once, by one channel each, and hold up nothing."""

import asyncio
from collections.abc import Collection
from contextlib import suppress
from datetime import datetime, timedelta
from pathlib import Path

import pytest
from builders import NOON, Market, Sentences, a_machine, an_unwritable_book, off

from trader.adapters.clock import SteppedClock
from trader.adapters.sqlite.alarm_board import SqliteAlarms
from trader.domain.alarm import Alarm, AlarmType, Severity
from trader.domain.events import CommandName
from trader.services.standing_alarms import StandingAlarms
from trader.services.telling import Board, Courier, Message, unheard

EVERY = frozenset(AlarmType)


class Phone:
    """A channel that keeps what it is given, unless it is out of order."""

    def __init__(self, name: str = "phone", least: Severity = Severity.INFO) -> None:
        self.name = name
        self.least = least
        self.out_of_order = ""
        self.tried = 0
        self.messages: list[Message] = []
        self.hangs: asyncio.Event | None = None

    async def deliver(self, message: Message) -> str:
        """Take it, or say why not."""
        self.tried += 1
        if self.hangs is not None:
            await self.hangs.wait()
        if not self.out_of_order:
            self.messages.append(message)
        return self.out_of_order

    @property
    def titles(self) -> list[str]:
        """What was told, without what all begin with."""
        return [message.title.partition(": ")[2] for message in self.messages]


class Desk:
    """A courier with its channel and its clock, driven by hand."""

    def __init__(
        self, board: Board, phone: Phone | None = None, types: Collection[AlarmType] = EVERY, at: datetime = NOON
    ) -> None:
        self.phone = phone or Phone()
        self.clock = SteppedClock(at)
        self.log = Sentences()
        self.courier = Courier(board, self.phone, types, "paper", _digest, self.clock, self.log)

    async def look(self, after: timedelta = timedelta(seconds=1)) -> None:
        """Let the courier look, after a while."""
        self.clock.set(self.clock.now() + after)
        await self.courier.look()


async def _digest(at: datetime) -> str:
    return f"the digest of {at:%Y-%m-%d}"


def desk_of(market: Market, phone: Phone | None = None, types: Collection[AlarmType] = EVERY) -> Desk:
    return Desk(SqliteAlarms(market.book.writer, market.book.store), phone, types)


async def raised(market: Market, about: str = "backup", type_: AlarmType = AlarmType.CHORE_FAILED) -> None:
    market.engine.alarm(type_, about, "no space")
    await market.settle()


MINUTES = timedelta(minutes=1)


async def test_an_alarm_is_told_once_and_kept_as_told(tmp_path: Path) -> None:
    async with a_machine(tmp_path) as market:
        desk = desk_of(market)
        await desk.look()
        await raised(market)
        for _ in range(5):
            await desk.look()
        assert desk.phone.titles == ["CHORE FAILED backup"]
        number = market.one("SELECT id FROM alarms")
        assert desk.phone.messages[0].body == f"WARNING CHORE FAILED backup: no space #{number}"
        assert market.sql("SELECT channel, count, timestamp FROM deliveries") == [
            ("phone", 1, "2025-06-23T16:00:02.000Z")
        ]
        assert market.one("SELECT told FROM alarms") == "phone"


async def test_repeats_are_told_after_1_5_15_and_60_minutes_with_their_number(tmp_path: Path) -> None:
    async with a_machine(tmp_path, breakers=off("exceptions")) as market:
        desk = desk_of(market)
        told_at = []
        for minute in range(180):
            await raised(market)
            before = len(desk.phone.messages)
            await desk.look(MINUTES)
            if len(desk.phone.messages) > before:
                told_at.append((minute, desk.phone.messages[-1].alarms[0].occurrences))
        assert told_at == [(0, 1), (1, 2), (6, 7), (21, 22), (81, 82), (141, 142)]
        assert market.one("SELECT count FROM alarms") == 180


async def test_what_does_not_repeat_is_not_told_again(tmp_path: Path) -> None:
    async with a_machine(tmp_path) as market:
        desk = desk_of(market)
        await raised(market)
        for _ in range(50):
            await desk.look(10 * MINUTES)
        assert len(desk.phone.messages) == 1


async def test_a_channel_that_fails_loses_nothing(tmp_path: Path) -> None:
    async with a_machine(tmp_path) as market:
        desk = desk_of(market)
        desk.phone.out_of_order = "no network"
        await raised(market, "backup")
        for _ in range(100):
            await desk.look()
        await raised(market, "verify")
        for _ in range(100):
            await desk.look()
        assert market.sql("SELECT * FROM deliveries") == []
        assert len(desk.log.said("ALARMS NOT DELIVERED by phone: no network")) == 1
        desk.phone.out_of_order = ""
        for _ in range(400):
            await desk.look()
        assert [one.alarm.subject for one in desk.phone.messages[0].alarms] == ["backup", "verify"]
        assert len(desk.phone.messages) == 1
        assert market.one("SELECT count(*) FROM deliveries") == 2


async def test_a_channel_that_fails_is_not_hammered_whatever_happens(tmp_path: Path) -> None:
    async with a_machine(tmp_path) as market:
        desk = desk_of(market)
        desk.phone.out_of_order = "no network"
        tried_at = []
        for second in range(120):
            await raised(market, f"chore {second}")
            before = desk.phone.tried
            await desk.look()
            if desk.phone.tried > before:
                tried_at.append(second)
        assert tried_at == [0, 5, 20, 80]


async def test_what_was_not_kept_as_told_before_the_process_died_is_told_again(tmp_path: Path) -> None:
    async with a_machine(tmp_path) as market:
        await raised(market)
        desk = desk_of(market)
        desk.phone.hangs = asyncio.Event()
        looking = asyncio.create_task(desk.look())
        await asyncio.sleep(0)
        looking.cancel()  # as by a kill
        with suppress(asyncio.CancelledError):
            await looking
        await market.restart()
        after = desk_of(market)
        await after.look()
        await desk_of(market, after.phone).look()
        assert after.phone.titles == ["CHORE FAILED backup"]


async def test_one_that_was_told_while_the_book_could_not_be_written_is_not_told_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with a_machine(tmp_path) as market:
        await raised(market)
        board = SqliteAlarms(market.book.writer, market.book.store)
        desk = Desk(board)
        whole = board.told
        monkeypatch.setattr(board, "told", _unwritable)
        for _ in range(3):
            await desk.look()
        assert len(desk.log.said("ALARMS for phone could not be looked up, or kept as delivered: full")) == 1
        monkeypatch.setattr(board, "told", whole)
        for _ in range(3):
            await desk.look()
        assert len(desk.phone.messages) == 1
        assert market.one("SELECT count(*) FROM deliveries") == 1


async def _unwritable(*_: object) -> None:
    from trader.domain.errors import BookUnwritable

    raise BookUnwritable("full")


async def test_one_that_was_seen_is_told_no_more(tmp_path: Path) -> None:
    async with a_machine(tmp_path) as market:
        desk = desk_of(market)
        await raised(market)
        await desk.look()
        await market.command(CommandName.ACKNOWLEDGE, alarms=(market.one("SELECT id FROM alarms"),))
        await raised(market)
        await desk.look(2 * MINUTES)
        assert len(desk.phone.messages) == 1


async def test_alarms_of_one_moment_are_one_message_named_by_the_worst(tmp_path: Path) -> None:
    async with a_machine(tmp_path, breakers=off("exceptions")) as market:
        desk = desk_of(market)
        for number in range(30):
            await raised(market, f"chore {number}")
        await raised(market, "", AlarmType.BROKER_DOWN)
        await desk.look()
        [message] = desk.phone.messages
        assert message.title == "[CRITICAL] trader paper: 31 alarms"
        assert message.body.count("\n") == 20
        assert message.body.endswith("and 11 more; see `trader alerts`")
        assert market.one("SELECT count(*) FROM deliveries") == 31


async def test_a_channel_is_told_what_is_bad_enough_for_it_and_of_a_type_that_is_on(tmp_path: Path) -> None:
    async with a_machine(tmp_path) as market:
        pager = desk_of(market, Phone("pager", Severity.CRITICAL))
        mail = desk_of(market, types={AlarmType.CHORE_FAILED})
        await raised(market)
        await raised(market, "", AlarmType.BROKER_DOWN)
        for desk in (pager, mail, pager, mail):
            await desk.look()
        assert pager.phone.titles == ["BROKER DOWN"]
        assert mail.phone.titles == ["CHORE FAILED backup"]


async def test_a_channel_that_hangs_holds_up_no_other(tmp_path: Path) -> None:
    async with a_machine(tmp_path) as market:
        stuck, works = desk_of(market, Phone("stuck")), desk_of(market, Phone("works"))
        stuck.phone.hangs = asyncio.Event()
        await raised(market)
        hanging = asyncio.create_task(stuck.look())
        await asyncio.sleep(0)
        await works.look()
        assert works.phone.titles == ["CHORE FAILED backup"]
        stuck.phone.hangs.set()
        await hanging
        assert market.one("SELECT told FROM alarms") == "stuck works"


async def test_the_close_of_the_day_brings_its_digest(tmp_path: Path) -> None:
    async with a_machine(tmp_path, clock="15:58") as market:
        desk = desk_of(market)
        await market.bars(4)
        await desk.look()
        bodies = [message.body for message in desk.phone.messages]
        assert len(bodies) == 1
        assert bodies[0].endswith("\n\nthe digest of 2025-06-23")


async def test_a_digest_that_cannot_be_made_keeps_no_alarm_back(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with a_machine(tmp_path, clock="15:58") as market:
        desk = desk_of(market)
        monkeypatch.setattr(desk.courier, "_digest", _unwritable)
        await market.bars(4)
        await raised(market)
        await desk.look()
        [message] = desk.phone.messages
        assert "CHORE FAILED backup" in message.body
        assert message.body.endswith("\n\nits digest could not be made: BookUnwritable: full")


async def test_a_board_that_nothing_happens_on_is_not_read(tmp_path: Path) -> None:
    async with a_machine(tmp_path) as market:
        desk = desk_of(market)
        await raised(market)
        for _ in range(3):
            await desk.look()
        statements: list[str] = []
        await market.book.writer.transact(lambda book: book.set_trace_callback(statements.append))
        for _ in range(50):
            await desk.look()
        await market.bar()
        assert not [statement for statement in statements if "alarms" in statement]


async def test_a_clock_that_is_set_back_silences_nobody(tmp_path: Path) -> None:
    async with a_machine(tmp_path) as market:
        desk = desk_of(market)
        await raised(market)
        await desk.look()
        await raised(market)
        await desk.look()
        assert len(desk.phone.messages) == 1
        await desk.look(timedelta(hours=-5))
        assert len(desk.phone.messages) == 2


async def test_whatever_a_channel_raises_costs_the_delivery_and_no_more(tmp_path: Path) -> None:
    async with a_machine(tmp_path) as market:
        desk = desk_of(market)
        desk.phone.deliver = _broken  # type: ignore[method-assign]
        await raised(market)
        for _ in range(120):
            await desk.look()
        assert desk.log.lines == ["ALARMS for phone failed: ZeroDivisionError: a bug account=paper"]
        assert _tried == [1, 2, 3, 4]


_tried: list[int] = []


async def _broken(message: Message) -> str:
    _tried.append(len(_tried) + 1)
    raise ZeroDivisionError("a bug")


# what cannot be a row


def work_stopped(about: str = "scan", at: datetime = NOON) -> Alarm:
    return Alarm.of(AlarmType.WORK_STOPPED, about, "the exits were looked at 20 s ago", at)


async def test_what_stands_is_told_again_until_it_is_over_and_that_too(tmp_path: Path) -> None:
    board = StandingAlarms()
    desk = Desk(board)
    told_at = []
    for minute in range(90):
        board.stand([work_stopped()] if minute < 80 else [])
        before = len(desk.phone.messages)
        await desk.look(MINUTES)
        if len(desk.phone.messages) > before:
            told_at.append(minute)
    assert told_at == [0, 1, 6, 21, 80]
    assert desk.phone.titles[-1] == "WORKS AGAIN scan"


async def test_what_was_over_before_anybody_was_told_is_not_told() -> None:
    board = StandingAlarms()
    desk = Desk(board)
    desk.phone.out_of_order = "no network"
    board.stand([work_stopped()])
    await desk.look()
    board.stand([])
    desk.phone.out_of_order = ""
    await desk.look(10 * MINUTES)
    assert desk.phone.messages == []


async def test_what_comes_again_is_told_at_once() -> None:
    board = StandingAlarms()
    desk = Desk(board)
    for standing in ([work_stopped()], [], [work_stopped()]):
        board.stand(standing)
        await desk.look()
    assert desk.phone.titles == ["WORK STOPPED scan", "WORKS AGAIN scan", "WORK STOPPED scan"]


async def test_that_the_book_cannot_be_written_is_a_row_once_it_can(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with a_machine(tmp_path) as market:
        with an_unwritable_book(monkeypatch):
            await market.bar({"QQQ": 0.8})
        await market.bar()
        await market.bar()
        [(type_, text, count)] = market.sql("SELECT type, text, count FROM alarms")
        assert (type_, count) == ("book_unwritable", 1)
        assert "disk is full" in text


def silent_s(*desks: Desk, cleared_at: datetime | None = None) -> float:
    """How long nobody could be told, by channels of one courier each."""
    return unheard([[desk.courier] for desk in desks], desks[0].clock.now(), cleared_at).measured


async def test_how_long_nobody_takes_an_alarm_is_measured_from_the_first_that_is_not_taken(tmp_path: Path) -> None:
    async with a_machine(tmp_path) as market:
        desk = desk_of(market)
        desk.phone.out_of_order = "no network"
        await desk.look()
        assert silent_s(desk) == 0
        await raised(market)
        await desk.look()
        for _ in range(10):
            await desk.look(MINUTES)
        assert silent_s(desk) == 600
        assert silent_s(desk, cleared_at=desk.clock.now() - 2 * MINUTES) == 120
        desk.phone.out_of_order = ""
        await desk.look(10 * MINUTES)
        assert silent_s(desk) == 0


async def test_what_nobody_has_to_be_told_any_more_is_not_waited_for(tmp_path: Path) -> None:
    async with a_machine(tmp_path) as market:
        desk = desk_of(market)
        desk.phone.out_of_order = "no network"
        await raised(market)
        await desk.look()
        await market.command(CommandName.ACKNOWLEDGE, alarms=(market.one("SELECT id FROM alarms"),))
        await desk.look(10 * MINUTES)
        assert silent_s(desk) == 0


async def test_who_is_told_by_another_channel_is_told(tmp_path: Path) -> None:
    async with a_machine(tmp_path) as market:
        phone, mail = desk_of(market), desk_of(market, Phone("mail"))
        phone.phone.out_of_order = "no network"
        await raised(market)
        for desk in (phone, mail):
            await desk.look()
        for _ in range(10):
            for desk in (phone, mail):
                await desk.look(MINUTES)
        assert silent_s(phone, mail) == 0
        mail.phone.out_of_order = "no network, too"
        await raised(market, "verify")
        for _ in range(5):
            for desk in (phone, mail):
                await desk.look(MINUTES)
        assert silent_s(phone, mail) == 240


async def test_a_quiet_channel_that_has_taken_nothing_since_reaches_nobody(tmp_path: Path) -> None:
    async with a_machine(tmp_path) as market:
        phone, pager = desk_of(market), desk_of(market, Phone("pager", Severity.CRITICAL))
        phone.phone.out_of_order = "no network"
        await raised(market)
        for desk in (phone, pager):
            await desk.look()
        for desk in (phone, pager):
            await desk.look(5 * MINUTES)
        assert silent_s(phone, pager) == 300
