"""The sections of the configuration: what may be said in each, and its bounds.

Units are a person's here (percent, dollars, minutes), and the domain's behind `rules()`, `limits()`, `costs()`.
"""

from collections.abc import Mapping
from datetime import date, time
from pathlib import Path
from types import NoneType, UnionType
from typing import Annotated, Literal, Union, get_args, get_origin

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    SecretStr,
    ValidationInfo,
    field_validator,
)
from pydantic_core import PydanticKnownError

from trader.domain.alarm import SILENT, AlarmType, Telling
from trader.domain.breaker import KINDS, Breaker, BreakerRule
from trader.domain.exit_plan import ExitRule
from trader.domain.money import PREMIUM_TICKS, micros, percent_ppm
from trader.domain.rules import Costs, Limits, OptionRules, Protection
from trader.domain.session import Cutoffs
from trader.domain.symbol import is_option, read_symbol

Percent = Annotated[float, Field(ge=0, le=100_000, allow_inf_nan=False)]
Dollars = Annotated[float, Field(ge=0, le=1e12, allow_inf_nan=False)]
Count = Annotated[int, Field(ge=0, le=1_000_000)]
Seconds = Annotated[int, Field(ge=1, le=86_400)]

_NO_SUCH: dict[type[float], Literal["bool_type", "int_type", "float_type"]] = {
    bool: "bool_type",
    int: "int_type",
    float: "float_type",
}


def _of_an_option(text: str) -> str:
    symbol = read_symbol(text)
    if not is_option(symbol):
        raise ValueError(f"{symbol!a} is no option; its exits are set in exits.symbols")
    return symbol


def _of_shares(text: str) -> str:
    symbol = read_symbol(text)
    if is_option(symbol):
        raise ValueError(f"{symbol!a} is an option; its exits are set in options.symbols")
    return symbol


Symbol = Annotated[str, AfterValidator(read_symbol)]
ShareSymbol = Annotated[str, AfterValidator(_of_shares)]
OptionSymbol = Annotated[str, AfterValidator(_of_an_option)]

ACCOUNT_NAME = r"^[a-z][a-z0-9-]{0,11}$"
IB_ACCOUNT = r"^([A-Z]{1,3}[0-9]{4,10})?$"


class _Section(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True)

    @field_validator("*", mode="before")
    @classmethod
    def _is_of_its_kind(cls, value: object, about: ValidationInfo) -> object:
        """Without it `port = true` would be port 1, `connect_s = 30.0` thirty, and `overnight = 1` true. Texts are
        read: variables have nothing else."""
        wanted = _number_or_flag(cls.model_fields[about.field_name or ""].annotation)
        if wanted is not None and isinstance(value, bool | int | float) and not _fits(value, wanted):
            raise PydanticKnownError(_NO_SUCH[wanted])
        return value


def _number_or_flag(annotation: object) -> type[float] | None:
    """What a setting is by its annotation, also one that need not be set: a bool, an int, a float; None otherwise."""
    if get_origin(annotation) in (Union, UnionType):
        annotation = next(each for each in get_args(annotation) if each is not NoneType)
    if get_origin(annotation) is Annotated:
        annotation = get_args(annotation)[0]
    return next((kind for kind in _NO_SUCH if annotation is kind), None)


def _fits(value: float, wanted: type[float]) -> bool:
    """Whether one may stand for the other: a whole number for any number, and nothing else but its own kind."""
    return type(value) is wanted or (wanted is float and type(value) is int)


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
    symbols: tuple[Symbol, ...] = ()
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
    """Which strategy, with which parameters, and what its process may take."""

    entry: Annotated[str, Field(pattern=r"^[A-Za-z_][\w.]*:[A-Za-z_]\w*$")] = (
        "trader.pipeline.strategies.momentum:Momentum"
    )
    params: dict[str, str | int | float | bool] = Field(default_factory=dict)
    deadline_s: Annotated[float, Field(ge=0.01, le=60)] = 1.0
    start_s: Seconds = 30
    memory_mb: Annotated[int, Field(ge=0, le=1_000_000)] = 2048

    @property
    def name(self) -> str:
        """The source of its signals: its class."""
        return self.entry.rpartition(":")[2]


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
    creations_per_hour: Count = 40
    regular_creations: Annotated[int, Field(ge=2, le=1_000_000)] = 5
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
            creations_per_hour=self.creations_per_hour,
            regular_creations=self.regular_creations,
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
    symbols: Annotated[dict[ShareSymbol, ExitDistances], BeforeValidator(_by_symbol)] = Field(default_factory=dict)


