"""The spill file: exits that were sent while the book could not be written. One JSON line each, beside the book.

Its room is taken when it is made, so that a full disk does not keep an exit from being written down. A line is checked
by its own digest; one that is torn was never sent, because an exit is sent after it is on the disk.
"""

import hashlib
import json
import os
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path

from trader.adapters.durable import sync_folder
from trader.adapters.same_file import is_at
from trader.domain.decision import Purpose, Side
from trader.domain.errors import BookUnwritable
from trader.domain.order import Order, OrderState

_ROOM_BYTES = 64 * 1024
_DIGEST = 16


def spill_path(db: Path, account: str) -> Path:
    """Where an account's exits are written down while its book cannot be."""
    real = db.resolve()
    return real.with_name(f"{real.name}.{account}.exits")


class SpillFile:
    """The Spill port on a file of its own."""

    def __init__(self, path: Path) -> None:
        """Open it; make it when it is new. Raises BookUnwritable."""
        self.path = path
        try:
            self._file = _opened(path)
        except OSError as error:
            raise BookUnwritable(f"cannot make the spill file {path}: {error.strerror}; free some space") from error
        self._used = self._length()

    def append(self, order: Order) -> None:
        """Write an exit down, and wait for the disk. Raises OSError."""
        self._make_again()
        line = _line(order)
        if os.pwrite(self._file, line, self._used) != len(line):
            raise OSError(f"only a part of a line was written to {self.path}")
        os.fdatasync(self._file)
        self._used += len(line)

    def _make_again(self) -> None:
        """Somebody may have removed the file: what is written into it then is found by nobody. Raises OSError."""
        if not is_at(self._file, self.path):
            removed, self._file = self._file, _opened(self.path)
            os.close(removed)
            self._used = self._length()

    def read(self) -> list[Order]:
        """Every whole line."""
        return [_order(json.loads(text)) for _, text in self._lines()]

    def clear(self) -> None:
        """Forget it all. Raises OSError; whatever comes next begins the file, where it is found."""
        os.pwrite(self._file, bytes(self._used), 0)
        self._used = 0
        os.fdatasync(self._file)

    def close(self) -> None:
        """Close the file."""
        os.close(self._file)

    def _length(self) -> int:
        return sum(len(line) + 1 for line, _ in self._lines())

    def _lines(self) -> Iterator[tuple[bytes, bytes]]:
        """Each whole line with its text; what comes after a torn one is not there."""
        written = os.pread(self._file, os.fstat(self._file).st_size, 0).split(b"\0", 1)[0]
        for line in written.split(b"\n"):
            digest, _, text = line.partition(b" ")
            if hashlib.sha256(text).hexdigest()[:_DIGEST].encode() != digest:
                return
            yield line, text


def _opened(path: Path) -> int:
    """The file with all its room, or none. Raises OSError."""
    file = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        missing = _ROOM_BYTES - os.fstat(file).st_size
        if missing > 0:
            os.pwrite(file, bytes(missing), _ROOM_BYTES - missing)
            os.fsync(file)
            sync_folder(path.parent)
    except OSError:
        os.close(file)
        raise
    return file


def _line(order: Order) -> bytes:
    values = {
        "ref": order.ref,
        "account": order.account,
        "symbol": order.symbol,
        "quantity": order.quantity,
        "purpose": order.purpose,
        "reason": order.reason,
        "signal_id": order.signal_id,
        "created_at": order.created_at.isoformat(),
    }
    text = json.dumps(values).encode()
    return hashlib.sha256(text).hexdigest()[:_DIGEST].encode() + b" " + text + b"\n"


def _order(values: dict[str, str]) -> Order:
    created_at = datetime.fromisoformat(values["created_at"])
    return Order(
        ref=values["ref"],
        account=values["account"],
        symbol=values["symbol"],
        side=Side.SELL,
        quantity=int(values["quantity"]),
        limit_micros=None,
        purpose=Purpose(values["purpose"]),
        reason=values["reason"],
        signal_id=values["signal_id"],
        state=OrderState.CREATED,
        filled=0,
        created_at=created_at,
        updated_at=created_at,
    )
