"""The feed of Interactive Brokers when messages are lost, doubled, changed or late, and when nobody answers."""

import asyncio

import pytest
from feeding import FIVE, MINUTE, OPEN, SECOND, UNQUALIFIED, Feeding, connected, running
from gateway.faults import Alter, Duplicate, Lose, Mute, Refuse
from gateway.layout import Values
from gateway.messages import Message

from trader.domain.errors import BrokerUnreachable
from trader.domain.market import BarTime

THIRTEEN = ("QQQ", "TQQQ", "PSQ", "SQQQ", "AAPL", "MSFT", "NVDA", "AMZN", "GOOGL", "META", "TSLA", "JPM", "SPY")


async def one_minute(feeding: Feeding, *symbols: str) -> BarTime:
    """A minute is traded, and published."""
    await feeding.minute(0, symbols=symbols)
    await feeding.until(lambda: feeding.published)
    (bar_time,) = feeding.published
    return bar_time


async def test_five_seconds_that_come_twice_count_once_and_open_once() -> None:
    async with running("QQQ") as feeding:
        doubled = feeding.gateway.faults.add(Duplicate("realtimeBar", times=12))
        assert (await one_minute(feeding)).bars[0].volume == 120
        await feeding.settled()
        assert len(feeding.openings) == 12
        assert feeding.gateway.faults.fired[doubled] == 12


async def test_five_seconds_that_are_lost_are_mended_from_history() -> None:
    async with running("QQQ") as feeding:
        feeding.gateway.faults.add(Lose("realtimeBar", nth=4, times=2))
        assert (await one_minute(feeding)).bars[0].volume == 120
    assert feeding.log.said("HOLES")[0].endswith("QQQ 2 (mended)")


async def test_a_minute_that_cannot_be_mended_goes_out_as_it_is_and_is_told() -> None:
    async with running("QQQ") as feeding:
        feeding.gateway.faults.add(Lose("realtimeBar", nth=4))
        feeding.gateway.faults.add(Refuse("reqHistoricalData", 162, "pacing violation"))
        assert (await one_minute(feeding)).bars[0].volume == 110
    assert feeding.log.said("HOLES")[0].endswith("QQQ 1 (not mended)")


async def test_a_minute_whose_last_five_seconds_are_lost_is_not_given_with_an_old_close() -> None:
    async with running("QQQ", "SPY") as feeding:
        feeding.gateway.faults.add(Lose("realtimeBar", nth=12, symbol="QQQ"))
        feeding.gateway.faults.add(Refuse("reqHistoricalData", 162, "pacing violation"))
        await feeding.minute(0)
        feeding.clock.set(OPEN + MINUTE + 2 * SECOND)
        await feeding.until(lambda: feeding.published)
    assert [bar.symbol for bar in feeding.published[0].bars] == ["SPY"]


async def test_a_minute_of_which_nothing_is_finished_is_no_bar_time() -> None:
    async with running("QQQ") as feeding:
        feeding.gateway.faults.add(Lose("realtimeBar", nth=12))
        feeding.gateway.faults.add(Refuse("reqHistoricalData", 162, "pacing violation"))
        await feeding.minute(0)
        feeding.clock.set(OPEN + MINUTE + 2 * SECOND)
        await feeding.until(lambda: feeding.log.said("HOLES"))
        await feeding.settled()
    assert not feeding.published


async def test_mending_leaves_room_for_a_back_fill_of_all() -> None:
    symbols = ["QQQ", "TQQQ", "PSQ", "SQQQ", "AAPL", "MSFT", "NVDA", "AMZN", "GOOGL", "META", "TSLA", "JPM", "SPY"]
    async with running(*symbols) as feeding:
        for number in range(4):
            await feeding.minute(number)
        for number in range(1, 4):
            await feeding.feed.history(OPEN + number * MINUTE, 1)
        assert feeding.asked("reqHistoricalData") == 39
        feeding.gateway.faults.add(Lose("realtimeBar", nth=4, symbol="QQQ"))
        await feeding.minute(4)
        await feeding.until(lambda: len(feeding.published) == 5)
        assert feeding.asked("reqHistoricalData") == 39
    assert feeding.log.said("HOLES")[0].endswith("QQQ 1 (not mended)")


