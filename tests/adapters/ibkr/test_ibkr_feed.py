"""The feed of Interactive Brokers, over a real socket from a gateway of our own."""

import asyncio
from datetime import timedelta

import pytest
from builders import Sentences, an_order
from feeding import CALENDAR, FIVE, MINUTE, OPEN, SECOND, connected, running
from gateway.faults import Lose

from trader.adapters.clock import SteppedClock
from trader.adapters.ibkr.connection import Address, Connection
from trader.adapters.ibkr.contracts import Contracts
from trader.adapters.ibkr.market_data import IbkrFeed
from trader.adapters.paper.broker import PaperBroker
from trader.domain.errors import BrokerUnreachable, ConfigurationError
from trader.domain.events import BrokerEvent, FillReported
from trader.domain.market import Bar
from trader.domain.rules import Costs


async def test_minutes_of_all_symbols_are_published_together() -> None:
    async with running("QQQ", "SPY") as feeding:
        await feeding.minute(0)
        await feeding.until(lambda: feeding.published)
    (bar_time,) = feeding.published
    assert bar_time.ends_at == OPEN + MINUTE
    assert bar_time.bars == tuple(
        Bar(symbol, OPEN, 500_000_000, 500_140_000, 499_980_000, 500_110_000, 120) for symbol in ("QQQ", "SPY")
    )


async def test_no_more_than_fifty_symbols() -> None:
    log, clock = Sentences(), SteppedClock(OPEN)
    connection = Connection(Address("127.0.0.1", 1, 7), "DU1000001", clock, log)
    with pytest.raises(ConfigurationError, match="51 symbols are more than the 50"):
        IbkrFeed(connection, Contracts(connection), [f"S{n}" for n in range(51)], CALENDAR, clock, log)


async def test_each_five_seconds_open_once() -> None:
    async with running("QQQ") as feeding:
        for _ in range(2):
            feeding.five_seconds(0, "QQQ", "500.00")
        feeding.five_seconds(5, "QQQ", "500.07")
        await feeding.until(lambda: len(feeding.openings) >= 2)
        await feeding.settled()
    assert [(opening.ends_at, opening.interval) for opening in feeding.openings] == [
        (OPEN + FIVE, FIVE),
        (OPEN + 2 * FIVE, FIVE),
    ]
    assert [opening.bars[0].open_micros for opening in feeding.openings] == [500_000_000, 500_070_000]


async def test_the_paper_broker_fills_at_the_first_five_seconds_after_an_order() -> None:
    said: list[BrokerEvent] = []
    broker = PaperBroker(said.append, Costs(slippage_ppm=0))
    broker.place(an_order("QQQ", limit=510.0, at=OPEN + 55 * SECOND))
    async with running("QQQ") as feeding:
        for seconds, price in ((50, "500.10"), (55, "500.20"), (60, "500.30")):
            feeding.five_seconds(seconds, "QQQ", price)
        await feeding.until(lambda: len(feeding.openings) == 3)
    for opening in feeding.openings:
        broker.match(opening)
    assert [event.fill.price_micros for event in said if isinstance(event, FillReported)] == [500_200_000]


async def test_live_data_are_asked_for_with_regular_hours_and_trades_alone() -> None:
    async with running("QQQ") as feeding:
        pass
    (kind,) = feeding.gateway.asked("reqMarketDataType")
    assert kind.whole("marketDataType") == 1
    (bars,) = feeding.gateway.asked("reqRealTimeBars")
    assert (bars.text("whatToShow"), bars.flag("useRTH"), bars.whole("conId") > 0) == ("TRADES", True, True)


async def test_lines_are_cancelled_at_a_stop() -> None:
    async with running("QQQ", "SPY") as feeding:
        feeding.stop.set()
        await feeding.until(lambda: feeding.asked("cancelRealTimeBars") == 2)


# history


async def test_history_gives_the_last_minutes_of_regular_hours() -> None:
    async with connected("QQQ", "SPY") as feeding:
        for number in range(5):
            await feeding.minute(number)
        past = await feeding.feed.history(OPEN + 4.5 * MINUTE, 3)
        assert [bar_time.ends_at for bar_time in past] == [OPEN + n * MINUTE for n in (2, 3, 4)]
        assert [bar.symbol for bar in past[0].bars] == ["QQQ", "SPY"]
        assert past[0].bars[0] == Bar("QQQ", OPEN + MINUTE, 501_000_000, 501_140_000, 500_980_000, 501_110_000, 120)


