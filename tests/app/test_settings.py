"""What is set is what counts: every setting of the limits reaches the domain, in the domain's unit."""

from collections.abc import Callable
from dataclasses import fields

import pytest
from builders import CONFIGURATION

from trader.app.sections import LimitsSection
from trader.app.settings import load_settings
from trader.domain.exit_plan import ExitRule
from trader.domain.money import micros, percent_ppm
from trader.domain.rules import Limits, Rules

UNITS: dict[str, tuple[str, Callable[[float], int]]] = {"_pct": ("_ppm", percent_ppm), "_s": ("_s", int), "": ("", int)}
DOLLARS = {"order_notional", "minimum_notional", "cash_tolerance"}


def rules(**sections: object) -> Rules:
    return load_settings(CONFIGURATION, **sections).rules()


@pytest.mark.parametrize("name", LimitsSection.model_fields)
def test_a_limit_that_is_set_is_the_one_limit_that_changes(name: str) -> None:
    suffix = next(suffix for suffix in UNITS if name.endswith(suffix))
    domain_suffix, converted = ("_micros", micros) if name in DOLLARS else UNITS[suffix]
    before, after = rules().limits, rules(limits={name: 17}).limits
    changed = {field.name for field in fields(Limits) if getattr(before, field.name) != getattr(after, field.name)}
    assert changed == {name.removesuffix(suffix) + domain_suffix}
    assert getattr(after, *changed) == converted(17)


def test_the_rest_of_the_rules_is_what_was_set() -> None:
    changed = rules(
        signals={"max_age_s": 17, "per_bar": 18, "entry_timeout_s": 19},
        account={"settled_cash_only": True},
        exits={"stop_pct": 1.7, "take_profit_pct": 1.8, "symbols": {"TQQQ": {"stop_pct": 2.7, "take_profit_pct": 2.8}}},
    )
    assert (changed.signal_max_age_s, changed.signals_per_bar, changed.entry_timeout_s) == (17, 18, 19)
    assert changed.settled_cash_only
    assert changed.exit_rule("QQQ") == ExitRule(stop_ppm=17_000, take_profit_ppm=18_000)
    assert changed.exit_rule("TQQQ") == ExitRule(stop_ppm=27_000, take_profit_ppm=28_000)
