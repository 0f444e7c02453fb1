"""What is wrong with a configuration is said with its source, its key and what it should be."""

import json
import re
from pathlib import Path

import pytest
from replayed_book import trader

from trader.app.faults import known_keys
from trader.app.settings import Settings


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
