"""Signals by file: what a line has to be, and that each counts once."""

import errno
import os
from datetime import UTC, datetime
from pathlib import Path

import pytest

from trader import Signal
from trader.adapters.feeds import inbox_file
from trader.adapters.feeds.inbox_file import InboxFile
from trader.adapters.feeds.inbox_lines import read_line
from trader.domain.events import BadLine, InboxOffset, SignalReceived

GOOD = '{"symbol": "QQQ", "probability": 0.8, "id": "a1"}'


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "signals.jsonl"


def follower(path: Path, start: InboxOffset | None = None) -> InboxFile:
    """One that has read what was there before."""
    inbox = InboxFile(path, start)
    assert inbox.read() == []
    return inbox


def append(path: Path, text: str) -> None:
    with path.open("a") as handle:
        handle.write(text)


@pytest.mark.parametrize(
    ("line", "fault"),
    [
        ("QQQ 0.8", "not JSON"),
        ('["QQQ", 0.8]', "not a JSON object"),
        ("[" * 9_000, "nested too deeply"),
        (f'{{"symbol": "QQQ", "probability": 1{"0" * 400}}}', "probability is too large"),
        (f'{{"symbol": "QQQ", "probability": 1{"0" * 9_000}}}', "not JSON"),
        ('{"symbol": "QQQ", "probability": -1e999}', "probability is missing"),
        ('{"symbol": "QQQ", "probability": 0.8, "quantity": 100}', "unknown key 'quantity'"),
        ('{"probability": 0.8}', "symbol is missing"),
        ('{"symbol": 7, "probability": 0.8}', "symbol is missing"),
        ('{"symbol": "QQQ"}', "probability is missing"),
        ('{"symbol": "QQQ", "probability": true}', "probability is missing"),
        ('{"symbol": "QQQ", "probability": "0.8"}', "probability is missing"),
        ('{"symbol": "QQQ", "probability": NaN}', "probability is missing"),
        ('{"symbol": "QQQ", "probability": 1e999}', "probability is missing"),
        ('{"symbol": "QQQ", "probability": 0.8, "id": 7}', "id is not"),
        ('{"symbol": "QQQ", "probability": 0.8, "id": "\\n"}', "id is not"),
        ('{"symbol": "QQQ", "probability": 0.8, "id": "é"}', "id is not"),
        (f'{{"symbol": "QQQ", "probability": 0.8, "id": "{"x" * 65}"}}', "id is not"),
        ('{"symbol": "QQQ", "probability": 0.8, "timestamp": 7}', "timestamp is not a text"),
        ('{"symbol": "QQQ", "probability": 0.8, "timestamp": "2025-06-23T10:00:00"}', "timestamp has no time zone"),
        ('{"symbol": "QQQ", "probability": 0.8, "timestamp": "noon"}', "Invalid isoformat"),
        (GOOD + " " * 10_000, "longer than 10000 bytes"),
    ],
    ids=lambda value: value[:40],
)
def test_a_bad_line_is_kept_with_its_fault_and_the_next_is_read(path: Path, line: str, fault: str) -> None:
    inbox = follower(path)
    append(path, f"{line}\n\n{GOOD}\n")
    bad, good = inbox.read()
    assert isinstance(bad, BadLine)
    assert fault in bad.fault
    assert bad.inbox.line == 1
    assert isinstance(good, SignalReceived)
    assert good.inbox is not None
    assert (good.inbox.line, good.inbox.offset) == (3, path.stat().st_size)


def test_a_line_is_read_when_it_is_finished_and_then_once(path: Path) -> None:
    inbox = follower(path)
    append(path, GOOD[:20])
    assert inbox.read() == []
    append(path, GOOD[20:] + "\n" + GOOD[:5])
    (event,) = inbox.read()
    assert isinstance(event, SignalReceived)
    assert (event.signal.symbol, event.signal.probability, event.signal.id) == ("QQQ", 0.8, "a1")
    assert inbox.read() == []
    assert follower(path, event.inbox).read() == []


