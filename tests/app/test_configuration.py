"""What is wrong with a configuration is said with its source, its key and what it should be."""

import json
import re
from pathlib import Path
from typing import get_args

import pytest
from pydantic import BaseModel
from replayed_book import trader

from trader.app.faults import known_keys
from trader.app.settings import Settings, load_settings
from trader.domain.money import PREMIUM_TICKS


@pytest.fixture
def bare(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder to stand in, without a configuration of its own."""
    monkeypatch.chdir(tmp_path)
    return tmp_path


def origins() -> dict[str, tuple[object, str]]:
    """Key -> value and origin, of the configuration that came with the program."""
    return {row["key"]: (row["value"], row["origin"]) for row in json.loads(trader("config", "show", "--json").out)}


def complaint(folder: Path, text: str = "") -> str:
    """What is said of a configuration; nothing when it is right."""
    (folder / "mine.toml").write_text(text, "utf-8")
    (folder / "families.toml").touch()
    answer = trader("config", "check", "--config", "mine.toml")
    assert answer.code == (2 if answer.err else 0)
    return answer.err.removeprefix("trader: ").removesuffix("\n")


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("[fed]\nseed = 3", "fed is not a setting; did you mean feed?"),
        ("open_positions = 3", "open_positions is not a setting; did you mean limits.open_positions?"),
        ("[limits]\nopen_position = 3", "limits.open_position is not a setting; did you mean limits.open_positions?"),
        ("[limits]\nxyz = 3", "limits.xyz is not a setting"),
        (
            "[exits.symbols.TQQQ]\nstop = 3",
            "exits.symbols.TQQQ.stop is not a setting; did you mean exits.symbols.TQQQ.stop_pct?",
        ),
        ('mode = "real"', "mode has to be 'simulated', 'paper' or 'live'"),
        (
            '[account]\nname = "My Account"',
            "account.name has to begin with one of a to z; after it a to z, 0 to 9 and -, in all at most 12 characters",
        ),
        ('[strategy]\nentry = "momentum"', "strategy.entry has to be written as package.module:Class"),
    ],
)
def test_a_wrong_key_is_named_with_what_it_should_be(bare: Path, text: str, says: str) -> None:
    assert complaint(bare, text) == f"mine.toml: {says}"


def _settings_of(*kinds: type) -> list[str]:
    """All settings of a kind, by section and key."""
    found = []
    for section, field in Settings.model_fields.items():
        if isinstance(field.annotation, type) and issubclass(field.annotation, BaseModel):
            keys = field.annotation.model_fields.items()
            found += [f"{section}.{key}" for key, one in keys if {one.annotation, *get_args(one.annotation)} & {*kinds}]
    return sorted(found)


def _line(setting: str, value: str) -> str:
    section, _, key = setting.rpartition(".")
    return f"[{section}]\n{key} = {value}"


@pytest.mark.parametrize(
    "setting", [*_settings_of(int), "limits.max_day_trades_5d", "exits.symbols.TQQQ.time_stop_min"]
)
@pytest.mark.parametrize("value", ["true", "false", "7.0"])
def test_where_a_whole_number_stands_nothing_else_is_taken_for_one(bare: Path, setting: str, value: str) -> None:
    assert complaint(bare, _line(setting, value)) == f"mine.toml: {setting} has to be a valid integer"


@pytest.mark.parametrize("setting", _settings_of(float))
def test_where_a_number_stands_a_boolean_is_refused(bare: Path, setting: str) -> None:
    assert complaint(bare, _line(setting, "true")) == f"mine.toml: {setting} has to be a valid number"


@pytest.mark.parametrize("setting", _settings_of(bool))
@pytest.mark.parametrize("value", ["1", "0.0"])
def test_where_a_boolean_stands_a_number_is_refused(bare: Path, setting: str, value: str) -> None:
    assert complaint(bare, _line(setting, value)) == f"mine.toml: {setting} has to be a valid boolean"


def test_all_kinds_of_settings_are_looked_at() -> None:
    assert {"ibkr.port", "feed.seed", "session.flatten_min", "limits.open_positions"} <= set(_settings_of(int))
    assert {
        "account.settled_cash_only",
        "dashboard.enabled",
        "exits.overnight",
        "options.overnight",
        "version.stops_entries",
    } == set(_settings_of(bool))
    assert {"account.starting_cash", "exits.stop_pct", "thresholds.enter_3x"} <= set(_settings_of(float))


@pytest.mark.parametrize("close", ['"noon"', '"Closed"', '"13:00Z"', "1300", "true"])
def test_an_override_that_is_no_time_is_one_sentence(bare: Path, close: str) -> None:
    shown = json.dumps(str({"1300": 1300, "true": True}.get(close, close.strip('"'))))
    assert complaint(bare, f"[session.overrides]\n2026-11-24 = {close}") == (
        f'mine.toml: session.overrides.2026-11-24 = {shown} must be "closed" or a New York time such as "13:00"'
    )


@pytest.mark.parametrize("close", ['"closed"', '"13:00"', "13:00:00"])
def test_an_override_is_closed_or_a_time(bare: Path, close: str) -> None:
    assert complaint(bare, f"[session.overrides]\n2026-11-24 = {close}") == ""


@pytest.mark.parametrize(
    ("line", "says"),
    [
        ("OPEN_POSITONS=4", "OPEN_POSITONS is not a setting; did you mean TRADER_LIMITS__OPEN_POSITIONS?"),
        ("OPEN_POSITIONS=abc", "OPEN_POSITIONS (limits.open_positions) has to be a valid integer"),
    ],
)
def test_a_wrong_variable_is_named_with_where_it_was_set(
    bare: Path, monkeypatch: pytest.MonkeyPatch, line: str, says: str
) -> None:
    (bare / ".env").write_text(f"# mine\n\nexport TRADER_LIMITS__{line}\n", "utf-8")
    assert complaint(bare).startswith(f".env line 3: TRADER_LIMITS__{says}")
    (bare / ".env").unlink()
    name, _, value = line.partition("=")
    monkeypatch.setenv(f"TRADER_LIMITS__{name}", value)
    assert complaint(bare).startswith(f"environment variable TRADER_LIMITS__{says}")


def test_the_source_that_counts_is_blamed_and_no_other(bare: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (bare / ".env").write_text("TRADER_LIMITS__OPEN_POSITIONS=4\nTRADER_FEED__SEED=x\n", "utf-8")
    monkeypatch.setenv("TRADER_LIMITS", '{"gross_pct": 50, "family_pct": "x"}')
    said = complaint(bare, '[limits]\norder_notional = "x"\n').split("; ")
    assert [fault.partition(" has to be")[0] for fault in said] == [
        ".env line 2: TRADER_FEED__SEED (feed.seed)",
        "mine.toml: limits.order_notional",
        "environment variable TRADER_LIMITS (limits.family_pct)",
    ]


def test_of_two_lines_of_dot_env_the_last_one_counts_and_is_blamed(bare: Path) -> None:
    (bare / ".env").write_text("TRADER_FEED__SEED=3\nTRADER_FEED__SEED=x\n", "utf-8")
    assert complaint(bare).startswith(".env line 2: TRADER_FEED__SEED (feed.seed) has to be")


def test_a_section_in_a_variable_has_to_be_json(bare: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TRADER_STRATEGY__PARAMS", "trend_bars=30")
    assert complaint(bare).startswith("environment variable TRADER_STRATEGY__PARAMS: a whole section or table is")


def test_what_is_not_ours_in_dot_env_is_no_setting(bare: Path) -> None:
    (bare / ".env").write_text("FOO=4\nMODE=live\nTRADER_VENV=.venv\nTRADER_FEED__SEED=11\n", "utf-8")
    assert complaint(bare) == ""
    assert origins()["feed.seed"] == (11, ".env")


def test_exits_of_a_symbol_are_set_by_variable_too(bare: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Names of variables lose their capitals on the way."""
    monkeypatch.setenv("TRADER_EXITS__SYMBOLS__TQQQ__STOP_PCT", "3")
    assert complaint(bare) == ""
    assert origins()["exits.symbols.TQQQ.stop_pct"] == (3.0, "env")


@pytest.mark.parametrize("member", ["t q", "tqqq", "TOOLONGASYMBOL", ""])
def test_a_member_of_a_family_that_is_no_symbol_is_refused(bare: Path, member: str) -> None:
    complaint(bare)
    (bare / "families.toml").write_text(f'[QQQ]\nQQQ = 1\n"{member}" = 3\n', "utf-8")
    answer = trader("config", "check", "--config", "mine.toml")
    assert answer.code == 2
    assert f"families.toml: [QQQ] has {member!r}, which is no symbol" in answer.err


DEFAULT = Path(__file__).parents[2] / "config" / "default.toml"


def test_the_default_configuration_explains_every_key() -> None:
    section, shown = "", set()
    for line in DEFAULT.read_text("utf-8").splitlines():
        uncommented = line.removeprefix("# ")
        if match := re.match(r"\[([\w.]+)\]", uncommented):
            section = match[1] + "."
            shown.add(match[1])
        elif match := re.match(r"(\w+) =", uncommented):
            shown.add(section + match[1])
    missing = [
        key for key in known_keys(Settings) if key not in shown and not any(s.startswith(f"{key}.") for s in shown)
    ]
    assert missing == []


def test_the_examples_in_the_default_configuration_are_right(bare: Path) -> None:
    text = re.sub(r"^# (?=\[[\w.]+\] |[\w-]+ = )", "", DEFAULT.read_text("utf-8"), flags=re.MULTILINE)
    assert complaint(bare, text) == ""
    shown = {row["key"]: row["value"] for row in json.loads(trader("config", "show", "-c", "mine.toml", "--json").out)}
    assert shown["session.overrides.2026-11-24"] == "closed"
    assert shown["exits.symbols.TSLA.stop_pct"] == 2.5
    assert shown["limits.max_day_trades_5d"] == 3


def test_nothing_is_held_overnight_behind_a_stop_that_dies_with_the_daemon(bare: Path) -> None:
    said = complaint(bare, "[exits.symbols.TSLA]\novernight = true\n")
    assert 'overnight = true of TSLA needs a stop that lives at the broker: set exits.protection = "broker"' in said


@pytest.mark.parametrize(
    ("named", "why"),
    [
        ("QQQ261318C00500000", "a day that there is not"),
        ("QQQ 261218C00500000", "padded to six characters"),
        ("AAPL1260116C00150000", "an adjusted option"),
        ("qqq", "is no symbol such as TQQQ"),
    ],
)
def test_a_symbol_that_is_none_is_told_with_its_key_and_what_is_wrong(bare: Path, named: str, why: str) -> None:
    said = complaint(bare, f'[feed]\nsymbols = ["TSLA", "{named}"]\n')
    assert "feed.symbols.1 cannot be: " in said
    assert repr(named) in said
    assert why in said


def test_an_option_is_named_in_either_way_of_writing_it(bare: Path) -> None:
    assert complaint(bare, '[feed]\nsymbols = ["QQQ   261218C00500000", "QQQ261218P00450000"]\n') == ""
    symbols = load_settings(bare / "mine.toml").feed.symbols
    assert symbols == ("QQQ261218C00500000", "QQQ261218P00450000")


def test_an_option_is_no_member_of_a_family(bare: Path) -> None:
    complaint(bare)
    (bare / "families.toml").write_text("[QQQ]\nQQQ = 1\nQQQ261218C00500000 = 3\n", "utf-8")
    answer = trader("config", "check", "--config", "mine.toml")
    assert answer.code == 2
    assert "[QQQ] has 'QQQ261218C00500000', an option, which moves with no family" in answer.err


def test_an_options_exits_are_its_own_and_not_those_of_shares(bare: Path) -> None:
    assert "exits.symbols.QQQ261218C00500000 cannot be: " in complaint(
        bare, "[exits.symbols.QQQ261218C00500000]\nstop_pct = 2.0\n"
    )
    assert "'QQQ' is no option" in complaint(bare, "[options.symbols.QQQ]\nstop_pct = 20.0\n")
    text = (
        '[options]\nstop_pct = 40.0\n[options.symbols."QQQ   261218C00500000"]\nstop_pct = 30.0\ndays_to_expiry = 9\n'
    )
    assert complaint(bare, text) == ""
    rules = load_settings(bare / "mine.toml").rules()
    one, another = rules.exit_rule("QQQ261218C00500000"), rules.exit_rule("QQQ261218P00500000")
    assert (one.stop_ppm, one.days_to_expiry, one.ticks) == (300_000, 9, PREMIUM_TICKS)
    assert (another.stop_ppm, another.days_to_expiry, another.ticks) == (400_000, 1, PREMIUM_TICKS)


def test_an_option_held_overnight_needs_a_stop_at_the_broker(bare: Path) -> None:
    assert "overnight = true of every option needs" in complaint(bare, "[options]\novernight = true\n")
    assert complaint(bare, '[options]\novernight = true\n[exits]\nprotection = "broker"\n') == ""


def test_families_that_are_not_there_start_nothing(bare: Path) -> None:
    (bare / "mine.toml").touch()
    answer = trader("run", "--config", str(bare / "mine.toml"))
    assert answer.code == 2
    assert "families.toml" in answer.err
    assert "Traceback" not in answer.err
