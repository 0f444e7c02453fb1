"""Watching a daemon after a change, by the commands that a person would type. What could not be checked is a finding.

version    a daemon answers; it is the same process, with the same build, all the time; the disk has the same
account    it is the one that was there at the first look
creations  positions made in the last hour are no more than `--creations`; nothing new stops entries
drift      book and broker agree, in shares and in cash
audit      every rule holds
"""

import argparse
import json
import re
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import UTC, datetime
from typing import NamedTuple

_UNITS_S = {"s": 1, "m": 60, "h": 3600}
_LONGEST_ANSWER_S = 300
_OK, _FINDINGS = 0, 4
_NO_SUCH_COMMAND = "No such command"
_COULD_NOT = "could not check"


class Said(NamedTuple):
    """What a command has answered."""

    code: int
    facts: object
    """Its JSON; None where it gave none."""
    err: str

    @property
    def why_not(self) -> str:
        """Why there is nothing to go by, in words."""
        return f"{_COULD_NOT}: {self.err.strip().splitlines()[-1][:200] if self.err.strip() else self.code}"


Ask = Callable[..., Said]


class Finding(NamedTuple):
    """What is not as it should be."""

    what: str
    """Version, account, creations, drift or audit."""
    said: str


class Watch:
    """All looks of one change."""

    def __init__(self, ask: Ask, most_creations: int) -> None:
        self._ask = ask
        self._most_creations = most_creations
        self._first: Mapping[str, object] | None = None
        self.summary = ""
        """Of the last look, in words."""

    def look(self) -> list[Finding]:
        """Look at everything once."""
        status = self._ask("status")
        findings = [*self._status(status), *self._drift(), *self._audit()]
        wrong = {finding.what for finding in findings}
        whats = ("version", "account", "creations", "drift", "audit")
        self.summary = ", ".join(f"{what} {'FINDING' if what in wrong else 'ok'}" for what in whats)
        return findings

    def _status(self, said: Said) -> Iterator[Finding]:
        facts = said.facts
        if not isinstance(facts, dict):
            yield from (Finding(what, said.why_not) for what in ("version", "account", "creations"))
            return
        first = self._first = self._first or facts
        yield from _version(facts, first)
        if facts.get("account") != first.get("account"):
            yield Finding("account", f"{first.get('account')} before, {facts.get('account')} now")
        yield from self._creations(facts, first)

    def _creations(self, facts: Mapping[str, object], first: Mapping[str, object]) -> Iterator[Finding]:
        created = facts.get("created_last_hour")
        if not isinstance(created, int):
            yield Finding("creations", f"{_COULD_NOT}: `trader status` does not tell how many positions were created")
        elif created > self._most_creations:
            yield Finding("creations", f"{created} positions in the last hour, more than {self._most_creations}")
        for key, reason in _halts(facts).items():
            if key not in _halts(first):
                yield Finding("creations", f"entries were stopped, {key}: {reason}")

    def _drift(self) -> Iterator[Finding]:
        said = self._ask("reconcile")
        if not isinstance(said.facts, list) or said.code not in (_OK, _FINDINGS):
            yield Finding("drift", said.why_not)
            return
        for row in said.facts:
            yield Finding("drift", f"{row['what']}: {row['difference']}")

    def _audit(self) -> Iterator[Finding]:
        said = self._ask("audit")
        if _NO_SUCH_COMMAND in said.err:
            yield Finding("audit", f"{_COULD_NOT}: this version has no `trader audit`")
        elif said.code == _FINDINGS and isinstance(said.facts, dict):
            wrong = [rule for rule in said.facts.get("rules", ()) if rule["verdict"] not in ("holds", "warning")]
            yield from (Finding("audit", f"{rule['rule']} {rule['verdict']}") for rule in wrong)
            if not wrong:
                yield Finding("audit", str(said.facts.get("verdict")))
        elif said.code != _OK or not isinstance(said.facts, dict):
            yield Finding("audit", said.why_not)