def test_what_was_written_while_nobody_was_reading_has_to_carry_its_time(path: Path) -> None:
    dated = GOOD.replace("}", ', "timestamp": "2025-06-23T10:00:00+00:00"}')
    append(path, f"{GOOD}\n{dated}\n")
    undated, told = InboxFile(path, None).read()
    assert isinstance(undated, BadLine)
    assert "no timestamp" in undated.fault
    assert isinstance(told, SignalReceived)
    assert told.signal.timestamp == datetime(2025, 6, 23, 10, tzinfo=UTC)


def test_a_file_that_became_shorter_was_begun_anew(path: Path) -> None:
    inbox = follower(path)
    append(path, f"{GOOD}\n{GOOD}\n")
    assert len(inbox.read()) == 2
    path.write_text(f"{GOOD}\n")
    (event,) = inbox.read()
    assert isinstance(event, SignalReceived)
    assert event.inbox == InboxOffset(str(path), len(GOOD) + 1, 1)


def test_whatever_a_reader_of_lines_stumbles_over_costs_that_line_only(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def stumbles(raw: bytes, length: int, *, dated: bool) -> Signal:
        if raw == b"odd":
            raise MemoryError("too much of it")
        return read_line(raw, length, dated=dated)

    monkeypatch.setattr(inbox_file, "read_line", stumbles)
    inbox = follower(path)
    append(path, f"odd\n{GOOD}\n")
    bad, good = inbox.read()
    assert isinstance(bad, BadLine)
    assert bad.fault == "too much of it"
    assert isinstance(good, SignalReceived)


def read_all(inbox: InboxFile) -> list[SignalReceived | BadLine]:
    """Look so often that everything is read."""
    return [event for _ in range(20) for event in inbox.read()]


@pytest.mark.parametrize("length", [10_001, 999_999, 1_000_000, 1_000_001, 3_500_000])
def test_a_long_line_is_one_bad_line_however_long(path: Path, length: int) -> None:
    inbox = follower(path)
    append(path, "x" * length + "\n" + GOOD + "\n")
    bad, good = read_all(inbox)
    assert isinstance(bad, BadLine)
    assert bad.inbox == InboxOffset(str(path), length + 1, 1)
    assert len(bad.text) < 300
    assert isinstance(good, SignalReceived)
    assert good.inbox == InboxOffset(str(path), path.stat().st_size, 2)


@pytest.mark.parametrize("blank", [" ", "x"])
def test_the_end_of_a_long_line_is_no_signal(path: Path, blank: str) -> None:
    """Where a reader that takes so many bytes at once begins again, a signal stands."""
    inbox = follower(path)
    append(path, blank * 1_000_000 + GOOD + "\n")
    (bad,) = read_all(inbox)
    assert isinstance(bad, BadLine)
    assert "longer than" in bad.fault


def test_a_line_without_an_end_is_not_gathered_for_ever(path: Path) -> None:
    inbox = follower(path)
    for _ in range(3):
        append(path, "x" * 1_000_000)
        assert inbox.read() == []
        assert len(inbox._head) < 10_000
    append(path, f"\n{GOOD}\n")
    bad, good = read_all(inbox)
    assert isinstance(bad, BadLine)
    assert isinstance(good, SignalReceived)


def test_a_start_within_a_long_line_reads_it_as_one(path: Path) -> None:
    """Its offset is committed only when its end was seen."""
    inbox = follower(path)
    append(path, f"{GOOD}\n" + "x" * 1_500_000)
    (event,) = read_all(inbox)
    started = InboxFile(path, event.inbox)
    assert read_all(started) == []
    append(path, GOOD + "\n")
    (bad,) = read_all(started)
    assert isinstance(bad, BadLine)
    assert bad.inbox.line == 2


def test_all_that_was_there_at_the_start_has_to_carry_its_time_however_much_it_is(path: Path) -> None:
    lines = 1_200_000 // (len(GOOD) + 1)
    append(path, f"{GOOD}\n" * lines)
    inbox = InboxFile(path, None)
    refused = read_all(inbox)
    assert len(refused) == lines
    assert all(isinstance(event, BadLine) for event in refused)
    append(path, f"{GOOD}\n")
    assert isinstance(inbox.read()[0], SignalReceived)


# -- a file that is not what it was


def heard(path: Path, start: InboxOffset | None = None) -> tuple[InboxFile, list[str]]:
    """A follower, and what it says."""
    said: list[str] = []
    return InboxFile(path, start, said.append), said


def line(identity: str) -> str:
    return GOOD.replace("a1", identity) + "\n"


def identities(events: list[SignalReceived | BadLine]) -> list[str]:
    return [event.signal.id for event in events if isinstance(event, SignalReceived)]


@pytest.mark.parametrize("how", ["renamed over it", "written over it", "removed first"])
def test_a_file_that_was_replaced_is_read_from_its_beginning_however_long_it_is(path: Path, how: str) -> None:
    inbox, said = heard(path)
    inbox.read()
    append(path, line("a1") + line("a2"))
    assert identities(inbox.read()) == ["a1", "a2"]
    other = "".join(line(f"b{number}") for number in range(4))
    if how == "renamed over it":
        (path.parent / "new").write_text(other)
        (path.parent / "new").rename(path)
    elif how == "removed first":
        path.unlink()
        assert inbox.read() == []
        path.write_text(other)
    else:
        path.write_text(other)
    events = inbox.read()
    assert identities(events) == ["b0", "b1", "b2", "b3"]
    assert events[0].inbox == InboxOffset(str(path), len(line("b0")), 1)
    assert len(said) == 1
    assert str(path) in said[0]
    assert "from its beginning" in said[0]
    assert read_all(inbox) == []


def test_a_copy_that_holds_what_was_read_and_more_goes_on(path: Path) -> None:
    """An editor saves so, and a signal without an id must not count twice."""
    inbox, said = heard(path)
    inbox.read()
    append(path, line("a1"))
    inbox.read()
    (path.parent / "new").write_text(line("a1") + line("a2"))
    (path.parent / "new").rename(path)
    assert identities(read_all(inbox)) == ["a2"]
    assert said == []


def test_a_file_replaced_while_nobody_was_reading_is_known_by_where_its_lines_end(path: Path) -> None:
    path.write_text("x" * 500 + "\n")
    inbox, said = heard(path, InboxOffset(str(path), 100, 2))
    (bad,) = inbox.read()
    assert isinstance(bad, BadLine)
    assert bad.inbox.line == 1
    assert len(said) == 1


def test_what_cannot_be_read_is_said_once_and_read_when_it_can_be(path: Path) -> None:
    inbox, said = heard(path)
    inbox.read()
    append(path, line("a1"))
    assert identities(inbox.read()) == ["a1"]
    path.rename(path.with_name("aside"))
    path.mkdir()
    assert read_all(inbox) == []
    assert len(said) == 1
    assert "is not a regular file" in said[0]
    path.rmdir()
    path.symlink_to(path)
    assert read_all(inbox) == []
    assert len(said) == 2
    assert "cannot be read (Too many levels" in said[1]
    path.unlink()
    path.with_name("aside").rename(path)
    append(path, line("a2"))
    assert identities(read_all(inbox)) == ["a2"]
    assert len(said) == 3
    assert "can be read again" in said[2]


def test_a_process_without_descriptors_left_reads_later(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    inbox, said = heard(path)
    inbox.read()
    append(path, line("a1"))

    def refused(*_: object, **__: object) -> int:
        raise OSError(errno.EMFILE, "Too many open files")

    with monkeypatch.context() as patch:
        patch.setattr(os, "open", refused)
        assert read_all(inbox) == []
    assert len(said) == 1
    assert "Too many open files" in said[0]
    assert identities(inbox.read()) == ["a1"]


def test_a_pipe_is_not_read_and_holds_nobody_up(path: Path) -> None:
    os.mkfifo(path)
    inbox, said = heard(path)
    assert read_all(inbox) == []
    assert len(said) == 1
    assert "is not a regular file" in said[0]


def test_what_is_written_after_the_beginning_counts_without_a_time(tmp_path: Path) -> None:
    """Also when it is there before the first look."""
    path = tmp_path / "signals.jsonl"
    path.write_text('{"id": "old", "symbol": "QQQ", "probability": 0.8}\n', "utf-8")
    inbox = InboxFile(path, None)
    inbox.begin()
    with path.open("a", encoding="utf-8") as lines:
        lines.write('{"id": "new", "symbol": "QQQ", "probability": 0.8}\n')
    first, second = inbox.read()
    assert isinstance(first, BadLine)
    assert isinstance(second, SignalReceived)