def _closed_or_time(close: object) -> object:
    """A number would be taken for seconds, and a zone would be taken away."""
    if close == "closed" or (isinstance(close, time) and close.tzinfo is None):
        return close
    if isinstance(close, str) and (at := time.fromisoformat(close)).tzinfo is None:
        return at
    raise ValueError("neither closed nor a New York time")


class OptionDistances(_Section):
    """Distances from entry, percent of the premium; how long an option may be held, and how near to its expiry."""

    stop_pct: Annotated[float, Field(gt=0, lt=100)] = 50.0
    take_profit_pct: Annotated[float, Field(gt=0, lt=10_000)] = 100.0
    trailing_pct: Annotated[float, Field(ge=0, lt=100)] = 0.0
    time_stop_min: Annotated[int, Field(ge=0, le=100_000)] = 0
    days_to_expiry: Annotated[int, Field(ge=0, le=3_650)] = 1
    overnight: bool = False

    def rule(self) -> ExitRule:
        """The domain's exit rule."""
        return ExitRule(
            stop_ppm=percent_ppm(self.stop_pct),
            take_profit_ppm=percent_ppm(self.take_profit_pct),
            trailing_ppm=percent_ppm(self.trailing_pct),
            time_stop_s=self.time_stop_min * 60,
            overnight=self.overnight,
            days_to_expiry=self.days_to_expiry,
            ticks=PREMIUM_TICKS,
        )


class OptionsSection(OptionDistances):
    """Exits of options, also by symbol: `[options.symbols.QQQ261218C00500000]`; and what of their limits differs."""

    position_pct: Percent = 2.0
    collar_pct: Percent = 50.0
    limit_offset_pct: Percent = 5.0
    minimum_premium: Annotated[float, Field(ge=0.1, le=10_000, allow_inf_nan=False)] = 0.1
    symbols: Annotated[dict[OptionSymbol, OptionDistances], BeforeValidator(_by_symbol)] = Field(default_factory=dict)

    def rules(self) -> OptionRules:
        """The domain's rules of options."""
        return OptionRules(
            exits=self.rule(),
            position_ppm=percent_ppm(self.position_pct),
            collar_ppm=percent_ppm(self.collar_pct),
            limit_offset_ppm=percent_ppm(self.limit_offset_pct),
            minimum_price_micros=micros(self.minimum_premium),
        )


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
    per_contract: Dollars = 0.65
    minimum: Dollars = 1.0
    maximum_pct: Percent = 1.0
    slippage_pct: Percent = 0.01

    def costs(self) -> Costs:
        """The domain's costs."""
        return Costs(
            per_share_micros=micros(self.per_share),
            per_contract_micros=micros(self.per_contract),
            minimum_micros=micros(self.minimum),
            maximum_ppm=percent_ppm(self.maximum_pct),
            slippage_ppm=percent_ppm(self.slippage_pct),
        )


class DashboardSection(_Section):
    """The pages that the daemon serves on this host, by a process of its own."""

    enabled: bool = False
    port: Annotated[int, Field(ge=1024, le=65_535)] = 8787


