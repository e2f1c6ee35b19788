"""Simulated data that are yes or no, counts or amounts, told to the estimator and to the oracle."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from scipy import special

from skhlm.priors import Normal
from tests.cases import Case, numbers, simulated_rows
from tests.link_oracle import HAVE_AUXILIARY, LinkModel

AUX = 0.6
"""Overdispersion or coefficient of variation of the outcomes."""

PRIOR_OF_TAU = {"binomial": Normal(0, 2.5)}
PRIOR_OF_OTHER_TAU = Normal(0, 1)


@dataclass(frozen=True)
class LinkCase(Case):
    """A case whose exposure, if it has one, is the column "exposure"."""

    @property
    def auxiliary(self) -> str | None:
        """Overdispersion or cv, if there is either."""
        return HAVE_AUXILIARY.get(self.family)

    @property
    def exposure(self) -> str | None:
        """Name of the column."""
        return "exposure" if "exposure" in self.X else None

    def fit(self, **settings: Any) -> Any:
        """Four thousand draws."""
        return super().fit(**({"iter_sampling": 1000, "exposure": self.exposure} | settings))

    def for_oracle(self, X: np.ndarray | None = None, y: np.ndarray | None = None) -> LinkModel:
        """The same model on arrays, priors filled in as the documentation has them."""
        X = self.X[self.predictors].to_numpy() if X is None else X
        kappa = self.priors.get("kappa", Normal(0, 2.5))
        tau = PRIOR_OF_TAU.get(self.family, PRIOR_OF_OTHER_TAU)
        return LinkModel(
            np.c_[np.ones(len(self.X)), X] if self.fit_intercept else X,
            self.y.to_numpy() if y is None else y,
            tuple(self._factor(name, tau) for name in self.factors),
            weight=self.sample_weight,
            kappa_loc=kappa.loc,
            kappa_scale=kappa.scale,
            sigma_prior=numbers(self.priors.get(self.auxiliary, Normal(0, 1))),
            has_sigma=self.auxiliary is not None,
            full=self.covariance == "full",
            family=self.family,
            offset=np.log(self.X["exposure"].to_numpy()) if self.exposure else 0.0,
        )


def drawn(
    family: str, eta: np.ndarray, rng: np.random.Generator, trials: np.ndarray | int = 1
) -> np.ndarray:
    """Outcomes; of yes or no the share in so many trials."""
    if family == "binomial":
        return rng.binomial(trials, special.expit(eta)) / trials
    spread = rng.gamma(AUX**-2, AUX**2, np.shape(eta))
    if family == "gamma":
        return np.exp(eta) * spread
    rate = np.exp(eta) * (spread if family == "negative_binomial" else 1.0)
    return rng.poisson(rate).astype(np.float64)


def simulated_link(
    family: str,
    hierarchies: Mapping[str, Sequence[int]],
    n_predictors: int = 0,
    n: int = 120,
    *,
    exposed: bool = False,
    weighted: bool = False,
    varying: Mapping[str, Sequence[str]] | None = None,
    seed: int = 0,
    **settings: Any,
) -> LinkCase:
    """Eta has a mean of 0.5; weights are 0 to 4 halves, of binomial rows 1 to 6 trials."""
    rng = np.random.default_rng(seed)
    X, predictors, eta = simulated_rows(rng, hierarchies, n_predictors, n)
    eta += 0.5 - eta.mean()
    if exposed:
        X["exposure"] = rng.uniform(0.3, 4, n)
        eta += np.log(X["exposure"].to_numpy())
    weight = None
    if weighted:
        weight = rng.integers(1, 7, n) if family == "binomial" else rng.integers(0, 5, n) / 2
    trials = weight if weighted and family == "binomial" else 1
    y = pd.Series(drawn(family, eta, rng, trials), name="y")
    return LinkCase(
        X,
        y,
        list(hierarchies),
        predictors,
        varying or {},
        family=family,
        sample_weight=weight,
        **settings,
    )
