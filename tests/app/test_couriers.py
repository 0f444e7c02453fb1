"""What the daemon finds of itself: a broker that is away, a book that cannot be written, its own failure."""

import json
from contextlib import suppress
from dataclasses import asdict
from datetime import datetime, timedelta
from pathlib import Path

import pytest
from builders import CONFIGURATION, Market, a_machine, an_unwritable_book

from trader.adapters.control import Answer
from trader.app.connection_state import ConnectionState
from trader.app.couriers import Couriers
from trader.app.daemon import a_daemon
from trader.app.host import ThisMachine
from trader.app.marketplace import EmbeddedMarketplace
from trader.app.settings import load_settings
from trader.domain.alarm import AlarmType, Severity
from trader.domain.breaker import Breaker
from trader.domain.events import CommandName, JournalType
from trader.services.ports import Clock
from trader.services.telling import Message


class Exchange(EmbeddedMarketplace):
    """A marketplace whose connection stands as the test says."""

    def __init__(self, market: Market) -> None:
        super().__init__(market.parts)
        self._of = market
        self.link = "open"

    @property
    def clock(self) -> Clock:
        """The market's."""
        return self._of.clock

    def standing(self) -> Answer:
        """How it stands."""
        state = ConnectionState(
            link=self.link,
            epoch=1,
            since="13:30",
            heard_s=1.0,
            last_error="the socket closed",
            server_version=1,
            skew_s=0.0,
            ib_account="DU1",
            bars_s=1.0,
        )
        return asdict(state)


class Phone:
    """Takes everything, if nothing is said."""

    name = "phone"
    least = Severity.INFO

    def __init__(self) -> None:
        self.messages: list[Message] = []
        self.why_not = ""

    async def deliver(self, message: Message) -> str:
        """Take it, or say why not."""
        self.messages.append(message)
        return self.why_not


async def _digest(at: datetime) -> str:
    return str(at)


def couriers_of(market: Market, exchange: Exchange, phone: Phone) -> Couriers:
    settings = load_settings(CONFIGURATION)
    return Couriers(settings, [phone], market.book, market.engine, exchange, market.clock, market.log, _digest)


async def down(market: Market) -> list[str]:
    await market.settle()
    return [text for (text,) in market.sql("SELECT text FROM alarms WHERE type = 'broker_down'")]


async def test_a_broker_that_is_away_for_a_minute_of_the_session_is_an_alarm(tmp_path: Path) -> None:
    async with a_machine(tmp_path) as market:
        exchange = Exchange(market)
        couriers = couriers_of(market, exchange, Phone())
        couriers.look(0)
        exchange.link = "down"
        for now_s in (10, 40, 69):
            couriers.look(now_s)
            assert await down(market) == []
        couriers.look(71)
        assert await down(market) == ["down since 13:30: the socket closed"]
        exchange.link = "open"
        couriers.look(200)
        exchange.link = "down"
        couriers.look(201)
        couriers.look(240)
        assert market.one("SELECT count FROM alarms WHERE type = 'broker_down'") == 1


async def test_a_broker_that_is_away_at_night_is_none(tmp_path: Path) -> None:
    async with a_machine(tmp_path, clock="18:00") as market:
        exchange = Exchange(market)
        exchange.link = "down"
        couriers = couriers_of(market, exchange, Phone())
        for now_s in range(0, 7200, 30):
            couriers.look(now_s)
        assert await down(market) == []


async def test_that_the_book_cannot_be_written_is_told_while_it_is_so(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with a_machine(tmp_path) as market:
        phone = Phone()
        couriers = couriers_of(market, Exchange(market), phone)
        with an_unwritable_book(monkeypatch):
            await market.bar({"QQQ": 0.8})
            couriers.look(1)
            await couriers.last_words()
            assert [message.title for message in phone.messages] == ["[CRITICAL] trader paper: BOOK UNWRITABLE"]


async def test_a_daemon_that_fails_has_a_last_word(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    hook = tmp_path / "hook"
    hook.write_text(f"#!/bin/sh\ncat >> {tmp_path}/given\n", "utf-8")
    hook.chmod(0o700)
    settings = load_settings(CONFIGURATION, book={"db": tmp_path / "trading_data.db"}, alarms={"command": [str(hook)]})
    monkeypatch.setattr("trader.services.engine.Engine.run", _breaks)
    with suppress(ZeroDivisionError):
        async with a_daemon(settings, ThisMachine()) as daemon:
            await daemon.recover()
            await daemon.run()
    [page] = [json.loads(line) for line in (tmp_path / "given").read_text("utf-8").splitlines()]
    assert page["title"] == "[CRITICAL] trader paper: FAILED"
    assert "ZeroDivisionError: a bug" in page["body"]


async def _breaks(_: object) -> None:
    raise ZeroDivisionError("a bug")


async def test_an_orderly_stop_is_no_failure(tmp_path: Path) -> None:
    settings = load_settings(CONFIGURATION, book={"db": tmp_path / "trading_data.db"})
    async with a_daemon(settings, ThisMachine()) as daemon:
        await daemon.recover()
        daemon._stopping.ask("SIGTERM")
        await daemon.run()
    import sqlite3

    with sqlite3.connect(settings.book.db) as book:
        [data] = book.execute("SELECT data FROM events WHERE type = ?", (JournalType.RUN_STOPPED,)).fetchone()
        types = {row[0] for row in book.execute("SELECT type FROM alarms")}
    book.close()
    assert json.loads(data)["failed"] is False
    assert "stopped" in types
    assert "failed" not in types


async def test_what_was_not_told_before_a_person_cleared_the_breaker_of_it_counts_anew(tmp_path: Path) -> None:
    async with a_machine(tmp_path) as market:
        phone = Phone()
        couriers = couriers_of(market, Exchange(market), phone)
        phone.why_not = "no network"
        market.engine.alarm(AlarmType.CHORE_FAILED, "backup", "no space")
        await market.settle()
        await couriers.last_words()
        market.clock.set(market.clock.now() + timedelta(minutes=40))
        [measured] = couriers.measured()
        assert (measured.breaker, measured.measured) == (Breaker.ALARM_DELIVERY, 2400)
        await market.handle(measured)
        assert Breaker.ALARM_DELIVERY in market.engine.book.latches
        await market.command(CommandName.RESUME, breaker=Breaker.ALARM_DELIVERY)
        market.clock.set(market.clock.now() + timedelta(minutes=1))
        couriers.measured()
        market.clock.set(market.clock.now() + timedelta(minutes=1))
        assert [one.measured for one in couriers.measured()] == [60]
