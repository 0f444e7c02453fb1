"""The configuration: TOML file < .env < environment < flags. Frozen, unknown keys are errors; ends at the wiring.

What may be said in each of its sections stands in `sections`.
"""

import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, ClassVar, Literal

from pydantic import (
    Field,
    ValidationError,
)
from pydantic_settings import (
    BaseSettings,
    InitSettingsSource,
    PydanticBaseSettingsSource,
    SettingsConfigDict,
    SettingsError,
    TomlConfigSettingsSource,
)

from trader.app.accounts import check_accounts, choose, sections_of
from trader.app.faults import in_words, known_keys, not_json
from trader.app.interlocks import contradiction
from trader.app.sections import (
    ACCOUNT_NAME,
    AccountSection,
    AlarmsSection,
    BookSection,
    BreakersSection,
    BrokerSection,
    CostsSection,
    DashboardSection,
    DeclaredAccount,
    ExitsSection,
    FamiliesSection,
    FeedSection,
    IbkrSection,
    LimitsSection,
    LogSection,
    OptionsSection,
    SessionSection,
    SignalsSection,
    StrategySection,
    ThresholdsSection,
    VersionSection,
)
from trader.app.variables import DOT_ENV, PREFIX, account_name, check_names, read_variables
from trader.domain.errors import ConfigurationError
from trader.domain.family import Families
from trader.domain.rules import Rules, Thresholds
from trader.domain.symbol import is_option, is_symbol

_OVER_IT = "with .env, environment and flags over it"


class Settings(BaseSettings):
    """Every setting there is."""

    model_config = SettingsConfigDict(
        env_prefix=PREFIX,
        env_nested_delimiter="__",
        env_file=DOT_ENV,
        dotenv_filtering="only_existing",  # what is not ours in it belongs to others; what is misspelt is found before
        extra="forbid",
        frozen=True,
        hide_input_in_errors=True,
    )
    toml_file: ClassVar[Path]
    of_account: ClassVar[Mapping[str, Mapping[str, object]]] = {}
    """What is declared of the account that is meant, by section."""

    mode: Literal["simulated", "paper", "live"] = "simulated"
    accounts: dict[Annotated[str, Field(pattern=ACCOUNT_NAME)], DeclaredAccount] = Field(default_factory=dict)
    account: AccountSection = AccountSection()
    book: BookSection = BookSection()
    log: LogSection = LogSection()
    feed: FeedSection = FeedSection()
    broker: BrokerSection = BrokerSection()
    ibkr: IbkrSection = IbkrSection()
    strategy: StrategySection = StrategySection()
    families: FamiliesSection = FamiliesSection()
    thresholds: ThresholdsSection = ThresholdsSection()
    limits: LimitsSection = LimitsSection()
    exits: ExitsSection = ExitsSection()
    options: OptionsSection = OptionsSection()
    session: SessionSection = SessionSection()
    signals: SignalsSection = SignalsSection()
    costs: CostsSection = CostsSection()
    breakers: BreakersSection = BreakersSection()
    version: VersionSection = VersionSection()
    dashboard: DashboardSection = DashboardSection()
    alarms: AlarmsSection = AlarmsSection()

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """Flags win over the environment, which wins over .env, over what is declared of an account, over the file."""
        del file_secret_settings
        declared = InitSettingsSource(settings_cls, init_kwargs=dict(cls.of_account))
        toml = TomlConfigSettingsSource(settings_cls, cls.toml_file)
        return init_settings, env_settings, dotenv_settings, declared, toml

    def rules(self) -> Rules:
        """The domain's rules. Raises ConfigurationError where settings contradict one another."""
        try:
            return Rules(
                thresholds=Thresholds(**self.thresholds.model_dump()),
                limits=self.limits.limits(),
                exits=self.exits.rule(),
                exits_by_symbol={
                    **{symbol: distances.rule() for symbol, distances in self.exits.symbols.items()},
                    **{symbol: distances.rule() for symbol, distances in self.options.symbols.items()},
                },
                options=self.options.rules(),
                protection=self.exits.protection,
                signal_max_age_s=self.signals.max_age_s,
                signals_per_bar=self.signals.per_bar,
                entry_timeout_s=self.signals.entry_timeout_s,
                exit_scan_patience_s=self.exits.scan_patience_s,
                breakers=self.breakers.rules(),
                version_stops_entries=self.version.stops_entries,
                settled_cash_only=self.account.settled_cash_only,
            )
        except ValueError as error:
            raise ConfigurationError(f"{self.toml_file} ({_OVER_IT}): {error}") from error

    @property
    def halt_files(self) -> tuple[Path, Path]:
        """Files that stop entries as long as they lie there: of every account in that folder, and of this one."""
        return self.book.halt_file, self.book.halt_file.with_name(f"HALT.{self.account.name}")

    @property
    def book_id(self) -> str:
        """Whose book it is: by the broker's name of the account, where there is a broker outside."""
        return self.ibkr.account if self.broker.kind == "ibkr" else self.account.name

    def inbox_path(self) -> Path | None:
        """The file of signals to follow, absolute, or None."""
        return Path(self.feed.inbox).resolve() if self.feed.inbox else None

    def read_families(self) -> Families:
        """Read the families file, which lies beside the configuration unless its path is absolute."""
        path = self.toml_file.parent / self.families.file
        try:
            table = tomllib.loads(path.read_text("utf-8"))
        except OSError as error:
            raise ConfigurationError(f"cannot read the families file {path}: {error.strerror}") from error
        except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
            raise ConfigurationError(f"{path}: {error}") from error
        for name, members in table.items():
            if not isinstance(members, dict) or not all(type(value) is int for value in members.values()):
                raise ConfigurationError(f"{path}: [{name}] has to map symbols to whole signed leverages")
            for symbol in members:
                if not is_symbol(symbol) or is_option(symbol):
                    why = "which is no symbol such as TQQQ"
                    if is_option(symbol):
                        why = "an option, which moves with no family: name it in feed.symbols"
                    raise ConfigurationError(f"{path}: [{name}] has {symbol!r}, {why}")
        try:
            return Families.of(table)
        except ValueError as error:
            raise ConfigurationError(f"{path}: {error}") from error