async def test_an_answer_with_no_bars_is_unknown_and_named() -> None:
    async with connected("QQQ", "SPY") as feeding:
        await feeding.minute(0, symbols=["SPY"])
        past = await feeding.feed.history(OPEN + MINUTE, 1)
        assert [bar.symbol for bar in past[0].bars] == ["SPY"]
        (line,) = feeding.log.said("HISTORY MISSING of QQQ")
        assert "162" in line


async def test_no_history_at_all_is_a_broker_that_cannot_be_reached() -> None:
    async with connected("QQQ") as feeding:
        with pytest.raises(BrokerUnreachable, match=r"no history.*QQQ: IB error 162"):
            await feeding.feed.history(OPEN + MINUTE, 1)


async def test_history_without_a_connection_is_a_broker_that_cannot_be_reached() -> None:
    async with connected("QQQ") as feeding:
        await feeding.connection.close()
        with pytest.raises(BrokerUnreachable, match="QQQ: not connected"):
            await feeding.feed.history(OPEN + MINUTE, 1)


async def test_the_feed_goes_on_where_history_ended() -> None:
    async with connected("QQQ") as feeding:
        for number in range(3):
            await feeding.minute(number)
        await feeding.feed.history(OPEN + 2 * MINUTE, 2)
        feeding.clock.set(OPEN + 3 * MINUTE + 3 * SECOND)
        async with asyncio.TaskGroup() as group:
            group.create_task(feeding.feed.run(feeding.publish, feeding.stop))
            await feeding.until(lambda: feeding.published)
            feeding.stop.set()
        assert feeding.ends == [3]


async def test_what_history_has_given_is_not_given_again() -> None:
    async with connected("QQQ") as feeding:
        await feeding.minute(0)
        await feeding.minute(1)
        await feeding.feed.history(OPEN + 2 * MINUTE, 2)
        async with asyncio.TaskGroup() as group:
            group.create_task(feeding.feed.run(feeding.publish, feeding.stop))
            await feeding.subscribed()
            feeding.five_seconds(115, "QQQ")
            await feeding.minute(2)
            await feeding.until(lambda: feeding.published)
            await feeding.settled()
            feeding.stop.set()
        assert feeding.ends == [3]


# gaps


async def test_what_a_lost_connection_has_missed_goes_out_first_and_once() -> None:
    async with running("QQQ") as feeding:
        await feeding.minute(0)
        await feeding.until(lambda: feeding.published)
        await feeding.gateway.stop()
        for number in (1, 2):
            await feeding.minute(number)
        await feeding.minute(3, without=range(6, 12))
        await feeding.gateway.start()
        await feeding.subscribed(2)
        await feeding.minute(3, without=range(6))
        await feeding.until(lambda: len(feeding.published) == 4)
        await feeding.settled()
    assert feeding.ends == [1, 2, 3, 4]
    assert feeding.published[3].bars[0].open_micros == 503_000_000, "its first half was taken from history"
    assert feeding.log.said("HOLES") == ["HOLES in the minute that ended 14:34 UTC, of 12 five seconds: QQQ 6 (mended)"]
    assert not feeding.log.said("NO BARS")


async def test_what_was_back_filled_is_not_given_again() -> None:
    async with running("QQQ") as feeding:
        await feeding.minute(0)
        await feeding.until(lambda: feeding.published)
        await feeding.gateway.stop()
        await feeding.minute(1)
        feeding.clock.set(OPEN + 2 * MINUTE + 3 * SECOND)
        await feeding.gateway.start()
        await feeding.until(lambda: len(feeding.published) == 2)
        await feeding.subscribed(2)
        feeding.five_seconds(115, "QQQ")
        await feeding.until(lambda: feeding.log.said("FIVE SECONDS LEFT OUT of QQQ: its minute has been given already"))
        await feeding.minute(2)
        await feeding.until(lambda: len(feeding.published) >= 3)
    assert feeding.ends == [1, 2, 3]


async def test_a_minute_that_may_still_come_live_is_not_asked_for() -> None:
    async with running("QQQ") as feeding:
        await feeding.minute(0, without=[11])
        feeding.clock.set(OPEN + MINUTE + SECOND)
        feeding.gateway.lose_servers()
        feeding.gateway.restore_servers(data_lost=False)
        await feeding.settled()
        assert not feeding.asked("reqHistoricalData")
        feeding.five_seconds(55, "QQQ")
        await feeding.until(lambda: feeding.published)