@pytest.mark.parametrize("value", ["nan", "-1", "0", "1.7976931348623157E308"])
async def test_prices_that_cannot_be_are_left_out(value: str) -> None:
    async with running("QQQ") as feeding:
        feeding.gateway.faults.add(Alter("realtimeBar", nth=3, field="low", value=value))
        feeding.gateway.faults.add(Refuse("reqHistoricalData", 162, "pacing violation"))
        assert (await one_minute(feeding)).bars[0].volume == 110
    assert len(feeding.openings) == 11
    assert len(feeding.log.said("FIVE SECONDS LEFT OUT of QQQ: ")) == 1


async def test_nobody_fills_where_nobody_has_traded() -> None:
    async with running("QQQ") as feeding:
        feeding.gateway.faults.add(Alter("realtimeBar", field="count", value="0"))
        feeding.five_seconds(0, "QQQ", volume=0)
        feeding.five_seconds(5, "QQQ")
        await feeding.until(lambda: feeding.openings)
    assert [opening.ends_at for opening in feeding.openings] == [OPEN + 2 * FIVE]


async def test_a_historical_bar_that_cannot_be_is_left_out() -> None:
    async with connected("QQQ") as feeding:
        await feeding.minute(0)
        feeding.gateway.market.bar("QQQ", OPEN + MINUTE, 500, 499, 501, 500, 10)
        past = await feeding.feed.history(OPEN + 2 * MINUTE, 2)
    assert [bar_time.ends_at for bar_time in past] == [OPEN + MINUTE]
    assert feeding.log.said("HISTORICAL BAR LEFT OUT of QQQ")


async def test_an_answer_that_does_not_come_is_unknown() -> None:
    async with connected("QQQ", "SPY") as feeding:
        feeding.connection.timing = feeding.connection.timing._replace(request_s=0.2)
        await feeding.minute(0)
        mute = feeding.gateway.faults.add(Mute("reqHistoricalData", symbol="QQQ", times=1))
        past = await feeding.feed.history(OPEN + MINUTE, 1)
        assert [bar.symbol for bar in past[0].bars] == ["SPY"]
        assert feeding.log.said("HISTORY MISSING of QQQ: no whole answer in 0.2 s")
        assert feeding.gateway.faults.fired[mute] == 1
        await feeding.until(lambda: feeding.asked("cancelHistoricalData") == 1)


async def test_an_empty_answer_proves_nothing() -> None:
    async with connected("QQQ") as feeding:
        await feeding.minute(0)
        feeding.gateway.faults.add(Mute("reqHistoricalData"))
        async with asyncio.TaskGroup() as group:
            asking = group.create_task(unreachable(feeding))
            await feeding.until(lambda: feeding.asked("reqHistoricalData"))
            values: Values = {
                "reqId": feeding.gateway.asked("reqHistoricalData")[0].id,
                "start": "",
                "end": "",
                "bars": [],
            }
            feeding.say(Message("historicalData", values))
    assert "QQQ: the answer was empty, which proves nothing" in asking.result()


async def unreachable(feeding: Feeding) -> str:
    """Ask for history in vain; gives why."""
    with pytest.raises(BrokerUnreachable) as raised:
        await feeding.feed.history(OPEN + MINUTE, 1)
    return str(raised.value)


async def test_a_broker_that_answers_nobody_cannot_be_reached() -> None:
    async with connected("QQQ") as feeding:
        feeding.connection.timing = feeding.connection.timing._replace(request_s=0.2)
        await feeding.minute(0)
        feeding.gateway.faults.add(Mute("reqHistoricalData"))
        with pytest.raises(BrokerUnreachable, match="QQQ: no whole answer"):
            await feeding.feed.history(OPEN + MINUTE, 1)


