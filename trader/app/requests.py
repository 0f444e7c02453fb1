"""What may be asked of a running daemon by its socket: its state, a signal, an operator's command, to stop."""

from collections.abc import Callable, Collection, Mapping
from datetime import datetime
from enum import StrEnum
from pathlib import Path
from typing import TypedDict, TypeVar

from trader.adapters.control import Answer, Request
from trader.adapters.run_lock import Holder
from trader.app.barriers import barriers_of
from trader.app.breakers_list import row_of
from trader.domain.alarm import AlarmType
from trader.domain.breaker import Breaker
from trader.domain.build import UNKNOWN_BUILD, Build
from trader.domain.cash import CashKind
from trader.domain.decision import UNSTAMPED, Side, Signal
from trader.domain.errors import TraderError
from trader.domain.events import Command, CommandName, Fate
from trader.domain.money import MICROS_PER_DOLLAR
from trader.domain.order import Fill
from trader.domain.portfolio import Book
from trader.domain.symbol import read_symbol
from trader.services.engine import Engine
from trader.services.exit_scanner import Scan
from trader.services.ports import Clock

LONGEST_REASON = 200
_ABSURD = 1e9
"""Further from 0 than this is no probability that anybody meant, and perhaps no float."""


_Word = TypeVar("_Word", bound=StrEnum)


class BadRequest(TraderError):
    """A request that is not understood; nothing was done."""


class Requests:
    """Answers requests."""

    def __init__(
        self,
        engine: Engine,
        clock: Clock,
        holder: Holder,
        halt_files: Collection[Path],
        stop: Callable[[str], None],
        connection: Callable[[], Answer] = dict,
        strategy: Callable[[], Answer] = dict,
        build: Build = UNKNOWN_BUILD,
        work: Callable[[], Answer] = dict,
        audit: Callable[[], Answer] = dict,
    ) -> None:
        self._engine = engine
        self._clock = clock
        self._connection = connection
        self._strategy = strategy
        self._build = build
        self._work = work
        self._audit = audit
        self._holder = holder
        self._halt_files = halt_files
        self._stop = stop

    async def answer(self, request: Request) -> Answer:
        """Do what is asked. Raises BadRequest."""
        what = _text(request, "ask")
        if what == "status":
            return self._status()
        if what == "signal":
            return await self._signal(request)
        if what == "test_alarm":
            return self._test_alarm(request)
        if what == "stop":
            self._stop(f"{_text(request, 'operator')}: {_text(request, 'reason')}")
            return {"message": "stopping; positions stay as they are"}
        if what in ("halt", "resume", "flatten", "adjust", "resolve", "adopt", "cash", "acknowledge"):
            return await self._command(CommandName(what), request)
        raise BadRequest(f"the daemon does not know how to {what!r}")

    async def _command(self, name: CommandName, request: Request) -> Answer:
        command = _command(name, request, self._clock)
        there = [str(path) for path in self._halt_files if path.exists()]
        if name is CommandName.RESUME and command.scope == "all" and command.breaker is None and there:
            return {"message": f"refused: the file {there[0]} keeps entries halted; remove it", "refused": True}
        message = await self._engine.command(command)
        return {"message": message, "refused": message.startswith("refused")}

    def _test_alarm(self, request: Request) -> Answer:
        """Each test is an alarm of its own: it is told at once, however many there were before."""
        operator = _text(request, "operator")
        subject = f"{operator} {self._clock.now():%Y-%m-%dT%H:%M:%S.%fZ}"
        self._engine.alarm(AlarmType.TEST, subject, f"a test, asked for by {operator}")
        return {"subject": subject}

    def _status(self) -> Answer:
        book, barred = self._engine.book, self._engine.trading.gate.why
        return {
            "account": book.account,
            "state": _state(book, barred),
            "barred": barred,
            "phase": self._engine.trading.day.phase,
            "halts": {key: halt.reason for key, halt in book.halts.items()},
            "breakers": [row_of(one) for one in self._engine.trading.breakers.standing(book, self._clock.now())],
            "market_time": self._clock.now().isoformat(timespec="seconds"),
            "connection": self._connection(),
            "strategy": self._strategy(),
            "work": self._work(),
            "audit": self._audit(),
            "pid": self._holder.pid,
            "version": self._holder.version,
            "code": self._holder.fingerprint,
            "configuration": self._build.configuration,
            "schema": self._build.schema,
            "build": self._build.stamp,
            "version_differs": self._engine.trading.version_guard.differs,
            "started_at": self._holder.started_at,
            "cash": book.cash_micros / MICROS_PER_DOLLAR,
            "positions": len(book.positions),
            "orders": len(book.orders),
            "signals": self._engine.trading.signals,
            "commits": self._engine.commits,
            "waiting": len(self._engine.inbox),
            "barriers": [barrier._asdict() for barrier in barriers_of(self._engine)],
            "latencies": self._engine.latencies.as_answer(),
            "scan": _scan(self._engine.trading.exits.last),
            "reconciled_at": _moment(self._engine.trading.reconciliation.reconciled_at),
        }

    async def _signal(self, request: Request) -> Answer:
        probability = request.get("probability")
        if isinstance(probability, bool) or not isinstance(probability, int | float):
            raise BadRequest("probability has to be a number")
        if not abs(probability) < _ABSURD:
            raise BadRequest("probability has to be a number from 0 to 1")
        signal = Signal(_text(request, "symbol"), float(probability), id=str(request.get("id") or ""))
        decision = await self._engine.submit(signal)
        refusal, ticket = decision.refusal, decision.ticket
        lock = self._engine.book.locks.get(ticket.symbol) if ticket is not None else None
        return {
            "id": decision.signal.id,
            "outcome": decision.outcome.value,
            "order_ref": lock.order_ref if lock is not None else None,
            "symbol": ticket.symbol if ticket is not None else None,
            "quantity": ticket.quantity if ticket is not None else None,
            "stage": refusal.stage.value if refusal else None,
            "rule": refusal.rule.value if refusal else None,
            "measured": refusal.measured if refusal else None,
            "limit": refusal.limit if refusal else None,
            "detail": refusal.detail if refusal else "",
        }


