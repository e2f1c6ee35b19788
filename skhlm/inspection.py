"""The methods of `HLMRegressor` that report its parameters as tidy frames."""

from __future__ import annotations

from typing import Any

import pandas as pd
from sklearn.utils.validation import check_is_fitted

from skhlm import reports
from skhlm.fitted import Fitted


class InspectionMixin(Fitted):
    """What was learned: coefficients, group effects, scales."""

    def group_effects(self, factor: str | None = None) -> pd.DataFrame:
        """Posterior of the group effects delta, in the user's units and at x = 0.

        Parameters
        ----------
        factor : str or None, default=None
            One grouping factor, such as "region/country"; None is all of them.

        Returns
        -------
        effects : DataFrame
            One row for each factor, level and coefficient that varies by it: ``factor``, ``level``
            (tuple of values, coarse to fine), ``coefficient``, ``mean``, ``sd``, ``lower`` and
            ``upper`` (central 90% interval), ``n`` (sum of the weights of the level's rows).
        """
        check_is_fitted(self)
        spec = self._spec
        return reports.group_effects(self._posterior, spec.labels, spec.level_weights, factor)

    def coefficients(self, levels: Any = None) -> pd.DataFrame:
        """Posterior of beta = kappa + group effects for combinations of levels, at x = 0.

        Parameters
        ----------
        levels : DataFrame, mapping or list of mappings, default=None
            Values of all group columns, one row for each combination asked for; levels that fit
            has not seen are allowed. None is every combination that fit has seen.

        Returns
        -------
        coefficients : DataFrame
            One row for each combination and coefficient: the group columns, ``coefficient``,
            ``mean``, ``sd``, ``lower`` and ``upper`` (central 90% interval).
        """
        check_is_fitted(self)
        spec = self._spec
        if levels is None:
            return reports.coefficients(self._posterior, spec.labels, spec.combinations)
        values, codes = spec.read_levels(levels)
        return reports.coefficients(self._posterior, spec.labels, codes, values)

    def summary(self) -> pd.DataFrame:
        """Posterior of everything but the group effects, in the user's units and at x = 0.

        Returns
        -------
        summary : DataFrame
            One row for each parameter: ``parameter`` ("kappa", "tau", "omega", "sigma", "nu"),
            ``factor``, ``coefficient``, ``mean``, ``sd``, ``q05``, ``q50``, ``q95``, ``ess_bulk``,
            ``ess_tail``, ``rhat``.
        """
        check_is_fitted(self)
        return reports.summary(self._posterior, self._spec.labels)
