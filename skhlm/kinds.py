"""Whether something is of a class of another package, which is not imported to ask."""

from __future__ import annotations

import sys
from typing import Any


def is_a(thing: Any, *classes: str) -> bool:
    """Whether a thing is an instance of one of some classes, each given as "module.Class".

    Nobody has an instance of a class whose module was never imported, and to import scikit-learn's
    column transformers, say, takes longer than everything of ours.
    """
    paths = (path.rpartition(".") for path in classes)
    return any(
        isinstance(thing, getattr(sys.modules[module], name, ()))
        for module, _, name in paths
        if module in sys.modules
    )