def _state(book: Book, barred: str) -> str:
    if "all" in book.halts:
        return "HALTED"
    if any(not latch.target for latch in book.latches.values()):
        return "TRIPPED"
    return "BARRED" if barred else "TRADING"


def _moment(at: datetime | None) -> str:
    return at.isoformat(timespec="seconds") if at is not None else ""


def _scan(scan: Scan) -> Answer:
    at = scan.at.isoformat(timespec="seconds") if scan.at != UNSTAMPED else ""
    return {"at": at, "armed": dict(scan.armed), "unarmed": dict(scan.unarmed)}


def _command(name: CommandName, request: Request, clock: Clock) -> Command:
    scope, target = str(request.get("scope") or "all"), str(request.get("target") or "")
    if scope not in ("all", "family", "symbol", "strategy") or (scope == "all") != (target == ""):
        raise BadRequest("name a family or a symbol or the strategy, or nothing for everything")
    if target and not (scope == "strategy" and target.isidentifier()):
        target = _symbol(target)
    amount = request.get("amount_micros", 0)
    fill = request.get("fill")
    return Command(
        name=name,
        operator=_text(request, "operator"),
        reason=_text(request, "reason"),
        scope=scope,
        target=target,
        fill=_fill(fill, clock) if isinstance(fill, Mapping) else None,
        amount_micros=amount if isinstance(amount, int) else 0,
        alarms=_numbers(request.get("alarms")),
        breaker=_one_of(Breaker, request, "breaker") if request.get("breaker") else None,
        **(_movement(request) if name is CommandName.CASH else {}),
        **(_resolution(request) if name is CommandName.RESOLVE else {}),
        **({"price_micros": _price_micros(request)} if name in (CommandName.ADOPT, CommandName.ADJUST) else {}),
    )


def _numbers(value: object) -> tuple[int, ...]:
    return tuple(number for number in value if type(number) is int) if isinstance(value, list) else ()


def _symbol(text: str) -> str:
    try:
        return read_symbol(text)
    except ValueError as error:
        raise BadRequest(str(error)) from None


def _one_of(words: type[_Word], request: Request, key: str) -> _Word:
    """One of the words that a key may have."""
    try:
        return words(_text(request, key))
    except ValueError:
        raise BadRequest(f"{key} has to be one of {', '.join(words)}") from None


class _Movement(TypedDict, total=False):
    kind: CashKind
    movement: str


def _movement(request: Request) -> _Movement:
    kind = _one_of(CashKind, request, "kind")
    return {"kind": kind, "movement": _text(request, "movement") if request.get("movement") else ""}


class _Resolution(TypedDict, total=False):
    order_ref: str
    fate: Fate
    price_micros: int


def _resolution(request: Request) -> _Resolution:
    fate = _one_of(Fate, request, "fate")
    return {
        "order_ref": _text(request, "order_ref"),
        "fate": fate,
        "price_micros": _price_micros(request),
    }


def _price_micros(request: Request) -> int:
    price = request.get("price_micros", 0)
    return price if isinstance(price, int) else 0


def _fill(values: Mapping[str, object], clock: Clock) -> Fill:
    def number(key: str) -> int:
        value = values.get(key)
        if not isinstance(value, int):
            raise BadRequest(f"the correction's {key} is not a whole number")
        return value

    return Fill(
        execution_id=_text(values, "execution_id"),
        order_ref=_text(values, "order_ref"),
        account=_text(values, "account"),
        symbol=_text(values, "symbol"),
        side=Side(_text(values, "side")),
        quantity=number("quantity"),
        price_micros=number("price_micros"),
        commission_micros=number("commission_micros"),
        executed_at=clock.now(),
    )


def _text(request: Mapping[str, object], key: str) -> str:
    value = request.get(key)
    if not isinstance(value, str) or not value.isprintable() or not value.strip() or len(value) > LONGEST_REASON:
        raise BadRequest(f"{key} has to be a printable text of 1 to {LONGEST_REASON} characters")
    return value
