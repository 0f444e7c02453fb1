"""Two accounts of one configuration, each with a daemon of its own."""

import signal

import pytest

from processes.daemon import Daemon, Finished, Project

APART = "[accounts.large]\nstarting_cash = 1_000_000\n[accounts.tiny]\nstarting_cash = 10_000\n"
TOGETHER = f'{APART}[accounts.large.book]\ndb = "trading_data.db"\n[accounts.tiny.book]\ndb = "trading_data.db"\n'


def declare(project: Project, accounts: str) -> None:
    """In the place of the one that the project comes with."""
    path = project.folder / "config" / "default.toml"
    text = path.read_text("utf-8")
    lines = [line for line in text.splitlines() if not line.startswith(("name = ", "db = "))]
    path.write_text("\n".join([*lines, accounts]), "utf-8")


def start(project: Project, account: str, *flags: str) -> Daemon:
    daemon = project.start("--speed", "3000", *flags, variables={"ACCOUNT_NAME": account})
    daemon.log_file = project.folder / f"robo_trader-{account}.log"
    return daemon


def ask(project: Project, account: str, *command: str) -> Finished:
    """A command of the account."""
    return project.start(
        "-m", "trader", *command, script=project.python, variables={"ACCOUNT_NAME": account}
    ).finished()


def fills(project: Project, account: str) -> int:
    return int(str(project.rows("SELECT count(*) FROM trades WHERE account = ?", account)[0][0]))


def trades_on(project: Project, daemon: Daemon, account: str) -> None:
    before = fills(project, account)
    daemon.until(lambda: fills(project, account) > before + 2, f"more executions of {account}")


@pytest.mark.parametrize(
    ("variables", "says"),
    [
        ({}, "ACCOUNT_NAME is not set, and several accounts are configured: large, tiny"),
        ({"ACCOUNT_NAME": "tinny"}, "did you mean tiny? (configured: large, tiny)"),
    ],
)
def test_nothing_starts_for_an_account_that_is_not_known(
    project: Project, variables: dict[str, str], says: str
) -> None:
    declare(project, TOGETHER)
    project.run(variables=variables).refused(2, says)
    assert not project.db.exists()


def test_two_daemons_on_one_book_leave_each_other_alone(project: Project) -> None:
    declare(project, TOGETHER)
    large, tiny = start(project, "large"), start(project, "tiny")
    for daemon, account in ((large, "large"), (tiny, "tiny")):
        daemon.until(lambda account=account: account in project.accounts(), f"executions of {account}")  # type: ignore[misc]
        assert f"Managing positions for account: {account}" in daemon.log

    project.run("--speed", "3000", variables={"ACCOUNT_NAME": "tiny"}).refused(6, f"process {tiny.pid}")

    (project.folder / "HALT.tiny").touch()
    tiny.until_log("entries halted: all")
    trades_on(project, large, "large")
    assert "entries halted" not in large.own_log()
    (project.folder / "HALT.tiny").unlink()

    again = start(project, "tiny", "--restart")
    again.until_log("READY")
    assert tiny.ended() == 0
    assert ask(project, "tiny", "resume", "--reason", "over").code == 0
    trades_on(project, again, "tiny")
    again.killed()
    trades_on(project, large, "large")

    assert large.ended(signal.SIGTERM) == 0
    project.check_book()
    for account, other in (("large", "tiny"), ("tiny", "large")):
        checked = ask(project, account, "rebuild", "--check")
        assert checked.code == 0, checked
        log = (project.folder / f"robo_trader-{account}.log").read_text("utf-8")
        assert f"account={other}" not in log
        assert [line for line in log.splitlines() if account not in line] == []
        assert {row.split("\t")[0] for row in ask(project, account, "positions", "--all").out.splitlines()[1:]} == {
            account
        }


@pytest.mark.parametrize("how", ["moved", "shared"])
def test_a_book_of_one_account_goes_on_beside_others(project: Project, how: str) -> None:
    alone = project.start("--speed", "3000")
    alone.until(lambda: project.fills() >= 4, "executions of the only account")
    assert alone.ended(signal.SIGTERM) == 0
    before = project.rows("SELECT order_ref, state FROM orders WHERE state IN ('filled', 'cancelled') ORDER BY 1")

    declare(project, "[accounts.paper]\n[accounts.tiny]\n")
    project.run(variables={"ACCOUNT_NAME": "paper"}).refused(2, "has the account paper", "trader move-book")
    if how == "moved":
        assert ask(project, "paper", "move-book", "trading_data.db", "--yes").code == 0
        project.db = project.folder / "trading_data-paper.db"
    else:
        db = '\ndb = "trading_data.db"\n'
        declare(project, f"[accounts.paper.book]{db}[accounts.tiny.book]{db}")

    daemons = [start(project, account) for account in ("paper", "tiny")]
    for daemon in daemons:
        daemon.until_log("READY")
    trades_on(project, daemons[0], "paper")
    for daemon in daemons:
        assert daemon.ended(signal.SIGTERM) == 0
    after = project.rows("SELECT order_ref, state FROM orders WHERE account = 'paper' ORDER BY 1")
    assert set(before) < set(after)
    assert ask(project, "paper", "rebuild", "--check").code == 0
    project.check_book()


def test_each_account_has_its_own_book_unless_told_otherwise(project: Project) -> None:
    declare(project, APART)
    for account in ("large", "tiny"):
        daemon = start(project, account)
        daemon.until_log("READY")
        assert daemon.ended(signal.SIGTERM) == 0
        project.db = project.folder / f"trading_data-{account}.db"
        assert project.rows("SELECT account FROM account") == [(account,)]
