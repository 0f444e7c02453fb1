"""What comes behind an execution is read a moment later: nothing overtakes but what is booked with it."""

import asyncio

import pytest

from trader.adapters.ibkr.client_library import CommissionReport, LoudClient

EXECUTION = ["11", *["0"] * 30]
COMMISSION = ["59", "1", "X1", "1.0", "USD", "0", "0", ""]


class Ear:
    """Takes in executions, what they cost, ids, and the end."""

    def __init__(self) -> None:
        self.heard: list[str] = []
        self.last = asyncio.Event()
        """The id 3 was told."""

    def executed(self, _fields: list[str]) -> None:
        self.heard.append("execution")

    def commissionReport(self, _report: CommissionReport) -> None:  # noqa: N802
        self.heard.append("commission")

    def nextValidId(self, id_: int) -> None:  # noqa: N802
        self.heard.append(str(id_))
        if id_ == 3:
            self.last.set()

    def failed_to_read(self, why: str, id_: str = "") -> None:
        self.heard.append(f"lost {id_}: {why}")

    def unknown_message(self, id_: str) -> None:
        self.heard.append(f"unknown {id_}")

    def tcpDataArrived(self) -> None:  # noqa: N802
        """Not noted."""

    def setEventsDone(self) -> None:  # noqa: N802
        self.heard.append("end")

    connectionClosed = tcpDataArrived  # noqa: N815


@pytest.fixture
def ear() -> Ear:
    return Ear()


@pytest.fixture
async def client(ear: Ear) -> LoudClient:
    client = LoudClient(ear)
    client._serverVersion = client.decoder.serverVersion = 176
    client._apiReady = True
    return client


def id_of(number: int) -> list[str]:
    """A message that is no execution."""
    return ["9", "1", str(number)]


def comes(client: LoudClient, *messages: list[str]) -> None:
    """Messages in one piece."""
    texts = ["".join(f"{field}\0" for field in fields).encode() for fields in messages]
    client._onSocketHasData(b"".join(len(text).to_bytes(4, "big") + text for text in texts))


async def test_only_a_commission_overtakes_what_comes_behind_an_execution(client: LoudClient, ear: Ear) -> None:
    comes(client, id_of(1), EXECUTION, id_of(2), COMMISSION, id_of(3))
    assert ear.heard == ["1", "execution", "commission"]


async def test_what_comes_behind_is_read_a_moment_later(client: LoudClient, ear: Ear) -> None:
    comes(client, EXECUTION, id_of(2), id_of(3))
    async with asyncio.timeout(5):
        await ear.last.wait()
    assert ear.heard == ["execution", "2", "3"]
    comes(client, id_of(4))
    assert ear.heard[-1] == "4"


async def test_what_comes_then_overtakes_nothing(client: LoudClient, ear: Ear) -> None:
    comes(client, EXECUTION, id_of(2))
    comes(client, id_of(3))
    assert ear.heard == ["execution", "2", "3"]


async def test_an_execution_overtakes_nothing(client: LoudClient, ear: Ear) -> None:
    """What is before it may say whose it is."""
    comes(client, EXECUTION, id_of(2), EXECUTION, id_of(3))
    assert ear.heard == ["execution", "2", "execution"]


async def test_the_end_overtakes_nothing(client: LoudClient, ear: Ear) -> None:
    comes(client, EXECUTION, id_of(2))
    client._onSocketDisconnected("")
    assert ear.heard == ["execution", "2", "end"]


async def test_a_connection_that_was_given_up_says_nothing_more(client: LoudClient, ear: Ear) -> None:
    comes(client, EXECUTION, id_of(2))
    client.abort()
    await asyncio.sleep(0.01)
    assert ear.heard == ["execution"]


async def test_what_cannot_be_read_behind_an_execution_is_said(client: LoudClient, ear: Ear) -> None:
    comes(client, EXECUTION, ["9", "1", "many"], ["9999"])
    comes(client)
    assert ear.heard[0] == "execution"
    assert [words.split(":")[0] for words in ear.heard[1:]] == ["lost 9", "unknown 9999"]
