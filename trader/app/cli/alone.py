"""Alone with a book, whatever accounts it has: no daemon runs on it, and none begins, while a command changes it."""

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path


@contextmanager
def alone_with_book(book: Path, ours: str) -> Iterator[None]:
    """Hold the run lock of every account that ever ran on it, as their daemons would. Raises AlreadyRunning."""
    from trader.adapters.clock import SystemClock
    from trader.adapters.run_lock import RunLock, lock_path, this_process

    db = book.resolve()
    holder = this_process(SystemClock().now())
    known = {
        path.name.removeprefix(f"{db.name}.").removesuffix(".lock") for path in db.parent.glob(f"{db.name}.*.lock")
    }
    with ExitStack() as locks:
        for account in sorted({ours, *known}):
            whose = f"ACCOUNT_NAME={account} " if account != ours else ""
            way_out = f"It is the daemon of account {account}; stop it first: `{whose}trader stop --db {book}`"
            locks.callback(RunLock.take(lock_path(db, account), holder, way_out).release)
        yield
