"""Which channels a configuration has; an address is a secret, and comes only from where nobody else reads it."""

from pathlib import Path

import pytest
from builders import CONFIGURATION

from trader.app.alarm_channels import channels_of
from trader.app.origins import settings_with_origins
from trader.app.settings import Settings, load_settings
from trader.domain.alarm import AlarmType, Severity, Telling
from trader.domain.errors import ConfigurationError

SECRET = "tgram://123456:hush-hush/987"  # noqa: S105


def settings_of(**alarms: object) -> Settings:
    return load_settings(CONFIGURATION, alarms=alarms)


def a_file(folder: Path, *lines: str, mode: int = 0o600) -> Path:
    path = folder / ".alarms"
    path.write_text("\n".join((*lines, "")), "utf-8")
    path.chmod(mode)
    return path


def channels(settings: Settings) -> list[tuple[str, Severity]]:
    return [(channel.name, channel.least) for channel in channels_of(settings)]


@pytest.fixture(autouse=True)
def elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def test_by_default_nobody_is_told() -> None:
    assert channels(settings_of()) == []


def test_each_address_is_a_channel_and_so_is_the_command(tmp_path: Path) -> None:
    path = a_file(
        tmp_path, "# mine", "", SECRET, "mailtos://a:b@example.com?x=y", "pager critical = tgram://1/2", "tgram://3/4"
    )
    assert channels(settings_of(urls_file=str(path), command=["/usr/bin/page"])) == [
        ("tgram", Severity.INFO),
        ("mailtos", Severity.INFO),
        ("pager", Severity.CRITICAL),
        ("tgram-2", Severity.INFO),
        ("command", Severity.INFO),
    ]


def test_addresses_come_from_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TRADER_ALARMS__URLS", f"phone = {SECRET}\njson://localhost")
    assert channels(load_settings(CONFIGURATION)) == [("phone", Severity.INFO), ("json", Severity.INFO)]


def test_a_file_that_others_may_read_is_refused(tmp_path: Path) -> None:
    path = a_file(tmp_path, SECRET, mode=0o640)
    with pytest.raises(ConfigurationError, match=f"others may read it: chmod 600 {path}"):
        channels_of(settings_of(urls_file=str(path)))


def test_a_file_that_is_not_there_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match=r"cannot read alarms\.urls_file .*: No such file"):
        channels_of(settings_of(urls_file=str(tmp_path / "none")))


def test_an_address_in_the_configuration_is_refused(tmp_path: Path) -> None:
    (tmp_path / "families.toml").touch()
    mine = tmp_path / "mine.toml"
    mine.write_text(f'[alarms]\nurls = "{SECRET}"\n', "utf-8")
    with pytest.raises(ConfigurationError, match=r"alarms\.urls holds secrets and does not belong there") as refused:
        channels_of(load_settings(mine))
    assert "hush" not in str(refused.value)


def test_an_address_in_a_dot_env_that_others_may_read_is_refused(tmp_path: Path) -> None:
    dot_env = tmp_path / ".env"
    dot_env.write_text(f"TRADER_ALARMS__URLS={SECRET}\n", "utf-8")
    dot_env.chmod(0o644)
    with pytest.raises(ConfigurationError, match="others may read it"):
        channels_of(load_settings(CONFIGURATION))
    dot_env.chmod(0o600)
    assert channels(load_settings(CONFIGURATION)) == [("tgram", Severity.INFO)]


@pytest.mark.parametrize(
    "line", ["hush", "phone bad = tgram://hush", "phone = hush", "Phone = tgram://hush", "a b://hush"]
)
def test_a_line_that_is_no_address_is_named_by_its_number_alone(tmp_path: Path, line: str) -> None:
    path = a_file(tmp_path, "json://localhost", line)
    with pytest.raises(ConfigurationError, match="line 2 is no address") as refused:
        channels_of(settings_of(urls_file=str(path)))
    assert "hush" not in str(refused.value)


def test_two_of_one_name_are_refused(tmp_path: Path) -> None:
    path = a_file(tmp_path, "command = json://localhost")
    with pytest.raises(ConfigurationError, match="two channels of alarms are called command"):
        channels_of(settings_of(urls_file=str(path), command=["/usr/bin/page"]))


def test_what_is_in_force_is_shown_without_secrets(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TRADER_ALARMS__URLS", SECRET)
    settings = load_settings(CONFIGURATION)
    shown = "\n".join(setting.as_toml() for setting in settings_with_origins(settings, {}))
    assert 'alarms.urls = "********"  # env' in shown
    assert "hush" not in shown + repr(settings)


def test_types_are_told_as_the_configuration_says() -> None:
    alarms = settings_of(types={"bar_left_out": "on", "drift": "off"}).alarms
    assert AlarmType.BAR_LEFT_OUT in alarms.told(Telling.ON)
    assert alarms.told(Telling.OFF) == {AlarmType.DRIFT}
    assert AlarmType.STARTED in alarms.told(Telling.SILENT)
    assert AlarmType.NOT_FLAT in alarms.told(Telling.ON)


def test_a_misspelt_type_is_refused() -> None:
    with pytest.raises(ConfigurationError, match=r"alarms\.types"):
        settings_of(types={"drfit": "off"})
