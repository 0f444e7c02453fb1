"""Asking a dashboard whatever its description allows, and what it does not, as nobody, a reader and the operator.

Rule 1: nothing is answered with a fault of the server.
Rule 2: without a token nothing is shown, and with a reader's no command is taken.
Rule 3: the book knows of no command while only nobody, a forger and a reader have asked; they all come first.
"""

import argparse
import os
import re
import sqlite3
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any, NamedTuple, TypeAlias

import requests
import schemathesis
from hypothesis import HealthCheck, Phase, given, seed, settings
from hypothesis import strategies as st

_OK, _FINDINGS = 0, 4
_START_S, _ANSWER_S = 60.0, 30.0
_A_ROUND = 40
"""Cases of one operation in a row."""
_MODES = (schemathesis.GenerationMode.POSITIVE, schemathesis.GenerationMode.NEGATIVE)
_FAULT = 500
Operation: TypeAlias = schemathesis.APIOperation[Any, Any, Any, Any]
Case: TypeAlias = schemathesis.Case[Any]
_DONE = range(200, 300)


class Identity(NamedTuple):
    """Who asks."""

    name: str
    headers: dict[str, str]
    may_look: bool = False
    may_act: bool = False


class Running(NamedTuple):
    """A daemon with a dashboard, in a folder of its own."""

    db: Path
    address: str
    operator: str
    reader: str

    @property
    def strangers(self) -> tuple[Identity, ...]:
        """Who may change nothing."""
        forged = self.operator[:-4] + "AAAA"
        return (
            Identity("nobody", {}),
            Identity("a forger", _bearer(forged)),
            Identity("another site", {"Cookie": "trader_session=1", "Origin": "http://evil.example"}),
            Identity("the reader", _bearer(self.reader), may_look=True),
        )

    @property
    def owner(self) -> Identity:
        """Who may do everything."""
        return Identity("the operator", _bearer(self.operator), may_look=True, may_act=True)

    def commands(self) -> int:
        """How many commands the book knows of."""
        with closing(sqlite3.connect(f"{self.db.as_uri()}?mode=ro", uri=True, timeout=10)) as book:
            query = "SELECT count(*) FROM book_events WHERE account = 'paper' AND type = 'command'"
            return int(book.execute(query).fetchone()[0])


