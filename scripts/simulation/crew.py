"""Many runs at a time, each in a clean process of its own: none sees what another one has left in memory."""

import logging
import multiprocessing
import os
import signal
import time
from collections.abc import Callable, Iterable, Iterator
from multiprocessing.connection import Connection, wait
from multiprocessing.process import BaseProcess
from pathlib import Path
from types import FrameType, TracebackType
from typing import NamedTuple

from simulation.runs import Ran, Run, carry_out, failed
from simulation.scratch import end_with, scratch

_TICK_S = 0.25
_LONGEST_S = 900
"""A run takes seconds: one that takes so long does not end."""
_FORK = multiprocessing.get_context("fork")


class Interrupt:
    """Ctrl-C and SIGTERM: asked once, no run begins any more; asked twice, those that run are given up."""

    def __init__(self) -> None:
        self.is_asked = False

    def __enter__(self) -> "Interrupt":
        self._before = {number: signal.signal(number, self._hear) for number in (signal.SIGINT, signal.SIGTERM)}
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        for number, handler in self._before.items():
            signal.signal(number, handler)

    def _hear(self, number: int, frame: FrameType | None) -> None:
        if self.is_asked:
            raise KeyboardInterrupt
        self.is_asked = True


class _Worker(NamedTuple):
    run: Run
    process: BaseProcess
    since_s: float


def all_of(
    runs: Iterable[Run], jobs: int, keep: Path, interrupt: Interrupt, ticked: Callable[[], None]
) -> Iterator[Ran]:
    """Carry them out, begun in order, told as they end. `ticked` is called several times a second meanwhile."""
    waiting = iter(runs)
    working: dict[Connection, _Worker] = {}
    with scratch() as folder:
        try:
            while True:
                while not interrupt.is_asked and len(working) < jobs and (run := next(waiting, None)) is not None:
                    answer, worker = _begin(run, folder, keep)
                    working[answer] = worker
                if not working:
                    return
                ready = wait(list(working), _TICK_S)
                for answer in [answer for answer in working if answer in ready]:
                    yield _end(answer, working.pop(answer))
                _give_up_what_does_not_end(working)
                ticked()
        finally:
            for worker in working.values():
                worker.process.kill()
                worker.process.join()


def _begin(run: Run, folder: Path, keep: Path) -> tuple[Connection, _Worker]:
    answer, end = _FORK.Pipe(duplex=False)
    process = _FORK.Process(target=_work, args=(run, folder, keep, end, os.getpid()), daemon=True)
    process.start()
    end.close()
    return answer, _Worker(run, process, time.monotonic())


def _work(run: Run, folder: Path, keep: Path, end: Connection, parent: int) -> None:
    """In the process of a run."""
    end_with(parent)
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, signal.SIG_IGN)  # a terminal sends it to everybody; only who gives out the runs decides
    logging.disable()  # the scheduler's; the daemon's own log is the run's
    end.send(carry_out(run, folder, keep))


def _end(answer: Connection, worker: _Worker) -> Ran:
    try:
        ran: Ran = answer.recv()
    except EOFError:
        worker.process.join()
        return Ran(worker.run, failed(worker.run, f"its process ended with the code {worker.process.exitcode}"))
    finally:
        answer.close()
    worker.process.join()
    return ran


def _give_up_what_does_not_end(working: dict[Connection, _Worker]) -> None:
    """A killed process closes its end: what is told of it is that it was."""
    for worker in working.values():
        if time.monotonic() - worker.since_s > _LONGEST_S:
            worker.process.kill()