def _version(facts: Mapping[str, object], first: Mapping[str, object]) -> Iterator[Finding]:
    daemon, before = _section(facts, "daemon"), _section(first, "daemon")
    if not daemon.get("running"):
        yield Finding("version", f"no daemon answers: {daemon.get('why')}")
        return
    for name in ("pid", "version", "build"):
        if daemon.get(name) != before.get(name):
            yield Finding("version", f"{name} {before.get(name)} before, {daemon.get(name)} now")
    if facts.get("version_differs") or daemon.get("code") != facts.get("code_on_disk"):
        yield Finding("version", "what runs is not what is on disk; ./START_TRADER.sh --restart")


def _section(facts: Mapping[str, object], name: str) -> Mapping[str, object]:
    section = facts.get(name)
    return section if isinstance(section, dict) else {}


def _halts(facts: Mapping[str, object]) -> dict[str, str]:
    halts = facts.get("halts")
    listed = halts if isinstance(halts, list) else []
    named = {f"{halt['scope']} {halt['target']}".strip(): str(halt["reason"]) for halt in listed}
    breakers = facts.get("breakers")
    rows = breakers if isinstance(breakers, list) else []
    tripped = [row for row in rows if row["state"] == "tripped"]
    return named | {f"breaker {row['breaker']} {row['target']}".strip(): str(row["cause"]) for row in tripped}


def watch(
    ask: Ask, for_s: float, every_s: float, most_creations: int, clock: Callable[[], float] = time.monotonic
) -> int:
    """Look again and again, at least once; say each finding once. Gives the exit code."""
    looks, ends_at = Watch(ask, most_creations), clock() + for_s
    told: dict[Finding, None] = {}
    while True:
        for finding in looks.look():
            if finding not in told:
                told[finding] = None
                _say(f"FINDING {finding.what}: {finding.said}")
        _say(looks.summary)
        if clock() + every_s > ends_at:
            break
        time.sleep(every_s)
    _say(f"{len(told)} findings" if told else "no findings")
    return _FINDINGS if told else _OK


def _say(line: str) -> None:
    print(f"{datetime.now(UTC):%Y-%m-%d %H:%M:%S} UTC {line}", flush=True)


def asking(flags: Sequence[str]) -> Ask:
    """Of `trader`, with these flags."""

    def ask(command: str) -> Said:
        line = [sys.executable, "-m", "trader", command, "--json", *flags]
        try:
            done = subprocess.run(line, capture_output=True, text=True, check=False, timeout=_LONGEST_ANSWER_S)
        except subprocess.TimeoutExpired:
            return Said(8, None, f"`trader {command}` did not answer within {_LONGEST_ANSWER_S} s")
        try:
            facts: object = json.loads(done.stdout)
        except ValueError:
            facts = None
        return Said(done.returncode, facts, done.stderr)

    return ask


def seconds(text: str) -> float:
    """`30m`, `90s`, `1h`, or a number of seconds."""
    match = re.fullmatch(r"(\d+(?:\.\d+)?)([smh]?)", text)
    if match is None:
        raise argparse.ArgumentTypeError(f"{text!r} is no time; write it as 30m, 90s or 1h")
    return float(match[1]) * _UNITS_S[match[2] or "s"]


def main() -> int:
    """Read the command line, and watch."""
    parser = argparse.ArgumentParser(prog="scripts/verify_deploy", description=__doc__.partition("\n")[0])
    parser.add_argument("--for", dest="for_s", type=seconds, default=1800.0, metavar="TIME", help="how long (30m)")
    parser.add_argument("--every", dest="every_s", type=seconds, default=30.0, metavar="TIME", help="how often (30s)")
    parser.add_argument(
        "--creations", type=int, default=30, metavar="N", help="positions an hour that may be made (30)"
    )
    parser.add_argument("--config", metavar="FILE", help="the configuration")
    parser.add_argument("--db", metavar="FILE", help="the book")
    given = parser.parse_args()
    flags = [part for name in ("config", "db") if (value := getattr(given, name)) for part in (f"--{name}", value)]
    return watch(asking(flags), given.for_s, given.every_s, given.creations)


if __name__ == "__main__":
    sys.exit(main())
