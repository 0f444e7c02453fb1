"""What is asked of a running daemon: stop, halt, resume, flatten, signal, adjust, resolve, adopt."""

from typing import Annotated

import typer

from trader.app.cli.asking import Asking, ask_daemon
from trader.app.cli.context import ConfigOption, DbOption, JsonOption, account_of, as_symbol, settings_for
from trader.app.cli.output import Exit, complain, show_facts
from trader.domain.errors import ConfigurationError

ReasonOption = Annotated[str, typer.Option("--reason", "-r", help="Why; kept in the journal.")]
SymbolOption = Annotated[str, typer.Option("--symbol", callback=as_symbol, help="Only this symbol.")]
FamilyOption = Annotated[str, typer.Option("--family", callback=as_symbol, help="Only this family.")]
StrategyOption = Annotated[str, typer.Option("--strategy", help="Only what the strategy of this name says.")]


def stop_command(
    config: ConfigOption = None, db: DbOption = None, reason: ReasonOption = "asked", as_json: JsonOption = False
) -> None:
    """Stop the running daemon in order. Positions stay as they are; `trader flatten` closes them."""
    Asking("stop", settings_for(config, db), as_json).ask(reason=reason)


def halt_command(
    reason: ReasonOption,
    symbol: SymbolOption = "",
    family: FamilyOption = "",
    strategy: StrategyOption = "",
    config: ConfigOption = None,
    db: DbOption = None,
    as_json: JsonOption = False,
) -> None:
    """Stop entries: everywhere, or of a family, symbol or strategy. Exits, stops and the close of the day go on."""
    _scoped(Asking("halt", settings_for(config, db), as_json), reason, symbol, family, strategy)


def resume_command(
    reason: ReasonOption,
    symbol: SymbolOption = "",
    family: FamilyOption = "",
    strategy: StrategyOption = "",
    breaker: Annotated[str, typer.Option("--breaker", help="Clear this breaker; see `trader breakers`.")] = "",
    config: ConfigOption = None,
    db: DbOption = None,
    as_json: JsonOption = False,
) -> None:
    """Allow entries again after a halt, or clear a breaker; of a strategy also after it was disabled for being late."""
    _scoped(Asking("resume", settings_for(config, db), as_json), reason, symbol, family, strategy, breaker)


def flatten_command(
    reason: ReasonOption,
    symbol: SymbolOption = "",
    family: FamilyOption = "",
    yes: Annotated[bool, typer.Option("--yes", help="Do it; without this it is only shown.")] = False,
    config: ConfigOption = None,
    db: DbOption = None,
    as_json: JsonOption = False,
) -> None:
    """Halt entries, then close positions at the market, and whatever else comes to be held until `trader resume`."""
    asking = Asking("flatten", settings_for(config, db), as_json)
    if yes:
        _scoped(asking, reason, symbol, family)
        return
    with account_of(asking.settings) as (book, account, _):
        rows = book.execute(
            "SELECT symbol, quantity, family FROM book_positions WHERE account = ? AND quantity > 0", (account,)
        ).fetchall()
    chosen = [row for row in rows if symbol in ("", row["symbol"]) and family in ("", row["family"])]
    would_close = ", ".join(f"{row['symbol']} {row['quantity']}" for row in chosen) or "nothing"
    asking.refuse(f"would close: {would_close}; nothing was done, add --yes")


def signal_command(
    symbol: Annotated[
        str, typer.Argument(callback=as_symbol, help="An underlying, a single symbol, or an option's OCC symbol.")
    ],
    probability: Annotated[float, typer.Argument(help="That it rises, 0 to 1.")],
    id_: Annotated[str, typer.Option("--id", help="Your id; a repeated one is refused.")] = "",
    config: ConfigOption = None,
    db: DbOption = None,
    as_json: JsonOption = False,
) -> None:
    """Hand a signal to the running daemon and say what became of it."""
    settings = settings_for(config, db)
    answer = ask_daemon(settings, {"ask": "signal", "symbol": symbol, "probability": probability, "id": id_})
    if "error" in answer:
        complain(f"trader: {answer['error']}")
        raise typer.Exit(Exit.REFUSED)
    facts = {name: value for name, value in answer.items() if value not in (None, "", True)}
    show_facts(facts, as_json=as_json, title=f"{symbol} {probability}")
    if answer["outcome"] == "refused":
        raise typer.Exit(Exit.REFUSED)


