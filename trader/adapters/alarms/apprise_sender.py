"""The program of an Apprise channel: one message, from standard input to one service. `python -m` runs it.

Apprise is imported here alone, in a process of its own: it takes half a second and 27 MB, which no daemon that has
nothing to tell should pay. What it says of a failure may quote the URL, and so its secrets: only the kind of service is
named.
"""

import json
import sys
from collections.abc import Mapping
from urllib.parse import urlsplit

_SEVERITIES = {"info": "info", "warning": "warning", "critical": "failure"}
"""Ours -> Apprise's."""


def main() -> int:
    """Send; give 0 when the service has taken it."""
    message = json.loads(sys.stdin.readline())
    service = urlsplit(message["url"]).scheme
    try:
        why = _send(message)
    except Exception as error:  # noqa: BLE001  (what it says may quote the address)
        why = f"has failed with {type(error).__name__}"
    if why:
        sys.stderr.write(f"{service}:// {why}\n")
    return 1 if why else 0


def _send(message: Mapping[str, str]) -> str:
    """Give why the service has not taken it, or nothing."""
    import apprise

    services = apprise.Apprise()
    if not services.add(message["url"]):
        return "is no service of Apprise's, as it is written"
    taken = services.notify(
        title=message["title"],
        body=message["body"],
        notify_type=_SEVERITIES[message["severity"]],
        body_format=apprise.NotifyFormat.TEXT,
    )
    return "" if taken else "has not taken it"


if __name__ == "__main__":
    sys.exit(main())
