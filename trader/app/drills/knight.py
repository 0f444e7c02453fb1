"""The chain of Knight Capital, 2012-08-01 (SEC order 34-70694), link by link.

One of eight servers missed the new code; a flag that was used again woke dead code on it; the counter that should have
seen the executions had been moved; more orders left than anybody had asked for; and going back made it worse.
"""

from pathlib import Path

from trader import __version__
from trader.adapters.sqlite.backup import backup
from trader.adapters.sqlite.restoring import restore
from trader.app.drills.drill import Drill, Ended, Verdict, after_the_last_entry, ended
from trader.app.drills.evidence import Catch, Kind
from trader.app.drills.rehearsal import Progress, Rehearsal, a_rehearsal
from trader.app.settings import Settings, load_settings
from trader.domain.alarm import AlarmType, Severity
from trader.domain.decision import Purpose, Side
from trader.domain.errors import ConfigurationError
from trader.domain.events import AlarmRaised, FillReported, VersionCompared
from trader.domain.order import Order, OrderState
from trader.services.telling import Message, unheard

_OF = "Knight Capital"
_QUIET_BARS = 60
_CHILD_ORDERS = 5
_FLAG = "\n[power_peg]\nenabled = true\n"


async def _versions(settings: Settings, tick: Progress) -> Ended:
    async with a_rehearsal(settings, tick) as rehearsal:
        await rehearsal.handle(VersionCompared(f"code is another than that of {__version__} which runs"))
        await _ask_for_everything(rehearsal, 5)
        sent = len(rehearsal.broker.entries)
        harm = f"{sent} orders to buy left, by code that is not what lies on the disk" if sent else ""
        by = after_the_last_entry(rehearsal, Kind.REFUSAL)
        return await ended(rehearsal, harm, "no entry left while code and disk differed", by)


async def _flag(settings: Settings, tick: Progress) -> Ended:
    tick()
    copy = settings.book.db.with_name("configuration.toml")
    copy.write_text(settings.toml_file.read_text("utf-8") + _FLAG, "utf-8")
    try:
        load_settings(copy)
    except ConfigurationError as error:
        said = str(error).replace(str(copy), "the configuration")
        catch = Catch(None, Kind.REFUSAL, "start", "configuration", "", said=said)
        return Ended(Verdict.CAUGHT, "with a flag that nothing reads the daemon does not start", catch)
    return Ended(Verdict.NOT_CAUGHT, "a flag that nothing reads was taken without a word")


async def _fills(settings: Settings, tick: Progress) -> Ended:
    async with a_rehearsal(settings, tick) as rehearsal:
        rehearsal.broker.loses = lambda event: isinstance(event, FillReported)
        rehearsal.broker.answers = lambda told: told._replace(executions=None, positions=None, ended=None)
        await _ask_for_everything(rehearsal, 60)
        orders = [order.symbol for order in rehearsal.broker.entries]
        twice = sorted({symbol for symbol in orders if orders.count(symbol) > 1})
        worth = sum(rehearsal.prices[symbol] * shares for symbol, shares in rehearsal.broker.held.items())
        harm = ""
        if twice:
            harm = f"{', '.join(twice)} were bought again and again, as no execution was heard of"
        elif worth > settings.account.starting_cash:
            harm = f"{worth:,.0f} USD were bought by an account of {settings.account.starting_cash:,.0f}"
        otherwise = f"{len(orders)} orders left in an hour, each symbol once, for {worth:,.0f} USD"
        return await ended(rehearsal, harm, otherwise, after_the_last_entry(rehearsal, Kind.REFUSAL))


async def _orders(settings: Settings, tick: Progress) -> Ended:
    async with a_rehearsal(settings, tick) as rehearsal:
        for number in range(_CHILD_ORDERS):
            rehearsal.broker.take_from_elsewhere(_power_peg(rehearsal, number))
            await rehearsal.bar()
        await rehearsal.bar()
        before = len(rehearsal.broker.entries)
        await _ask_for_everything(rehearsal, 5)
        after = len(rehearsal.broker.entries) - before
        harm = f"{after} orders to buy left after executions that nobody had ordered" if after else ""
        otherwise = f"after the executions of {_CHILD_ORDERS} orders that the book never had no entry left"
        return await ended(
            rehearsal, harm, otherwise, lambda evidence: evidence.stopped() or evidence.first(Kind.REFUSAL, Kind.ALARM)
        )


