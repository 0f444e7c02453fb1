"""What the broker reports; whoever listens brings it to the clients."""

from collections.abc import Callable

from gateway.messages import Message


class Reports:
    """The way from desk and matching to the front."""

    def __init__(self) -> None:
        self.on_messages: Callable[[int, tuple[Message, ...]], None] = lambda _, __: None
        self.on_holdings: Callable[[str, str], None] = lambda _, __: None

    def tell(self, client_id: int, *messages: Message) -> None:
        """A client of its order."""
        self.on_messages(client_id, messages)

    def holdings_changed(self, account: str, symbol: str) -> None:
        """Those who watch positions and accounts."""
        self.on_holdings(account, symbol)
