"""What may be asked of the daemon from a page: the same requests as the command line's, by the same socket."""

from collections.abc import Mapping
from http import HTTPStatus
from typing import NamedTuple

from trader.adapters.control import DaemonDown, NoAnswer
from trader.app.cli.asking import ask_daemon
from trader.app.settings import Settings
from trader.domain.breaker import KINDS, Breaker

COMMANDS = ("halt", "resume", "flatten", "acknowledge")
CONFIRMATION = "FLATTEN"
_KEYS = ("reason", "scope", "target", "breaker")


class Said(NamedTuple):
    """The answer to a command."""

    status: HTTPStatus
    body: Mapping[str, str]


def command(settings: Settings, name: str, typed: object) -> Said:
    """Ask the daemon. What it does not accept changes nothing."""
    if not isinstance(typed, Mapping):
        return _no(HTTPStatus.BAD_REQUEST, "a command is a JSON object with a reason")
    if name == "flatten" and typed.get("confirmation") != CONFIRMATION:
        return _no(HTTPStatus.BAD_REQUEST, f"nothing was done: to close everything the confirmation is {CONFIRMATION}")
    wrong = [key for key in _KEYS if key in typed and not isinstance(typed[key], str)]
    if wrong:
        return _no(HTTPStatus.BAD_REQUEST, f"{wrong[0]} has to be a text")
    alarms = typed.get("alarms", [])
    if not isinstance(alarms, list) or not all(type(number) is int for number in alarms):
        return _no(HTTPStatus.BAD_REQUEST, "alarms has to be a list of their numbers")
    request = {"ask": name, "alarms": alarms, **{key: typed[key] for key in _KEYS if key in typed}}
    if typed.get("breaker") in set(Breaker) and typed.get("target") and "scope" not in typed:
        request["scope"] = KINDS[Breaker(str(typed["breaker"]))].scope.value
    try:
        answer = ask_daemon(settings, request)
    except (DaemonDown, NoAnswer) as error:
        return _no(HTTPStatus.SERVICE_UNAVAILABLE, str(error))
    if "error" in answer:
        return _no(HTTPStatus.BAD_REQUEST, str(answer["error"]))
    if answer.get("refused"):
        return _no(HTTPStatus.CONFLICT, str(answer["message"]))
    return Said(HTTPStatus.OK, {"message": str(answer["message"])})


def _no(status: HTTPStatus, why: str) -> Said:
    return Said(status, {"error": why})
