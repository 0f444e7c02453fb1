"""A pytest plugin: our adapter finds ib_async and no ib_insync, as where only the one is installed."""

import sys

import pytest

sys.modules["ib_insync"] = None  # type: ignore[assignment]  # an import of it fails


def pytest_sessionstart() -> None:
    """The fall-back would hide a mistake in all this."""
    from trader.adapters.ibkr.client_library import Client

    if not Client.__module__.startswith("ib_async."):
        pytest.exit(f"the adapter is on {Client.__module__}, not on ib_async", returncode=1)
