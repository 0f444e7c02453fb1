"""The configuration: TOML file < .env < environment < flags. Frozen, unknown keys are errors; ends at the wiring.

Units are a person's here (percent, dollars, minutes) and the domain's behind `rules()`, `costs()` and `families()`.
"""

import tomllib
from collections.abc import Mapping
from datetime import date, time
from pathlib import Path
from typing import Annotated, ClassVar, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ValidationError
from pydantic_settings import (
    BaseSettings,
    PydanticBaseSettingsSource,
    SettingsConfigDict,
    SettingsError,
    TomlConfigSettingsSource,
)

from trader.app.faults import in_words, known_keys, not_json
from trader.app.interlocks import contradiction
from trader.app.variables import DOT_ENV, PREFIX, check_names, read_variables
from trader.domain.errors import ConfigurationError
from trader.domain.exit_plan import ExitRule
from trader.domain.family import Families
from trader.domain.market import SYMBOL
from trader.domain.money import micros, percent_ppm
from trader.domain.rules import Costs, Limits, Protection, Rules, Thresholds
from trader.domain.session import Cutoffs

Percent = Annotated[float, Field(ge=0, le=100_000, allow_inf_nan=False)]
Dollars = Annotated[float, Field(ge=0, le=1e12, allow_inf_nan=False)]
Count = Annotated[int, Field(ge=0, le=1_000_000)]
Seconds = Annotated[int, Field(ge=1, le=86_400)]

_OVER_IT = "with .env, environment and flags over it"

ACCOUNT_NAME = r"^[a-z][a-z0-9-]{0,11}$"
IB_ACCOUNT = r"^([A-Z]{1,3}[0-9]{4,10})?$"


class _Section(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True)


class AccountSection(_Section):
    """Whose money."""

    name: Annotated[str, Field(pattern=ACCOUNT_NAME)] = "paper"
    starting_cash: Dollars = 100_000.0
    settled_cash_only: bool = False

    @property
    def starting_cash_micros(self) -> int:
        """What a book begins with where no broker is asked."""
        return micros(self.starting_cash)


class BookSection(_Section):
    """Where it is written down."""

    db: Path = Path("trading_data.db")
    backups: Path = Path("backups")
    backups_kept: Annotated[int, Field(ge=1, le=1000)] = 14

    @property
    def halt_file(self) -> Path:
        """A file of this name beside the book stops entries, whatever it holds."""
        return self.db.with_name("HALT")


class LogSection(_Section):
    """Where it is said."""

    file: Path = Path("robo_trader.log")
    level: Literal["DEBUG", "INFO", "WARNING", "ERROR"] = "INFO"
    rotation: str = "50 MB"
    retention: str = "30 days"


class FeedSection(_Section):
    """Where bars and signals come from."""

    kind: Literal["simulated", "ibkr"] = "simulated"
    symbols: tuple[Annotated[str, Field(pattern=f"^{SYMBOL.pattern}$")], ...] = ()
    seed: Annotated[int, Field(ge=0, lt=2**63)] = 7
    speed: Annotated[float, Field(ge=0, le=1e6, allow_inf_nan=False)] = 120.0
    inbox: str = ""


class BrokerSection(_Section):
    """Where orders go."""

    kind: Literal["paper", "ibkr"] = "paper"


class IbkrSection(_Section):
    """Where TWS or IB Gateway listens, and whose account it is. The protocol is in clear text: this host alone."""

    host: Literal["127.0.0.1", "localhost", "::1"] = "127.0.0.1"
    port: Annotated[int, Field(ge=1, le=65_535)] = 4002
    port_is: Literal["", "paper", "live"] = ""
    client_id: Annotated[int, Field(ge=1, le=999_999)] = 17
    account: Annotated[str, Field(pattern=IB_ACCOUNT)] = ""
    connect_s: Seconds = 30


class StrategySection(_Section):
    """Which strategy, with which parameters."""

    entry: Annotated[str, Field(pattern=r"^[A-Za-z_][\w.]*:[A-Za-z_]\w*$")] = (
        "trader.pipeline.strategies.momentum:Momentum"
    )
    params: dict[str, str | int | float | bool] = Field(default_factory=dict)


class FamiliesSection(_Section):
    """Which instruments move together."""

    file: Path = Path("families.toml")


