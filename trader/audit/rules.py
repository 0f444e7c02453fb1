"""Every rule of the audit, in the order in which they are told."""

from trader.audit.checksums import CHECKSUMS
from trader.audit.entries import ENTRIES
from trader.audit.journal import JOURNAL
from trader.audit.ledger import LEDGER
from trader.audit.orders import ORDERS
from trader.audit.positions import POSITIONS
from trader.audit.principles import PRINCIPLES
from trader.audit.records import FILE_IS_SOUND, RECORDS

RULES = (*PRINCIPLES, *ENTRIES, *POSITIONS, *ORDERS, *LEDGER, *JOURNAL, *RECORDS, *CHECKSUMS)
"""Those that are asked each minute beside a daemon."""

EVERY_RULE = (*RULES, FILE_IS_SOUND)
"""With the one that reads the whole file."""
