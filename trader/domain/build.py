"""What runs: the code, the configuration in force, and the schema of the book."""

from hashlib import sha256
from typing import NamedTuple


class Build(NamedTuple):
    """Fingerprints, taken at the start of a run; sixteen hex digits each."""

    code: str
    configuration: str
    """Every setting in force, the families, and the strategy's own file."""
    schema: str
    """Of the book that is traded on."""

    @property
    def stamp(self) -> str:
        """All three in one, as it stands on every order."""
        return sha256(" ".join(self).encode()).hexdigest()[:16]

    def in_words(self) -> str:
        """For the log."""
        return f"code={self.code} configuration={self.configuration} schema={self.schema}"


UNKNOWN_BUILD = Build("", "", "")
"""Of what runs outside a daemon."""
