"""The methods of `HLMRegressor` that report its parameters as tidy frames."""

from __future__ import annotations

from numbers import Real
from typing import Any

import pandas as pd
from sklearn.utils._param_validation import Interval
from sklearn.utils.validation import check_is_fitted

from skhlm.methods.arguments import checked
from skhlm.methods.fitted import Fitted
from skhlm.reports import parameters as reports

_COVERAGE = [Interval(Real, 0, 1, closed="neither")]


class InspectionMixin(Fitted):
    """What was learned: coefficients, group effects, scales."""

    @checked({"factor": [str, None], "coverage": _COVERAGE})
    def group_effects(self, factor: str | None = None, coverage: float = 0.9) -> pd.DataFrame:
        """Posterior of the group effects delta, in the user's units and at x = 0.

        Parameters
        ----------
        factor : str or None, default=None
            One grouping factor, such as "region/country"; None is all of them.
        coverage : float in (0, 1), default=0.9
            Posterior probability of the central intervals.

        Returns
        -------
        effects : DataFrame
            One row for each factor, level and coefficient that varies by it: ``factor``, ``level``
            (tuple of values, coarse to fine), ``coefficient``, ``mean``, ``sd``, ``lower`` and
            ``upper`` (central interval), ``n`` (sum of the weights of the level's rows).
        """
        check_is_fitted(self)
        spec = self._spec
        return reports.group_effects(
            self._posterior, spec.labels, spec.level_weights, factor, coverage
        )

    @checked({"coverage": _COVERAGE, "parts": ["boolean"]})
    def coefficients(
        self, levels: Any = None, coverage: float = 0.9, parts: bool = False
    ) -> pd.DataFrame:
        """Posterior of beta = kappa + group effects for combinations of levels, at x = 0.

        Parameters
        ----------
        levels : DataFrame, mapping or list of mappings, default=None
            Values of all group columns, one row for each combination asked for; levels that fit
            has not seen are allowed. None is every combination that fit has seen.
        coverage : float in (0, 1), default=0.9
            Posterior probability of the central intervals.
        parts : bool, default=False
            Whether to report what beta is the sum of as well.

        Returns
        -------
        coefficients : DataFrame
            One row for each combination and coefficient: the group columns, ``coefficient``,
            ``mean``, ``sd``, ``lower`` and ``upper`` (central interval). With ``parts`` there is a
            column ``part`` before ``coefficient``:

            ===========================  ===================================================
            "kappa"                      population-level coefficient
            "delta[region/country]"      effect of the level of a grouping factor, each of them
            "gamma[region/country]"      total effect of a hierarchy, the sum of its deltas
            "beta"                       kappa and all gammas: what the row would show without
            ===========================  ===================================================

            In every draw beta is kappa and the gammas, and a gamma its deltas.
        """
        check_is_fitted(self)
        spec = self._spec
        values, codes = (None, spec.combinations) if levels is None else spec.read_levels(levels)
        return reports.coefficients(
            self._posterior, spec.labels, codes, values, coverage, parts=parts
        )

    def summary(self) -> pd.DataFrame:
        """Posterior of everything but the group effects, in the user's units and at x = 0.

        Returns
        -------
        summary : DataFrame
            One row for each parameter: ``parameter`` ("kappa", "tau", "omega", "sigma", "nu"),
            ``factor``, ``coefficient``, ``mean``, ``sd``, ``q05``, ``q50``, ``q95``, ``ess_bulk``,
            ``ess_tail``, ``rhat``.

        Notes
        -----
        Effective sample sizes and R-hat are those of the numbers beside them. ``diagnostics_``
        judges intercepts where the model was fitted, at the predictors' means.
        """
        check_is_fitted(self)
        return reports.summary(self._posterior, self._spec.labels)