def load_settings(config: Path, **flags: object) -> Settings:
    """Read a configuration for one account, with .env, environment and flags over it. Raises ConfigurationError."""
    of_file = _of_file(config, flags)
    try:
        name = choose(_names(of_file), account_name())
    except ConfigurationError as error:
        raise ConfigurationError(f"{config} ({_OVER_IT}): {error}") from None
    return _of_account(of_file, name, flags)


def load_every_account(config: Path, **flags: object) -> list[Settings]:
    """The same for each account, by name, whichever ACCOUNT_NAME says. Raises ConfigurationError."""
    of_file = _of_file(config, flags)
    return [_of_account(of_file, name, flags) for name in _names(of_file)]


def _names(of_file: Settings) -> list[str]:
    return sorted(of_file.accounts) or [of_file.account.name]


def _of_file(config: Path, flags: Mapping[str, object]) -> Settings:
    """The settings before an account is chosen."""
    if not config.is_file():
        raise ConfigurationError(f"there is no configuration file {config.absolute()}")
    check_names(read_variables(), known_keys(Settings))
    settings = _read(config, {}, flags)
    try:
        check_accounts(settings)
    except ConfigurationError as error:
        raise ConfigurationError(f"{config} ({_OVER_IT}): {error}") from None
    return settings


def _of_account(of_file: Settings, name: str, flags: Mapping[str, object]) -> Settings:
    """The settings of an account, with everything in them looked at."""
    config, settings = of_file.toml_file, of_file
    if of_file.accounts:
        settings = _read(config, sections_of(of_file, name), flags)
    settings.rules()
    if wrong := contradiction(settings):
        raise ConfigurationError(f"{config} ({_OVER_IT}): {wrong}")
    try:
        settings.session.cutoffs()
    except ValueError as error:
        raise ConfigurationError(f"{config} ({_OVER_IT}): {error}") from error
    return settings


def _read(config: Path, of_account: Mapping[str, Mapping[str, object]], flags: Mapping[str, object]) -> Settings:
    """The settings of all sources, each value possible by itself. Raises ConfigurationError."""
    file_settings = type("FileSettings", (Settings,), {"toml_file": config, "of_account": of_account})
    try:
        settings: Settings = file_settings(**flags)
    except ValidationError as error:
        raise ConfigurationError(in_words(error, file_settings, config, read_variables(), flags)) from None
    except SettingsError as error:
        raise ConfigurationError(not_json(error, file_settings, read_variables())) from None
    except tomllib.TOMLDecodeError as error:
        raise ConfigurationError(f"{config}: {error}") from None
    except (OSError, ValueError) as error:
        raise ConfigurationError(f"{config}: {type(error).__name__}: {error}") from None
    return settings
