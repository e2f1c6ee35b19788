"""Is the slope of a predictor between levels that within them?

Effects of levels are normal about zero in the model, whatever the levels' means m of a predictor.
Where the slope between levels is another one they are normal about c m, and the derivative of the
log likelihood by c is at c = 0 the posterior mean of S = sum_j m_j delta_j / tau^2, whose variance
is what S has a priori less what it has a posteriori (Louis 1982,
doi:10.1111/j.2517-6161.1982.tb01203.x). Its ratio is Rao's score test, in every family and for all
structures of groups; of normal outcomes it is the test of Mundlak (1978), doi:10.2307/1913646.

Where rows tell little of an effect both variances are nearly equal, and draws would not tell their
difference. So the variance a posteriori is split: given all other parameters it is known, from the
information in the rows of a level, and what these add is a sum over their draws.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from scipy import stats

from skhlm._typing import Bools, Floats, Ints
from skhlm.diagnostics.checks import Check, judge
from skhlm.inputs.columns import listed
from skhlm.inputs.design import Rows
from skhlm.inputs.labels import Labels
from skhlm.numerics.blocks import BLOCK_BYTES, blocks
from skhlm.numerics.cell_sums import sum_by_cell
from skhlm.numerics.convergence import ess_mean
from skhlm.posterior import Posterior, prediction

SLOPE_NOTE = 0.005  # of all predictors and factors together: one model in 200 that is right
FEWEST_FREE = 3  # levels beyond those that coefficients take
_ROUNDING = 1e-6  # sd of level means over that of the predictor, where these differ by rounding
_MOST_PRODUCTS = 4e9  # levels x predictors x draws: a second or two
_FEWEST_DRAWS = 400
_MAKING = 2_000  # products that it costs to make an effect that is not kept

_SOURCE = "Mundlak 1978, doi:10.2307/1913646; our choice"


def check_slopes(posterior: Posterior, rows: Rows, labels: Labels) -> tuple[Check, ...]:
    """Of predictors whose slope between levels is not that within them.

    Parameters
    ----------
    posterior : Posterior
    rows : Rows
        Those of fit, in the user's units.
    labels : Labels
        What messages call predictors and factors.

    Returns
    -------
    checks : tuple of Check
        "slopes between levels", whose ``value`` is the smallest probability of such a difference by
        chance times the number of differences looked at; none where there are none: no factor by
        which the intercept varies, no predictor that changes within its levels and from level to
        level, or its level means are predictors already.

    Notes
    -----
    The ratio is taken for the t of a regression of the effects on the means, which it is where
    effects are well known. tau is at its posterior mean in the variances, to which Monte Carlo
    errors are added: both leave fewer notes, not more.
    """
    if not (posterior.units.fit_intercept and posterior.varying and rows.X.shape[1]):
        return ()
    data = _Data.at_the_mean(posterior, rows)
    scores = dict(_scores(posterior, data))
    if not scores:
        return ()
    n_tests = sum(len(one.columns) for one in scores.values())
    p = {g: n_tests * one.probabilities(posterior.n_chains) for g, one in scores.items()}
    found = [(g, scores[g], p[g] < SLOPE_NOTE) for g in scores if (p[g] < SLOPE_NOTE).any()]
    smallest = min(1.0, *(values.min() for values in p.values()))
    advice = _advise(found, labels) if found else ""
    name = "slopes between levels"
    return (judge(name, smallest, SLOPE_NOTE, _SOURCE, advice, notes=bool(found)),)


def constant_within(X: Floats, rows: Rows, g: int, n_levels: int) -> Bools:
    """Whether each predictor, X (N, p), is constant within every level of factor g, (p,)."""
    cells = np.searchsorted(rows.cell, np.arange(len(rows.codes)))
    order = np.argsort(rows.codes[:, g], kind="stable")
    levels = np.searchsorted(rows.codes[order, g], np.arange(n_levels))
    low, high = (
        extreme.reduceat(extreme.reduceat(X, cells, axis=0)[order], levels, axis=0)
        for extreme in (np.minimum, np.maximum)
    )
    same: Bools = (low == high).all(axis=0)
    return same


@dataclass(frozen=True)
class _Scores:
    """Of the slopes between levels of one factor that q predictors may have more than within them.

    ===============  ======  ===================================================================
    ``columns``      (q,)    which coefficients
    ``means``        (J, q)  m, those of the levels less what predictors of levels tell of them
    ``total``        (q, S)  draws of sum_j m_j delta_j
    ``given``        (q, S)  its mean given all other parameters, less what is the same for all
    ``information``  (q, q)  variance a priori less that given all other parameters
    ``tau``          (S,)    sd of the effects
    ``tau2``         ()      its square, at the posterior mean and given effects of other columns
    ``kappa``        (q, S)  the slopes as they are fitted
    ``free``                 levels beyond those that coefficients take
    ===============  ======  ===================================================================
    """

    columns: Ints
    means: Floats
    total: Floats
    given: Floats
    information: Floats
    tau: Floats
    tau2: float
    kappa: Floats
    free: int

    def probabilities(self, n_chains: int) -> Floats:
        """Of so large scores by chance, (q,)."""
        size = np.linalg.norm(self.means, axis=0)
        found = [
            probability_of(u / m, v / m, self.tau, float(known / m**2), n_chains, self.free)
            for u, v, m, known in zip(
                self.total, self.given, size, np.diag(self.information), strict=True
            )
        ]
        return np.array(found)

    def estimate(self, which: Bools) -> tuple[Floats, Floats, float]:
        """Slopes within levels, what those between have more, and their share of tau^2.

        One step of Newton's from the model without means, which is all the way for normal outcomes.
        """
        q = int(which.sum())
        M, kappa = self.means[:, which], self.kappa[which]
        joint = np.cov(np.concatenate([self.given[which], kappa]))
        information = self.information[np.ix_(which, which)] - joint[:q, :q]
        c = self.tau2 * np.linalg.lstsq(information, self.total[which].mean(axis=1), rcond=None)[0]
        share = float(np.mean(np.square(M @ c)) / np.median(np.square(self.tau)))
        within: Floats = kappa.mean(axis=1) + joint[q:, :q] @ c / self.tau2
        return within, c, min(share, 1.0)


@dataclass(frozen=True)
class _Data:
    """Centred predictors Z (N, K), the intercept's ones first, and information W (N,) about eta."""

    Z: Floats
    W: Floats
    rows: Rows

    @classmethod
    def at_the_mean(cls, posterior: Posterior, rows: Rows) -> _Data:
        """Information where eta is at its posterior mean."""
        eta = prediction.linear_predictor(posterior, rows.X, rows.codes[rows.cell])
        aux = {name: np.asarray(draws.mean()) for name, draws in posterior.auxiliary.items()}
        information = np.broadcast_to(posterior.family.information(eta, aux), eta.shape)
        Z = posterior.units.centred(rows.X)[:, : len(posterior.draws.kappa)]
        return cls(Z, rows.weight * np.maximum(information, 1e-300), rows)

    def level(self, g: int) -> Ints:
        """Level of each row in factor g, (N,)."""
        level: Ints = self.rows.codes[self.rows.cell, g]
        return level

    def sums(self, values: Floats, g: int, n_levels: int) -> Floats:
        """Sums (q, J) of values (q, N) over the rows of each level."""
        level = self.level(g)
        return np.stack([sum_by_cell(one, level, n_levels) for one in values])