async def test_what_cannot_be_had_of_a_gap_is_told_and_live_minutes_go_on() -> None:
    async with running("QQQ") as feeding:
        await feeding.minute(0)
        await feeding.until(lambda: feeding.published)
        lost = feeding.gateway.faults.add(Lose("realtimeBar", times=24))
        for number in (1, 2):
            await feeding.minute(number)
        feeding.gateway.market.quote("QQQ").bars.clear()
        await feeding.minute(3)
        await feeding.until(lambda: len(feeding.published) == 2)
        assert feeding.gateway.faults.fired[lost] == 24
    assert feeding.ends == [1, 4]
    assert "0 were found" in feeding.log.said("BACK-FILL of 2 minutes, 2026-11-20 14:32 to 14:33 UTC")[0]


async def test_a_hole_in_a_minute_is_mended_from_history() -> None:
    async with running("QQQ") as feeding:
        feeding.gateway.lose_servers()
        await feeding.minute(0, without=range(6, 12))
        feeding.gateway.restore_servers(data_lost=False)
        await feeding.until(lambda: feeding.connection.session)
        await feeding.minute(0, without=range(6))
        await feeding.until(lambda: feeding.published)
    assert feeding.published[0].bars[0].volume == 120
    assert feeding.log.said("HOLES")[0].endswith("QQQ 6 (mended)")


# subscriptions and epochs


async def test_lines_that_live_on_are_not_made_anew() -> None:
    async with running("QQQ") as feeding:
        feeding.gateway.lose_servers()
        await feeding.until(lambda: not feeding.connection.is_open)
        feeding.gateway.restore_servers(data_lost=False)
        await feeding.until(lambda: feeding.connection.is_open)
        await feeding.settled()
        assert feeding.asked("reqRealTimeBars") == 1
        await feeding.minute(0)
        await feeding.until(lambda: feeding.published)


async def test_lines_that_were_lost_are_made_anew() -> None:
    async with running("QQQ") as feeding:
        feeding.gateway.lose_servers()
        feeding.gateway.restore_servers(data_lost=True)
        await feeding.subscribed(2)
        await feeding.minute(0)
        await feeding.until(lambda: feeding.published)


async def test_lines_that_went_silent_are_told_once_and_made_anew() -> None:
    async with running("QQQ", "SPY") as feeding:
        feeding.five_seconds(0, "QQQ")
        feeding.clock.set(OPEN + timedelta(seconds=20.5))
        await feeding.until(lambda: feeding.asked("reqRealTimeBars") == 3)
        await feeding.settled()
        assert feeding.asked("reqRealTimeBars") == 3
        assert feeding.gateway.requests[-1].symbol == "SPY"
        assert [old.id for old in feeding.gateway.asked("cancelRealTimeBars")] == [
            line.id for line in feeding.gateway.asked("reqRealTimeBars")[:2] if line.symbol == "SPY"
        ]
        feeding.five_seconds(20, "SPY")
        await feeding.until(lambda: feeding.log.said("BARS AGAIN of SPY"))
    assert feeding.log.said("NO BARS") == ["NO BARS of SPY: 15 s overdue; subscribed anew until some come"]


async def test_ages_say_how_old_each_symbols_data_are() -> None:
    async with running("QQQ", "SPY") as feeding:
        feeding.five_seconds(0, "QQQ")
        await feeding.until(lambda: feeding.openings)
        feeding.clock.set(OPEN + 12 * SECOND)
        assert feeding.feed.ages() == {"QQQ": 7.0, "SPY": None}


@pytest.mark.parametrize("code", [10182, 10225])
async def test_a_line_that_the_broker_says_has_ended_is_made_anew_at_once(code: int) -> None:
    async with running("QQQ") as feeding:
        feeding.clock.set(OPEN + 16 * SECOND)
        feeding.gateway.notify(code, "ended", feeding.gateway.asked("reqRealTimeBars")[0].id)
        await feeding.subscribed(2)


@pytest.mark.parametrize("code", [2103, 2105, 2107, 2108])
async def test_a_farm_that_flaps_ends_no_line_and_no_connection(code: int) -> None:
    async with running("QQQ") as feeding:
        feeding.gateway.notify(code, "Market data farm connection is broken:usfarm")
        await feeding.minute(0)
        await feeding.until(lambda: feeding.published)
    assert feeding.asked("reqRealTimeBars") == 1


@pytest.mark.parametrize("code", [165, 2108, 2119])
async def test_a_notice_that_names_a_line_stops_nothing(code: int) -> None:
    async with running("QQQ") as feeding:
        feeding.gateway.notify(code, "by the way", feeding.gateway.asked("reqRealTimeBars")[0].id)
        await feeding.minute(0)
        await feeding.until(lambda: feeding.published)
        assert not feeding.feed.not_live


# what is not passed on


