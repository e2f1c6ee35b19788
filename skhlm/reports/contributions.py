"""What parts of a prediction come from its inputs and factors, against a reference."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from skhlm._typing import Floats, Ints
from skhlm.families.links import Link
from skhlm.numerics.blocks import BLOCK_BYTES, JOINT_BYTES, blocks
from skhlm.numerics.quantiles import central
from skhlm.posterior import prediction
from skhlm.posterior.mixtures import Mixture
from skhlm.posterior.posterior import NEW, Coefficients, Posterior, from_zero, without_new
from skhlm.reports.averages import Sets
from skhlm.reports.curves import Scale
from skhlm.reports.pairs import covariance_of_new

_CLOSE = 1e-2  # of eta: so near, a mean slope is by Simpson's rule, to 1e-11
_REACH, _STEP = 6.5, 0.7  # of the trapezoidal rule over new effects


@dataclass(frozen=True)
class Contrast:
    """Rows, and what each of them is held against.

    ================  ======  ==================================================================
    ``X``             (n, p)  predictors; behind them the offset
    ``codes``         (n, G)  levels
    ``base``          (n, p)  predictors of the references
    ``base_codes``    (n, G)  their levels, `NO_EFFECT` where they have none
    ``owners``        (p,)    the input, 0, ..., P - 1, that each predictor is a part of
    ================  ======  ==================================================================

    With z and r the centred predictors of a row and of its reference, beta the row's coefficients,
    and delta and rho the effects of their levels,

        eta - eta_r = sum_k (z_k - r_k) beta_k + sum_g r' (delta_g - rho_g),

    of which each input has the terms of its predictors, and each factor its own. These are parts
    1, ..., P and P + 1, ..., P + G; part 0 is the reference itself.
    """

    X: Floats
    codes: Ints
    base: Floats
    base_codes: Ints
    owners: Ints

    @property
    def n_inputs(self) -> int:
        """P."""
        return 1 + int(self.owners.max(initial=-1))

    @property
    def n_parts(self) -> int:
        """1 + P + G."""
        return 1 + self.n_inputs + int(self.codes.shape[1])

    def some(self, rows: Ints | slice) -> Contrast:
        """Some of the rows."""
        return Contrast(
            self.X[rows], self.codes[rows], self.base[rows], self.base_codes[rows], self.owners
        )

    def centred(self, posterior: Posterior) -> _Centred:
        """The same as coefficients see it."""
        first = int(posterior.units.fit_intercept)
        owners = np.r_[np.full(first, -1), self.owners]
        Z, base = (posterior.units.centred(x) for x in (self.X, self.base))
        return _Centred(Z, base, owners, self.n_inputs)


@dataclass(frozen=True)
class _Centred:
    """Centred predictors of rows and references, (n, K); behind them the offset.

    ``owners`` (K,) is the input of each, -1 of an intercept.
    """

    Z: Floats
    base: Floats
    owners: Ints
    n_inputs: int

    def parts(
        self, coefficients: Coefficients, levels: Ints, base_levels: Ints
    ) -> Iterator[Floats]:
        """Draws of each part of eta, (n, S), in turn: the reference, inputs, factors."""
        yield coefficients.expected_value(self.base, base_levels)
        moves, n_coefficients = self.Z - self.base, len(coefficients.kappa)
        shape = len(moves), coefficients.kappa.shape[1]
        for j in range(self.n_inputs):
            part = np.zeros(shape)
            for k in np.flatnonzero(self.owners == j).tolist():
                beta = coefficients.at(levels, k) if k < n_coefficients else 1.0
                part += moves[:, k, None] * beta
            yield part
        for g, varying in enumerate(coefficients.varying):
            part = np.zeros(shape)
            effects = coefficients.delta[g]
            for j, k in enumerate(varying.tolist()):
                gap = effects[levels[:, g], j] - effects[base_levels[:, g], j]
                part += self.base[:, k, None] * gap
            yield part

    def covariances(self, posterior: Posterior, codes: Ints) -> Iterator[Floats]:
        """Covariance of each part but the first with eta by effects of new levels, (n, S)."""
        moves, new = self.Z - self.base, codes == NEW
        for j in range(self.n_inputs):
            own = np.where(self.owners == j, moves, 0.0)
            yield covariance_of_new(posterior, own, self.Z, new)
        for g in range(codes.shape[1]):
            only = np.zeros_like(new)
            only[:, g] = new[:, g]
            yield covariance_of_new(posterior, self.base, self.Z, only)


def parts_of_means(
    posterior: Posterior,
    contrast: Contrast,
    new_levels: Ints,
    sets: Sets,
    coverage: float,
    kind: Scale,
) -> Floats:
    """Parts of the means of sets of rows: posterior mean and interval of each.

    Parameters
    ----------
    posterior : Posterior
    contrast : Contrast
        Of n rows.
    new_levels : ndarray of shape (n, G)
        Which of the new levels each is, as in `prediction.joint_draws`.
    sets : Sets
        Of m sets.
    coverage : float
    kind : {"mean", "link"}
        Parts of E[y | x], or of eta.

    Returns
    -------
    ndarray of shape (m, 1 + P + G, 3)
        Mean, lower, upper. The means of a set add up to that of its predictions.

    Notes
    -----
    Behind a link, in each draw, parts of E[y | x] are those of eta times the mean slope of the
    inverse link between the reference's eta and the row's.
    """
    means = sets.means(_means(posterior, contrast, kind))
    result = np.empty((*means.shape, 3))
    result[..., 0] = means
    size = JOINT_BYTES // (8 * posterior.n_draws * contrast.n_parts)
    ends = np.append(sets.starts, len(sets.order))
    for block in blocks(len(sets.starts), size):
        rows = slice(ends[block.start], ends[block.stop])
        own = sets.order[rows]
        inside = Sets(
            np.arange(len(own)), sets.starts[block] - ends[block.start], sets.weights[rows]
        )
        draws = _draws_of_means(posterior, contrast.some(own), new_levels[own], inside, kind)
        flat = draws.reshape(-1, posterior.n_draws)
        found = Mixture(flat, np.zeros_like(flat), None).quantiles(central(coverage))
        result[block, :, 1:] = found.reshape(*draws.shape[:2], 2)
    return result


def _draws_of_means(
    posterior: Posterior, contrast: Contrast, new_levels: Ints, sets: Sets, kind: Scale
) -> Floats:
    """Joint draws of parts of the means of sets, (m, 1 + P + G, S)."""
    rng, every = np.random.default_rng(0), np.arange(posterior.n_draws)
    draws = np.empty((len(sets.starts), contrast.n_parts, posterior.n_draws))
    centred = contrast.centred(posterior)
    numbered, base, link = from_zero(new_levels), contrast.base_codes, posterior.family.link
    for block, levels, coefficients in prediction.joint_coefficients(
        posterior, contrast.codes, numbered, every, rng
    ):
        parts = centred.parts(coefficients, levels, base)
        if not _is_straight(posterior, kind):
            ends = ((centred.base, base), (centred.Z, levels))
            slope = mean_slope(link, *(coefficients.expected_value(*end) for end in ends))
            parts = (slope * part if j else link.inverse(part) for j, part in enumerate(parts))
        for j, part in enumerate(parts):
            draws[:, j, block] = sets.means(part)
    return draws


def _means(posterior: Posterior, contrast: Contrast, kind: Scale) -> Floats:
    """Posterior means of the parts, (n, 1 + P + G), which add up to those of predictions."""
    means = np.empty((len(contrast.X), contrast.n_parts))
    if _is_straight(posterior, kind):
        for rows in blocks(len(means), BLOCK_BYTES // 64):
            some = contrast.some(rows)
            of_mean = some.centred(posterior).parts(posterior.mean, some.codes, some.base_codes)
            means[rows] = np.column_stack(list(of_mean))
        return means
    averaged = posterior.averaged
    for rows in blocks(len(means), BLOCK_BYTES // (8 * averaged.n_draws)):
        means[rows] = _means_behind_link(averaged, contrast.some(rows))
    total = prediction.expected_value(posterior, contrast.X, contrast.codes)
    return _adding_up(means, total)


def _means_behind_link(posterior: Posterior, contrast: Contrast) -> Floats:
    """Means over draws, effects of new levels integrated out: (b, 1 + P + G).

    Given a draw, a part c of eta and eta itself are jointly normal by the effects of new levels,
    E[c | eta] = m + Cov(c, eta) / v (eta - E[eta]), so that one integral over eta does.
    """
    link, centred = posterior.family.link, contrast.centred(posterior)
    known = without_new(contrast.codes)
    variance = prediction.variance_of_new(posterior, centred.Z, contrast.codes)
    eta = posterior.draws.expected_value(centred.Z, known)
    eta0 = posterior.draws.expected_value(centred.base, contrast.base_codes)
    level, lean = _integrals(link, eta0, eta, variance)
    parts = centred.parts(posterior.draws, known, contrast.base_codes)
    means = [link.inverse(next(parts)).mean(axis=1)]
    covariances = centred.covariances(posterior, contrast.codes)
    for part, covariance in zip(parts, covariances, strict=True):
        means.append((part * level + covariance * lean).mean(axis=1))
    return np.column_stack(means)


def _integrals(link: Link, eta0: Floats, eta: Floats, variance: Floats) -> tuple[Floats, Floats]:
    """E[D] and E[u D] / v with D the mean slope from eta0 to eta + u, u ~ N(0, v): (b, S) each."""
    sd = np.sqrt(variance)
    widest = float(sd.max(initial=0.0))
    if not widest:
        return mean_slope(link, eta0, eta), np.zeros_like(eta)
    z = np.arange(-_REACH - widest, _REACH + widest, min(_STEP, 1 / max(widest, 1.0)))
    weight = np.exp(-0.5 * z**2)
    level, lean = np.zeros_like(eta), np.zeros_like(eta)
    for at, share in zip(z.tolist(), (weight / weight.sum()).tolist(), strict=True):
        slope = share * mean_slope(link, eta0, eta + at * sd)
        level += slope
        lean += at * slope
    return level, np.divide(lean, sd, out=np.zeros_like(sd), where=sd > 0)


def mean_slope(link: Link, start: Floats, end: Floats) -> Floats:
    """Mean derivative of the inverse of a link between two points, of any shape."""
    move = end - start
    near = np.abs(move) < _CLOSE
    rise = link.inverse(end) - link.inverse(start)
    slope: Floats = np.divide(rise, move, out=np.empty_like(move), where=~near)
    if near.any():
        a, b = start[near], end[near]
        middle = link.derivative(0.5 * (a + b))
        slope[near] = (link.derivative(a) + 4 * middle + link.derivative(b)) / 6
    return slope


def _adding_up(means: Floats, total: Floats) -> Floats:
    """Parts (n, 1 + P + G) with the error of the quadrature, some 1e-9, put right: they add up."""
    size = np.abs(means[:, 1:])
    gap, all_sizes = total - means.sum(axis=1), size.sum(axis=1)
    share = np.divide(gap, all_sizes, out=np.zeros_like(gap), where=all_sizes > 0)
    means[:, 1:] += share[:, None] * size
    return means


def _is_straight(posterior: Posterior, kind: Scale) -> bool:
    """Whether parts of eta are those of what is asked for."""
    return kind == "link" or posterior.family.link.linear
