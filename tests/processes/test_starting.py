"""`./START_TRADER.sh` from anywhere: it trades, in its own folder, as the process that was started."""

import json
import re
import signal
import stat
from itertools import count
from pathlib import Path

from processes.daemon import Project
from trader.adapters.control import ask, socket_path


def test_trades_from_another_directory_in_its_own_folder(project: Project, tmp_path: Path) -> None:
    elsewhere = tmp_path / "a folder with spaces"
    elsewhere.mkdir()

    daemon = project.start("--speed", "3000", cwd=elsewhere)
    daemon.until(lambda: project.fills() >= 10, "ten executions")

    assert daemon.ended(signal.SIGTERM) == 0
    assert list(elsewhere.iterdir()) == []
    assert "Managing positions for account: paper" in daemon.log
    assert "Created position" in daemon.log


def test_trades_through_a_symlink(project: Project, tmp_path: Path) -> None:
    link = tmp_path / "bin" / "start"
    link.parent.mkdir()
    link.symlink_to(project.folder / "START_TRADER.sh")

    daemon = project.start("--speed", "3000", script=link, cwd=tmp_path)

    daemon.until_log("FILL BUY")


def test_the_script_becomes_the_daemon(project: Project) -> None:
    daemon = project.start()
    daemon.until_log("READY")

    assert f" pid={daemon.pid} " in daemon.log
    assert "trader run" in Path(f"/proc/{daemon.pid}/cmdline").read_text("utf-8").replace("\0", " ")


def test_the_code_beside_the_script_runs(project: Project) -> None:
    """Whatever the environment has installed: what runs is what lies in this folder."""
    init = project.folder / "trader" / "__init__.py"
    init.write_text(init.read_text("utf-8").replace('__version__ = "', '__version__ = "9.'), "utf-8")

    daemon = project.start()

    daemon.until_log("READY")
    assert "START version=9." in daemon.log


def test_what_it_writes_is_its_owners_alone(project: Project) -> None:
    daemon = project.start("--speed", "3000")
    daemon.until(lambda: project.fills() > 0, "an execution")
    daemon.until(socket_path(project.db, "paper").exists, "the socket")

    written = [path for path in project.folder.iterdir() if path.name.startswith(("trading_data", "robo_trader"))]

    assert len(written) >= 4
    assert {path.name for path in written if stat.S_IMODE(path.stat().st_mode) & 0o077} == set()


def test_flags_and_environment_pass_through(project: Project, tmp_path: Path) -> None:
    (project.folder / "always_nvda.py").write_text(
        "from trader import Bar, Signal\n\n\n"
        "class AlwaysNvda:\n"
        "    def __init__(self, probability: float) -> None:\n"
        "        self.probability = probability\n\n"
        "    def on_bar(self, bar: Bar) -> list[Signal]:\n"
        "        return [Signal('NVDA', self.probability)] if bar.symbol == 'NVDA' else []\n",
        "utf-8",
    )
    (project.folder / ".env").write_text("TRADER_LIMITS__POSITION_PCT=2\n", "utf-8")
    project.db = tmp_path / "mine.db"
    flags = ["--db", str(project.db), "--seed", "11", "--speed", "3000", "--log", str(tmp_path / "mine.log")]
    strategy = ["--strategy", "always_nvda:AlwaysNvda", "--param", "probability=0.95"]
    variables = {"TRADER_ACCOUNT__NAME": "mine", "TRADER_ACCOUNT__STARTING_CASH": "50000"}

    daemon = project.start(*flags, *strategy, variables=variables)
    daemon.until(lambda: project.fills() > 0, "an execution")
    status = ask(socket_path(project.db, "mine"), {"ask": "status"})

    assert status["account"] == "mine"
    assert status["pid"] == daemon.pid
    assert project.rows("SELECT DISTINCT account, symbol FROM trades") == [("mine", "NVDA")]
    assert project.rows("SELECT starting_cash FROM account") == [(50_000.0,)]
    assert project.rows("SELECT seed FROM book_stamp") == [(11,)]
    assert project.rows("SELECT max(quantity * price) < 1010 FROM trades") == [(1,)]
    assert "account=mine" in (tmp_path / "mine.log").read_text("utf-8")
    assert not (project.folder / "trading_data.db").exists()


def test_who_sees_no_log_is_told_where_it_is_and_what_runs(project: Project) -> None:
    daemon = project.start()
    daemon.until_log("READY")

    log, version = daemon.out.splitlines()
    assert log == f"log\t{project.folder / 'robo_trader.log'}"
    which = version.removeprefix("version\t")
    assert re.fullmatch(r"\S+ code=\w{16} configuration=\w{16} schema=\w{16}", which)
    assert f"START version={which} " in daemon.log
    assert daemon.err == ""


def test_a_reader_that_has_gone_does_not_keep_it_from_trading(project: Project) -> None:
    daemon = project.start("--speed", "3000", before=["bash", "-c", 'exec "$@" > >(exec true)', "-"])

    daemon.until_log("FILL BUY")


def test_help_starts_nothing(project: Project) -> None:
    finished = project.run("--help")

    finished.refused(0)
    assert "--restart" in finished.out
    assert not project.db.exists()


def test_the_inbox_named_by_a_configuration_is_followed(project: Project) -> None:
    default = (project.folder / "config" / "default.toml").read_text("utf-8")
    (project.folder / "config" / "mine.toml").write_text(
        default.replace('inbox = ""', 'inbox = "signals.jsonl"').replace(
            'entry = "trader.pipeline.strategies.momentum:Momentum"', 'entry = "silent:Silent"'
        ),
        "utf-8",
    )
    (project.folder / "silent.py").write_text(
        "class Silent:\n    def on_bar(self, bar: object) -> list[object]:\n        return []\n", "utf-8"
    )
    daemon = project.start("--config", "config/mine.toml", "--speed", "600")
    daemon.until_log(" open account=")

    numbers = count(1)

    def is_bought() -> bool:
        """Asked again and again: on a busy host a minute of the market is over before a signal is decided."""
        with (project.folder / "signals.jsonl").open("a", encoding="utf-8") as inbox:
            inbox.write(json.dumps({"id": f"a{next(numbers)}", "symbol": "AAPL", "probability": 0.99}) + "\n")
        return project.fills() > 0

    daemon.until(is_bought, "an execution")
    assert project.rows("SELECT symbol, side FROM trades") == [("AAPL", "BUY")]
