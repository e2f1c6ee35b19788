"""Did inference go well? Convergence, checks, the verdict."""

from skhlm.diagnostics.checks import Check
from skhlm.diagnostics.counts import check_counts
from skhlm.diagnostics.diagnostics import Diagnostics, diagnose, warn_unless_converged
from skhlm.diagnostics.slopes import check_slopes

__all__ = [
    "Check",
    "Diagnostics",
    "check_counts",
    "check_slopes",
    "diagnose",
    "warn_unless_converged",
]
