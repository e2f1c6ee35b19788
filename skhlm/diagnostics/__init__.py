"""Did inference go well? Convergence, checks, the verdict."""

from skhlm.diagnostics.checks import Check
from skhlm.diagnostics.counts import check_counts
from skhlm.diagnostics.diagnostics import Diagnostics, diagnose, warn_unless_converged

__all__ = ["Check", "Diagnostics", "check_counts", "diagnose", "warn_unless_converged"]
