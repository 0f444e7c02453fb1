"""What is watched after a change, each finding by its name; what could not be checked is one."""

from collections.abc import Iterator

import pytest
from deploy_watch import Finding, Said, Watch, seconds, watch

DAEMON = {"running": True, "pid": 7, "version": "0.1.0", "code": "c", "build": "b"}
STATUS: dict[str, object] = {
    "daemon": DAEMON,
    "account": "paper",
    "halts": [],
    "created_last_hour": 3,
    "code_on_disk": "c",
    "version_differs": False,
}
HOLDS = Said(0, {"verdict": "holds", "rules": [{"rule": "cash", "verdict": "holds"}]}, "")


class Answers:
    """A daemon and its book, of which one answer after another is another."""

    def __init__(self, *statuses: Said, drift: Said | None = None, audit: Said = HOLDS) -> None:
        self._statuses: Iterator[Said] = iter(statuses)
        self._drift = drift or Said(0, [], "")
        self._audit = audit

    def __call__(self, command: str) -> Said:
        if command == "status":
            return next(self._statuses)
        return {"reconcile": self._drift, "audit": self._audit}[command]


def status(code: int = 0, **changed: object) -> Said:
    return Said(code, {**STATUS, **changed}, "")


def found(*statuses: Said, drift: Said | None = None, audit: Said = HOLDS) -> list[Finding]:
    looks = Watch(Answers(*statuses, drift=drift, audit=audit), 30)
    return [finding for _ in statuses for finding in looks.look()]


def test_a_daemon_that_is_as_it_should_be_has_no_findings() -> None:
    assert found(status(), status()) == []


@pytest.mark.parametrize(
    ("second", "what", "said"),
    [
        (status(daemon={**DAEMON, "pid": 8}), "version", "pid 7 before, 8 now"),
        (status(daemon={**DAEMON, "build": "x"}), "version", "build b before, x now"),
        (status(code_on_disk="d"), "version", "not what is on disk"),
        (status(version_differs=True), "version", "not what is on disk"),
        (status(7, daemon={"running": False, "why": "it is down"}), "version", "no daemon answers: it is down"),
        (status(account="large"), "account", "paper before, large now"),
        (status(created_last_hour=31), "creations", "31 positions in the last hour, more than 30"),
        (status(halts=[{"scope": "all", "target": "", "reason": "too fast"}]), "creations", "all: too fast"),
        (status(created_last_hour=None), "creations", "could not check"),
    ],
)
def test_what_changes_under_watch_is_found(second: Said, what: str, said: str) -> None:
    [finding] = found(status(), second)
    assert finding.what == what
    assert said in finding.said


def test_a_status_that_tells_nothing_is_a_finding_of_everything_that_it_would_have_told() -> None:
    findings = found(Said(1, None, "Traceback\nValueError: no"))
    assert [finding.what for finding in findings] == ["version", "account", "creations"]
    assert {finding.said for finding in findings} == {"could not check: ValueError: no"}


def test_drift_is_found() -> None:
    row = {"what": "QQQ", "difference": "5 foreign shares"}
    assert found(status(), drift=Said(4, [row], "")) == [Finding("drift", "QQQ: 5 foreign shares")]
    assert found(status(), drift=Said(2, None, "there is no book")) == [
        Finding("drift", "could not check: there is no book")
    ]


@pytest.mark.parametrize(
    ("audit", "said"),
    [
        (Said(4, {"verdict": "violated", "rules": [{"rule": "cash", "verdict": "violated"}]}, ""), "cash violated"),
        (Said(4, {"verdict": "could not check", "rules": []}, ""), "could not check"),
        (Said(4, None, "trader: could not check: no book"), "could not check: trader: could not check: no book"),
        (Said(2, None, "No such command 'audit'."), "could not check: this version has no `trader audit`"),
        (Said(0, None, ""), "could not check: 0"),
        (Said(1, None, "Traceback"), "could not check: Traceback"),
    ],
)
def test_an_audit_that_does_not_hold_or_could_not_look_is_found(audit: Said, said: str) -> None:
    assert found(status(), audit=audit) == [Finding("audit", said)]


def test_a_finding_is_said_once_and_ends_with_code_4(capsys: pytest.CaptureFixture[str]) -> None:
    answers = Answers(*(status(account=name) for name in ("a", "b", "b", "b")))
    times = iter([0.0, 0.0, 1.0, 2.0, 3.0])
    assert watch(answers, 3.0, 0.0001, 30, lambda: next(times)) == 4
    assert capsys.readouterr().out.count("FINDING account") == 1


def test_without_findings_it_ends_with_code_0() -> None:
    assert watch(Answers(status()), 0, 1, 30) == 0


@pytest.mark.parametrize(("text", "value"), [("30m", 1800), ("90s", 90), ("1.5h", 5400), ("7", 7)])
def test_a_time_is_written_with_its_unit(text: str, value: float) -> None:
    assert seconds(text) == value
