"""The connection over a real socket: when it is whole, and what is done when it is not."""

import asyncio
import socket
from datetime import timedelta
from functools import partial
from itertools import pairwise

import pytest
from gateway import Gateway
from gateway.faults import (
    Alter,
    ClientIdTaken,
    Drop,
    HalfFrame,
    Ignore,
    Lose,
    LoseConnection,
    Reset,
    Stall,
)
from ibkr_rig import ACCOUNT, PATIENCE_S, QUICK, Rig, a_desk, an_adapter

from trader.adapters.ibkr import ib_clock
from trader.adapters.ibkr.connection import Link
from trader.adapters.ibkr.session import Session
from trader.adapters.ibkr.translate import stock
from trader.domain.errors import BrokerUnreachable, ConfigurationError


async def test_an_epoch_begins_when_greeting_ids_and_accounts_are_in() -> None:
    async with a_desk() as rig:
        standing = rig.connection.standing
        assert (standing.link, standing.epoch, standing.accounts) == (Link.OPEN, 1, (ACCOUNT,))
        assert standing.server_version == 176
        assert rig.ear.epochs == [1]


# the first connection


async def test_a_port_on_which_nobody_listens_is_named_with_the_way_out() -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    async with Gateway(accounts=(ACCOUNT,)) as gateway:
        rig = Rig(gateway, QUICK, client_id=7)
        rig.connection.address = rig.connection.address._replace(port=port)
        with pytest.raises(BrokerUnreachable, match=rf"127.0.0.1:{port}, client id 7: nobody listens.*7497.*4002"):
            await rig.connection.open(PATIENCE_S)


async def test_a_client_id_in_use_is_told_at_once_and_not_at_the_time_out() -> None:
    async with Gateway(accounts=(ACCOUNT,)) as gateway:
        gateway.faults.add(ClientIdTaken())
        rig = Rig(gateway, QUICK, client_id=7)
        async with asyncio.timeout(PATIENCE_S):
            with pytest.raises(BrokerUnreachable, match=r"client id 7: IB error 326.*never start two daemons"):
                await rig.connection.open(10 * PATIENCE_S)


async def test_a_mute_gateway_is_given_up_at_the_deadline() -> None:
    async with Gateway(accounts=(ACCOUNT,)) as gateway:
        gateway.faults.add(Stall(on="managedAccounts"))
        rig = Rig(gateway, QUICK, client_id=7)
        with pytest.raises(BrokerUnreachable, match=r"no answer in 0.2 s.*waits for a click"):
            await rig.connection.open(0.2)
        assert rig.connection.standing.link is Link.DOWN


async def test_another_account_is_refused_by_name() -> None:
    async with Gateway(accounts=("DU9", "DU8")) as gateway:
        rig = Rig(gateway, QUICK, client_id=7)
        with pytest.raises(ConfigurationError, match=f"logged in to DU9, DU8, not to {ACCOUNT}"):
            await rig.connection.open(PATIENCE_S)
        await asyncio.sleep(0.01)
        assert gateway.client_ids == ()


async def test_a_greeting_that_cannot_be_read_is_told_at_once_and_not_at_the_time_out() -> None:
    async with Gateway(accounts=(ACCOUNT,)) as gateway:
        gateway.faults.add(Alter(on="nextValidId", field="orderId", value="first"))
        rig = Rig(gateway, QUICK, client_id=7)
        with pytest.raises(BrokerUnreachable, match="could not be read"):
            await rig.connection.open(10 * PATIENCE_S)


async def test_a_gateway_that_has_lost_the_servers_is_no_broker() -> None:
    async with Gateway(accounts=(ACCOUNT,)) as gateway:
        gateway.faults.add(Alter(on="error", field="code", value="1100"))
        rig = Rig(gateway, QUICK, client_id=7)
        with pytest.raises(BrokerUnreachable, match=r"has lost Interactive Brokers' servers \(IB error 1100"):
            await rig.connection.open(PATIENCE_S)


async def test_the_running_loop_has_to_be_the_one_that_the_library_finds() -> None:
    async with Gateway(accounts=(ACCOUNT,)) as gateway:
        rig, other = Rig(gateway, QUICK, client_id=7), asyncio.new_event_loop()
        running = asyncio.get_running_loop()
        asyncio.set_event_loop(other)
        try:
            with pytest.raises(ConfigurationError, match="set_event_loop"):
                await rig.connection.open(PATIENCE_S)
        finally:
            asyncio.set_event_loop(running)
            other.close()


# the end of an epoch, and the next one


async def test_a_lost_connection_is_made_again_under_the_same_client_id() -> None:
    async with a_desk() as rig:
        rig.gateway.disconnect()
        await rig.reconnected()
        assert rig.gateway.client_ids == (7,)
        assert len(rig.ear.ends) == 1


