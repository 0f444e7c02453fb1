"""Asking the running daemon by its socket, and showing what it answers."""

import getpass
import os
from typing import TYPE_CHECKING, NamedTuple

import typer

from trader.app.cli.output import Exit, complain, is_terminal, say, show_facts

if TYPE_CHECKING:  # reading the configuration costs a quarter of a second; commands do it when they run
    from trader.adapters.control import Answer
    from trader.app.settings import Settings


class Asking(NamedTuple):
    """An operator's command, and the way in which its answer is shown."""

    name: str
    settings: "Settings"
    as_json: bool

    def ask(self, **request: object) -> None:
        """Ask the daemon and show what it answers. Ends with an exit code when that is a refusal."""
        answer = ask_daemon(self.settings, {"ask": self.name, **request})
        if "error" in answer:
            complain(f"trader: {answer['error']}")
            self.refuse(str(answer["error"]), to_person=False)
        elif answer.get("refused"):
            self.refuse(str(answer["message"]))
        else:
            self._show(str(answer["message"]), accepted=True)

    def refuse(self, why: str, *, to_person: bool = True) -> None:
        """Show why nothing was done, to a person unless that was said already, and end."""
        if to_person or self.as_json or not is_terminal():
            self._show(why, accepted=False)
        raise typer.Exit(Exit.REFUSED)

    def _show(self, answer: str, *, accepted: bool) -> None:
        """Words for a person; for a program the same with its keys."""
        if is_terminal() and not self.as_json:
            say(answer)
        else:
            show_facts({"command": self.name, "accepted": accepted, "answer": answer}, as_json=self.as_json)


def ask_daemon(settings: "Settings", request: dict[str, object]) -> "Answer":
    """Ask the daemon of this book and account; who asks goes with it. A request it did not obey has an `error`."""
    from trader.adapters.control import DaemonDown, ask, socket_path
    from trader.app.standing import runs_silently

    path = socket_path(settings.book.db, settings.account.name)
    try:
        answer = ask(path, {"operator": operator_name(), **request})
    except DaemonDown as down:
        raise DaemonDown(runs_silently(settings.book.db, settings.account.name) or str(down)) from None
    if not answer.pop("ok", False):
        answer.setdefault("error", "refused")
    return answer


def operator_name() -> str:
    """The user's name; a container's user may have none."""
    try:
        return getpass.getuser()
    except (KeyError, OSError):
        return f"uid {os.getuid()}"