def _bearer(token: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {token}"}


class Told(NamedTuple):
    """What came of it."""

    cases: int
    answers: Counter[tuple[str, int]]
    """By who asked, and the answer's status."""
    findings: tuple[str, ...]


def fuzz(running: Running, cases: int, first_seed: int) -> Told:
    """Two thirds of the cases by those who may change nothing, then the rest by the operator."""
    before = running.commands()
    strangers = _Asking(running, running.strangers)
    strangers.ask(cases * 2 // 3, first_seed)
    after = running.commands()
    if after != before:
        strangers.findings.append(f"{after - before} commands were taken from who may change nothing")
    owner = _Asking(running, (running.owner,))
    owner.ask(cases - strangers.cases, first_seed)
    if not running.commands() > after:
        owner.findings.append("no command of the operator was taken: nothing was tried")
    return Told(
        strangers.cases + owner.cases, strangers.answers + owner.answers, (*strangers.findings, *owner.findings)
    )


class _Asking:
    """Cases, and what was answered."""

    def __init__(self, running: Running, identities: Sequence[Identity]) -> None:
        self._address = running.address
        self._identities = identities
        self._session = requests.Session()
        described = requests.get(
            f"{running.address}/api/v1/openapi.json", headers=_bearer(running.reader), timeout=_ANSWER_S
        ).json()
        del described["security"]  # who asks is ours to say: it would leave the token out now and then
        schema = schemathesis.openapi.from_dict(described)
        named = [(method, path) for path, methods in described["paths"].items() for method in methods]
        self._operations = [schema[path][method] for method, path in sorted(named, reverse=True)]  # commands first
        self.cases = 0
        self.answers: Counter[tuple[str, int]] = Counter()
        self.findings: list[str] = []

    def ask(self, cases: int, first_seed: int) -> None:
        """Round after round, each with a seed of its own, until so many were asked."""
        number = first_seed
        each = min(_A_ROUND, -(-cases // len(self._operations)))
        while self.cases < cases:
            for operation in self._operations:
                self._round(operation, min(each, cases - self.cases), number)
            print(f"{self.cases} of {cases} by {', '.join(who.name for who in self._identities)}", file=sys.stderr)
            number += 1

    def _round(self, operation: Operation, cases: int, number: int) -> None:
        if cases < 1:
            return
        strategy = st.one_of([operation.as_strategy(generation_mode=mode) for mode in _MODES])

        @seed(number)
        @settings(
            max_examples=cases,
            phases=[Phase.generate],
            database=None,
            deadline=None,
            suppress_health_check=list(HealthCheck),
        )
        @given(case=strategy)
        def one(case: Case) -> None:
            self._ask(case, self._identities[self.cases % len(self._identities)])

        one()

    def _ask(self, case: Case, who: Identity) -> None:
        self.cases += 1
        answer = case.call(
            base_url=self._address,
            session=self._session,
            headers=who.headers,
            allow_redirects=False,
            timeout=_ANSWER_S,
        )
        status = answer.status_code
        self.answers[who.name, status] += 1
        why = _fault(case, who, status)
        if why:
            self.findings.append(f"{who.name}: {why}: {case.as_curl_command()}")


def _fault(case: Case, who: Identity, status: int) -> str:
    """What is wrong with an answer; or nothing."""
    if status >= _FAULT:
        return f"answered {status}"
    if status in _DONE and not who.may_look:
        return f"was shown something, {status}"
    if status in _DONE and case.method.upper() not in ("GET", "HEAD", "OPTIONS") and not who.may_act:
        return f"was obeyed, {status}"
    return ""


@contextmanager
def running_in(folder: Path) -> Iterator[Running]:
    """A daemon that trades in this folder, and its dashboard."""
    db, root = folder / "book.db", Path(__file__).resolve().parents[1]
    config = folder / "config.toml"
    (folder / "families.toml").write_bytes((root / "config" / "families.toml").read_bytes())
    config.write_text(
        f'[book]\ndb = "{db}"\nbackups = "{folder / "backups"}"\n[log]\nfile = "{folder / "log"}"\n'
        "[feed]\nspeed = 20.0\n[dashboard]\nenabled = false\n",
        "utf-8",
    )
    environment = {name: value for name, value in os.environ.items() if not name.startswith("TRADER_")}
    environment |= {"PYTHONPATH": str(root), "PYTHONUNBUFFERED": "1"}
    trader = [sys.executable, "-m", "trader"]
    place = ["--config", str(config), "--db", str(db)]
    processes: list[subprocess.Popen[str]] = []
    try:
        for command in (["run"], ["dashboard", "--port", "0"]):
            printed = (folder / f"{command[0]}.out").open("w+")
            process = subprocess.Popen(
                [*trader, *command, *place], cwd=folder, env=environment, stdout=printed, stderr=printed, text=True
            )
            processes.append(process)
            _wait(folder, process, command[0], db)
        addresses = re.findall(r"(http://\S+?)/login#(\S+)", (folder / "dashboard.out").read_text("utf-8"))
        (address, operator), (_, reader) = addresses
        yield Running(db, address, operator, reader)
    finally:
        for process in reversed(processes):
            process.terminate()
            process.wait(_START_S)


def _wait(folder: Path, process: subprocess.Popen[str], name: str, db: Path) -> None:
    """Until the daemon listens, or the dashboard has printed its addresses. Raises SystemExit."""
    deadline = time.monotonic() + _START_S
    out = folder / f"{name}.out"
    while not (
        Path(f"{db}.paper.sock").exists() if name == "run" else out.read_text("utf-8").count("/login#") == len("ab")
    ):
        if process.poll() is not None or time.monotonic() > deadline:
            raise SystemExit(f"`trader {name}` did not start: {out.read_text('utf-8')[-2000:]}")
        time.sleep(0.1)


def main(arguments: Sequence[str]) -> int:
    """Fuzz, and tell."""
    parser = argparse.ArgumentParser(prog="scripts/fuzz_dashboard", description=__doc__)
    parser.add_argument("--cases", type=int, default=1000)
    parser.add_argument("--seed", type=int, default=1)
    asked = parser.parse_args(arguments)
    with tempfile.TemporaryDirectory(prefix="trader-fuzz-") as folder, running_in(Path(folder)) as running:
        told = fuzz(running, asked.cases, asked.seed)
    for (who, status), count in sorted(told.answers.items()):
        print(f"{who:<14}{status:>5}{count:>8}")
    print(f"{told.cases} cases, seed {asked.seed}: {len(told.findings)} findings")
    for finding in told.findings[:20]:
        print(finding)
    return _FINDINGS if told.findings else _OK


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