def _scores(posterior: Posterior, data: _Data) -> Iterator[tuple[int, _Scores]]:
    """A factor at a time: those by which the intercept varies, where there is something to test."""
    for g, columns in enumerate(posterior.varying):
        if columns[0] != 0:
            continue
        means, which, free = _means_to_test(data, g, posterior.n_levels[g])
        if free >= FEWEST_FREE and which.size:
            yield g, _score(posterior, data, g, which, means, free)


def _score(
    posterior: Posterior, data: _Data, g: int, which: Ints, means: Floats, free: int
) -> _Scores:
    """Of factor g, whose levels have the means (J, q) of the predictors ``which`` (q,)."""
    draws = _some_draws(posterior, means.size * sum(map(len, posterior.varying)))
    rho, tau2 = _given_slopes(posterior.covariance(g).mean(axis=-1))
    weight = data.sums(data.W[None], g, len(means))[0]
    known = tau2 * weight / (1 + tau2 * weight)
    pulls = data.W * (means * (known / weight)[:, None])[data.level(g)].T
    own = _own_weights(posterior, data, g, means.T, known, pulls, rho)
    total, given = np.split(_over_levels(draws, g, own), 2)
    return _Scores(
        columns=which,
        means=means,
        total=total,
        given=given - _eta_of_others(draws, data, g, pulls),
        information=tau2 * (means.T @ (means * known[:, None])),
        tau=draws.tau[g][0],
        tau2=tau2,
        kappa=draws.draws.kappa[which],
        free=free,
    )


