"""The share of the outcome's variance that a model explains, draw by draw."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from skhlm._typing import Floats
from skhlm.inputs.design import Rows
from skhlm.numerics.quantiles import central, quantiles_of
from skhlm.posterior import prediction
from skhlm.posterior.posterior import NEW, Coefficients, Posterior, without_new


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


def r2_parts(posterior: Posterior, rows: Rows) -> Floats:
    """What each part of eta has of R^2, draw by draw: kappa's, and each factor's, (1 + G, S).

    A part's share is Cov_i(part, eta) / Var_i(eta) over the weighted rows, so that the parts add up
    to `r2_draws`; where parts go against each other one is negative. An exposure counts as kappa's.
    """
    share = rows.weight / rows.weight.sum()
    n_parts, K = 1 + len(posterior.varying), len(posterior.draws.kappa)
    first, products = np.zeros((2, n_parts, posterior.n_draws))
    eta_moments = np.zeros((2, posterior.n_draws))
    for chosen, eta in prediction.draws_of_eta(
        posterior, rows.X, rows.codes[rows.cell], width=n_parts + 3
    ):
        Z, codes, w = (
            posterior.units.centred(rows.X[chosen]),
            rows.codes[rows.cell[chosen]],
            share[chosen],
        )
        eta_moments += [w @ eta, w @ eta**2]
        draws, codes = posterior.draws.at_hand(codes)
        for i, part in enumerate(_parts_alone(draws)):
            value = part.expected_value(Z if i == 0 else Z[:, :K], codes)
            first[i] += w @ value
            products[i] += w @ (value * eta)
    covariance = products - first * eta_moments[0]
    variance = np.maximum(eta_moments[1] - eta_moments[0] ** 2, 0)
    of_eta = np.divide(covariance, variance, out=np.zeros_like(covariance), where=variance > 0)
    parts: Floats = of_eta * r2_draws(posterior, rows)
    return parts


def _parts_alone(draws: Coefficients) -> list[Coefficients]:
    """Coefficients of which all but kappa, or all but one factor's effects, are zero."""
    nothing = [np.zeros_like(effects) for effects in draws.delta]
    parts = [replace(draws, delta=tuple(nothing))]
    for g, effects in enumerate(draws.delta):
        only = [effects if i == g else zeros for i, zeros in enumerate(nothing)]
        parts.append(replace(draws, kappa=np.zeros_like(draws.kappa), delta=tuple(only)))
    return parts
