"""What is typed reaches its command, or is refused with a word; and the answer fits the reader."""

import json
from pathlib import Path

import pytest
from replayed_book import PretendedDaemon, ReplayedBook, a_replayed_book, trader
from typer.main import get_group

from trader.app.cli.application import application
from trader.app.cli.cash import cash_application
from trader.app.cli.checking import config_application
from trader.app.cli.ibkr import ibkr_application


@pytest.fixture(scope="module")
def noon(tmp_path_factory: pytest.TempPathFactory) -> ReplayedBook:
    """The day up to 12:20: 185 TQQQ are held."""
    return a_replayed_book(tmp_path_factory.mktemp("noon"), until="12:20")


def test_a_negative_number_is_a_value_and_no_option(tmp_path: Path) -> None:
    answer = trader("signal", "QQQ", "-0.5", "--db", str(tmp_path / "book.db"))
    assert "no daemon listens" in answer.err


def test_what_is_not_text_is_refused(tmp_path: Path) -> None:
    answer = trader("why", "\udcff", "--db", str(tmp_path / "book.db"))
    assert answer.code == 2
    assert answer.err == "trader: '\\udcff' is not text in UTF-8\n"


# -- who reads the answer -----------------------------------------------------------------------------------------


def test_every_command_that_answers_can_do_so_in_json() -> None:
    groups = (config_application, cash_application, ibkr_application)
    commands = {
        name: command for group in (application, *groups) for name, command in get_group(group).commands.items()
    }
    del commands["config"], commands["cash"], commands["ibkr"]
    without = {
        name
        for name, command in commands.items()
        if not any("--json" in parameter.opts for parameter in command.params)
    }
    assert set(commands) >= {*OPERATIONS} - {"cash"} | {"doctor", "check", "book", "import"}
    assert without == {"run", "dashboard", "top"}, "they go on until they are ended"


OPERATIONS = {
    "halt": ["halt", "--reason", "cpi"],
    "resume": ["resume", "--reason", "over"],
    "flatten": ["flatten", "--reason", "home", "--yes"],
    "adjust": ["adjust", "--reason", "sold by hand", "--missing", "JD", "--price", "30"],
    "cash": ["cash", "book", "-12.50", "--kind", "fee", "--reason", "market data"],
    "stop": ["stop"],
}


@pytest.mark.parametrize("command", OPERATIONS)
def test_what_is_asked_of_the_daemon_is_answered_in_words_or_with_keys(noon: ReplayedBook, command: str) -> None:
    with PretendedDaemon(noon, {"message": "as you say", "refused": False}):
        shown = noon.trader(*OPERATIONS[command], terminal=True)
        piped = noon.trader(*OPERATIONS[command])
        told = noon.trader(*OPERATIONS[command], "--json", terminal=True)
    assert {shown.code, piped.code, told.code} == {0}
    assert shown.out == "as you say\n"
    assert piped.out == f"command\t{command}\naccepted\ttrue\nanswer\tas you say\n"
    assert json.loads(told.out) == {"command": command, "accepted": True, "answer": "as you say"}


@pytest.mark.parametrize("answer", [{"message": "refused: no", "refused": True}, {"raises": "refused: no"}])
def test_what_the_daemon_refuses_is_not_accepted(noon: ReplayedBook, answer: dict[str, object]) -> None:
    with PretendedDaemon(noon, answer):
        shown = noon.trader(*OPERATIONS["halt"], terminal=True)
        told = noon.trader(*OPERATIONS["halt"], "--json")
    assert (shown.code, told.code) == (5, 5)
    assert (shown.out + shown.err).removeprefix("trader: ") == "refused: no\n"
    assert json.loads(told.out) == {"command": "halt", "accepted": False, "answer": "refused: no"}


def test_flatten_without_yes_does_nothing_and_says_so_to_every_reader(noon: ReplayedBook) -> None:
    says = "would close: TQQQ 185; nothing was done, add --yes"
    shown, piped = (noon.trader("flatten", "--reason", "x", terminal=terminal) for terminal in (True, False))
    assert (shown.code, shown.out) == (5, f"{says}\n")
    assert piped.facts() == {"command": "flatten", "accepted": "false", "answer": says}


