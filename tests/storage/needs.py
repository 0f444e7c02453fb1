"""What these tests need of the Python that runs them."""

import pytest
from simulation.seen_disk import DISK

needs_seen_disk = pytest.mark.skipif(
    DISK is None, reason="this Python's sqlite3 hides the library it is linked with, so its writes cannot be seen"
)
