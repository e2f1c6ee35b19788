"""Normal residuals."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
from scipy.special import ndtr, ndtri

from skhlm._typing import Floats
from skhlm.families.evidence import Evidence
from skhlm.families.family import Aux, Swept
from skhlm.families.location import (
    SIGMA,
    ErrorScale,
    LocationFamily,
    LocationFit,
    log_prior_of_excess,
)
from skhlm.families.residuals import NormalResiduals
from skhlm.numerics.grids import home_in, quantiles
from skhlm.numerics.scale_maps import match_quantiles


class Normal(LocationFamily):
    """y = eta + sigma z, z standard normal."""

    name = "normal"
    code = 0
    auxiliary = (SIGMA,)
    elsewhere = ("gaussian",)
    noun = "normal residuals"
    formula = "normal(eta, sigma)"
    is_gaussian = True

    def log_density_of_error(self, error: Floats, aux: Aux) -> Floats:
        """-(error / sigma)^2 / 2 - log sigma - log(2 pi) / 2."""
        sigma = aux["sigma"]
        z = error / sigma
        density: Floats = -0.5 * z**2 - np.log(sigma) - 0.5 * np.log(2 * np.pi)
        return density

    def score(self, y: Floats, eta: Floats, aux: Aux) -> Floats:
        """(y - eta) / sigma^2."""
        return (y - eta) / np.square(aux["sigma"])

    def information(self, eta: Floats, aux: Aux) -> Floats:
        """1 / sigma^2."""
        del eta
        return 1.0 / np.square(aux["sigma"])

    def log_information(self, logs: Sequence[Floats]) -> Floats:
        """-2 log sigma."""
        return -2 * logs[0]

    def variance(self, eta: Floats, aux: Aux) -> Floats:
        """sigma^2."""
        del eta
        return np.square(aux["sigma"])

    def cdf(self, y: Floats, eta: Floats, aux: Aux) -> Floats:
        """Phi((y - eta) / sigma)."""
        probability: Floats = ndtr((y - eta) / aux["sigma"])
        return probability

    def error_quantile(self, p: Floats, aux: Aux) -> Floats:
        """Sigma times the standard normal quantile."""
        quantile: Floats = aux["sigma"] * ndtri(p)
        return quantile

    def draw_errors(self, aux: Aux, shape: tuple[int, ...], rng: np.random.Generator) -> Floats:
        """Sigma times standard normal numbers."""
        errors: Floats = aux["sigma"] * rng.standard_normal(shape)
        return errors

    def residuals(self, aux: Aux) -> NormalResiduals:
        """Normal ones."""
        return NormalResiduals(aux["sigma"])

    def typical_variance(self, aux: Aux) -> float:
        """Mean of sigma^2."""
        return float(np.mean(aux["sigma"] ** 2))

    def robust_precision(self, weight: Floats, error: Floats, aux: Aux) -> Floats:
        """Weight / sigma^2, whatever the error."""
        precision: Floats = np.broadcast_to(weight, error.shape) / aux["sigma"] ** 2
        return precision

    def expected_precision(self, weight: Floats, error: Floats, aux: Aux) -> Floats:
        """The same."""
        return self.robust_precision(weight, error, aux)

    def compress(self, evidence: Evidence) -> Evidence:
        """Replace each cell's weighted rows by the first K rows of the R factor of its (X, y).

        For every set of coefficients the sum of w (y - eta)^2 over the original rows is ``rss``
        plus the sum of (y - eta)^2 over the new ones, whose weights are one.
        """
        K = evidence.n_coefficients
        rows = np.sqrt(evidence.weight)[:, None] * np.column_stack([evidence.X.T, evidence.y])
        size = np.bincount(evidence.cell, minlength=evidence.n_cells)
        first = np.cumsum(size) - size
        kept = np.minimum(size, K)
        start = np.cumsum(kept) - kept
        compressed, rss = np.empty((kept.sum(), K + 1)), 0.0
        for n in np.unique(size):
            cells = np.flatnonzero(size == n)
            block: Floats = rows[first[cells, None] + np.arange(n)]  # (cells, n, K + 1)
            if n > K:
                block = np.asarray(np.linalg.qr(block, mode="r"), dtype=np.float64)
                rss += float(np.square(block[:, K, K]).sum())
            compressed[start[cells, None] + np.arange(min(n, K))] = block[:, :K]
        return replace(
            evidence,
            X=np.ascontiguousarray(compressed[:, :K].T),
            y=compressed[:, K].copy(),
            weight=np.ones(len(compressed)),
            offset=np.zeros(len(compressed)),
            cell=np.repeat(np.arange(evidence.n_cells), kept),
            rss=evidence.rss + rss,
        )

    def first_scale(self, evidence: Evidence, residual: Floats, cut: float) -> LocationFit:
        """Sigma of the size of the residuals' root mean square."""
        sigma = evidence.size(residual)
        return LocationFit(ErrorScale.vague(sigma, None, cut), np.full(len(residual), sigma**2))

    def errors(self, evidence: Evidence, residual: Floats, seen: Swept) -> Floats:
        """Squared residuals."""
        del evidence, seen
        return np.square(residual)

    def working_precision(self, errors: Floats, scale: ErrorScale) -> Floats:
        """1 / sigma^2."""
        return np.full_like(errors, 1 / scale.variance)

    def central_score(self, residual: Floats, scale: ErrorScale) -> Floats:
        """Residual / sigma^2."""
        return residual / scale.variance

    def fit_scale(
        self,
        evidence: Evidence,
        errors: Floats,
        dof: float,
        priors: Mapping[str, Any],
        start: ErrorScale,
        n: int,
    ) -> ErrorScale:
        """Posterior of sigma given the sum of the squared residuals, on ``dof`` rows."""
        mean = (evidence.rss + errors.sum()) / dof + evidence.rounding**2

        def log_density(log_excess: Floats) -> Floats:
            log_sigma = np.log(start.cut + np.exp(log_excess))
            log_likelihood = -dof * log_sigma - 0.5 * (mean * dof) * np.exp(-2 * log_sigma)
            total: Floats = log_likelihood + log_prior_of_excess(log_excess, log_sigma, priors)
            return total

        (log_excess,), density = home_in(log_density, [start.box], n)
        middle, width, _ = match_quantiles(quantiles(log_excess, density))
        return start.moved_to([middle, width, 0.0], None)
