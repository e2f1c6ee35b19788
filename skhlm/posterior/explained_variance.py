"""The share of the outcome's variance that a model explains, draw by draw."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from skhlm._typing import Floats
from skhlm.inputs.design import Rows
from skhlm.numerics.quantiles import central, quantiles_of
from skhlm.posterior import prediction
from skhlm.posterior.posterior import NEW, Posterior, without_new


@dataclass(frozen=True, eq=False)
class BayesR2:
    """Posterior of R^2 = Var(fit) / (Var(fit) + Var(residuals)).

    Attributes
    ----------
    mean, sd : float
        Posterior mean and standard deviation.
    lower, upper : float
        Ends of the central interval.
    coverage : float
        Its posterior probability.
    draws : ndarray of shape (S,)
        R^2 of every draw, between 0 and 1.
    """

    mean: float
    sd: float
    lower: float
    upper: float
    coverage: float
    draws: Floats

    def __repr__(self) -> str:
        return (
            f"BayesR2: {self.mean:.3f} (sd {self.sd:.3f}, {self.coverage:.0%} interval "
            f"{self.lower:.3f} to {self.upper:.3f})"
        )


def bayes_r2(
    posterior: Posterior, rows: Rows, coverage: float, *, marginal: bool = False
) -> BayesR2:
    """Posterior of R^2 over weighted rows; see `BayesR2`."""
    draws = r2_draws(posterior, rows, marginal=marginal)
    lower, upper = quantiles_of(draws, central(coverage)).tolist()
    return BayesR2(float(draws.mean()), float(draws.std()), lower, upper, coverage, draws)


def r2_draws(posterior: Posterior, rows: Rows, *, marginal: bool = False) -> Floats:
    """Var_i(mu_i^s) / (Var_i(mu_i^s) + what is left) for each draw s, mu_i^s = E[y_i | s]: (S,).

    What is left is Var_i(y_i - mu_i^s) for families with residuals, mean_i Var(y_i | s) for
    others. Zero where both are. The marginal one is that of rows whose levels are all new.
    """
    codes = rows.codes[rows.cell]
    codes = np.full_like(codes, NEW) if marginal else codes

    center = np.average(rows.y, weights=rows.weight)
    share = rows.weight / rows.weight.sum()
    moments = np.zeros((4, posterior.n_draws))  # sums of fit and residual, and of their squares
    for chosen, eta in prediction.draws_of_eta(posterior, rows.X, without_new(codes), width=3):
        Z = posterior.units.centred(rows.X[chosen])
        spread = prediction.variance_of_new(posterior, Z, codes[chosen])
        mean, w = posterior.outcome.mean_over_new(eta, spread), share[chosen]
        fit, y = mean - center, rows.y[chosen] - center
        residual, square = posterior.outcome.unexplained(y, fit, eta, spread)
        moments += [w @ fit, w @ residual, w @ fit**2, w @ square]
    explained, left = np.maximum(moments[2:] - moments[:2] ** 2, 0)
    total = explained + left
    share_explained: Floats = np.divide(explained, total, out=np.zeros_like(total), where=total > 0)
    return share_explained
