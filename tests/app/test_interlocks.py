"""Paper or live: mode, port, account and command line have to agree, or nothing starts."""

from pathlib import Path

import pytest

from trader.app.interlocks import check_consent
from trader.app.settings import Settings, load_settings
from trader.domain.errors import ConfigurationError

FAMILIES = Path(__file__).parents[2] / "config" / "families.toml"
PAPER: dict[str, object] = {
    "mode": "paper",
    "feed": {"kind": "ibkr"},
    "broker": {"kind": "ibkr"},
    "ibkr": {"port": 4002, "account": "DU1000001"},
}
LIVE: dict[str, object] = {**PAPER, "mode": "live", "ibkr": {"port": 4001, "account": "U1000001"}}


@pytest.fixture(autouse=True)
def no_variables(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def load(tmp_path: Path, base: dict[str, object], **over: object) -> Settings:
    config = tmp_path / "config.toml"
    config.write_text("", "utf-8")
    flags = {**base, "families": {"file": FAMILIES}}
    for key, value in over.items():
        before = flags.get(key)
        flags[key] = {**before, **value} if isinstance(before, dict) and isinstance(value, dict) else value
    return load_settings(config, **flags)


def test_what_agrees_is_loaded(tmp_path: Path) -> None:
    assert load(tmp_path, PAPER).book_id == "DU1000001"
    assert load(tmp_path, LIVE).book_id == "U1000001"
    assert load(tmp_path, PAPER, ibkr={"port": 7497}).mode == "paper"
    assert load(tmp_path, LIVE, ibkr={"port": 7496}).mode == "live"
    assert load(tmp_path, PAPER, ibkr={"port": 5000, "port_is": "paper"}).ibkr.port == 5000
    dry = load(tmp_path, PAPER, broker={"kind": "paper"}, ibkr={"port": 4001, "account": "U1000001"})
    assert dry.book_id == "paper", "the dry run has a broker inside, on whatever prices"


@pytest.mark.parametrize(
    ("base", "over", "said"),
    [
        (PAPER, {"mode": "live"}, "is for paper trading"),
        (LIVE, {"mode": "paper"}, "is for live trading"),
        (PAPER, {"ibkr": {"port": 4001}}, "is for live trading"),
        (PAPER, {"ibkr": {"port": 7496}}, "is for live trading"),
        (LIVE, {"ibkr": {"port": 7497}}, "is for paper trading"),
        (PAPER, {"ibkr": {"port": 5000}}, "port_is"),
        (PAPER, {"ibkr": {"port_is": "live"}}, "IB's for paper"),
        (PAPER, {"ibkr": {"account": "U1000001"}}, "is a live account"),
        (LIVE, {"ibkr": {"account": "DU1000001"}}, "is a paper account"),
        (LIVE, {"ibkr": {"account": "DF1000001"}}, "is a paper account"),
        (PAPER, {"ibkr": {"account": ""}}, "ibkr.account is missing"),
        (PAPER, {"ibkr": {"account": "DU1; DROP"}}, "one to three capitals and digits"),
        (PAPER, {"ibkr": {"host": "10.0.0.1"}}, "stays on this host"),
        (PAPER, {"ibkr": {"client_id": 0}}, "client_id"),
        (PAPER, {"mode": "simulated"}, "do not agree"),
        (PAPER, {"feed": {"kind": "simulated"}}, "do not agree"),
        (PAPER, {"mode": "simulated", "feed": {"kind": "simulated"}}, "no order goes to IB"),
        (LIVE, {"broker": {"kind": "paper"}}, 'needs broker.kind "ibkr"'),
    ],
)
def test_what_does_not_agree_is_refused_with_its_reason(
    tmp_path: Path, base: dict[str, object], over: dict[str, object], said: str
) -> None:
    with pytest.raises(ConfigurationError, match=said):
        load(tmp_path, base, **over)


@pytest.mark.parametrize(
    ("live", "account"), [(False, None), (True, None), (False, "U1000001"), (True, "U1000002"), (True, "DU1000001")]
)
def test_live_starts_only_with_the_flags_that_name_it(tmp_path: Path, live: bool, account: str | None) -> None:
    settings = load(tmp_path, LIVE)
    with pytest.raises(ConfigurationError, match="--live --account U1000001"):
        check_consent(settings, live=live, account=account)
    check_consent(settings, live=True, account="U1000001")


def test_flags_that_say_live_of_what_is_not_are_refused(tmp_path: Path) -> None:
    settings = load(tmp_path, PAPER)
    with pytest.raises(ConfigurationError, match="--live is given"):
        check_consent(settings, live=True, account="DU1000001")
    with pytest.raises(ConfigurationError, match="names 'DU1000001'"):
        check_consent(settings, live=False, account="DU1000002")
    check_consent(settings, live=False, account="DU1000001")