@pytest.mark.parametrize("code", [354, 10089, 10167, 10168, 10197, 420])
async def test_data_that_are_not_live_are_not_passed_on(code: int) -> None:
    async with running("QQQ", "SPY") as feeding:
        feeding.gateway.notify(code, "not what you think", feeding.gateway.asked("reqRealTimeBars")[0].id)
        await feeding.until(lambda: feeding.feed.not_live)
        await feeding.minute(0)
        await feeding.until(lambda: feeding.published)
        assert [bar.symbol for bar in feeding.published[0].bars] == ["SPY"], "and nobody waits for QQQ"
        assert {opening.bars[0].symbol for opening in feeding.openings} == {"SPY"}
        assert list(feeding.feed.not_live) == ["QQQ"]
    (line,) = feeding.log.errors
    assert line.startswith(f"DATA NOT LIVE of QQQ: IB error {code}")


async def test_who_is_not_live_is_not_helped_out_by_history() -> None:
    async with running("QQQ", "SPY") as feeding:
        await feeding.minute(0, without=range(6, 12))
        feeding.gateway.notify(10197, "competing", feeding.gateway.asked("reqRealTimeBars")[0].id)
        await feeding.until(lambda: feeding.feed.not_live)
        await feeding.minute(0, without=range(6))
        await feeding.until(lambda: feeding.published)
        feeding.gateway.faults.add(Lose("realtimeBar", times=24))
        await feeding.minute(1)
        await feeding.minute(2, symbols=["SPY"])
        await feeding.until(lambda: len(feeding.published) == 3)
    assert [[bar.symbol for bar in bar_time.bars] for bar_time in feeding.published] == [["SPY"]] * 3
    assert {question.symbol for question in feeding.gateway.asked("reqHistoricalData")} == {"SPY"}


async def test_another_session_that_takes_the_data_stops_all_of_them() -> None:
    async with running("QQQ", "SPY") as feeding:
        feeding.gateway.notify(10197, "No market data during competing live session")
        await feeding.until(lambda: len(feeding.feed.not_live) == 2)


async def test_data_are_taken_again_when_they_are_live_again() -> None:
    async with running("QQQ") as feeding:
        feeding.gateway.notify(10197, "No market data during competing live session")
        await feeding.until(lambda: feeding.feed.not_live)
        feeding.clock.set(OPEN + 16 * SECOND)
        await feeding.subscribed(2)
        await feeding.until(lambda: not feeding.feed.not_live)
        await feeding.minute(1)
        await feeding.until(lambda: feeding.published)
    assert feeding.log.said("DATA ARE LIVE again: QQQ")


async def test_bars_of_a_quarter_of_an_hour_ago_are_not_live() -> None:
    async with running("QQQ") as feeding:
        feeding.clock.set(OPEN + 15 * MINUTE)
        await feeding.minute(0)
        await feeding.until(lambda: feeding.log.said("FIVE SECONDS LEFT OUT of QQQ: older than a minute"))
        await feeding.settled()
    assert not feeding.published
    assert not feeding.openings
    assert len(feeding.log.said("FIVE SECONDS LEFT OUT")) == 2, "the first, and the tenth"


async def test_nothing_of_the_hours_outside_the_session_is_passed_on() -> None:
    async with running("QQQ") as feeding:
        feeding.gateway.market.bar("QQQ", OPEN - FIVE, 500, 500, 500, 500, 1)
        await feeding.until(lambda: feeding.log.said("FIVE SECONDS LEFT OUT of QQQ: outside regular hours"))
    assert not feeding.openings


async def test_a_bar_of_the_future_is_left_out_and_makes_no_other_late() -> None:
    async with running("QQQ") as feeding:
        feeding.gateway.market.bar("QQQ", OPEN + 60 * MINUTE, 500, 500, 500, 500, 1)
        await feeding.until(lambda: feeding.log.said("FIVE SECONDS LEFT OUT of QQQ: more than a minute ahead"))
        await feeding.minute(0)
        await feeding.until(lambda: feeding.published)


async def test_a_late_straggler_is_told_and_not_published() -> None:
    async with running("QQQ", "SPY") as feeding:
        await feeding.minute(0, symbols=["QQQ"])
        feeding.clock.set(OPEN + MINUTE + 2 * SECOND)
        await feeding.until(lambda: feeding.published)
        await feeding.minute(0, symbols=["SPY"])
        await feeding.until(lambda: feeding.log.said("FIVE SECONDS LEFT OUT of SPY: its minute has been given already"))
        await feeding.settled()
    assert [[bar.symbol for bar in bar_time.bars] for bar_time in feeding.published] == [["QQQ"]]
