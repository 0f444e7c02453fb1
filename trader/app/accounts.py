"""Which of the accounts a run is for: several may be declared in one configuration, each as `[accounts.NAME]`.

Rule 1: `ACCOUNT_NAME` says which; it may be unset only when exactly one is configured. A name that is not known starts
nothing. `[account]` without `[accounts.NAME]` is the case of exactly one.
Rule 2: what is declared of an account goes over the file's sections; .env, environment and flags go over both.
Rule 3: each has a book and a log of its own, the file's with its name in theirs, unless a path is given for it alone:
two that are given the same book share it. No two share a log, an account of the broker's, or a client id at one port.
"""

import os
from collections.abc import Callable, Collection, Hashable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from trader.domain.errors import ConfigurationError
from trader.domain.spelling import did_you_mean

if TYPE_CHECKING:
    from trader.app.sections import DeclaredAccount
    from trader.app.settings import Settings

_OF_THE_ACCOUNT = ("starting_cash", "settled_cash_only")
"""Keys that stand in the section `account` of a run."""


def choose(known: Collection[str], asked: str) -> str:
    """The account that is meant. Raises ConfigurationError, which lists those that are known."""
    names = ", ".join(sorted(known))
    if asked and asked not in known:
        raise ConfigurationError(
            f"ACCOUNT_NAME is {asked!r}, and no account of that name is configured{did_you_mean(asked, known)} "
            f"(configured: {names})"
        )
    if not asked and len(known) != 1:
        raise ConfigurationError(
            f"ACCOUNT_NAME is not set, and several accounts are configured: {names}; say which one is meant, as in "
            f"ACCOUNT_NAME={min(known)} ./START_TRADER.sh"
        )
    return asked or next(iter(known))


def sections_of(settings: "Settings", name: str) -> dict[str, dict[str, object]]:
    """What is declared of an account, as sections of a configuration; `settings` are the file's. With its paths."""
    declared: dict[str, object] = settings.accounts[name].model_dump(exclude_unset=True)
    account = {key: declared.pop(key) for key in _OF_THE_ACCOUNT if key in declared}
    sections = {key: dict(section) for key, section in declared.items() if isinstance(section, Mapping)}
    sections["account"] = {**account, "name": name}
    sections.setdefault("book", {}).setdefault("db", _with_name(settings.book.db, name))
    sections.setdefault("log", {}).setdefault("file", _with_name(settings.log.file, name))
    return sections


def check_accounts(settings: "Settings") -> None:
    """Raise ConfigurationError where declared accounts contradict one another."""
    if not settings.accounts:
        return
    if "name" in settings.account.model_fields_set:
        raise ConfigurationError(
            f"account.name is {settings.account.name!r}, and accounts are declared as [accounts.NAME] "
            f"({', '.join(sorted(settings.accounts))}); leave account.name out: ACCOUNT_NAME says which one is meant"
        )
    for name in settings.accounts:
        _check_log(settings, name)
    _no_two(settings, "ibkr.account", lambda one: _at_the_broker(settings, one))
    _no_two(settings, "ibkr.port and ibkr.client_id", lambda one: _client(settings, one))


def _check_log(settings: "Settings", name: str) -> None:
    """Raise ConfigurationError where an account would write its log into a neighbour's, or into a neighbour's book."""
    own = Path(os.path.realpath(str(sections_of(settings, name)["log"]["file"])))
    for other in settings.accounts:
        sections = sections_of(settings, other)
        neighbours = Path(os.path.realpath(str(sections["log"]["file"])))
        book = Path(os.path.realpath(str(sections["book"]["db"])))
        if other != name and own == neighbours:
            raise ConfigurationError(f"accounts.{other} and accounts.{name} have the same log.file; give each its own")
        if own.parent == book.parent and own.name.startswith(book.name):
            raise ConfigurationError(
                f"the log.file of accounts.{name}, {own}, is the book of accounts.{other} or a part of it; give the "
                "log a file of its own"
            )


def _no_two(settings: "Settings", what: str, of: "Callable[[DeclaredAccount], Hashable]") -> None:
    """Of what each has to have its own; None is nothing."""
    seen: dict[Hashable, str] = {}
    for name, declared in settings.accounts.items():
        value = of(declared)
        if value is not None and value in seen:
            raise ConfigurationError(
                f"accounts.{seen[value]} and accounts.{name} have the same {what}; give each its own"
            )
        seen[value] = name


def _at_the_broker(settings: "Settings", declared: "DeclaredAccount") -> str | None:
    """The broker's account that its orders go to; one that stands in the file for all is that of each."""
    broker = declared.broker if "kind" in declared.broker.model_fields_set else settings.broker
    return declared.ibkr.account or (settings.ibkr.account if broker.kind == "ibkr" else "") or None


def _client(settings: "Settings", declared: "DeclaredAccount") -> tuple[int, int] | None:
    """Where it connects to, and as whom; IB ends the older of two connections of one client id."""
    feed = declared.feed if "kind" in declared.feed.model_fields_set else settings.feed
    if feed.kind != "ibkr":
        return None
    ibkr = settings.ibkr.model_copy(update=declared.ibkr.model_dump(exclude_unset=True))
    return ibkr.port, ibkr.client_id


def without_name(path: Path, name: str) -> Path:
    """What the file is called where there is one account; the inverse of what several have."""
    return path.with_name(f"{path.stem.removesuffix(f'-{name}')}{path.suffix}")


def _with_name(path: Path, name: str) -> Path:
    """The same file of an account. Not with a dot: the log's own ending and name are how old logs are found."""
    return path.with_name(f"{path.stem}-{name}{path.suffix}")
