"""Predictions of a posterior for rows: expected values, new observations, quantiles, joint draws.

``X`` holds the predictors in the user's units, (n, P), and ``codes`` each row's levels, (n, G). A
row's values do not depend on the other rows, but for joint draws, which are of all rows together.
"""

from __future__ import annotations

import warnings
from collections.abc import Iterator, Sequence
from typing import Literal

import numpy as np

from skhlm._typing import Bools, Floats, Ints
from skhlm.exceptions import Message, stacklevel_of_user
from skhlm.families import LocationFamily
from skhlm.numerics.blocks import BLOCK_BYTES, JOINT_BYTES, blocks
from skhlm.numerics.importance import k_threshold, smooth
from skhlm.numerics.quantiles import central
from skhlm.numerics.threads import in_blocks
from skhlm.posterior.mixtures import Distribution, Mixture, Outcomes
from skhlm.posterior.moments import BOTH
from skhlm.posterior.posterior import (
    NEW,
    Coefficients,
    Posterior,
    correlated,
    without_new,
)

_NEARLY_SURE = 0.999  # probability
_ROWS_LOOKED_AT = 8
_CACHED = 2**15  # numbers of a working array that stays near the processor
_TOGETHER = 2**17  # numbers of one where rows are better worked out many at a time
_PIECE = 2**10  # rows that one thread works out at a time
_WIDTH = 2  # arrays as large as the draws, of what is made of a block of rows
_MADE_BYTES = 4 * JOINT_BYTES  # of effects that are made once for many draws

Kind = Literal["outcome", "mean", "link"]


def expected_value(posterior: Posterior, X: Floats, codes: Ints) -> Floats:
    """Posterior mean of E[y | x], (n,).

    With a linear link the expected value at the mean coefficients, exactly linear in
    `Posterior.mean`. With others the mean over draws of the inverse of the link at eta, effects of
    new levels integrated out, or that at the mode alone where it stands for the mean.
    """
    if posterior.family.link.linear:
        return linear_predictor(posterior, X, codes)
    return _mean_over_draws(posterior, X, codes)


def probabilities(posterior: Posterior, X: Floats, codes: Ints) -> Floats:
    """Posterior mean probability of a zero and of a one, (n, 2), of a family with the logit link.

    One less a probability near one has lost its digits: there it is worked out at -eta.
    """
    one = expected_value(posterior, X, codes)
    zero = 1 - one
    nearly = one > _NEARLY_SURE
    if nearly.any():
        zero[nearly] = _mean_over_draws(posterior, X[nearly], codes[nearly], sign=-1.0)
        new = nearly & (codes == NEW).any(axis=1)  # where polynomials have an error, if a small one
        one[new] = 1 - zero[new]
    return np.column_stack([zero, one])


def warn_of_few_draws(posterior: Posterior, X: Floats, codes: Ints) -> None:
    """Warn where expected values of new levels are decided by the few largest draws of tau.

    The mean of exp(effect) is exp(v / 2), which need not have a mean over the posterior of v.
    Looked at are some rows with new levels, by Pareto k of their means in each draw.
    """
    new = np.flatnonzero((codes == NEW).any(axis=1))
    if posterior.family.link.linear or posterior.mode is not None or not len(new):
        return
    some = new[np.unique(np.linspace(0, len(new) - 1, _ROWS_LOOKED_AT).astype(np.int64))]
    for rows, eta in draws_of_eta(posterior, X[some], without_new(codes[some]), width=4):
        variance = variance_of_new(
            posterior, posterior.units.centred(X[some[rows]]), codes[some[rows]]
        )
        mean = posterior.family.link.mean_over_normal(eta, variance)
        k = float(smooth(np.log(mean)).pareto_k.max())
        if k_threshold(posterior.n_draws) < k < np.inf:
            warnings.warn(
                Message(
                    f"Expected values of levels that fit has not seen rest on a few draws (Pareto "
                    f"k {k:.2f}): the mean over what such levels may be hardly exists.",
                    python="Take predict(kind='typical'), or predict_quantiles; or give tau a "
                    "prior with less weight on large values.",
                    elsewhere="Fit with a prior of tau that has less weight on large values, such "
                    "as --priors weakly_informative.",
                ),
                UserWarning,
                stacklevel=stacklevel_of_user(),
            )
            return