async def test_a_stop_does_not_wait_for_an_answer() -> None:
    async with running("QQQ") as feeding:
        feeding.gateway.faults.add(Mute("reqHistoricalData"))
        await feeding.minute(2)
        await feeding.until(lambda: feeding.asked("reqHistoricalData"))
        before = asyncio.get_running_loop().time()
        feeding.stop.set()
        await feeding.until(lambda: feeding.asked("cancelRealTimeBars"))
        assert asyncio.get_running_loop().time() - before < 1
    assert not feeding.published


async def test_what_publishing_raises_ends_the_run() -> None:
    async with connected("QQQ") as feeding:

        async def publish(_: BarTime) -> None:
            raise BrokerUnreachable("the engine has ended")

        running_ = asyncio.create_task(feeding.feed.run(publish, feeding.stop))
        await feeding.subscribed()
        await feeding.minute(0)
        with pytest.raises(BrokerUnreachable, match="the engine has ended"):
            await running_


@pytest.mark.parametrize(("type_", "word"), [(2, "frozen"), (3, "delayed"), (4, "delayed and frozen")])
async def test_a_market_data_type_that_is_not_live_stops_a_symbol_until_it_is(type_: int, word: str) -> None:
    async with running("QQQ") as feeding:

        def say(type_: int) -> None:
            values = {"reqId": feeding.gateway.asked("reqRealTimeBars")[0].id, "marketDataType": type_}
            feeding.say(Message("marketDataType", values))

        say(type_)
        await feeding.until(lambda: feeding.feed.not_live == {"QQQ": f"market data type {type_}, {word}"})
        feeding.five_seconds(0, "QQQ")
        await feeding.settled()
        assert not feeding.openings
        say(1)
        await feeding.until(lambda: not feeding.feed.not_live)
        feeding.five_seconds(5, "QQQ")
        await feeding.until(lambda: feeding.openings)


@pytest.mark.parametrize(
    ("held", "lines"),
    [
        ((), (13, 26, 39, 50, 50, 50)),
        (("QQQ", "JPM", "SPY"), (13, 26, 39, 50, 53, 56)),
        (THIRTEEN, (13, 26, 39, 52, 60, 60)),
    ],
)
async def test_no_more_than_sixty_lines_are_made_in_ten_minutes(held: tuple[str, ...], lines: tuple[int, ...]) -> None:
    """What is held has its lines first, and still has some when all the others have to wait."""
    async with running(*THIRTEEN, held=held) as feeding:
        before = 0
        for made in lines:
            await feeding.until(lambda: feeding.asked("reqRealTimeBars") >= made)  # noqa: B023
            await feeding.settled()
            asked = [request.symbol for request in feeding.gateway.asked("reqRealTimeBars")]
            assert len(asked) == made
            assert set(asked[before : before + len(held)]) <= set(held)
            before = made
            feeding.gateway.lose_servers()
            feeding.gateway.restore_servers(data_lost=True)
        assert feeding.log.said("SUBSCRIPTIONS WAIT")


async def test_a_symbol_that_is_not_qualified_gets_nothing_and_says_so() -> None:
    async with running("QQQ", UNQUALIFIED) as feeding:
        await feeding.until(lambda: feeding.feed.not_live == {UNQUALIFIED: "it is not qualified"})
        bar_time = await one_minute(feeding, "QQQ")
        await feeding.feed.history(OPEN + MINUTE, 1)
    assert [bar.symbol for bar in bar_time.bars] == ["QQQ"]
    assert feeding.log.said("HISTORY MISSING") == [f"HISTORY MISSING of {UNQUALIFIED}: not qualified"]


async def test_a_symbol_that_may_not_be_had_is_asked_for_less_and_less_often_and_told_once() -> None:
    async with running("QQQ") as feeding:
        feeding.gateway.set_market_data_type(0)
        feeding.gateway.lose_servers()
        feeding.gateway.restore_servers(data_lost=True)
        await feeding.subscribed(2)
        await feeding.until(lambda: feeding.feed.not_live)
        for seconds, asked in ((16, 3), (40, 3), (47, 4), (100, 4)):
            feeding.clock.set(OPEN + seconds * SECOND)
            await feeding.settled()
            assert feeding.asked("reqRealTimeBars") == asked
    assert len(feeding.log.said("DATA NOT LIVE of QQQ: IB error 420")) == 1