async def test_a_gateway_that_was_restarted_is_found_again() -> None:
    async with a_desk() as rig:
        await rig.gateway.stop()
        await rig.until(lambda: rig.connection.standing.link is Link.DOWN)
        await asyncio.sleep(0.1)
        await rig.gateway.start()
        await rig.reconnected()


async def test_an_id_that_lingers_after_a_reconnect_is_waited_for() -> None:
    async with a_desk() as rig:
        taken = rig.gateway.faults.add(ClientIdTaken(times=3))
        rig.gateway.disconnect()
        await rig.reconnected()
        assert rig.gateway.faults.fired[taken] == 3


async def test_lost_servers_end_the_epoch_and_the_socket_stays() -> None:
    async with a_desk() as rig:
        session = rig.session
        rig.gateway.lose_servers()
        await rig.until(lambda: not rig.connection.is_open)
        assert rig.connection.standing.link is Link.SERVERS_LOST
        assert "1100" in rig.connection.standing.last_error
        rig.gateway.restore_servers(data_lost=False)
        await rig.reconnected()
        assert rig.session is session
        assert rig.ear.kept == [False, True]


async def test_servers_that_tws_has_lost_and_will_find_again_are_lost() -> None:
    """2110 is 1100 in other words."""
    async with a_desk() as rig:
        rig.gateway.notify(2110, "Connectivity between TWS and server is broken. It will be restored automatically.")
        await rig.until(lambda: not rig.connection.is_open)
        rig.gateway.notify(1102, "Connectivity between IB and TWS has been restored- data maintained.")
        await rig.reconnected()


async def test_a_word_of_the_servers_that_never_comes_is_asked_for_by_a_new_greeting() -> None:
    async with a_desk(timing=QUICK._replace(lost_patience_s=0.2)) as rig:
        rig.gateway.lose_servers()
        await rig.until(lambda: not rig.connection.is_open)
        unheard = rig.gateway.faults.add(Lose(on="error"))
        rig.gateway.restore_servers(data_lost=False)
        await rig.reconnected()
        assert rig.gateway.faults.fired[unheard] == 1
        assert rig.connection.standing.epoch == 2


async def test_servers_that_come_back_without_the_data_say_so() -> None:
    async with a_desk() as rig:
        rig.gateway.lose_servers()
        rig.gateway.restore_servers(data_lost=True)
        await rig.reconnected()
        assert rig.ear.kept == [False, False]


async def test_a_restoration_without_a_loss_begins_a_new_epoch_too() -> None:
    async with a_desk() as rig:
        rig.gateway.restore_servers(data_lost=False)
        await rig.reconnected()
        assert rig.ear.epochs == [1, 2]
        assert len(rig.ear.ends) == 1


@pytest.mark.parametrize("code", [2103, 2105, 2107, 2108, 10182, 1300])
async def test_a_farm_that_comes_or_goes_leaves_the_epoch(code: int) -> None:
    async with a_desk() as rig:
        rig.gateway.notify(code, "farm")
        await rig.until(lambda: rig.log.said(f"IB error {code}"))
        assert rig.connection.standing.epoch == 1
        assert rig.connection.is_open


@pytest.mark.parametrize("fault", [Drop(on="currentTime"), HalfFrame(on="currentTime"), Reset(on="currentTime")])
async def test_a_connection_that_breaks_in_the_middle_is_made_again(fault: Drop | HalfFrame | Reset) -> None:
    async with a_desk() as rig:
        rig.gateway.faults.add(fault)
        await rig.reconnected()
        assert rig.gateway.faults.fired[fault] == 1


async def test_a_half_open_socket_is_noticed_by_the_heartbeat() -> None:
    async with a_desk() as rig:
        rig.gateway.faults.add(Stall(on="currentTime"))
        await rig.until(lambda: rig.ear.ends)
        rig.gateway.faults.release()
        await rig.reconnected()
        assert "no answer to the question for the time" in rig.ear.ends[0]


async def test_the_skew_of_the_clock_is_known_when_an_epoch_begins() -> None:
    async with a_desk(timing=QUICK._replace(heartbeat_s=PATIENCE_S)) as rig:
        assert rig.connection.skew_s is not None
        assert -1 < rig.connection.skew_s < 1


async def test_a_clock_that_is_set_is_seen_at_once_and_not_at_the_next_heartbeat() -> None:
    async with a_desk(timing=QUICK._replace(heartbeat_s=PATIENCE_S)) as rig:
        rig.clock.ahead = timedelta(seconds=-30)
        assert 29 < (rig.connection.skew_s or 0) < 31
        rig.clock.ahead = timedelta()
        assert -1 < (rig.connection.skew_s or 0) < 1


