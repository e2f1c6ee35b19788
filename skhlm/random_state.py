"""Seeds from scikit-learn's ``random_state``."""

from __future__ import annotations

from typing import Any

from sklearn.utils import check_random_state


def seed_of(random_state: Any) -> int:
    """A seed from any of scikit-learn's ``random_state``."""
    return int(check_random_state(random_state).randint(1, 2**31 - 1))
