"""The link between the gateway and IB's servers: while it is down, what needs it waits."""

from collections.abc import Callable


class Link:
    """Up, or down with things that wait."""

    def __init__(self) -> None:
        self.is_up = True
        self._requests: list[Callable[[], None]] = []
        self._reports: list[Callable[[], None]] = []

    def go_down(self) -> None:
        """From now on things wait."""
        self.is_up = False

    def come_up(self, *, data_lost: bool) -> None:
        """What has waited goes on; the reports of the meantime only when no data was lost."""
        self.is_up = True
        reports, requests = self._reports, self._requests
        self._reports, self._requests = [], []
        for go_on in [*([] if data_lost else reports), *requests]:
            go_on()

    def carry_request(self, do: Callable[[], None]) -> None:
        """Do at IB, now or later."""
        self._carry(do, self._requests)

    def carry_report(self, do: Callable[[], None]) -> None:
        """Hear from IB, now, later or never."""
        self._carry(do, self._reports)

    def _carry(self, do: Callable[[], None], waiting: list[Callable[[], None]]) -> None:
        if self.is_up:
            do()
        else:
            waiting.append(do)
