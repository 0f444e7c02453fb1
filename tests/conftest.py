"""What holds for every test."""

import os
import signal
from collections.abc import Iterator

import pytest
from hypothesis import HealthCheck, settings
from proof.summary import Cell, summary_of

pytest.register_assert_rewrite("builders", "invariants")

_KEPT = frozenset({"TRADER_MARKET_DATA"})
_SLOW = (HealthCheck.too_slow, HealthCheck.data_too_large, HealthCheck.filter_too_much)

settings.register_profile("same", max_examples=60, derandomize=True, deadline=None, suppress_health_check=_SLOW)
settings.register_profile("deep", max_examples=1500, deadline=None, print_blob=True, suppress_health_check=_SLOW)
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "same"))
"""The same examples every time; HYPOTHESIS_PROFILE=deep looks for new ones."""


@pytest.fixture(autouse=True)
def _signals_are_left_as_they_were() -> Iterator[None]:
    """The command of the daemon ignores what comes after its end, and is tested in this process: whoever is begun
    later would inherit that, and could not be ended."""
    before = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}
    yield
    for number, handler in before.items():
        signal.signal(number, handler)


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Say what tests have measured, also those of other processes; of the proof's cells all together."""
    cells: list[Cell] = []
    for report in [*terminalreporter.getreports("passed"), *terminalreporter.getreports("failed")]:
        for name, value in report.user_properties:
            if name == "cell":
                cells.append(value)
            elif report.passed:
                terminalreporter.write_line(f"{name}: {value}")
    if cells:
        for line in summary_of(cells):
            terminalreporter.write_line(line)


def pytest_addoption(parser: pytest.Parser) -> None:
    """What a normal run leaves out."""
    parser.addoption("--everything", action="store_true", help="every cell of the proof and every planted bug")


def pytest_configure() -> None:
    """A developer's own configuration must not reach a test: only the place of real market data stays."""
    for name in [name for name in os.environ if name.startswith("TRADER_") and name not in _KEPT]:
        del os.environ[name]
