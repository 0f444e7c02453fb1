"""Start-up is recovery: one path, run every morning.

    spilled   exits that an earlier run has sent and could not book; of more than the book holds, with the evidence
    evidence  what the broker says of every order that the book holds as live, of executions, and of what it holds
    repair    a family that is held both ways closes one side

Until the broker has answered completely no entry leaves (see `reconciliation`); exits do not wait for that.
"""

from trader.domain.events import EvidenceGiven
from trader.services.engine import Engine
from trader.services.ports import Broker, Log


async def recover(engine: Engine, broker: Broker, log: Log) -> None:
    """Bring the book to what the broker knows. Raises BrokerUnreachable when it does not answer at all."""
    await engine.take_up_spilled()
    asked = engine.asks_about
    evidence = await broker.evidence(asked)
    await engine.handle([EvidenceGiven(asked, await engine.news_of(evidence))])
    await engine.repair()
    if evidence.unknown:
        log.error(
            f"RECOVERY INCOMPLETE: the broker does not tell its {', '.join(evidence.unknown)}; no entry leaves until "
            f"it does, exits go on account={engine.book.account}"
        )