def _means_to_test(data: _Data, g: int, n_levels: int) -> tuple[Floats, Ints, int]:
    """Level means (J, q) of predictors ``which`` (q,), and levels that predictors of them leave.

    Those predictors, which are constant within levels, tell a part of the means, or all.
    """
    Z, weight = data.Z, data.rows.weight
    means = (
        data.sums((weight[:, None] * Z).T, g, n_levels) / data.sums(weight[None], g, n_levels)
    ).T
    fixed = constant_within(Z, data.rows, g, n_levels)
    basis = _basis(means[:, fixed])
    left = means - basis @ (basis.T @ means)
    size = np.sqrt(np.square(left).mean(axis=0))
    moves = size > _ROUNDING * np.sqrt(weight @ np.square(Z) / weight.sum())
    which = np.flatnonzero(~fixed & moves)
    return left[:, which], which, n_levels - 1 - basis.shape[1]


def _basis(X: Floats) -> Floats:
    """An orthonormal basis of the columns of X (J, q), of which one is not zero."""
    scaled = X / np.maximum(np.linalg.norm(X, axis=0), 1e-300)
    left, singular, _ = np.linalg.svd(scaled, full_matrices=False)
    basis: Floats = left[:, singular > 1e-10 * singular[0]]
    return basis


def _given_slopes(covariance: Floats) -> tuple[Floats, float]:
    """Of a level's effects, (K, K): the first one's slopes (K - 1,) on the others, what is left."""
    rho = np.asarray(np.linalg.lstsq(covariance[1:, 1:], covariance[1:, 0])[0], dtype=np.float64)
    return rho, float(covariance[0, 0] - rho @ covariance[1:, 0])


def _own_weights(
    posterior: Posterior,
    data: _Data,
    g: int,
    means: Floats,
    known: Floats,
    pulls: Floats,
    rho: Floats,
) -> Floats:
    """Weights (K_g, 2q, J) of the factor's own effects in the totals and, below, the givens.

    With means (q, J), shares known (J,) and pulls (q, N); intercepts are not in the givens.
    """
    weights = [np.concatenate([means, np.zeros_like(means)])]
    for k, r in zip(posterior.varying[g][1:].tolist(), rho.tolist(), strict=True):
        moved = data.sums(pulls * data.Z[:, k], g, len(known))
        weights.append(np.concatenate([-r * means, -r * means * known - moved]))
    return np.stack(weights)