async def test_the_time_that_ib_tells_counts_and_not_only_jumps_of_our_clock() -> None:
    async with a_desk() as rig:
        told_s = int(rig.clock.now().timestamp()) + 60
        rig.gateway.faults.add(Alter(on="currentTime", field="time", value=str(told_s), times=1000))
        await rig.until(lambda: (rig.connection.skew_s or 0) > 50)


@pytest.mark.parametrize(("told", "ahead"), [("1" + "0" * 22, True), ("1" + "0" * 400, True), ("-1" + "0" * 22, False)])
async def test_a_time_that_cannot_be_is_as_far_off_as_can_be_and_ends_nothing(told: str, ahead: bool) -> None:
    """Exits go on: the connection lives, and the skew is one that a span of time can have."""
    async with a_desk() as rig:
        rig.gateway.faults.add(Alter(on="currentTime", field="time", value=told, times=1000))
        await rig.until(lambda: abs(rig.connection.skew_s or 0) > 1e9)
        assert rig.connection.skew_s is not None
        assert (timedelta(seconds=rig.connection.skew_s) > timedelta()) is ahead
        assert rig.connection.is_open
        assert rig.ear.ends == []


async def test_an_answer_that_took_long_says_nothing_of_the_clock(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ib_clock, "_LONGEST_S", -1.0)
    async with a_desk() as rig:
        await rig.quiet()
        assert rig.connection.skew_s is None
        assert rig.connection.is_open


async def test_a_message_that_cannot_be_read_ends_the_epoch() -> None:
    async with a_desk() as rig:
        rig.gateway.faults.add(Alter(on="currentTime", field="time", value="noon"))
        await rig.reconnected()
        assert "could not be read" in rig.ear.ends[0]


async def test_a_message_of_a_kind_that_nobody_knows_is_told_once_and_left_alone() -> None:
    async with a_desk() as rig:
        for _ in range(2):
            rig.client.decoder.interpret(["999", "1"])
        assert len(rig.log.said("IB UNKNOWN MESSAGE 999")) == 1
        assert rig.connection.is_open


async def test_of_an_endless_error_its_beginning_is_kept() -> None:
    async with a_desk() as rig:
        rig.gateway.notify(507, "A" * 1_000_000)
        await rig.until(lambda: rig.connection.standing.last_error)
        assert rig.connection.standing.last_error == f"IB error 507: {'A' * 1_000}"


async def test_a_listener_that_fails_ends_the_epoch() -> None:
    async with a_desk() as rig:
        with pytest.MonkeyPatch.context() as patched:
            patched.setattr(rig.ear, "hear", _fail)
            rig.gateway.notify(2104, "farm")
            await rig.until(lambda: rig.ear.ends)
        assert "could not be read" in rig.ear.ends[0]
        await rig.reconnected()


def _fail(_: object) -> None:
    raise RuntimeError("a listener")


async def test_the_waits_between_attempts_grow() -> None:
    async with a_desk(timing=QUICK._replace(back_off_s=(0.01, 0.05, 0.2))) as rig:
        rig.gateway.faults.add(ClientIdTaken(times=4))
        loop, attempts = asyncio.get_running_loop(), [0.0]
        connect = Session.connect

        async def noted(session: Session, deadline_s: float) -> None:
            attempts.append(loop.time())
            await connect(session, deadline_s)

        with pytest.MonkeyPatch.context() as patched:
            patched.setattr(Session, "connect", noted)
            rig.gateway.disconnect()
            await rig.reconnected()
        waits = [later - earlier for earlier, later in pairwise(attempts[1:])]
        assert waits[0] >= 0.05
        assert min(waits[1:]) >= 0.2


async def test_an_attempt_that_nobody_waits_for_any_more_leaves_no_connection_behind() -> None:
    async with Gateway(accounts=(ACCOUNT,)) as gateway:
        gateway.faults.add(Alter(on="nextValidId", field="orderId", value="0"))
        rig = Rig(gateway, QUICK, client_id=7)
        opening = asyncio.create_task(rig.connection.open(PATIENCE_S))
        await rig.until(lambda: gateway.client_ids == (7,))
        await asyncio.sleep(0.05)  # the greeting is heard, and is none
        opening.cancel()
        await rig.until(lambda: gateway.client_ids == ())


async def test_closed_stays_closed() -> None:
    async with a_desk() as rig:
        await rig.connection.close()
        await asyncio.sleep(0.1)
        assert rig.connection.standing.link is Link.DOWN
        assert rig.gateway.client_ids == ()


# requests


async def test_an_answer_without_its_end_marker_is_unknown() -> None:
    async with a_desk() as rig:
        rig.gateway.faults.add(Ignore(on="reqPositions"))
        assert await rig.session.positions.ask(rig.client.reqPositions, 0.05) is None


