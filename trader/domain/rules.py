"""What the operator may set: thresholds, limits, exits. Plain values; their defaults are the product's defaults."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import timedelta
from enum import StrEnum

from trader.domain.breaker import DEFAULT_BREAKERS, Breaker, BreakerRule
from trader.domain.exit_plan import ExitRule
from trader.domain.money import MICROS_PER_DOLLAR, PREMIUM_TICKS
from trader.domain.symbol import is_option

LARGEST_SKEW = timedelta(seconds=2)
"""Our clock and that of whoever stamps a time, or of the broker, may differ by so much."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Thresholds:
    """Probabilities at which an instrument is entered and left. Leave below enter is the hysteresis."""

    enter_1x: float = 0.75
    enter_3x: float = 0.90
    leave_1x: float = 0.60
    leave_3x: float = 0.80

    def __post_init__(self) -> None:
        if not 0.5 < self.leave_1x < self.enter_1x <= 1:
            raise ValueError(f"need 0.5 < leave_1x < enter_1x <= 1, not {self.leave_1x}, {self.enter_1x}")
        if not self.enter_1x <= self.enter_3x <= 1 or not self.leave_1x <= self.leave_3x < self.enter_3x:
            raise ValueError(
                "need enter_1x <= enter_3x <= 1 and leave_1x <= leave_3x < enter_3x, "
                f"not enter_3x {self.enter_3x}, leave_3x {self.leave_3x}"
            )


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """Entries stop at these; exits never do. Shares of equity in ppm, money in micros, times in seconds."""

    position_ppm: int = 150_000
    order_notional_micros: int = 250_000 * MICROS_PER_DOLLAR
    gross_ppm: int = 1_000_000
    family_ppm: int = 400_000
    cash_reserve_ppm: int = 20_000
    minimum_notional_micros: int = 500 * MICROS_PER_DOLLAR
    cash_tolerance_micros: int = 25 * MICROS_PER_DOLLAR
    """Book and broker may differ by so much cash before entries stop."""
    open_positions: int = 6
    openings_per_day: int = 200
    creations_per_hour: int = 40
    """Positions made in any hour. One more stops entries until a person resumes them."""
    regular_creations: int = 5
    """Positions of one symbol made in a row at regular intervals. One more stops entries, too."""
    max_day_trades_5d: int | None = None
    """Round trips within one session, over five sessions; what is held or working now counts as one to come."""
    daily_notional_ppm: int = 30_000_000
    day_loss_ppm: int = 30_000
    collar_ppm: int = 50_000
    """A last price further than this from the print before it needs a second print."""
    limit_offset_ppm: int = 5_000
    """How far above the last price an entry may be filled."""
    stale_price_s: int = 120
    orders_per_minute: int = 60
    resize_ppm: int = 250_000
    minimum_price_micros: int = 0
    """Nothing cheaper is bought."""


@dataclass(frozen=True, slots=True, kw_only=True)
class OptionRules:
    """What is another for options: a premium moves many times as far as its underlying."""

    exits: ExitRule = ExitRule(stop_ppm=500_000, take_profit_ppm=1_000_000, days_to_expiry=1, ticks=PREMIUM_TICKS)
    position_ppm: int = 20_000
    collar_ppm: int = 500_000
    limit_offset_ppm: int = 50_000
    minimum_price_micros: int = 2 * PREMIUM_TICKS.below_micros
    """Of a share of premium: a stop has to fit below it."""

    def __post_init__(self) -> None:
        if self.minimum_price_micros < 2 * PREMIUM_TICKS.below_micros:
            raise ValueError("options: no stop fits below a premium under 0.10; set options.minimum_premium higher")

    def limits(self, of_shares: Limits) -> Limits:
        """Limits of an option where these are those of a share."""
        return replace(
            of_shares,
            position_ppm=self.position_ppm,
            collar_ppm=self.collar_ppm,
            limit_offset_ppm=self.limit_offset_ppm,
            minimum_price_micros=self.minimum_price_micros,
        )


class Protection(StrEnum):
    """Who watches stop and target."""

    DAEMON = "daemon"
    BROKER = "broker"
    """Orders that live there, and go on when nobody runs here."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Rules:
    """Everything a decision may depend on beside the signal, the portfolio and the clock."""

    thresholds: Thresholds = Thresholds()
    limits: Limits = Limits()
    exits: ExitRule = ExitRule()
    exits_by_symbol: Mapping[str, ExitRule] = field(default_factory=dict)
    options: OptionRules = OptionRules()
    protection: Protection = Protection.DAEMON
    signal_max_age_s: int = 60
    signals_per_bar: int = 200
    """Of one strategy; the rest of a bar's signals is refused."""
    entry_timeout_s: int = 60
    exit_scan_patience_s: int = 10
    """Without a whole exit scan for so long, entries stop."""
    breakers: Mapping[Breaker, BreakerRule] = field(default_factory=lambda: DEFAULT_BREAKERS)
    version_stops_entries: bool = True
    """While what runs is not what lies on the disk."""
    settled_cash_only: bool = False
    """A cash account spends the proceeds of a sale on the next session (T+1)."""
    _option_limits: Limits = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "_option_limits", self.options.limits(self.limits))
        every = {"every symbol": self.exits, "every option": self.options.exits, **self.exits_by_symbol}
        unguarded = [name for name, rule in every.items() if rule.overnight and self.protection is Protection.DAEMON]
        if unguarded:
            raise ValueError(
                f"exits: overnight = true of {', '.join(unguarded)} needs a stop that lives at the broker: set "
                f'exits.protection = "broker"'
            )

    def exit_rule(self, symbol: str) -> ExitRule:
        """The exit distances of a symbol."""
        return self.exits_by_symbol.get(symbol) or (self.options.exits if is_option(symbol) else self.exits)

    @property
    def breaker_rules(self) -> Mapping[Breaker, BreakerRule]:
        """What is set of breakers. One that shares its limit with the decisions has theirs."""
        shared = {
            Breaker.DAY_LOSS: self.limits.day_loss_ppm / 10_000,
            Breaker.CREATIONS_PER_HOUR: float(self.limits.creations_per_hour),
            Breaker.REGULAR_CREATIONS: float(self.limits.regular_creations),
        }
        return {**self.breakers, **{name: self.breakers[name]._replace(limit=limit) for name, limit in shared.items()}}

    def limits_of(self, symbol: str) -> Limits:
        """The limits of a symbol."""
        return self._option_limits if is_option(symbol) else self.limits


@dataclass(frozen=True, slots=True, kw_only=True)
class Costs:
    """Commission of a trade; the defaults are IBKR's fixed plan for US stocks (0.005 USD a share, 1 USD at least,
    1 % of the trade's value at most) and for options (0.65 USD a contract, 1 USD at least), and slippage of the paper
    broker."""

    per_share_micros: int = 5_000
    per_contract_micros: int = 650_000
    minimum_micros: int = MICROS_PER_DOLLAR
    maximum_ppm: int = 10_000
    slippage_ppm: int = 100

    def each_micros(self, symbol: str) -> int:
        """What one more share, or contract, of a large order adds to its commission."""
        return self.per_contract_micros if is_option(symbol) else self.per_share_micros

    def commission_micros(self, symbol: str, quantity: int, price_micros: int) -> int:
        """Commission of one order executed at once."""
        if is_option(symbol):
            return max(quantity * self.per_contract_micros, self.minimum_micros)
        at_most = quantity * price_micros * self.maximum_ppm // 1_000_000
        return min(max(quantity * self.per_share_micros, self.minimum_micros), at_most)
