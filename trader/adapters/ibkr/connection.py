"""The connection to TWS or IB Gateway: one session after another, for ever, and what of them is whole.

Rule 1: an *epoch* is unbroken: the socket, the greeting, IB's servers behind it, every message read. It ends when any
of that does; what was said in it proves nothing in the next one. An item of a list that cannot be read leaves that list
unknown: it will be there in the next epoch too.
Rule 2: the client id is always the same: orders can be changed and cancelled only under the id they were placed with.
Rule 3: nobody waits without a deadline. A peer that does not tell the time in time is gone, though the socket stands.
Rule 4: a farm that comes or goes is logged; the socket stays.
"""

import asyncio
from datetime import datetime
from typing import Protocol

from trader.adapters.ibkr.codes import Kind, kind_of, meaning_of
from trader.adapters.ibkr.ib_clock import IbClock, read_clock
from trader.adapters.ibkr.messages import Failure, Message
from trader.adapters.ibkr.plain_loop import assert_plain_loop
from trader.adapters.ibkr.session import Address, Session
from trader.adapters.ibkr.standing import Link, Standing
from trader.adapters.ibkr.timing import Timing
from trader.adapters.ibkr.unreachable import why_not
from trader.domain.errors import BrokerUnreachable, ConfigurationError
from trader.services.ports import Clock, Log

__all__ = ["Address", "Connection", "Link", "Listener", "Session", "Standing"]


class Listener(Protocol):
    """Who builds on the connection. What it raises ends the epoch: a message would be lost."""

    def begun(self, session: Session) -> None:
        """An epoch begins; `session.epoch` is its number."""
        ...

    def ended(self, reason: str) -> None:
        """The epoch has ended."""
        ...

    def hear(self, message: Message) -> None:
        """Take in what came unasked."""
        ...


