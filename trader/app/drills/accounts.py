"""Incident 3: a look-up that did not say whose executions it wanted, and a failed answer that was read as nothing."""

from trader.app.drills.drill import Drill, Ended, after_the_last_entry, ended
from trader.app.drills.evidence import Catch, Evidence, Kind
from trader.app.drills.rehearsal import Progress, Rehearsal, a_rehearsal
from trader.app.settings import Settings
from trader.domain.decision import Side
from trader.domain.events import NO_EVIDENCE, FillReported
from trader.domain.money import micros
from trader.domain.order import Fill

_OF = "incident 3, two accounts"


def _of_another(settings: Settings) -> str:
    """Another account of the configuration, else a name that nobody has."""
    others = [name for name in settings.accounts if name != settings.account.name]
    return others[0] if others else f"{settings.account.name[:8]}-two"


async def _two_accounts(settings: Settings, tick: Progress) -> Ended:
    other = _of_another(settings)
    async with a_rehearsal(settings, tick) as rehearsal:
        symbols = list(rehearsal.cast.singles[:3])
        for cycle in range(3):
            for symbol in symbols:
                fill = Fill(
                    f"{other}-{symbol}-{cycle}",
                    f"{other}-1-0001",
                    other,
                    symbol,
                    Side.BUY,
                    10,
                    micros(rehearsal.prices[symbol]),
                    micros(1),
                    rehearsal.now,
                )
                await rehearsal.handle(FillReported(fill))
            for _ in range(5):
                await rehearsal.bar()
        harm = f"positions were made of executions of {other}: {_named(rehearsal)}" if rehearsal.held else ""
        otherwise = f"nothing was made of {3 * len(symbols)} executions of {other}"
        return await ended(
            rehearsal, harm, otherwise, lambda evidence: evidence.stopped() or evidence.first(Kind.ALARM)
        )


async def _no_answer(settings: Settings, tick: Progress) -> Ended:
    async with a_rehearsal(settings, tick) as rehearsal:
        symbols = list(rehearsal.cast.singles[:2])
        await rehearsal.bar(dict.fromkeys(symbols, 1.0))
        await rehearsal.bar()
        before = rehearsal.held
        rehearsal.broker.answers = lambda _: NO_EVIDENCE._replace(executions=(), working=frozenset(), ended={})
        sent = len(rehearsal.broker.sent)
        await rehearsal.restart()
        for _ in range(5):
            await rehearsal.bar()
            await rehearsal.ask_broker()
        await rehearsal.signals(rehearsal.cast.singles[2], 1.0)
        harm = ""
        if rehearsal.held != before:
            harm = f"positions were dropped from the book: {before} became {rehearsal.held}"
        elif len(rehearsal.broker.sent) > sent:
            harm = "an order left while nobody knew what is held"
        otherwise = f"the book kept {_named(rehearsal) or 'what it held'}, and nothing was sent"

        def by(evidence: Evidence) -> Catch | None:
            return after_the_last_entry(rehearsal, Kind.REFUSAL)(evidence)

        return await ended(rehearsal, harm, otherwise, by)


def _named(rehearsal: Rehearsal) -> str:
    return ", ".join(f"{shares} {symbol}" for symbol, shares in rehearsal.held.items())


DRILLS = (
    Drill("two-accounts", _OF, "executions of another account come in, again and again", 16, _two_accounts),
    Drill("no-answer", _OF, "the broker does not say what is held, and the daemon starts anew", 9, _no_answer),
)
