"""Every rule of the audit, in the order in which they are told."""

from trader.audit.entries import ENTRIES
from trader.audit.journal import JOURNAL
from trader.audit.ledger import LEDGER
from trader.audit.orders import ORDERS
from trader.audit.positions import POSITIONS
from trader.audit.principles import PRINCIPLES
from trader.audit.records import RECORDS

RULES = (*PRINCIPLES, *ENTRIES, *POSITIONS, *ORDERS, *LEDGER, *JOURNAL, *RECORDS)
