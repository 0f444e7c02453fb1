"""What `trader doctor` looks at in the book and around it: schema, kind, soundness, permissions, who runs on it."""

import sqlite3
import stat
from collections.abc import Collection, Iterator
from contextlib import closing
from pathlib import Path

from trader.adapters.fingerprint import code_fingerprint
from trader.adapters.run_lock import running_daemon
from trader.adapters.sqlite.database import READ_AT_START_BYTES, read_only
from trader.adapters.sqlite.soundness import GUARDS, chain_findings, file_faults, lost_parts
from trader.app.checks import Check, fail, ok, warn
from trader.domain.errors import BookError, BookOutdated

_NAMED = 5
_OPEN_TO_OTHERS = 0o077
_IF_DAMAGED = "keep the file; go back to a backup, or look into it with `sqlite3 FILE .recover`"


def check_book(db: Path, mode: str, *, full: bool) -> Iterator[Check]:
    """Everything about the book, as far as one check lets the next be made."""
    if not db.exists():
        yield ok("book", f"{db.absolute()} is not there yet; the first start makes it")
        return
    if db.is_dir():
        yield fail("book", f"{db.absolute()} is a folder, not a book", "name a file in it with --db")
        return
    try:
        with closing(read_only(db)) as book:
            yield from _checks(book, db, mode, full=full)
    except BookOutdated as error:
        yield warn("book", str(error), "nothing, or keep it as it is by another name and --db")
    except BookError as error:
        yield fail("book", str(error), "name another book with --db, or go back to a backup")
    except sqlite3.Error as error:
        yield fail("book", f"{db} could not be checked to the end: {error}", _IF_DAMAGED)


def _checks(book: sqlite3.Connection, db: Path, mode: str, *, full: bool) -> Iterator[Check]:
    yield _kind(book, db, mode)
    yield _file(book, db, full=full)
    yield _guards(book)
    yield check_permissions(db)
    yield _chain(book, full=full)


def _kind(book: sqlite3.Connection, db: Path, mode: str) -> Check:
    stamp = book.execute("SELECT kind, epoch FROM book_stamp").fetchone()
    if stamp is None:
        return ok("book", f"{db} has the right schema and is not stamped yet")
    said = f"{db} is a {stamp['kind']} book, epoch {stamp['epoch']}"
    if stamp["kind"] != mode:
        return fail("book", f"{said}; the configuration says mode {mode}", "name another book with --db")
    return ok("book", said)


def _file(book: sqlite3.Connection, db: Path, *, full: bool) -> Check:
    size = db.stat().st_size
    if size > READ_AT_START_BYTES and not full:
        return ok(
            "book's file", f"not looked through, it has {size >> 20} MB; `trader doctor --full` does, and a backup"
        )
    faults = file_faults(book, full=full)
    how = "every page and reference looked at" if full else "quick check"
    if not faults:
        return ok("book's file", f"sound ({how})")
    return fail("book's file", "; ".join(faults[:_NAMED]), _IF_DAMAGED)


def _guards(book: sqlite3.Connection) -> Check:
    lost = lost_parts(book)
    told = ", ".join(f"{part.kind} {part.name} is {how}" for part, how in list(lost.items())[:_NAMED])
    if any(part.kind == "table" for part in lost):
        return fail("book's rules", told, "use the version that wrote this book, or name another book with --db")
    if any(part.kind in GUARDS for part in lost):
        return fail("book's rules", told, "somebody changed the schema; `trader rebuild --apply` restores its rules")
    if lost:
        return warn("book's views", told, "a view shows something else than documented; make it again from schema.sql")
    return ok("book's rules", "tables, indexes, triggers and views as they should be")


def _chain(book: sqlite3.Connection, *, full: bool) -> Check:
    events, findings = chain_findings(book, full=full)
    if not findings:
        since = "" if full else " since the last session that was ended; `trader doctor --full` looks at all"
        return ok("book's journal", f"the chain of {events} events is whole{since}")
    told = "; ".join(f"{finding.what} {finding.book}" for finding in findings[:_NAMED])
    return fail(
        "book's journal", f"{len(findings)} findings: {told}", "see `trader rebuild --check`; go back to a backup"
    )


def check_permissions(db: Path) -> Check:
    """The book is its owner's alone."""
    bits = stat.S_IMODE(db.stat().st_mode)
    if bits & _OPEN_TO_OTHERS:
        return warn("book's permissions", f"{bits:04o}, others can read it", f"chmod 600 {db}")
    return ok("book's permissions", f"{bits:04o}")


def check_daemon(lock: Path) -> Check:
    """Whether a daemon runs on this book and account, and which."""
    try:
        running = running_daemon(lock)
    except BookError as error:
        return fail("daemon", str(error), f"see whose it is: ls -l {lock}")
    if running is None:
        return ok("daemon", "none runs on this book")
    said = f"process {running.pid} runs, version {running.version}, since {running.started_at}"
    if running.fingerprint != code_fingerprint():
        return warn("daemon", f"{said}, with other code than is on disk", "./START_TRADER.sh --restart")
    return ok("daemon", said)


def check_halt_files(halt_files: Collection[Path]) -> Check:
    """The last resort stays in force until somebody removes it."""
    there = " ".join(str(path) for path in halt_files if path.exists())
    if there:
        return warn("HALT file", f"{there} keeps entries halted", f"rm {there}, then `trader resume`")
    return ok("HALT file", "none")