class ThresholdsSection(_Section):
    """Probabilities at which instruments are entered and left."""

    enter_1x: float = 0.75
    enter_3x: float = 0.90
    leave_1x: float = 0.60
    leave_3x: float = 0.80


class LimitsSection(_Section):
    """Where entries stop."""

    position_pct: Percent = 15.0
    order_notional: Dollars = 250_000
    gross_pct: Percent = 100.0
    family_pct: Percent = 40.0
    cash_reserve_pct: Percent = 2.0
    minimum_notional: Dollars = 500
    cash_tolerance: Dollars = 25.0
    open_positions: Count = 6
    openings_per_day: Count = 200
    max_day_trades_5d: Count | None = None
    daily_notional_pct: Percent = 3000.0
    day_loss_pct: Percent = 3.0
    collar_pct: Percent = 5.0
    limit_offset_pct: Percent = 0.5
    stale_price_s: Seconds = 120
    orders_per_minute: Count = 60
    resize_pct: Percent = 25.0

    def limits(self) -> Limits:
        """The domain's limits."""
        return Limits(
            position_ppm=percent_ppm(self.position_pct),
            order_notional_micros=micros(self.order_notional),
            gross_ppm=percent_ppm(self.gross_pct),
            family_ppm=percent_ppm(self.family_pct),
            cash_reserve_ppm=percent_ppm(self.cash_reserve_pct),
            minimum_notional_micros=micros(self.minimum_notional),
            cash_tolerance_micros=micros(self.cash_tolerance),
            open_positions=self.open_positions,
            openings_per_day=self.openings_per_day,
            max_day_trades_5d=self.max_day_trades_5d,
            daily_notional_ppm=percent_ppm(self.daily_notional_pct),
            day_loss_ppm=percent_ppm(self.day_loss_pct),
            collar_ppm=percent_ppm(self.collar_pct),
            limit_offset_ppm=percent_ppm(self.limit_offset_pct),
            stale_price_s=self.stale_price_s,
            orders_per_minute=self.orders_per_minute,
            resize_ppm=percent_ppm(self.resize_pct),
        )


class ExitDistances(_Section):
    """Distances from entry for leverage 1, percent; and how long a position may be held, also overnight."""

    stop_pct: Annotated[float, Field(gt=0, lt=30)] = 1.4
    take_profit_pct: Annotated[float, Field(gt=0, lt=1000)] = 2.1
    trailing_pct: Annotated[float, Field(ge=0, lt=30)] = 0.0
    time_stop_min: Annotated[int, Field(ge=0, le=10_000)] = 0
    overnight: bool = False

    def rule(self) -> ExitRule:
        """The domain's exit rule."""
        return ExitRule(
            stop_ppm=percent_ppm(self.stop_pct),
            take_profit_ppm=percent_ppm(self.take_profit_pct),
            trailing_ppm=percent_ppm(self.trailing_pct),
            time_stop_s=self.time_stop_min * 60,
            overnight=self.overnight,
        )


def _by_symbol(table: object) -> object:
    """Symbols in capitals: the names of variables lose theirs on the way."""
    return {str(symbol).upper(): entry for symbol, entry in table.items()} if isinstance(table, dict) else table


class ExitsSection(ExitDistances):
    """Exit distances, also by symbol: `[exits.symbols.TQQQ]`; who watches them; and how long entries go on without."""

    protection: Protection = Protection.DAEMON
    scan_patience_s: Seconds = 10
    symbols: Annotated[dict[str, ExitDistances], BeforeValidator(_by_symbol)] = Field(default_factory=dict)


def _closed_or_time(close: object) -> object:
    """A number would be taken for seconds, and a zone would be taken away."""
    if close == "closed" or (isinstance(close, time) and close.tzinfo is None):
        return close
    if isinstance(close, str) and (at := time.fromisoformat(close)).tzinfo is None:
        return at
    raise ValueError("neither closed nor a New York time")


