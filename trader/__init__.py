"""A trading daemon that cannot lose track.

Map of the house; imports go one way, `domain <- pipeline <- services <- adapters <- app`:

- `trader.domain`    nouns: immutable values, the ledger's and the session's rules
- `trader.pipeline`  verbs: the chain from signal to ticket, pure; read `pipeline/decide.py` first
- `trader.services`  promises: the engine, locking, execution, settlement, recovery
- `trader.adapters`  foreign names: SQLite, brokers, feeds, clock, log
- `trader.app`       wiring: settings, command line, the daemon's life

A strategy needs two names from here: `Bar` comes in, `Signal` goes out.
"""

from trader.domain.decision import Signal
from trader.domain.market import Bar

__all__ = ["Bar", "Signal", "__version__"]
__version__ = "0.1.0"