class BreakerSection(_Section):
    """One breaker. What is left out has the breaker's own default."""

    enabled: bool = True
    limit: Annotated[float, Field(ge=0, le=1e9, allow_inf_nan=False)] | None = None
    within_s: Seconds | None = None
    action: Literal["stop_entries", "flatten"] = "stop_entries"

    def rule(self, breaker: Breaker) -> BreakerRule:
        """The domain's rule. Raises ValueError for what this breaker does not have."""
        kind = KINDS[breaker]
        if self.limit is not None and kind.of_limits:
            raise ValueError(f"breakers.{breaker} has no limit of its own; set limits.{kind.of_limits}")
        if self.within_s is not None and not kind.within_s:
            raise ValueError(f"breakers.{breaker} has no within_s")
        limit = kind.limit if self.limit is None else self.limit
        if limit == 0 and kind.trips_when == ">=":
            raise ValueError(f"breakers.{breaker}: limit = 0 would trip at once; enabled = false switches it off")
        return BreakerRule(
            limit, self.within_s or kind.within_s, enabled=self.enabled, flattens=self.action == "flatten"
        )


class BreakersSection(_Section):
    """What stops entries by itself, and stays until a person clears it: `[breakers.drawdown]`."""

    audit: BreakerSection = BreakerSection()
    day_loss: BreakerSection = BreakerSection()
    drawdown: BreakerSection = BreakerSection()
    losses_in_a_row: BreakerSection = BreakerSection()
    trades: BreakerSection = BreakerSection()
    costs: BreakerSection = BreakerSection()
    order_rate: BreakerSection = BreakerSection()
    rejects_in_a_row: BreakerSection = BreakerSection()
    repeated_execution: BreakerSection = BreakerSection()
    creations_per_hour: BreakerSection = BreakerSection()
    regular_creations: BreakerSection = BreakerSection()
    stale_data: BreakerSection = BreakerSection()
    price_jump: BreakerSection = BreakerSection()
    reconciliation: BreakerSection = BreakerSection()
    cash_reconciliation: BreakerSection = BreakerSection()
    unknown_order: BreakerSection = BreakerSection()
    exceptions: BreakerSection = BreakerSection()
    loop_lag: BreakerSection = BreakerSection()
    disk_space: BreakerSection = BreakerSection()
    clock_skew: BreakerSection = BreakerSection()
    clock_jump: BreakerSection = BreakerSection()
    exit_scanner: BreakerSection = BreakerSection()
    book_writer: BreakerSection = BreakerSection()
    alarm_delivery: BreakerSection = BreakerSection()

    def rules(self) -> Mapping[Breaker, BreakerRule]:
        """The domain's rules. Raises ValueError."""
        return {breaker: self._section(breaker).rule(breaker) for breaker in Breaker}

    def _section(self, breaker: Breaker) -> BreakerSection:
        section = getattr(self, breaker.value)
        assert isinstance(section, BreakerSection)  # noqa: S101  (every breaker is a field, and every field is one)
        return section


class VersionSection(_Section):
    """What happens while what runs is not what lies on the disk."""

    stops_entries: bool = True


class AlarmsSection(_Section):
    """Who is told of alarms, by what, and of which; of every account."""

    urls: SecretStr | None = None
    urls_file: str = ""
    command: tuple[str, ...] = ()
    deadline_s: Annotated[int, Field(ge=1, le=300)] = 20
    types: dict[AlarmType, Telling] = Field(default_factory=dict)

    def urls_path(self) -> Path | None:
        """The file of addresses, absolute, or None."""
        return Path(self.urls_file).absolute() if self.urls_file else None

    def told(self, telling: Telling) -> frozenset[AlarmType]:
        """The types that are told in this way."""
        default = {type_: Telling.SILENT if type_ in SILENT else Telling.ON for type_ in AlarmType}
        return frozenset(type_ for type_, how in {**default, **self.types}.items() if how is telling)


class DeclaredAccount(_Section):
    """One account of several: its money, and what of the sections is another for it alone."""

    starting_cash: Dollars = 100_000.0
    settled_cash_only: bool = False
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
    signals: SignalsSection = SignalsSection()
    costs: CostsSection = CostsSection()
    breakers: BreakersSection = BreakersSection()
    version: VersionSection = VersionSection()
    dashboard: DashboardSection = DashboardSection()