def linear_predictor(posterior: Posterior, X: Floats, codes: Ints) -> Floats:
    """Posterior mean of eta, (n,), exactly linear in `Posterior.mean`; new levels add nothing."""
    value = np.empty(len(X))
    for rows in blocks(len(X), BLOCK_BYTES // 64):
        Z = posterior.units.centred(X[rows])
        value[rows] = posterior.mean.expected_value(Z, codes[rows])[:, 0]
    return value


def typical_value(posterior: Posterior, X: Floats, codes: Ints) -> Floats:
    """The expected outcome at the mean eta, (n,): that of a new level whose effect is zero."""
    return posterior.family.link.inverse(linear_predictor(posterior, X, codes))


def typical_probabilities(posterior: Posterior, X: Floats, codes: Ints) -> Floats:
    """The same of a zero and of a one, (n, 2), both to all digits."""
    eta, inverse = linear_predictor(posterior, X, codes), posterior.family.link.inverse
    return np.column_stack([inverse(-eta), inverse(eta)])


def _mean_over_draws(posterior: Posterior, X: Floats, codes: Ints, sign: float = 1.0) -> Floats:
    """Mean over draws of E[y | x] for each row, (n,); equal rows are worked out once.

    With another sign that of the inverse of the link at minus eta.
    """
    order = np.lexsort([*X.T[::-1], *codes.T[::-1]])
    X, codes = X[order], codes[order]
    first = np.flatnonzero(_starts(codes) | _starts(X))
    Z, codes = sign * posterior.units.centred(X[first]), codes[first]
    means = in_blocks(
        lambda rows: _means_of_sorted(posterior.averaged, Z[rows], codes[rows]), len(Z), _PIECE
    )
    value = np.empty(len(X))
    value[order] = np.repeat(np.concatenate(means), np.diff(np.append(first, len(X))))
    return value


def _means_of_sorted(posterior: Posterior, Z: Floats, codes: Ints) -> Floats:
    """The same for rows sorted by their codes, in blocks that a cache holds."""
    link, mean, is_new = posterior.family.link, np.empty(len(Z)), (codes == NEW).any(axis=1)
    known, new = np.flatnonzero(~is_new), np.flatnonzero(is_new)
    for rows, eta in _eta_of_sorted(posterior, Z[known], codes[known]):
        mean[known[rows]] = link.average(eta)
    variance, average = VarianceOfNew(posterior), link.averaging_over_normal()
    for rows, eta in _eta_of_sorted(posterior, Z[new], codes[new], _TOGETHER):
        at = new[rows]
        mean[at] = average(eta, variance(Z[at], codes[at]))
    return mean


def _eta_of_sorted(
    posterior: Posterior, Z: Floats, codes: Ints, numbers: int = _CACHED
) -> Iterator[tuple[slice, Floats]]:
    """Draws of eta without new levels, (b, S); the next block of rows overwrites the last.

    The effects of the last factor, whose levels change most often, stay beside the sum of all other
    coefficients. Sums over both are term by term, and of each row alone.
    """
    draws, codes = posterior.draws.at_hand(without_new(codes))
    n_coefficients = len(draws.kappa)
    cells, cell = _runs(codes[:, :-1])
    betas, level, at = draws.by_cell(cells), NEW, -1
    last, effects, levels = np.empty(0, dtype=np.int64), draws.kappa[None, :0], np.zeros_like(cell)
    if posterior.varying:
        last, effects, levels = posterior.varying[-1], np.asarray(draws.delta[-1]), codes[:, -1]
    both = np.empty((n_coefficients + len(last), posterior.n_draws))
    z, offsets = np.c_[Z[:, :n_coefficients], Z[:, last]], Z[:, n_coefficients:]
    size = max(numbers // posterior.n_draws, 1)
    eta = np.empty((size, posterior.n_draws))
    for rows in blocks(len(Z), size):
        of_rows = zip(cell[rows].tolist(), levels[rows].tolist(), strict=True)
        for i, (of_row, of_last) in enumerate(of_rows):
            if of_row != at:
                at, both[:n_coefficients] = of_row, next(betas)
            if of_last != level:
                level, both[n_coefficients:] = of_last, effects[of_last]
            np.einsum("k,ks->s", z[rows.start + i], both, out=eta[i])
        values = eta[: rows.stop - rows.start]
        for offset in offsets[rows].T:
            values += offset[:, None]
        yield rows, values


def draws_of_eta(
    posterior: Posterior, X: Floats, codes: Ints, width: int = 1
) -> Iterator[tuple[Ints, Floats]]:
    """Draws of eta, a block of rows at a time; with a linear link that is E[y | x].

    Parameters
    ----------
    posterior : Posterior
    X, codes
        Predictors and levels of the rows. New levels of a factor share their draws: right for
        any one row, not for several rows together, for which see `joint_draws`.
    width : int, default 1
        How many arrays as large as the draws the caller will make of a block.

    Yields
    ------
    rows : ndarray of shape (b,)
        Which rows; all rows come once, ordered by their levels.
    values : ndarray of shape (b, S)
        Draws of their eta.
    """
    order = _by_level(codes)
    for block in blocks(len(X), _size(posterior, width)):
        rows = order[block]
        yield rows, _eta(posterior, X[rows], codes[rows])


def _by_level(codes: Ints) -> Ints:
    """All rows, ordered by their levels."""
    return np.lexsort(codes.T[::-1]) if codes.shape[1] else np.arange(len(codes))


def _size(posterior: Posterior, width: int) -> int:
    """Rows of a block, of which so many arrays as large as the draws are made."""
    return BLOCK_BYTES // (8 * posterior.n_draws * width)


def _eta(posterior: Posterior, X: Floats, codes: Ints) -> Floats:
    """Draws of eta of rows ordered by their levels, (b, S)."""
    cells, cell = _runs(codes)
    return posterior.draws.expected_value(posterior.units.centred(X), cells, cell)


def quantiles(
    posterior: Posterior,
    X: Floats,
    codes: Ints,
    probabilities: Sequence[float],
    kind: Kind = "outcome",
) -> Floats:
    """Quantiles of a new observation, of E[y | x] or of eta for each row.

    Parameters
    ----------
    posterior : Posterior
    X, codes
        Predictors and levels of the rows.
    probabilities : sequence of q floats in (0, 1)
    kind : {"outcome", "mean", "link"}, default "outcome"

    Returns
    -------
    ndarray of shape (n, q)

    Notes
    -----
    Families with residuals: given a draw, residuals and effects of new levels have normal or
    Student-t distributions, and quantiles are those of the mixture of these over the draws, see
    `Mixture.quantiles`, which reach as far as its tails. About 0.4 ms a row for an interval from
    4800 draws.

    Other families: those of outcomes are of the mixture of the family's distributions, see
    `LinkMixture.quantiles`, and whole numbers where outcomes are. From 4800 draws an interval of
    small counts takes about 0.2 ms a row, and 1.2 ms at new levels; of gamma outcomes and of counts
    in the hundreds or more some milliseconds. Those of E[y | x] are the inverse of the link, which
    is increasing, at quantiles of eta.

    E[y | x] and eta of known levels have the draws alone, whose quantiles are linear between
    neighbours. Memory does not grow with the rows; threads share them.
    """
    result = np.empty((len(X), len(probabilities)))
    known_codes = without_new(codes)
    order = _by_level(known_codes)

    def fill(block: slice) -> None:
        rows = order[block]
        known = _eta(posterior, X[rows], known_codes[rows])
        found = distribution_of(posterior, known, X[rows], codes[rows], kind)
        result[rows] = found.quantiles(probabilities)

    in_blocks(fill, len(X), _size(posterior, _WIDTH))
    return result


def interval(
    posterior: Posterior, X: Floats, codes: Ints, coverage: float = 0.9, kind: Kind = "outcome"
) -> Floats:
    """Central interval for each row, (n, 2); see `quantiles`."""
    return quantiles(posterior, X, codes, central(coverage), kind)


def distributions(
    posterior: Posterior, X: Floats, codes: Ints, kind: Kind
) -> Iterator[tuple[Ints, Distribution]]:
    """Distributions of a new observation, E[y | x] or eta, a block of rows at a time.

    Effects of new levels are no draws in them, but normal distributions. All rows come once.
    """
    for rows, values in draws_of_eta(posterior, X, without_new(codes), _WIDTH):
        yield rows, distribution_of(posterior, values, X[rows], codes[rows], kind)


def distribution_of(
    posterior: Posterior, known: Floats, X: Floats, codes: Ints, kind: Kind
) -> Distribution:
    """The same for some rows, from draws of eta without new levels (b, S)."""
    variance = variance_of_new(posterior, posterior.units.centred(X), codes)
    if kind == "outcome":
        return posterior.outcome.at(known, variance)
    if kind == "mean":
        return posterior.outcome.mean_at(known, variance)
    return Mixture(known, variance, None)


def outcomes(posterior: Posterior, X: Floats, codes: Ints) -> Iterator[tuple[Ints, Outcomes]]:
    """Distributions of new observations, a block of rows at a time."""
    for rows, values in draws_of_eta(posterior, X, without_new(codes), _WIDTH):
        variance = variance_of_new(posterior, posterior.units.centred(X[rows]), codes[rows])
        yield rows, posterior.outcome.at(values, variance)


def variance_of_new(posterior: Posterior, Z: Floats, codes: Ints) -> Floats:
    """Variance that new levels add to z' beta in each draw, (n, S), for rows Z (n, K)."""
    if not (codes == NEW).any():
        return np.broadcast_to(0.0, (len(Z), posterior.n_draws))
    return VarianceOfNew(posterior)(Z, codes)


class VarianceOfNew:
    """The same for one block of rows after another.

    The sum over factors g with a new level of z' Sigma_g z is one quadratic form for all rows of
    the same such factors, whose products are summed row by row: no row depends on the batch.
    """

    def __init__(self, posterior: Posterior) -> None:
        self.posterior = posterior
        self._forms: dict[tuple[bool, ...], tuple[Ints, Ints, Floats]] = {}
        self._variance: Floats = np.empty((0, 0))

    def __call__(self, Z: Floats, codes: Ints) -> Floats:
        """(n, S) for rows Z (n, K), which the next call overwrites.

        Never below zero, as sums may be by rounding.
        """
        if self._variance.shape[0] != len(Z):
            self._variance = np.empty((len(Z), self.posterior.n_draws))
        variance = self._variance
        for z, new, of_row in zip(Z, (codes == NEW).tolist(), variance, strict=True):
            first, second, entries = self._form(tuple(new))
            np.einsum("p,ps->s", z[first] * z[second], entries, out=of_row)
        return np.maximum(variance, 0.0, out=variance)

    def _form(self, new: tuple[bool, ...]) -> tuple[Ints, Ints, Floats]:
        """Pairs i <= j of coefficients (p,), and what z_i z_j is multiplied with, (p, S)."""
        if new not in self._forms:
            posterior, factors = self.posterior, np.flatnonzero(new)
            of_factors = [posterior.varying[g] for g in factors]
            columns = np.unique(np.concatenate([np.empty(0, dtype=np.int64), *of_factors]))
            total = np.zeros((len(columns), len(columns), posterior.n_draws))
            for g, varying in zip(factors, of_factors, strict=True):
                at = np.searchsorted(columns, varying)
                total[np.ix_(at, at)] += posterior.covariance(int(g))
            first, second = np.nonzero(np.triu(total.any(axis=-1)))
            twice = np.where(first < second, 2.0, 1.0)[:, None]
            form = columns[first], columns[second], twice * total[first, second]
            self._forms[new] = form
        return self._forms[new]


def warn_of_infinite_std(posterior: Posterior) -> None:
    """Warn where residuals have no finite variance, and say what is finite."""
    family = posterior.family
    if not isinstance(family, LocationFamily) or not family.link.linear:
        return
    if np.isfinite(posterior.outcome.error_variance):
        return
    nu = float(np.median(family.error_df(posterior.auxiliary)))
    warnings.warn(
        Message(
            f"The standard deviation of a new observation is infinite: nu is near {nu:.3g}, and "
            "Student-t residuals have no finite variance where nu <= 2. Intervals are finite.",
            python="Take predict_interval(X): half the width of the one with coverage=0.683 is "
            "what a standard deviation is of a normal distribution. Or fit with "
            "family='normal', or a prior of nu that keeps it larger.",
        ),
        UserWarning,
        stacklevel=stacklevel_of_user(),
    )


def predictive_std(posterior: Posterior, X: Floats, codes: Ints) -> Floats:
    """Standard deviation of a new observation's distribution for each row, (n,).

    With a linear link the square root of Var(z' beta) over draws + sum over factors with a new
    level of E[z' Sigma_g z] + `Outcome.error_variance`; infinite where that is.
    """
    if posterior.family.link.linear:
        return np.sqrt(_variance_of_eta(posterior, X, codes) + posterior.outcome.error_variance)
    variance = np.empty(len(X))
    for rows, of_rows in outcomes(posterior, X, codes):
        variance[rows] = of_rows.variance()
    return np.sqrt(variance)


def std_of_eta(posterior: Posterior, X: Floats, codes: Ints) -> Floats:
    """Standard deviation of eta for each row, effects of new levels included: (n,)."""
    return np.sqrt(_variance_of_eta(posterior, X, codes))


def _variance_of_eta(posterior: Posterior, X: Floats, codes: Ints) -> Floats:
    """Var(z' beta) over draws, and for new levels E[z' Sigma_g z]: (n,)."""
    variance = np.empty(len(X))
    for rows, values in draws_of_eta(posterior, X, without_new(codes)):
        variance[rows] = values.var(axis=1)
    variance += mean_variance_of_new(posterior, posterior.units.centred(X), codes).sum(axis=1)
    return variance


def mean_variance_of_new(posterior: Posterior, Z: Floats, codes: Ints) -> Floats:
    """E[z' Sigma_g z] where the level of factor g is new, else 0: (n, G), for rows Z (n, K).

    Infinite where tau^2 has no mean.
    """
    variance = np.zeros(codes.shape)
    for g, columns in enumerate(posterior.varying):
        new = codes[:, g] == NEW
        mean = posterior.covariance(g).mean(axis=-1, keepdims=True)
        of_new = Z[new][:, columns]
        infinite = (of_new[:, posterior.finite_moments.tau[g] < BOTH] != 0).any(axis=1)
        variance[new, g] = np.where(infinite, np.inf, _quadratic_form(of_new, mean[..., 0]))
    return variance


def joint_draws(
    posterior: Posterior,
    X: Floats,
    codes: Ints,
    new_levels: Ints,
    n_samples: int,
    rng: np.random.Generator,
    kind: Kind = "outcome",
) -> Floats:
    """Joint draws of new observations, of E[y | x] or of eta, of all rows together.

    Parameters
    ----------
    posterior : Posterior
    X, codes
        Predictors and levels of the rows.
    new_levels : ndarray of shape (n, G)
        Where a code is `NEW`, which new level of the factor it is: 0, 1, ... Rows of the same
        new level share its effects; different new levels are independent.
    n_samples : int
        Number of draws. Posterior draws are picked without replacement while there are enough.
    rng : numpy.random.Generator
    kind : {"outcome", "mean", "link"}, default "outcome"

    Returns
    -------
    ndarray of shape (n, n_samples)
    """
    n_draws = posterior.n_draws
    picks = rng.choice(n_draws, n_samples, replace=n_samples > n_draws)
    Z = posterior.units.centred(X)
    result = np.empty((len(X), n_samples))
    for block, levels, coefficients in joint_coefficients(posterior, codes, new_levels, picks, rng):
        result[:, block] = coefficients.expected_value(Z, levels)
        some = {name: values[picks[block]] for name, values in posterior.auxiliary.items()}
        if kind == "outcome":
            result[:, block] = posterior.family.draw(result[:, block], some, rng)
        elif kind == "mean":
            result[:, block] = posterior.family.mean(result[:, block], some)
    return result


def joint_coefficients(
    posterior: Posterior, codes: Ints, new_levels: Ints, picks: Ints, rng: np.random.Generator
) -> Iterator[tuple[slice, Ints, Coefficients]]:
    """Draws of the coefficients of all rows together, effects of their new levels among them.

    Yields
    ------
    block : slice
        Which of the picks; so many that a number for each row and draw may be kept.
    levels : ndarray of shape (n, G)
        Levels of the rows in the coefficients, where new ones have numbers behind the seen ones.
    coefficients : Coefficients
    """
    n_new = [
        1 + int(new.max(initial=-1, where=code == NEW))
        for new, code in zip(new_levels.T, codes.T, strict=True)
    ]
    for some, draws, known in _at_hand(posterior, codes, picks, n_new):
        n_levels = np.array([len(effects) - 2 for effects in draws.delta], dtype=np.int64)
        levels = np.where(codes == NEW, n_levels + new_levels, known)
        size = _joint_size(draws, len(codes), n_new)
        for block in blocks(some.stop - some.start, JOINT_BYTES // (8 * size)):
            of_all = slice(some.start + block.start, some.start + block.stop)
            found = draws.some(block)
            yield of_all, levels, _with_new_levels(found, posterior, picks[of_all], n_new, rng)


def _at_hand(
    posterior: Posterior, codes: Ints, picks: Ints, n_new: Sequence[int]
) -> Iterator[tuple[slice, Coefficients, Ints]]:
    """Picked draws of the coefficients with the effects of all rows, and codes there.

    So many together as there is room for; of effects that have to be made for more.
    """
    room, size = JOINT_BYTES, _joint_size(posterior.draws, len(codes), n_new)
    if (made := posterior.draws.made) is not None:
        n_levels = len(np.unique(codes[:, made.rows.factor]))
        room, size = _MADE_BYTES, (n_levels + 2) * len(made.scale)
    for some in blocks(len(picks), room // (8 * size)):
        yield some, *posterior.draws.some(picks[some]).at_hand(codes)


def _joint_size(draws: Coefficients, n_rows: int, n_new: Sequence[int]) -> int:
    """Numbers that one joint draw keeps in memory."""
    levels = sum(
        (len(effects) + new) * len(columns)
        for effects, new, columns in zip(draws.delta, n_new, draws.varying, strict=True)
    )
    return 3 * n_rows + levels


def _with_new_levels(
    draws: Coefficients,
    posterior: Posterior,
    picks: Ints,
    n_new: Sequence[int],
    rng: np.random.Generator,
) -> Coefficients:
    """Picked draws of the coefficients, effects of so many new levels after the seen ones'."""
    delta = []
    for g, m in enumerate(n_new):
        seen = draws.delta[g][:-2]
        z = rng.standard_normal((m, seen.shape[1], len(picks)))
        omega = posterior.omega[g][..., picks] if posterior.omega else None
        effects = correlated(z, posterior.tau[g][:, picks], omega)
        delta.append(np.concatenate([seen, effects, np.zeros((2, *seen.shape[1:]))]))
    return Coefficients(draws.kappa, tuple(delta), draws.varying)


def _quadratic_form(Z: Floats, covariance: Floats) -> Floats:
    """z' Sigma z for each row, (n,), from Sigma (K, K).

    Term by term, so that no row depends on the batch; never below zero, as sums may be by rounding.
    """
    value = np.zeros(len(Z))
    for i, row in enumerate(covariance):
        for j, entry in enumerate(row):
            value += Z[:, i] * Z[:, j] * entry
    return np.maximum(value, 0.0, out=value)


def _runs(codes: Ints) -> tuple[Ints, Ints]:
    """Distinct neighbours among rows of codes (b, G), and which of them each row is, (b,)."""
    starts = _starts(codes)
    return codes[starts], np.cumsum(starts) - 1


def _starts(rows: Floats | Ints) -> Bools:
    """Which rows (b, k) differ from the one before, (b,); the first does."""
    starts = np.ones(len(rows), dtype=bool)
    starts[1:] = (rows[1:] != rows[:-1]).any(axis=1)
    return starts
