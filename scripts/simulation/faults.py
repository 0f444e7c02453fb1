"""What may go wrong, which of it a seed chooses, and how often it has struck.

Each seed takes some of the faults and leaves the others out, with rates of its own: a run in which everything goes
wrong at once hides what two of them do together. Every kind has a chance of its own, so that one that strikes or not
does not move the others.
"""

from collections import Counter, deque
from enum import StrEnum
from random import Random


class Fault(StrEnum):
    """Each is counted when it strikes."""

    # what the broker says
    REPORT_LOST = "report lost"
    REPORT_LATE = "report late"
    REPORT_TWICE = "report told twice"
    REPORTS_REORDERED = "report overtaken by a later one"
    FILL_BEFORE_ACKNOWLEDGEMENT = "fill before its acknowledgement"
    FILL_AFTER_CANCEL = "fill after its cancel"
    ACKNOWLEDGEMENT_LOST = "acknowledgement lost"
    BROKER_SILENT = "order taken in silence"
    # what the broker does
    PARTIAL_FILL = "order filled in parts"
    REST_UNFILLED = "rest of an order never filled"
    SLOW_FILL = "order filled late"
    ENTRY_REJECTED = "entry rejected"
    EXIT_REJECTED = "exit rejected"
    CANCEL_IGNORED = "cancel ignored"
    ORDER_LATE = "order late at the broker"
    EXECUTION_CORRECTED = "execution corrected"
    EXECUTION_BUSTED = "execution busted"
    FOREIGN_SHARES = "foreign shares appear"
    MANUAL_TRADE = "somebody trades by hand"
    OTHER_ACCOUNT = "report of another account"
    # what the broker answers
    UNREACHABLE = "no answer"
    ANSWER_INCOMPLETE = "incomplete answer"
    ANSWER_STALE = "stale answer"
    # the market
    BAR_MISSING = "bar missing"
    BARS_FROZEN = "price frozen"
    PRICE_SPIKE = "price spike"
    PRICE_CROSSED = "crossed bar"
    BARS_TWICE = "bars told twice"
    BARS_OUT_OF_ORDER = "bars out of order"
    WRONG_SYMBOL = "bar of a wrong symbol"
    SYMBOL_HALTED = "symbol halted"
    FEED_SILENT = "feed silent"
    # time
    WALL_JUMPS = "wall clock jumps"
    MARKET_CLOCK_JUMPS = "market clock jumps"
    LOOP_STALLS = "loop stalls"
    SUSPENDED = "host suspended"
    SUSPENDED_OVER_FLATTEN = "host suspended over the flatten deadline"
    # the disk
    DISK_FULL = "disk full"
    DISK_ERROR = "disk error"
    BOOK_BUSY = "book busy"
    COMMIT_SLOW = "slow commit"
    SPILL_FAILS = "spill file fails"
    WRITES_LOST = "unsynced writes lost"
    WRITE_TORN = "write torn"
    # the process
    KILLED = "killed"
    KILLED_IN_RECOVERY = "killed while it recovers"
    KILLED_AT_A_WRITE = "killed at a write"
    STOPPED = "stopped in order"
    DOWN_OVERNIGHT = "down over a close"
    # strategies and signals
    STRATEGY_RAISES = "strategy raises"
    STRATEGY_NONSENSE = "strategy talks nonsense"
    STRATEGY_FLOODS = "strategy floods"
    STRATEGY_FLIPS = "strategy flips within a bar"
    SIGNAL_FROM_OUTSIDE = "signal from outside"
    BAD_LINE = "bad line in the inbox"
    # the operator
    OPERATOR_HALTS = "operator halts"
    OPERATOR_RESUMES = "operator resumes"
    OPERATOR_FLATTENS = "operator flattens"
    OPERATOR_ADJUSTS = "operator adjusts"
    OPERATOR_RESOLVES = "operator resolves"
    OPERATOR_ADOPTS = "operator adopts"
    HALT_FILE = "HALT file"
    # added later; each draws from the seed after those above
    ANSWER_EMPTY = "answer without anything in it"
    HALF_DAY = "half day"
    CLOCKS_CHANGED = "New York's clocks changed within a week"
    COMMISSION_LATE = "commission told after its execution"
    POSITIONS_EMPTY = "complete answer without positions"
    EVERYTHING_EMPTY = "complete answer of a broker that knows nothing"


ALWAYS = frozenset({Fault.PARTIAL_FILL, Fault.SLOW_FILL, Fault.KILLED})
"""In every run: what happens on most days anyway."""
_CHOSEN = 0.45
"""The share of the other faults that a seed takes."""
_LATEST = 12


class Faults:
    """Of one run. `limit` faults strike, and none after them: so a failure is cut down to what it needs."""

    def __init__(self, seed: str, limit: int | None = None) -> None:
        self.struck: Counter[Fault] = Counter()
        self.strikes_made = 0
        self.latest: deque[Fault] = deque(maxlen=_LATEST)
        """Of what has struck, the last ones, in order."""
        self.is_healed = False
        """Nothing strikes any more."""
        self._limit = limit
        self._chance = {fault: Random(f"{seed}:{fault.name}") for fault in Fault}
        chosen = Random(f"{seed}:faults")
        self.eagerness = {
            fault: chosen.choice((0.3, 1.0, 1.0, 3.0)) if chosen.random() < _CHOSEN or fault in ALWAYS else 0.0
            for fault in Fault
        }

    def strikes(self, fault: Fault, rate: float) -> bool:
        """Whether it happens now, being asked so that it would `rate` of the times; counted when it does."""
        hit = self._chance[fault].random() < rate * self.eagerness[fault]
        if not hit or self.is_healed or (self._limit is not None and self.strikes_made >= self._limit):
            return False
        self.strikes_made += 1
        self.struck[fault] += 1
        self.latest.append(fault)
        return True

    def seen(self, fault: Fault) -> None:
        """One that follows from others has happened."""
        self.struck[fault] += 1

    def chance(self, fault: Fault) -> Random:
        """For whatever else of a fault is up to chance."""
        return self._chance[fault]