class Connection:
    """Keeps a session open, and says when what comes from it is whole."""

    def __init__(self, address: Address, account: str, clock: Clock, log: Log, timing: Timing | None = None) -> None:
        self.address = address
        self.account = account
        """IB's account id, as DU1000001."""
        self.session: Session | None = None
        """The session of the epoch of the moment, or None."""
        self.listeners: list[Listener] = []
        self.timing = timing or Timing()
        self._clock = clock
        self._log = log
        self._live: Session | None = None
        """The session that is connected, with or without the servers behind it."""
        self._servers_lost = False
        self._lost_at = 0.0
        """By the loop's clock."""
        self._link = Link.DOWN
        self._since = clock.now()
        self._epoch = 0
        self._next_id = 1
        self._last_error = ""
        self._ib_clock: IbClock | None = None
        self._last_heard_at: datetime | None = None
        self._is_closed = False
        self._told_once: set[str] = set()

    @property
    def is_open(self) -> bool:
        """Whether orders may leave."""
        return self.session is not None

    @property
    def skew_s(self) -> float | None:
        """How far IB's clock is ahead of ours now; None before it has told its time."""
        return self._ib_clock.skew_s(self._clock) if self._ib_clock is not None else None

    @property
    def standing(self) -> Standing:
        """How it stands."""
        live = self._live
        return Standing(
            self._link,
            self._epoch,
            self._since,
            self._last_heard_at,
            self._last_error,
            live.server_version if live else 0,
            self.skew_s,
            live.accounts if live else (),
        )

    # one session after another

    async def open(self, deadline_s: float) -> None:
        """Connect for the first time. Raises BrokerUnreachable, or ConfigurationError where waiting is no help."""
        assert_plain_loop()
        await self._connect(deadline_s)
        if not self.is_open:
            why, live = self._last_error, self._live
            if live is not None:
                live.end(why)
            raise BrokerUnreachable(
                f"{self.address}: it answers, but has lost Interactive Brokers' servers ({why}); wait until it has "
                f"found them again"
            )

    async def run(self) -> None:
        """Keep a session for ever; ends when the connection is closed."""
        assert_plain_loop()
        loop = asyncio.get_running_loop()
        failures, said = 0, ""
        while not self._is_closed:
            if self._live is None:
                try:
                    await self._connect(self.timing.connect_s)
                except (BrokerUnreachable, ConfigurationError) as error:
                    if str(error) != said:  # a weekend of attempts is one line
                        said = str(error)
                        self._log.error(f"IB NOT CONNECTED {said}; it is tried again and again")
                    failures = await self._back_off(failures)
                    continue
            began, said = loop.time(), ""
            await self._watch()
            lasted = loop.time() - began >= self.timing.steady_after_s
            failures = await self._back_off(0 if lasted else failures)

    async def close(self) -> None:
        """Disconnect and stay so."""
        self._is_closed = True
        if self._live is not None:
            self._live.end("closed by us")
            self._over()

    async def _back_off(self, failures: int) -> int:
        waits = self.timing.back_off_s
        if not self._is_closed:
            await asyncio.sleep(waits[min(failures, len(waits) - 1)])
        return failures + 1

    async def _connect(self, deadline_s: float) -> None:
        self._set_link(Link.CONNECTING)
        self._servers_lost = False
        session = Session(self.address, self, self._next_id, self.account)
        try:
            await session.connect(deadline_s)
        except (OSError, TimeoutError) as error:
            raise BrokerUnreachable(self._down(why_not(self.address, error, deadline_s))) from error
        if self.account not in session.accounts:
            session.end("not the account that was asked for")
            raise ConfigurationError(
                self._down(
                    f"{self.address} is logged in to {', '.join(session.accounts)}, not to {self.account}: log in to "
                    f"that account there, or name the right one in the configuration"
                )
            )
        await self._learn_ids(session)
        await self._beat(session)
        if session.ended.is_set():
            raise BrokerUnreachable(self._down(f"{self.address}: {session.reason}"))
        self._live = session
        if not self._servers_lost:
            self._begin(session, kept=False)

    async def _learn_ids(self, session: Session) -> None:
        """An order under the id of one that works would change that one: no epoch begins before these are seen.

        Where they are not told in time the broker's own next id has to do: exits must not wait for ever.
        """
        if self._servers_lost:
            return
        patience_s = self.timing.heartbeat_patience_s
        if await session.open_orders.ask(session.client.reqAllOpenOrders, patience_s) is None:
            self._log.warning(f"IB OPEN ORDERS are not told completely; ids go on from {session.next_id}")

    async def _watch(self) -> None:
        """Ask for the time again and again until the session ends."""
        session = self._live
        while session is not None and not session.ended.is_set():
            try:
                async with asyncio.timeout(self.timing.heartbeat_s):
                    await session.ended.wait()
            except TimeoutError:
                await self._beat(session)
                self._ask_anew_when_lost_for_long(session)
        self._over()

    def _ask_anew_when_lost_for_long(self, session: Session) -> None:
        lost_for_s = asyncio.get_running_loop().time() - self._lost_at
        if self._servers_lost and lost_for_s >= self.timing.lost_patience_s:
            session.end(f"no word of IB's servers for {self.timing.lost_patience_s:g} s")

    async def _beat(self, session: Session) -> None:
        told = await read_clock(session, self.timing.heartbeat_patience_s)
        if told is not None:
            self._ib_clock = told if told.is_sharp else self._ib_clock
        elif not session.ended.is_set():
            session.end(f"no answer to the question for the time in {self.timing.heartbeat_patience_s:g} s")

    def _over(self) -> None:
        """The session has ended: the epoch with it, if it had not ended before."""
        session, self._live = self._live, None
        if session is None:
            return
        self._next_id = max(self._next_id, session.next_id)
        self._last_error = session.reason
        self._end(session.reason)
        self._set_link(Link.DOWN)

    def _down(self, why: str) -> str:
        self._last_error = why
        self._set_link(Link.DOWN)
        return why

    # epochs

    def _begin(self, session: Session, *, kept: bool) -> None:
        self._epoch += 1
        session.epoch = self._epoch
        session.subscriptions_kept = kept
        self.session = session
        self._set_link(Link.OPEN)
        self._log.info(f"IB EPOCH {self._epoch} BEGINS {self.address} server version {session.server_version}")
        for listener in self.listeners:
            listener.begun(session)

    def _end(self, reason: str) -> None:
        if self.session is None:
            return
        self.session = None
        self._log.warning(f"IB EPOCH {self._epoch} HAS ENDED: {reason}")
        for listener in self.listeners:
            listener.ended(reason)

    def _set_link(self, link: Link) -> None:
        if link is not self._link:
            self._link, self._since = link, self._clock.now()

    # what comes unasked

    def said(self, message: Message) -> None:
        """Take in a message of the session."""
        if isinstance(message, Failure):
            self._hear_of_the_connection(message)
        for listener in self.listeners:
            listener.hear(message)

    def heard(self) -> None:
        """Something came."""
        self._last_heard_at = self._clock.now()

    def unknown_message(self, id_: str) -> None:
        """Take note of a message that the library does not know, once a kind."""
        if id_ not in self._told_once:
            self._told_once.add(id_)
            self._log.warning(f"IB UNKNOWN MESSAGE {id_[:20]}: left alone")

    def spoilt(self, name: str, why: str) -> None:
        """Take note of a list that cannot be read as a whole, each reason once."""
        self._last_error = f"{name}: {why}"
        if self._last_error not in self._told_once:
            self._told_once.add(self._last_error)
            self._log.error(f"IB LIST NOT READABLE: {self._last_error}; it counts as unknown")

    def session_ended(self) -> None:
        """The session has ended: the epoch ends at once, not when somebody looks."""
        self._over()

    def _hear_of_the_connection(self, failure: Failure) -> None:
        kind = kind_of(failure.code)
        if kind is Kind.SERVERS_LOST:
            if not self._servers_lost:
                self._lost_at = asyncio.get_running_loop().time()
            self._servers_lost = True
            self._last_error = str(failure)
            self._end(str(failure))
            if self._live is not None:
                self._set_link(Link.SERVERS_LOST)
        elif kind in (Kind.RESTORED, Kind.RESTORED_DATA_LOST):
            self._servers_lost = False
            if self._live is not None:
                self._end(str(failure))
                self._begin(self._live, kept=kind is Kind.RESTORED)
        elif kind in (Kind.FARM, Kind.SOCKET_MOVED):
            self._log.info(f"{failure} ({meaning_of(failure.code)})")
        elif failure.id == -1 and kind is not Kind.CLIENT_ID_TAKEN:
            self._last_error = str(failure)
            self._log.warning(f"{failure}")