def _eta_of_others(posterior: Posterior, data: _Data, g: int, pulls: Floats) -> Floats:
    """Sums (q, S) over rows of pulls (q, N) times eta without the effects of factor g."""
    total: Floats = (pulls @ data.Z) @ posterior.draws.kappa
    for h, columns in enumerate(posterior.varying):
        if h != g:
            J = posterior.n_levels[h]
            weights = np.stack([data.sums(pulls * data.Z[:, k], h, J) for k in columns])
            np.add(total, _over_levels(posterior, h, weights), out=total)
    return total


def _over_levels(posterior: Posterior, g: int, weights: Floats) -> Floats:
    """Sums (q, S) over the levels and columns of factor g of weights (K_g, q, J) times effects."""
    effects, total = posterior.draws.delta[g], np.zeros((weights.shape[1], posterior.n_draws))
    size = 8 * posterior.n_draws * len(weights)
    for block in blocks(posterior.n_levels[g], BLOCK_BYTES // size):
        some = effects[block]
        for i, of_column in enumerate(weights):
            total += of_column[:, block] @ some[:, i]
    return total


def _some_draws(posterior: Posterior, numbers: int) -> Posterior:
    """As many as there is time for, where each takes so many products; to make effects is dear."""
    made = posterior.draws.made
    most = int(max(_FEWEST_DRAWS, _MOST_PRODUCTS // ((1 if made is None else _MAKING) * numbers)))
    return posterior if posterior.n_draws <= most else posterior.thinned(most)


def probability_of(
    u: Floats, given: Floats, tau: Floats, information: float, n_chains: int, free: int
) -> float:
    """Of so large a score by chance, both tails of t with ``free`` degrees of freedom.

    Parameters
    ----------
    u, given : ndarray of shape (S,)
        Draws of sum m delta / |m|, and of its mean given all other parameters.
    tau : ndarray of shape (S,)
        What ``given`` varies with tau is not of the variance a posteriori: neighbours in tau tell
        the rest of it.
    information : float
        Variance of the first a priori less that given all other parameters.
    n_chains, free : int
    """
    mean = float(u.mean())
    of_others = 0.5 * float(np.square(np.diff(given[np.argsort(tau, kind="stable")])).mean())
    centred = given - given.mean()
    errors = _errors(np.stack([np.square(centred), u], axis=-1), max(1, n_chains))
    left = max(information - of_others, 0.0) + 2 * errors[0] + errors[1] ** 2
    share = min(mean**2 / max(left, 1e-300) / (free + 1), 1 - 1e-12)
    return float(2 * stats.t.sf(np.sqrt(free * share / (1 - share)), free))


def _errors(x: Floats, n_chains: int) -> Floats:
    """Monte Carlo standard errors of means of draws (S, k), (k,)."""
    chains = x.reshape(n_chains, -1, x.shape[1])
    ess = np.maximum(np.nan_to_num(ess_mean(chains), nan=1.0), 1.0)
    errors: Floats = x.std(axis=0) / np.sqrt(ess)
    return errors


def _advise(found: Sequence[tuple[int, _Scores, Bools]], labels: Labels) -> str:
    """Both slopes of each predictor, and what becomes of tau."""
    told = "; ".join(_told(*one, labels) for one in found)
    columns = [k for _, scores, which in found for k in scores.columns[which].tolist()]
    names = [labels.coefficients[k] for k in dict.fromkeys(columns)]
    return (
        f"The slope between levels is another one than that within them: {told}. Known levels have "
        "effects that hold the difference, and predictions of new ones miss it. The step "
        f"GroupMeans, before the model, adds the level means of {listed(names)} as predictors."
    )


def _told(g: int, scores: _Scores, which: Bools, labels: Labels) -> str:
    """Of one factor."""
    within, more, share = scores.estimate(which)
    slopes = ", ".join(
        f"of {labels.coefficients[k]} {inside:.3g} within and {inside + c:.3g} between"
        for k, inside, c in zip(scores.columns[which], within, more, strict=True)
    )
    return (
        f"by {labels.factors[g]} that {slopes}, which is {share:.0%} of the variance of its effects"
    )
