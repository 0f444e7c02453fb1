"""A channel's program gets the message and nothing else: no shell, no secrets that others see, no time without end."""

import asyncio
import json
import os
import time
from pathlib import Path

import pytest
from builders import NOON
from listening import a_server

from trader.adapters.alarms.programs import Program
from trader.app.alarm_channels import SENDER
from trader.domain.alarm import Alarm, AlarmType
from trader.services.telling import Message, OpenAlarm, message_of

HOSTILE = "'; touch owned; $(touch owned) `touch owned` \x1b]0;owned\x07 \u202e\n\"} | touch owned\x00 --help"


def a_message(text: str = "no space", about: str = "backup") -> Message:
    alarm = Alarm.of(AlarmType.CHORE_FAILED, about, text, NOON)
    return message_of("paper", [OpenAlarm(7, alarm, NOON, 3, 0, None)])


def script(folder: Path, *lines: str) -> str:
    path = folder / "hook"
    path.write_text("\n".join(("#!/bin/sh", *lines, "")), "utf-8")
    path.chmod(0o700)
    return str(path)


async def test_it_is_given_the_message_as_one_line_of_json(tmp_path: Path) -> None:
    hook = Program("command", [script(tmp_path, f"cat > {tmp_path}/given")], 20)
    assert await hook.deliver(a_message()) == ""
    [line] = (tmp_path / "given").read_text("utf-8").splitlines()
    assert json.loads(line) == {
        "account": "paper",
        "severity": "warning",
        "title": "[WARNING] trader paper: CHORE FAILED backup",
        "body": "WARNING CHORE FAILED backup: no space (3 times since 16:00 UTC) #7",
        "alarms": [
            {
                "id": 7,
                "type": "chore_failed",
                "severity": "warning",
                "subject": "backup",
                "text": "no space",
                "count": 3,
                "first_at": "2025-06-23T16:00:00+00:00",
                "last_at": "2025-06-23T16:00:00+00:00",
            }
        ],
    }