async def test_a_late_end_marker_does_not_end_the_next_answer() -> None:
    async with a_desk() as rig:
        session = rig.session
        rig.gateway.endow(ACCOUNT, "QQQ", 10, 500)
        positions = session.positions
        assert await positions.ask(lambda: None, 0.01) is None  # its answer will be late
        asked = asyncio.create_task(positions.ask(lambda: None, PATIENCE_S))
        await asyncio.sleep(0)
        positions.finish()  # of the first one
        await asyncio.sleep(0)
        assert not asked.done()
        rig.client.reqPositions()
        told = await asked
        assert told is not None
        assert [(held.symbol, held.shares) for held in told] == [("QQQ", 10)]


async def test_the_end_of_an_answer_that_nobody_waits_for_any_more_does_not_end_the_next_one() -> None:
    async with a_desk() as rig:
        rig.gateway.endow(ACCOUNT, "QQQ", 10, 500)
        positions = rig.session.positions
        given_up = asyncio.create_task(positions.ask(lambda: None, PATIENCE_S))
        await asyncio.sleep(0)
        given_up.cancel()
        asked = asyncio.create_task(positions.ask(lambda: None, PATIENCE_S))
        await asyncio.sleep(0)
        positions.finish()  # of the first one
        rig.client.reqPositions()
        told = await asked
        assert told is not None
        assert [(held.symbol, held.shares) for held in told] == [("QQQ", 10)]


async def test_two_answers_in_a_row_that_do_not_come_end_the_session() -> None:
    async with a_desk() as rig:
        rig.gateway.faults.add(Ignore(on="reqCompletedOrders", times=2))
        for _ in range(2):
            assert await rig.session.completed_orders.ask(partial(rig.client.reqCompletedOrders, False), 0.02) is None
        await rig.reconnected()
        assert "completed orders not told completely" in rig.ear.ends[0]


async def test_an_error_ends_the_request_that_it_names() -> None:
    async with a_desk() as rig:
        ask = rig.client.reqContractDetails
        answer = await rig.session.ask(lambda id_: ask(id_, stock("ZZZZZ")), PATIENCE_S)
        assert answer is not None
        assert answer.failure is not None


@pytest.mark.parametrize("lost", ["reqExecutions", "reqCompletedOrders", "reqPositions"])
async def test_what_waits_for_an_answer_gets_none_at_once_when_the_connection_ends(lost: str) -> None:
    async with a_desk(timing=QUICK._replace(request_s=10 * PATIENCE_S)) as rig:
        rig.gateway.faults.add(LoseConnection(on=lost))
        evidence = asyncio.create_task(rig.broker.evidence([]))
        with pytest.raises(BrokerUnreachable):
            await asyncio.wait_for(evidence, PATIENCE_S)


async def test_open_orders_that_are_not_told_do_not_keep_the_epoch_from_beginning() -> None:
    async with Gateway(accounts=(ACCOUNT,)) as gateway:
        gateway.faults.add(Ignore(on="reqAllOpenOrders"))
        async with an_adapter(gateway, qualified=False) as rig:
            assert rig.connection.is_open
            assert rig.log.said("IB OPEN ORDERS are not told")


# pacing


async def test_at_most_45_messages_leave_in_a_second_and_orders_go_first() -> None:
    async with a_desk(timing=QUICK._replace(heartbeat_s=PATIENCE_S)) as rig:
        outgoing = rig.session.outgoing
        left: list[str] = []
        for number in range(60):
            outgoing.request(partial(left.append, f"request {number}"))
        for number in range(20):
            outgoing.order(partial(left.append, f"order {number}"), lambda: None)
        assert len(left) <= 45
        assert [name for name in left if name.startswith("order")]
        before = len(left)
        await rig.until(lambda: len(left) == 80)
        later = left[before:]
        assert later == sorted(later, key=lambda name: name.startswith("request"))


async def test_the_heartbeat_does_not_wait_behind_requests() -> None:
    async with a_desk(timing=QUICK._replace(heartbeat_s=PATIENCE_S)) as rig:
        for _ in range(200):
            rig.session.outgoing.request(lambda: None)
        assert await rig.session.time.ask(rig.client.reqCurrentTime, 0.5)


async def test_orders_that_wait_when_the_connection_ends_were_never_sent_and_say_so() -> None:
    async with a_desk() as rig:
        outgoing = rig.session.outgoing
        dropped: list[int] = []
        for number in range(60):
            outgoing.order(lambda: None, partial(dropped.append, number))
        rig.gateway.disconnect()
        await rig.until(lambda: rig.ear.ends)
        assert dropped
        assert dropped == list(range(60 - len(dropped), 60))