def adjust_command(
    reason: ReasonOption,
    execution: Annotated[str, typer.Option(help="Book a row that reverses this execution.")] = "",
    missing: Annotated[
        str, typer.Option(callback=as_symbol, help="Book the shares of this symbol that the broker lacks as sold.")
    ] = "",
    price: Annotated[str, typer.Option(help="Of a missing share, dollars.")] = "",
    config: ConfigOption = None,
    db: DbOption = None,
    as_json: JsonOption = False,
) -> None:
    """Correct the book with a new row: reverse an execution, book missing shares. Nothing is deleted."""
    asking = Asking("adjust", settings_for(config, db), as_json)
    if bool(execution) == bool(missing):
        raise ConfigurationError(
            "name one of --execution ID and --missing SYMBOL; cash is booked by `trader cash book`"
        )
    if bool(missing) != bool(price):
        raise ConfigurationError("--price is needed with --missing, and only there")
    if missing:
        asking.ask(reason=reason, scope="symbol", target=missing, price_micros=typed_micros("--price", price))
        return
    asking.ask(reason=reason, fill=_reversal(asking, execution))


def resolve_command(
    order: Annotated[str, typer.Argument(help="The order's reference; see `trader orders --open`.")],
    fate: Annotated[str, typer.Option("--as", help="working, cancelled or filled.")],
    reason: ReasonOption,
    price: Annotated[str, typer.Option(help="Of a share, dollars, where it was filled.")] = "",
    config: ConfigOption = None,
    db: DbOption = None,
    as_json: JsonOption = False,
) -> None:
    """Say what became of an order of unknown fate, when you know it from the broker and the daemon cannot."""
    from trader.domain.events import Fate

    if fate not in set(Fate):
        raise ConfigurationError(f"--as {fate}: write one of {', '.join(Fate)}")
    if (fate == Fate.FILLED) != bool(price):
        raise ConfigurationError("--price is needed with --as filled, and only there")
    asking = Asking("resolve", settings_for(config, db), as_json)
    asking.ask(reason=reason, order_ref=order, fate=fate, price_micros=typed_micros("--price", price) if price else 0)


def adopt_command(
    symbol: Annotated[str, typer.Argument(callback=as_symbol, help="Whose foreign shares; see `trader ledger`.")],
    price: Annotated[str, typer.Option(help="What a share has cost, dollars; its exits lie around it.")],
    reason: ReasonOption,
    config: ConfigOption = None,
    db: DbOption = None,
    as_json: JsonOption = False,
) -> None:
    """Take shares that the broker has and the book has not into the book, with exits of their own."""
    asking = Asking("adopt", settings_for(config, db), as_json)
    asking.ask(reason=reason, scope="symbol", target=symbol, price_micros=typed_micros("--price", price))


def typed_micros(option: str, text: str) -> int:
    """An amount as typed, in micros. Raises ConfigurationError."""
    from trader.domain.money import micros

    try:
        return micros(text)
    except ValueError as error:
        raise ConfigurationError(f"{option}: {error}") from error


def _reversal(asking: Asking, execution: str) -> dict[str, object]:
    """The execution that undoes another one: other side, same price, commission given back."""
    from trader.domain.order import reversal_of

    with account_of(asking.settings) as (book, account, _):
        row = book.execute(
            "SELECT * FROM charged_fills WHERE account = ? AND execution_id = ?", (account, execution)
        ).fetchone()
    if row is None:
        complain(f"trader: the book of account {account} has no execution {execution}; see `trader trades`")
        raise typer.Exit(Exit.REFUSED)
    return {
        "execution_id": reversal_of(execution),
        "order_ref": row["order_ref"],
        "account": row["account"],
        "symbol": row["symbol"],
        "side": "SELL" if row["side"] == "BUY" else "BUY",
        "quantity": row["quantity"],
        "price_micros": row["price_micros"],
        "commission_micros": -row["commission_micros"],
    }


def _scoped(asking: Asking, reason: str, symbol: str, family: str, strategy: str = "", breaker: str = "") -> None:
    named = {scope: of for scope, of in (("symbol", symbol), ("family", family), ("strategy", strategy)) if of}
    if len(named) > 1:
        raise ConfigurationError(f"name one of {', '.join(f'--{scope}' for scope in named)}, not {len(named)}")
    scope, target = next(iter(named.items()), ("all", ""))
    if breaker:
        from trader.domain.breaker import Breaker

        if breaker not in set(Breaker):
            raise ConfigurationError(f"--breaker {breaker}: write one of {', '.join(Breaker)}")
        if scope == "strategy":
            raise ConfigurationError("name --breaker or --strategy, not both")
    asking.ask(reason=reason, scope=scope, target=target, **({"breaker": breaker} if breaker else {}))