async def test_hostile_text_is_data(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    hook = Program("command", [script(tmp_path, 'echo "$0 $*" > arguments', "cat > given")], 20)
    assert await hook.deliver(a_message(HOSTILE, about=HOSTILE)) == ""
    given = (tmp_path / "given").read_bytes()
    assert not (tmp_path / "owned").exists()
    assert (tmp_path / "arguments").read_text("utf-8") == f"{tmp_path}/hook \n"
    assert given.count(b"\n") == 1
    assert not set(given[:-1]) & set(range(32))
    assert "touch owned" in json.loads(given)["alarms"][0]["text"]


async def test_one_that_does_not_end_is_killed_with_what_it_has_started(tmp_path: Path) -> None:
    hook = Program("command", [script(tmp_path, f"sleep 60 & echo $! > {tmp_path}/child", "sleep 60")], 0.5)
    began = time.monotonic()
    assert await hook.deliver(a_message()) == "it has not ended within 0.5 s"
    assert time.monotonic() - began < 5
    child = int((tmp_path / "child").read_text("utf-8"))
    for _ in range(100):
        if not _lives(child):
            break
        await asyncio.sleep(0.05)
    assert not _lives(child)


async def test_one_that_ended_with_0_has_taken_it_whatever_it_leaves_running(tmp_path: Path) -> None:
    hook = Program("command", [script(tmp_path, "sleep 20 &", "exit 0")], 2)
    assert await hook.deliver(a_message("x" * 400)) == ""


async def test_nobody_waits_for_what_has_left_the_group_of_one_that_hangs(tmp_path: Path) -> None:
    hook = Program("command", [script(tmp_path, "setsid sleep 20 &", "sleep 60")], 0.5)
    async with asyncio.timeout(10):
        assert await hook.deliver(a_message()) == "it has not ended within 0.5 s"


def _lives(pid: int) -> bool:
    try:
        return "Z" not in Path(f"/proc/{pid}/stat").read_text("utf-8").split()[2]
    except OSError:
        return False


async def test_the_loop_goes_on_while_a_program_hangs(tmp_path: Path) -> None:
    hook = Program("command", [script(tmp_path, "sleep 60")], 1)
    turns = 0
    async with asyncio.TaskGroup() as group:
        delivering = group.create_task(hook.deliver(a_message()))
        longest, before = 0.0, time.monotonic()
        while not delivering.done():
            await asyncio.sleep(0.01)
            turns, longest, before = turns + 1, max(longest, time.monotonic() - before), time.monotonic()
    assert turns > 20
    assert longest < 0.5


async def test_a_stop_kills_what_is_being_delivered(tmp_path: Path) -> None:
    hook = Program("command", [script(tmp_path, f"echo $$ > {tmp_path}/pid", "exec sleep 60")], 60)
    delivering = asyncio.create_task(hook.deliver(a_message()))
    pid = tmp_path / "pid"
    for _ in range(1000):
        if pid.exists() and pid.read_text("utf-8"):
            break
        await asyncio.sleep(0.01)
    delivering.cancel()
    with pytest.raises(asyncio.CancelledError):
        await delivering
    assert not _lives(int(pid.read_text("utf-8")))


@pytest.mark.parametrize(
    ("lines", "says"),
    [
        (("exit 3",), "it ended with 3"),
        (("echo 'no \033[2Jroute' >&2; exit 1",), r"it ended with 1: no \x1b[2Jroute"),
        (("exec >&- 2>&- ; exit 1",), "it ended with 1"),
        (("yes | head -c 3000000 >&2; exit 1",), "it ended with 1: y\\ny"),
    ],
)
async def test_why_it_has_not_taken_it_is_quoted_short_and_plain(
    tmp_path: Path, lines: tuple[str, ...], says: str
) -> None:
    why = await Program("command", [script(tmp_path, *lines)], 20).deliver(a_message())
    assert why.startswith(says)
    assert len(why) < 1000
    assert why.isprintable()


async def test_one_that_is_not_there_is_said() -> None:
    why = await Program("command", ["/no/such/program"], 20).deliver(a_message())
    assert why == "/no/such/program cannot be started: No such file or directory"


async def test_one_that_does_not_read_may_deliver(tmp_path: Path) -> None:
    assert await Program("command", [script(tmp_path, "exec <&-; exit 0")], 20).deliver(a_message("x" * 400)) == ""


async def test_secrets_go_by_standard_input_and_the_service_manager_stays_ours(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("NOTIFY_SOCKET", "/run/ours")
    for name in ("TRADER_ALARMS__URLS", "trader_alarms__urls", "TRADER_ALARMS"):
        monkeypatch.setenv(name, "tgram://hush-hush")
    hook = script(tmp_path, "cat > given", "tr '\\0' '\\n' < /proc/self/cmdline > line", "env > variables")
    monkeypatch.chdir(tmp_path)
    await Program("command", [hook], 20, secrets={"url": "tgram://hush-hush"}).deliver(a_message())
    assert json.loads((tmp_path / "given").read_text("utf-8"))["url"] == "tgram://hush-hush"
    assert "hush" not in (tmp_path / "line").read_text("utf-8") + (tmp_path / "variables").read_text("utf-8")
    assert "NOTIFY_SOCKET" not in (tmp_path / "variables").read_text("utf-8")


# Apprise, to a real server


async def test_apprise_delivers_to_a_service_once_it_is_there() -> None:
    with a_server() as gone:
        port = gone.server_port
    sender = Program("json", SENDER, 20, secrets={"url": f"json://user:hush@127.0.0.1:{port}/hook"})
    why = await sender.deliver(a_message())
    assert why == "it ended with 1: json:// has not taken it"
    with a_server(port) as server:
        assert await sender.deliver(a_message("<b>no</b> space")) == ""
        [post] = server.posts
    assert post["title"] == "[WARNING] trader paper: CHORE FAILED backup"
    assert "<b>no</b> space" in post["message"]
    assert post["type"] == "warning"


async def test_no_secret_is_said_of_an_address_that_is_none() -> None:
    why = await Program("x", SENDER, 20, secrets={"url": "nosuchservice://hush:hush@host"}).deliver(a_message())
    assert why == "it ended with 1: nosuchservice:// is no service of Apprise's, as it is written"


async def test_no_secret_is_said_of_a_service_that_fails_in_its_own_way(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "apprise.py").write_text("class Apprise:\n    def add(self, url): raise KeyError(url)\n", "utf-8")
    monkeypatch.setenv("PYTHONPATH", f"{tmp_path}{os.pathsep}{os.environ.get('PYTHONPATH', '')}")
    why = await Program("x", SENDER, 20, secrets={"url": "tgram://hush/hush"}).deliver(a_message())
    assert why == "it ended with 1: tgram:// has failed with KeyError"


def test_apprise_is_loaded_by_who_sends_alone() -> None:
    import subprocess
    import sys

    loads = "import sys, trader.app.daemon, trader.app.host, trader.app.couriers; print('apprise' in sys.modules)"
    answer = subprocess.run([sys.executable, "-c", loads], capture_output=True, text=True, check=True, env=os.environ)
    assert answer.stdout == "False\n"