class SessionSection(_Section):
    """Cut-offs in minutes before the close, and closures the calendar does not know: `2025-01-09 = "closed"`."""

    entries_stop_min: Annotated[int, Field(ge=1, le=240)] = 15
    flatten_min: Annotated[int, Field(ge=1, le=240)] = 10
    flat_by_min: Annotated[int, Field(ge=1, le=240)] = 5
    overrides: dict[date, Annotated[Literal["closed"] | time, BeforeValidator(_closed_or_time)]] = Field(
        default_factory=dict
    )

    def cutoffs(self) -> Cutoffs:
        """The domain's cut-offs."""
        return Cutoffs(
            entries_stop_min=self.entries_stop_min, flatten_min=self.flatten_min, flat_by_min=self.flat_by_min
        )

    def calendar_overrides(self) -> Mapping[date, time | None]:
        """Closures as None, early closes as New York times."""
        return {day: None if close == "closed" else close for day, close in self.overrides.items()}


class SignalsSection(_Section):
    """What is believed of a signal."""

    max_age_s: Seconds = 60
    per_bar: Annotated[int, Field(ge=1, le=100_000)] = 200
    entry_timeout_s: Seconds = 60


class CostsSection(_Section):
    """Costs of the paper broker."""

    per_share: Dollars = 0.005
    minimum: Dollars = 1.0
    maximum_pct: Percent = 1.0
    slippage_pct: Percent = 0.01

    def costs(self) -> Costs:
        """The domain's costs."""
        return Costs(
            per_share_micros=micros(self.per_share),
            minimum_micros=micros(self.minimum),
            maximum_ppm=percent_ppm(self.maximum_pct),
            slippage_ppm=percent_ppm(self.slippage_pct),
        )


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

    mode: Literal["simulated", "paper", "live"] = "simulated"
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
    session: SessionSection = SessionSection()
    signals: SignalsSection = SignalsSection()
    costs: CostsSection = CostsSection()

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """Flags win over the environment, which wins over .env, which wins over the file."""
        del file_secret_settings
        toml = TomlConfigSettingsSource(settings_cls, cls.toml_file)
        return init_settings, env_settings, dotenv_settings, toml

    def rules(self) -> Rules:
        """The domain's rules. Raises ConfigurationError where settings contradict one another."""
        try:
            return Rules(
                thresholds=Thresholds(**self.thresholds.model_dump()),
                limits=self.limits.limits(),
                exits=self.exits.rule(),
                exits_by_symbol={symbol: distances.rule() for symbol, distances in self.exits.symbols.items()},
                protection=self.exits.protection,
                signal_max_age_s=self.signals.max_age_s,
                signals_per_bar=self.signals.per_bar,
                entry_timeout_s=self.signals.entry_timeout_s,
                exit_scan_patience_s=self.exits.scan_patience_s,
                settled_cash_only=self.account.settled_cash_only,
            )
        except ValueError as error:
            raise ConfigurationError(f"{self.toml_file} ({_OVER_IT}): {error}") from error

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
                if not SYMBOL.fullmatch(symbol):
                    raise ConfigurationError(f"{path}: [{name}] has {symbol!r}, which is no symbol such as TQQQ")
        try:
            return Families.of(table)
        except ValueError as error:
            raise ConfigurationError(f"{path}: {error}") from error


def load_settings(config: Path, **flags: object) -> Settings:
    """Read a configuration file with .env, environment and flags over it. Raises ConfigurationError."""
    if not config.is_file():
        raise ConfigurationError(f"there is no configuration file {config.absolute()}")
    variables = read_variables()
    check_names(variables, known_keys(Settings))
    file_settings = type("FileSettings", (Settings,), {"toml_file": config})
    try:
        settings: Settings = file_settings(**flags)
    except ValidationError as error:
        raise ConfigurationError(in_words(error, file_settings, config, variables, flags)) from None
    except SettingsError as error:
        raise ConfigurationError(not_json(error, file_settings, variables)) from None
    except tomllib.TOMLDecodeError as error:
        raise ConfigurationError(f"{config}: {error}") from None
    except (OSError, ValueError) as error:
        raise ConfigurationError(f"{config}: {type(error).__name__}: {error}") from None
    settings.rules()
    if wrong := contradiction(settings):
        raise ConfigurationError(f"{config} ({_OVER_IT}): {wrong}")
    try:
        settings.session.cutoffs()
    except ValueError as error:
        raise ConfigurationError(f"{config} ({_OVER_IT}): {error}") from error
    return settings