def _power_peg(rehearsal: Rehearsal, number: int) -> Order:
    """An order of code that should not run any more, on the same account."""
    return Order(
        ref=f"power-peg-{number}",
        account=rehearsal.settings.account.name,
        symbol=rehearsal.cast.singles[-1],
        side=Side.BUY,
        quantity=1,
        limit_micros=None,
        purpose=Purpose.ENTRY,
        reason="signal",
        signal_id="",
        state=OrderState.CREATED,
        filled=0,
        created_at=rehearsal.now,
        updated_at=rehearsal.now,
    )


class _NobodyThere:
    """A channel that takes nothing."""

    name = "nobody"
    least = Severity.INFO

    async def deliver(self, message: Message) -> str:
        """It does not."""
        return f"nobody is there for {message.title}"


async def _alarms(settings: Settings, tick: Progress) -> Ended:
    async with a_rehearsal(settings, tick) as rehearsal:
        courier = rehearsal.courier(_NobodyThere())
        await rehearsal.handle(AlarmRaised(AlarmType.BROKER_DOWN, "", "the first of those that nobody hears"))
        await rehearsal.write_down()
        for _ in range(_QUIET_BARS):
            await rehearsal.bar()
            await courier.look()
            await rehearsal.handle(unheard([[courier]], rehearsal.now))
        await _ask_for_everything(rehearsal, 5)
        sent = len(rehearsal.broker.entries)
        harm = f"{sent} orders to buy left after an hour in which nobody could be told of anything" if sent else ""
        otherwise = "no entry left after an hour in which nobody could be told of anything"
        return await ended(rehearsal, harm, otherwise, after_the_last_entry(rehearsal, Kind.REFUSAL))


async def _rollback(settings: Settings, tick: Progress) -> Ended:
    async with a_rehearsal(settings, tick) as rehearsal:
        copy = _back_up(rehearsal, settings)
        await _ask_for_everything(rehearsal, 5)
        await rehearsal.write_down()
        await rehearsal.stop()
        try:
            restore(settings.book.db, copy, "drill")
        finally:
            await rehearsal.start()
        sent = len(rehearsal.broker.entries)
        held = dict(rehearsal.broker.held)
        await _ask_for_everything(rehearsal, 5)
        more = len(rehearsal.broker.entries) - sent
        harm = f"{more} orders to buy left from a book that is older than what the broker holds" if more else ""
        otherwise = f"the older book bought nothing, while the broker holds {len(held)} positions that it may not know"
        return await ended(
            rehearsal, harm, otherwise, lambda evidence: evidence.stopped() or evidence.first(Kind.REFUSAL, Kind.ALARM)
        )


def _back_up(rehearsal: Rehearsal, settings: Settings) -> Path:
    settings.book.backups.mkdir(exist_ok=True)
    return backup(settings.book.db, settings.book.backups, rehearsal.now, settings.book.backups_kept)


async def _ask_for_everything(rehearsal: Rehearsal, bars: int) -> None:
    for _ in range(bars):
        await rehearsal.bar(dict.fromkeys(rehearsal.cast.drivers, 1.0))
        await rehearsal.ask_broker()


DRILLS = (
    Drill("knight-versions", _OF, "what runs is not the code that lies on the disk", 6, _versions),
    Drill("knight-flag", _OF, "a flag is set that nothing reads any more", 1, _flag),
    Drill("knight-fills", _OF, "executions never reach the daemon, which is asked to buy for an hour", 61, _fills),
    Drill("knight-orders", _OF, "orders that the book never had leave for the broker, and are executed", 12, _orders),
    Drill("knight-alarms", _OF, "no channel takes an alarm for an hour, then everything is asked for", 66, _alarms),
    Drill("knight-rollback", _OF, "a backup is put in the place of a book that has traded since", 11, _rollback),
)
