"""Bayesian hierarchical linear models as a scikit-learn estimator, with Stan underneath.

What is public is imported with the first use of it: the command line answers ``--help`` without
waiting for numpy, pandas, scipy and scikit-learn.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

from skhlm._version import __version__ as __version__

_ALONE = {"HLMClassifier": "skhlm.classifier", "HLMRegressor": "skhlm.regressor"}
"""What most programs want, and nothing else: a third of our own modules less to wait for."""

if TYPE_CHECKING:
    from skhlm._public import *  # noqa: F403
else:

    def __getattr__(name: str) -> object:
        if name.startswith("__") and name != "__all__":
            raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
        if name in _ALONE:
            return getattr(import_module(_ALONE[name]), name)
        public = import_module("skhlm._public")  # and with it, by their names, our modules
        found = vars(public) if name in (*public.__all__, "__all__") else globals()
        try:
            return found[name]
        except KeyError:
            raise AttributeError(f"module {__name__!r} has no attribute {name!r}") from None

    def __dir__() -> list[str]:
        return [*globals(), *import_module("skhlm._public").__all__]
