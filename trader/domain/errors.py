"""Errors say whose turn it is.

TraderError
├── ConfigurationError   the user's: a file, a key or a value is wrong; says which, and what would be right
├── DataError            the user's: a data file cannot be used; says file and line
├── BookError            the book cannot be used: refuse to trade
│   ├── BookUnwritable     a write failed: entries stop, exits go on
│   ├── BookRefused        the database's own rules refused the facts: what they came from is left out, loudly
│   ├── BookOutdated       it is of an older schema: a start copies it and brings it up to date
│   └── BookBroken         it contradicts itself or its schema is not ours
│       └── BookDamaged      pages of it are torn: nobody starts on it; a daemon that has it open goes on as unwritable
├── AlreadyRunning       another daemon has this book
├── BrokerUnreachable    nobody's fault: try again
└── IllegalTransition    ours: a bug, nothing was changed
"""


class TraderError(Exception):
    """Anything this project raises on purpose. The message says what to do."""


class ConfigurationError(TraderError):
    """The configuration is wrong."""


class DataError(TraderError):
    """A data file cannot be used."""


class BookError(TraderError):
    """The book cannot be used."""


class BookUnwritable(BookError):
    """A write to the book failed; nothing of that transaction is in it."""


class BookRefused(BookError):
    """What was to be written contradicts the book's own rules; nothing of that transaction is in it."""


class BookOutdated(BookError):
    """The book has an older schema than this program; a start brings it up to date."""


class BookBroken(BookError):
    """The book contradicts itself, is damaged, or has a schema this version does not know."""


class BookDamaged(BookBroken, BookUnwritable):
    """Pages of the file are torn. A daemon must not end of that: its exits go on without the book."""


class AlreadyRunning(TraderError):
    """Another daemon runs on this book."""


class BrokerUnreachable(TraderError):
    """The broker did not answer."""


class IllegalTransition(TraderError):
    """An event that the state machine does not allow. Nothing was changed."""
