"""The pending lock: at most one working opening order on (account, symbol).

It is kept three times over, because each of the three was missing once (incident 2): an `asyncio.Lock` per symbol,
held from the check up to the commit; the locks in memory, checked again inside it; and the row, which the database
refuses a second time whoever asks, also after a restart and from another process.
"""

import asyncio
from collections.abc import AsyncIterator, Iterable, Mapping
from contextlib import asynccontextmanager

from trader.domain.decision import Rule
from trader.domain.order import PendingLock
from trader.services.draft import Draft
from trader.services.ports import Store


class PendingLocks:
    """The one gate to the book: a draft is committed here, or its entries are refused here."""

    def __init__(self, store: Store, live: Mapping[str, PendingLock]) -> None:
        self._store = store
        self._live = dict(live)
        self._symbols: dict[str, asyncio.Lock] = {}

    def is_locked(self, symbol: str) -> bool:
        """Whether a working or unknown opening order exists, as far as this process knows."""
        return symbol in self._live

    async def commit(self, draft: Draft) -> Mapping[str, Rule]:
        """Make a draft durable; give back the entries that were refused, by order reference, with the rule.

        Raises BookUnwritable with nothing written and nothing locked.
        """
        if not draft.commit.entries:
            receipt = await self._store.commit(draft.sealed())
            draft.without(receipt.refused)
            self._take_over(draft)
            return receipt.refused
        async with self._holding(entry.lock.symbol for entry in draft.commit.entries):
            refused = {
                entry.order.ref: Rule.SYMBOL_LOCKED
                for entry in draft.commit.entries
                if self.is_locked(entry.lock.symbol) and not self._released_by(draft, entry.lock.symbol)
            }
            draft.without(refused)
            receipt = await self._store.commit(draft.sealed())
            draft.without(receipt.refused)
            self._take_over(draft)
        return {**refused, **receipt.refused}

    def _released_by(self, draft: Draft, symbol: str) -> bool:
        ref = self._live[symbol].order_ref
        return any(release.order_ref == ref for release in draft.commit.releases)

    def _take_over(self, draft: Draft) -> None:
        released = {release.order_ref for release in draft.commit.releases}
        if released:
            self._live = {symbol: lock for symbol, lock in self._live.items() if lock.order_ref not in released}
        for entry in draft.commit.entries:
            if entry.order.ref not in released:
                self._live[entry.lock.symbol] = entry.lock

    @asynccontextmanager
    async def _holding(self, symbols: Iterable[str]) -> AsyncIterator[None]:
        """Hold the locks of symbols, taken in one order everywhere so that two batches cannot wait for each other."""
        held: list[asyncio.Lock] = []
        try:
            for symbol in sorted(set(symbols)):
                lock = self._symbols.setdefault(symbol, asyncio.Lock())
                await lock.acquire()
                held.append(lock)
            yield
        finally:
            for lock in held:
                lock.release()
