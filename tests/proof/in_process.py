"""A daemon as a task of the test: it lives in virtual time, and dies when it is told to."""

import asyncio
from contextlib import suppress
from pathlib import Path

from builders import Sentences

from proof.clock import LoopClock
from proof.host import MortalHost
from proof.rig import Given
from proof.virtual_time import VirtualLoop
from trader.adapters.control import Answer, Request
from trader.app.daemon import Daemon, a_daemon
from trader.app.settings import load_settings
from trader.domain.errors import BrokerUnreachable, TraderError

CONFIGURATION = Path("config/ibkr-paper.toml")
START_AGAIN_S = 10.0
STARTS = 30


class TaskDaemon:
    """See `proof.rig.Daemon`."""

    def __init__(self) -> None:
        self.dead = 0
        self.ended: list[str] = []
        self._sentences = Sentences()
        self._host: MortalHost | None = None
        self._daemon: Daemon | None = None
        self._life: asyncio.Task[None] | None = None
        self._clock: LoopClock | None = None

    def by(self, clock: LoopClock) -> None:
        """Its wall's time."""
        self._clock = clock

    @property
    def log(self) -> list[str]:
        """What all lives have said."""
        return self._sentences.lines

    @property
    def is_alive(self) -> bool:
        """Whether it runs, recovered."""
        return self._daemon is not None and self._life is not None and not self._life.done()

    async def start(self, given: Given) -> None:
        """Start it; where the gateway cannot be reached, again and again."""
        self._note_end()
        loop = asyncio.get_running_loop()
        for _ in range(STARTS):
            assert self._clock is not None
            ready = asyncio.Event()
            self._host = MortalHost(self._clock, self._sentences)
            self._life = loop.create_task(self._live(self._host, given, ready))
            waiting = loop.create_task(ready.wait())
            await asyncio.wait({self._life, waiting}, return_when=asyncio.FIRST_COMPLETED)
            waiting.cancel()
            if self.is_alive:
                return
            if not self._host.is_dead and not isinstance(error := self._life.exception(), BrokerUnreachable):
                raise AssertionError("the daemon did not start") from error
            await asyncio.sleep(START_AGAIN_S)
        raise AssertionError(f"the daemon did not start, {STARTS} times")

    async def stop(self) -> None:
        """Stop it in order."""
        if self._daemon is not None and self._life is not None:
            self._daemon._stopping.ask("the proof")
            await self._life
        self._daemon = None

    def kill(self) -> None:
        """It ends where it is."""
        self._note_end()
        host, life = self._host, self._life
        if host is None or life is None or host.is_dead:
            return
        host.is_dead = True
        self._daemon = None
        self.dead += 1
        if host.market is not None and (session := host.market._connection._live) is not None:
            session.client.abort()
        life.cancel()

    def suspend(self, seconds: float) -> None:
        """Everything on this loop sleeps, the gateway too: what its market did meanwhile is told late."""
        loop = asyncio.get_running_loop()
        assert isinstance(loop, VirtualLoop)
        loop.sleep_for(seconds)

    async def is_buried(self) -> None:
        """Wait until nothing of a dead life runs any more."""
        if self._life is not None and self._host is not None and self._host.is_dead:
            with suppress(asyncio.CancelledError, Exception):
                await self._life

    async def ask(self, request: Request) -> Answer | None:
        """By the daemon's door."""
        assert self._host is not None
        assert self._host.handler is not None
        try:
            return await self._host.handler(request)
        except TraderError:
            return None

    def _note_end(self) -> None:
        """Of a life that was not stopped and not killed."""
        if self._daemon is not None and self._life is not None and self._life.done():
            self.ended.append(repr(self._life.exception() or "in good order"))
            self._daemon = None

    async def _live(self, host: MortalHost, given: Given, ready: asyncio.Event) -> None:
        async with a_daemon(load_settings(CONFIGURATION, **given), host) as daemon:
            await daemon.recover()
            if not host.is_dead:
                self._daemon = daemon
                ready.set()
                await daemon.run()
