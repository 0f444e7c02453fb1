"""Who may look and who may act: two tokens in files that only their owner reads.

Rule 1: a token that others could have read is none: the file's mode is 0600 and its owner is who runs the dashboard.
Rule 2: a browser keeps a session, not the token; the session follows from the token, so that it ends with it.
Rule 3: what is compared is compared in constant time.
"""

import hmac
import os
import secrets
import stat
from enum import StrEnum
from hashlib import sha256
from pathlib import Path
from typing import NamedTuple

from trader.domain.errors import ConfigurationError

_BYTES = 32


class Role(StrEnum):
    """What the bearer of a token may do."""

    OPERATOR = "operator"
    READER = "reader"


class Tokens(NamedTuple):
    """The secrets of one account's dashboard."""

    operator: str
    reader: str

    def role_of(self, token: str) -> Role | None:
        """Whose token it is."""
        return self._matching(token, {role: self._token(role) for role in Role})

    def role_of_session(self, session: str) -> Role | None:
        """Whose session it is."""
        return self._matching(session, {role: self.session(role) for role in Role})

    def session(self, role: Role) -> str:
        """What a browser keeps in its cookie."""
        return _derived(self._token(role), "session")

    def form_key(self, role: Role) -> str:
        """What a page of ours sends back with each command; another site's page cannot read it."""
        return _derived(self._token(role), "form")

    def _token(self, role: Role) -> str:
        return self.operator if role is Role.OPERATOR else self.reader

    @staticmethod
    def _matching(given: str, known: dict[Role, str]) -> Role | None:
        found = [role for role, secret in known.items() if hmac.compare_digest(given.encode(), secret.encode())]
        return found[0] if found else None


def token_path(db: Path, account: str, role: Role) -> Path:
    """`trading_data.db.paper.operator.token`, beside the book."""
    return db.with_name(f"{db.name}.{account}.{role}.token")


def read_tokens(db: Path, account: str) -> Tokens:
    """The tokens in their files; what is missing is made. Raises ConfigurationError."""
    return Tokens(*(_read_or_make(token_path(db, account, role)) for role in Role))


def _read_or_make(path: Path) -> str:
    try:
        with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, 0o600), "w") as file:
            file.write(secrets.token_urlsafe(_BYTES))
    except FileExistsError:
        pass
    except OSError as error:
        raise ConfigurationError(f"cannot make the token file {path}: {error.strerror}") from error
    return _read(path)


def _read(path: Path) -> str:
    try:
        with os.fdopen(os.open(path, os.O_RDONLY | os.O_NOFOLLOW)) as file:
            status = os.fstat(file.fileno())
            token = file.read(200).strip()
    except OSError as error:
        raise ConfigurationError(f"cannot read the token file {path}: {error.strerror}") from error
    if stat.S_IMODE(status.st_mode) != 0o600 or status.st_uid != os.getuid():
        raise ConfigurationError(f"the token file {path} could be read by others; remove it, and a new one is made")
    if len(token) < _BYTES:
        raise ConfigurationError(f"the token file {path} has no token in it; remove it, and a new one is made")
    return token


def _derived(token: str, purpose: str) -> str:
    return hmac.new(token.encode(), purpose.encode(), sha256).hexdigest()
