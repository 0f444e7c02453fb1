"""Several accounts in one configuration: which one is meant, and what is its own."""

import json
from pathlib import Path

import pytest
from builders import CONFIGURATION
from replayed_book import trader

from trader.app.accounts import choose
from trader.app.cli.context import settings_for
from trader.app.settings import Settings, load_every_account, load_settings
from trader.domain.errors import ConfigurationError

TWO = """
[limits]
open_positions = 6
order_notional = 1000

[accounts.large]
starting_cash = 1000000

[accounts.tiny]
starting_cash = 1000
settled_cash_only = true
[accounts.tiny.limits]
open_positions = 2
[accounts.tiny.families]
file = "tiny-families.toml"
[accounts.tiny.strategy]
entry = "tiny.strategy:Tiny"
[accounts.tiny.exits.symbols.TQQQ]
stop_pct = 1.0
take_profit_pct = 2.0
"""


@pytest.fixture(autouse=True)
def bare(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("ACCOUNT_NAME", raising=False)


def load(text: str, monkeypatch: pytest.MonkeyPatch, account: str = "", **flags: object) -> Settings:
    Path("mine.toml").write_text(text, "utf-8")
    if account:
        monkeypatch.setenv("ACCOUNT_NAME", account)
    return load_settings(Path("mine.toml"), **flags)


# which one


def test_one_account_needs_no_name(monkeypatch: pytest.MonkeyPatch) -> None:
    assert load_settings(CONFIGURATION).account.name == "paper"
    assert load("[accounts.tiny]", monkeypatch).account.name == "tiny"
    assert load('[account]\nname = "own"', monkeypatch, "own").account.name == "own"


def test_of_several_one_has_to_be_named(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(ConfigurationError, match=r"ACCOUNT_NAME is not set.*: large, tiny; say which one"):
        load(TWO, monkeypatch)


@pytest.mark.parametrize("text", [TWO, '[account]\nname = "tiny"'])
def test_a_misspelt_name_starts_nothing_and_names_the_nearest(text: str, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(ConfigurationError, match=r"no account of that name.*did you mean tiny\?.*configured: .*tiny"):
        load(text, monkeypatch, "tinny")


def test_capitals_are_another_name() -> None:
    """In the post-mortem `large` and `Large` were two: a name is written one way."""
    with pytest.raises(ConfigurationError, match="did you mean tiny"):
        choose(["large", "tiny"], "Tiny")


def test_the_name_may_stand_in_the_file_of_variables(monkeypatch: pytest.MonkeyPatch) -> None:
    Path(".env").write_text("ACCOUNT_NAME=tiny\n", "utf-8")
    assert load(TWO, monkeypatch).account.name == "tiny"
    assert load(TWO, monkeypatch, "large").account.name == "large"


def test_every_command_is_of_the_account_that_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    Path("mine.toml").write_text(TWO, "utf-8")
    monkeypatch.setenv("ACCOUNT_NAME", "tiny")
    assert settings_for(Path("mine.toml")).account.name == "tiny"
    monkeypatch.setenv("ACCOUNT_NAME", "tinny")
    answer = trader("positions", "--config", "mine.toml")
    assert answer.code == 2
    assert "did you mean tiny? (configured: large, tiny)" in answer.err


def test_every_account_can_be_asked_for_whichever_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    named = load(TWO, monkeypatch, "tiny")
    every = load_every_account(Path("mine.toml"))
    assert [settings.account.name for settings in every] == ["large", "tiny"]
    assert every[1].model_dump() == named.model_dump()
    assert every[0].limits.open_positions == 6
    assert [settings.account.name for settings in load_every_account(CONFIGURATION)] == ["paper"]


# what is its own


def test_what_is_declared_goes_over_the_file(monkeypatch: pytest.MonkeyPatch) -> None:
    tiny = load(TWO, monkeypatch, "tiny")
    assert (tiny.account.starting_cash, tiny.account.settled_cash_only) == (1000, True)
    assert (tiny.limits.open_positions, tiny.limits.order_notional) == (2, 1000)
    assert tiny.strategy.entry == "tiny.strategy:Tiny"
    assert tiny.families.file == Path("tiny-families.toml")
    assert tiny.exits.symbols["TQQQ"].stop_pct == 1.0


def test_what_is_not_declared_is_the_files(monkeypatch: pytest.MonkeyPatch) -> None:
    large = load(TWO, monkeypatch, "large")
    assert (large.account.starting_cash, large.account.settled_cash_only) == (1_000_000, False)
    assert large.limits.open_positions == 6
    assert large.exits.symbols == {}


def test_variables_and_flags_go_over_what_is_declared(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TRADER_LIMITS__OPEN_POSITIONS", "3")
    tiny = load(TWO, monkeypatch, "tiny", book={"db": Path("given.db")})
    assert tiny.limits.open_positions == 3
    assert tiny.book.db == Path("given.db")


def test_each_account_has_a_book_and_a_log_of_its_own(monkeypatch: pytest.MonkeyPatch) -> None:
    tiny, large = load(TWO, monkeypatch, "tiny"), load(TWO, monkeypatch, "large")
    assert (tiny.book.db, tiny.log.file) == (Path("trading_data-tiny.db"), Path("robo_trader-tiny.log"))
    assert (large.book.db, large.log.file) == (Path("trading_data-large.db"), Path("robo_trader-large.log"))


def test_one_book_is_shared_by_those_that_are_given_it(monkeypatch: pytest.MonkeyPatch) -> None:
    text = '[accounts.tiny.book]\ndb = "both.db"\n[accounts.large.book]\ndb = "both.db"\n'
    tiny, large = load(text, monkeypatch, "tiny"), load(text, monkeypatch, "large")
    assert tiny.book.db == large.book.db == Path("both.db")
    assert tiny.log.file != large.log.file


def test_a_single_account_keeps_its_paths() -> None:
    settings = load_settings(CONFIGURATION)
    assert (settings.book.db, settings.log.file) == (Path("trading_data.db"), Path("robo_trader.log"))


def test_halt_files_are_of_one_account_and_of_all(monkeypatch: pytest.MonkeyPatch) -> None:
    tiny, large = load(TWO, monkeypatch, "tiny"), load(TWO, monkeypatch, "large")
    assert tiny.halt_files == (Path("HALT"), Path("HALT.tiny"))
    assert {*tiny.halt_files} & {*large.halt_files} == {Path("HALT")}


# what cannot be

IB = '[feed]\nkind = "ibkr"\n'


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ('[account]\nname = "x"\n[accounts.tiny]', "account.name is 'x', and accounts are declared"),
        (
            '[accounts.a.ibkr]\naccount = "DU1000001"\n[accounts.b.ibkr]\naccount = "DU1000001"',
            "accounts.a and accounts.b have the same ibkr.account",
        ),
        (
            f'{IB}[accounts.a.ibkr]\naccount = "DU1000001"\n[accounts.b.ibkr]\naccount = "DU1000002"',
            "accounts.a and accounts.b have the same ibkr.port and ibkr.client_id",
        ),
        ('[accounts.a.log]\nfile = "x.log"\n[accounts.b.log]\nfile = "x.log"', "have the same log.file"),
        ('[accounts.a.log]\nfile = "x.log"\n[accounts.b.log]\nfile = "d/../x.log"', "have the same log.file"),
        ('[accounts.a.log]\nfile = "robo_trader-b.log"\n[accounts.b]', "have the same log.file"),
        ('[accounts.a.log]\nfile = "trading_data-b.db"\n[accounts.b]', "is the book of accounts.b"),
        ('[accounts.a.log]\nfile = "trading_data-b.db-wal"\n[accounts.b]', "is the book of accounts.b or a part of it"),
        (
            '[broker]\nkind = "ibkr"\n[ibkr]\naccount = "DU1000001"\n[accounts.a]\n[accounts.b]',
            "accounts.a and accounts.b have the same ibkr.account",
        ),
        ("[accounts.tiny.limits]\nopen_position = 2", "accounts.tiny.limits.open_position is not a setting; did you"),
        ("[accounts.tiny]\nstarting_cahs = 2", "did you mean accounts.tiny.starting_cash?"),
        ("[accounts.Large]", "accounts.Large has to begin with one of a to z"),
        ('[accounts.tiny.ibkr]\naccount = "x"', "accounts.tiny.ibkr.account has to be IB's id of an account"),
        ("[accounts.tiny]\n[accounts.large.limits]\nopen_positions = -1", "accounts.large.limits.open_positions"),
    ],
)
def test_what_cannot_be_is_named(text: str, says: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Also what is wrong with an account that is not meant now."""
    with pytest.raises(ConfigurationError) as refused:
        load(text, monkeypatch)
    assert str(refused.value).startswith("mine.toml")
    assert says in str(refused.value)


def test_the_origin_of_what_is_declared_is_the_account(monkeypatch: pytest.MonkeyPatch) -> None:
    Path("mine.toml").write_text(TWO, "utf-8")
    monkeypatch.setenv("ACCOUNT_NAME", "tiny")
    shown = json.loads(trader("config", "show", "--config", "mine.toml", "--json").out)
    origins = {row["key"]: (row["value"], row["origin"]) for row in shown}
    assert origins["account.name"] == ("tiny", "account")
    assert origins["limits.open_positions"] == (2, "account")
    assert origins["limits.order_notional"] == (1000, "file")
    assert not [key for key in origins if key.startswith("accounts")]


def test_the_example_in_the_default_configuration_is_right(monkeypatch: pytest.MonkeyPatch) -> None:
    example = CONFIGURATION.read_text("utf-8").partition("# [accounts.tiny]\n")[2].partition("\n\n")[0]
    text = "[accounts.tiny]\n" + "".join(line.lstrip("# ") + "\n" for line in example.splitlines())
    tiny = load(text, monkeypatch, "tiny")
    assert (tiny.account.starting_cash, tiny.account.settled_cash_only) == (1000, True)
    assert (tiny.limits.open_positions, tiny.ibkr.account, tiny.ibkr.client_id) == (2, "DU1234568", 18)