def test_flatten_without_yes_names_only_what_the_account_holds(noon: ReplayedBook, tmp_path: Path) -> None:
    both = noon.copy_to(tmp_path / "both")
    both.damage("INSERT INTO book_accounts SELECT 'other', 1, 1, 0, 0, 0, 1, 1, 0, 0 FROM book_stamp")
    both.damage("UPDATE book_positions SET account = 'other' WHERE symbol = 'TQQQ'")
    assert "would close: nothing" in both.trader("flatten", "--reason", "x").out


READS = [
    *(["status"], ["positions"], ["orders"], ["trades"], ["signals"], ["funnel"], ["why", "paper-1-0001"]),
    *(["doctor"], ["config", "check"], ["calendar"], ["rebuild", "--check"], ["version"], ["backup"]),
    ["flatten", "--reason", "x"],
]


def _keys(value: object) -> set[str]:
    if isinstance(value, dict):
        return set(value).union(*map(_keys, value.values()))
    return set().union(*map(_keys, value)) if isinstance(value, list) else set()


@pytest.mark.parametrize("command", READS, ids=" ".join)
def test_no_key_has_a_space(noon: ReplayedBook, command: list[str]) -> None:
    told = _keys(json.loads(noon.trader(*command, "--json").out))
    piped = noon.trader(*command).out.splitlines()
    keys = {piped[0]} if len({line.count("\t") for line in piped}) == 1 else {line.split("\t")[0] for line in piped}
    assert [key for key in told | keys if " " in key] == []
    assert all("\t" in line for line in piped if line)


# -- what is typed ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("arguments", "key"),
    [
        (["halt", "--reason", "x", "--symbol", "nvda"], "target"),
        (["halt", "--reason", "x", "--family", "nvda"], "target"),
        (["resume", "--reason", "x", "--symbol", "nvda"], "target"),
        (["flatten", "--reason", "x", "--symbol", "nvda", "--yes"], "target"),
        (["signal", "nvda", "0.9"], "symbol"),
    ],
)
def test_a_symbol_may_be_typed_in_small_letters(noon: ReplayedBook, arguments: list[str], key: str) -> None:
    with PretendedDaemon(noon, {"message": "yes", "outcome": "ordered"}) as daemon:
        assert noon.trader(*arguments).code == 0
    assert daemon.asked[0][key] == "NVDA"


def test_what_would_be_closed_may_be_typed_in_small_letters(noon: ReplayedBook) -> None:
    for option, value in (("--symbol", "tqqq"), ("--family", "qqq")):
        assert "would close: TQQQ 185" in noon.trader("flatten", "--reason", "x", option, value).out


def test_an_unknown_id_is_refused_alike_by_every_command(noon: ReplayedBook) -> None:
    assert noon.trader("why", "nothing-of-this").code == 5
    adjusted = noon.trader("adjust", "--reason", "x", "--execution", "nothing-of-this")
    assert (adjusted.code, "has no execution nothing-of-this" in adjusted.err) == (5, True)


WITH_A_BOOK = [
    *(["run"], ["replay", "bars"], ["status"], ["positions"], ["rebuild", "--check"], ["rebuild", "--apply"]),
    ["doctor"],
]


@pytest.mark.parametrize("command", WITH_A_BOOK, ids=" ".join)
def test_a_folder_is_called_a_folder_and_no_book(noon: ReplayedBook, command: list[str], tmp_path: Path) -> None:
    answer = trader(*command, "--config", str(noon.config), "--db", str(tmp_path))
    assert answer.code == 2
    assert f"{tmp_path} is a folder, not a book" in answer.err + answer.out
    assert list(tmp_path.parent.glob(f"{tmp_path.name}.*")) == []


@pytest.mark.parametrize("command", [["run"], ["replay", "bars"], ["rebuild", "--apply"], ["doctor"]], ids=" ".join)
def test_a_missing_folder_is_said_to_be_missing(noon: ReplayedBook, command: list[str], tmp_path: Path) -> None:
    missing = tmp_path / "sub" / "dir"
    answer = trader(*command, "--config", str(noon.config), "--db", str(missing / "x.db"))
    assert answer.code == 2
    assert f"there is no folder {missing}" in answer.err + answer.out
    assert ".lock" not in answer.err
