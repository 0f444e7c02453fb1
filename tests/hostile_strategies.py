"""Strategies that have to be kept away from everything, each in its own way, from the bar on that `at` says."""

import os
import signal
import subprocess
import sys
from collections.abc import Iterable
from datetime import UTC, datetime
from decimal import Decimal
from itertools import repeat
from typing import cast

from trader import Bar, Signal


class Counting:
    """Its probability tells how many bars it has seen: state that a restart has to bring back."""

    warmup_bars = 3

    def __init__(self) -> None:
        self.seen: list[int] = []
        self.symbols: tuple[str, ...] = ()

    def on_start(self, symbols: tuple[str, ...]) -> None:
        """Keep what it is told."""
        self.symbols = symbols

    def on_bar(self, bar: Bar) -> Iterable[Signal]:
        """Say which of its last three bars it knows, by their minutes, and how many symbols it was told of."""
        self.seen = [*self.seen, bar.timestamp.minute][-3:]
        return [Signal(bar.symbol, len(self.symbols) / 10, id="-".join(map(str, self.seen)))]


class Remembering:
    """All that it has ever seen: a restart does not bring that back."""

    warmup_bars = 3

    def __init__(self) -> None:
        self.seen = 0

    def on_bar(self, bar: Bar) -> Iterable[Signal]:
        """Say how many bars that was."""
        self.seen += 1
        return [Signal(bar.symbol, 0.5, id=f"{self.seen} bars")]


class _AtABar:
    """Says 0.95 of everything, and at one bar does something else."""

    warmup_bars = 0

    def __init__(self, at: int = 2) -> None:
        self.left = at

    def on_bar(self, bar: Bar) -> Iterable[Signal]:
        """Count down."""
        self.left -= 1
        if self.left == 0:
            self.do()
        return [Signal(bar.symbol, 0.95)]

    def do(self) -> None:
        """What is hostile."""
        raise NotImplementedError


class Endless(_AtABar):
    """Never comes back."""

    def do(self) -> None:
        """Loop."""
        while True:
            pass


class Leaving(_AtABar):
    """Ends its process."""

    def do(self) -> None:
        """Past every handler."""
        sys.stdout.write("these are my last words\n")
        os._exit(3)


class Killed(_AtABar):
    """Is killed from outside, as far as anybody can tell."""

    def do(self) -> None:
        """At once."""
        os.kill(os.getpid(), signal.SIGKILL)


class Stopped(_AtABar):
    """Stands still."""

    def do(self) -> None:
        """Until somebody lets it go on."""
        os.kill(os.getpid(), signal.SIGSTOP)


class Hungry(_AtABar):
    """Takes all the memory there is."""

    def do(self) -> None:
        """And more."""
        kept = []
        while True:
            kept.append(bytearray(100_000_000))


class Scribbling(_AtABar):
    """Writes to everything that is open."""

    def do(self) -> None:
        """Whatever it is."""
        for number in range(3, 30):
            try:
                os.write(number, b'\xff\x00 "nonsense\n' * 10)
            except OSError:
                continue


class Unasked(_AtABar):
    """Answers twice."""

    def do(self) -> None:
        """As if it had been asked."""
        for number in range(3, 30):
            try:
                os.write(number, b'{"n":1,"said":[["AAPL",[{"signal":["AAPL",0.99,null,""]}]]]}\n')
            except OSError:
                continue


class Parental(_AtABar):
    """Starts a process of its own, which would outlive it."""

    def do(self) -> None:
        """And dies."""
        child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)"])
        sys.stdout.write(f"started {child.pid}\n")
        os._exit(0)


class Orphaning(_AtABar):
    """Leaves something in a session of its own that holds on to everything that is open here."""

    def do(self) -> None:
        """And never comes back."""
        sleeps = "import time; time.sleep(20)"
        subprocess.Popen([sys.executable, "-c", sleeps], start_new_session=True, close_fds=False)
        while True:
            pass


class Flooding:
    """Ten thousand signals a bar."""

    def on_bar(self, bar: Bar) -> Iterable[Signal]:
        """All alike."""
        return repeat(Signal(bar.symbol, 0.8), 10_000)


class Chatting:
    """Prints without end, and asks."""

    def on_bar(self, bar: Bar) -> Iterable[Signal]:
        """Loudly."""
        sys.stdout.write("first words\n\x1b[31mred\n")
        for n in range(100):
            sys.stderr.write(f"word {n}\n")
        asked = sys.stdin.read()
        return [Signal(bar.symbol, 0.5 if asked == "" else 0.9)]


class Nonsensical:
    """Says everything that is no signal."""

    def on_bar(self, bar: Bar) -> Iterable[Signal]:
        """One after the other."""
        said: list[object] = [
            None,
            "BUY QQQ",
            42,
            10**400,
            ("QQQ", 0.9),
            Signal(bar.symbol, float("nan")),
            Signal(bar.symbol, 10**5000),
            Signal(bar.symbol, cast("float", Decimal("0.9"))),
            Signal(bar.symbol, True),
            Signal("QQQ\n2026 INFO forged", 0.8),
            Signal("A" * 10_000, 0.8),
            Signal(cast("str", 7), 0.8),
            Signal(bar.symbol, 0.8, id="x" * 1000),
            Signal(bar.symbol, 0.8, timestamp=datetime(2020, 1, 1, tzinfo=UTC)),
            Signal(bar.symbol, 0.8, timestamp=datetime(2020, 1, 1)),  # noqa: DTZ001
            Signal(bar.symbol, 0.8, id="mine"),
            Signal(bar.symbol, 0.25),
        ]
        return cast("list[Signal]", said)


class Raising:
    """Says it with an exception."""

    def on_bar(self, bar: Bar) -> Iterable[Signal]:
        """In red."""
        yield Signal(bar.symbol, 0.9)
        raise ValueError("\x1b[31mno")


class Hanging:
    """Cannot be loaded."""

    def __init__(self) -> None:
        while True:
            pass

    def on_bar(self, bar: Bar) -> Iterable[Signal]:
        """Never asked."""
        return []
