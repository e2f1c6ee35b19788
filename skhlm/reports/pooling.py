"""Partial pooling: how far a level is pulled to the common value, and what it says alone."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import NamedTuple

import numpy as np
from scipy.sparse import csr_array
from scipy.special import ndtri

from skhlm._typing import Floats, Ints
from skhlm.inputs.design import Rows
from skhlm.inputs.hierarchy import Groups
from skhlm.numerics.blocks import BLOCK_BYTES, JOINT_BYTES, blocks
from skhlm.numerics.cell_sums import sum_by_cell, sum_products
from skhlm.numerics.pseudo_inverse import pseudo_inverse
from skhlm.numerics.quantiles import central, quantiles_of
from skhlm.numerics.shrunk import Shrunk, entries
from skhlm.numerics.small_matrices import cholesky, diagonal
from skhlm.numerics.threads import in_blocks
from skhlm.posterior import prediction
from skhlm.posterior.outcomes import residuals_of
from skhlm.posterior.posterior import NO_EFFECT, Coefficients, Posterior
from skhlm.reports.own_estimates import OwnRows, own_estimates

_CERTAIN = 1e-9  # spread of an estimate over its sd that makes no difference
_SPREAD_DRAWS = 100  # give a standard deviation to 7%
_NORMAL_DRAWS = 4000
_INFORMED = 4e6  # rows times draws over which their information is averaged, to one per cent or so


@dataclass(frozen=True)
class LevelData:
    """What the rows of each level say on their own; J_g levels, K_g coefficients that vary.

    The tables are made when a model is fitted and stand for its rows, which are not kept.

    ===============  =====================  =====================================================
    ``information``  G x (J_g, K_g, K_g)    sum of w z z' over the level's rows, z the centred
                                            predictors whose coefficients vary; behind a link of
                                            w W z z', W the posterior mean of a row's information
    ``estimate``     G x (J_g, K_g)         their least squares given the rest of the model, the
                                            posterior mean; behind a link maximum likelihood given
                                            the posterior mean of the rest, NaN where there is none
    ``spread``       G x (J_g, K_g)         its posterior standard deviation, which comes from
                                            the rest of the model
    ===============  =====================  =====================================================
    """

    information: tuple[Floats, ...] = ()
    estimate: tuple[Floats, ...] = ()
    spread: tuple[Floats, ...] = ()

    def some(self, g: int, levels: Ints) -> LevelData:
        """With some of the levels of factor g."""
        return LevelData(
            *(
                tuple(x[levels] if h == g else x for h, x in enumerate(arrays))
                for arrays in (self.information, self.estimate, self.spread)
            )
        )


class Estimates(NamedTuple):
    """Mean and central interval of the coefficients of the levels of a factor, (J, K_g) each."""

    mean: Floats
    lower: Floats
    upper: Floats


class Pooling(NamedTuple):
    """Shrinkage factors (J, K_g) of a factor, and the three estimates they lie between."""

    shrinkage: Floats
    complete: Estimates
    partial: Estimates
    none: Estimates


def learn_level_data(rows: Rows, posterior: Posterior, groups: Groups) -> LevelData:
    """What each level's rows say on their own, given the posterior of everything else.

    In a draw, the least squares of level l given the rest of the model are its own coefficients
    theta and what they leave over,

        theta + I^-1 sum_{i in l} w z (y - x' beta),    I = sum_{i in l} w z z',

    which is linear: its mean is that at the posterior means. Its standard deviation is taken over a
    few draws. Behind a link the estimate is the maximum of the likelihood of the level's rows,
    given the posterior mean of the rest, and its standard deviation over draws of the rest is that
    to first order: the same formula with the rows' information, of which eta is the outcome.
    """
    straight = posterior.family.scales_outcome
    Z = posterior.units.centred(rows.X)
    cells = _sum_cells(rows, Z) if straight else _sum_informed(rows, Z, posterior)
    factors = range(len(groups.names))
    levels = [_sum_levels(cells, groups, g, posterior.varying[g]) for g in factors]
    if straight:
        mean = [own[..., 0] for own in _least_squares(posterior.mean, cells, levels)]
    else:
        mean = [_most_likely(rows, Z, posterior, level, g) for g, level in enumerate(levels)]
    picks = np.unique(np.linspace(0, posterior.n_draws - 1, _SPREAD_DRAWS).astype(np.int64))
    few = posterior.draws.few(picks)
    draws = [
        _least_squares(few.some(block), cells, levels)
        for block in blocks(len(picks), JOINT_BYTES // (32 * cells.wzy.size))
    ]
    return LevelData(
        information=tuple(level.information for level in levels),
        estimate=tuple(mean),
        spread=tuple(np.concatenate(own, axis=-1).std(axis=-1) for own in zip(*draws, strict=True)),
    )


def shrinkage_factors(
    posterior: Posterior,
    data: LevelData,
    groups: Groups,
    g: int,
    coverage: float | None = 0.9,
    levels: Ints | None = None,
) -> Pooling:
    """Shrinkage factors of factor g and its estimates with complete, partial and no pooling.

    Parameters
    ----------
    posterior : Posterior
    data : LevelData
    groups : Groups
    g : int
        Number of the factor.
    coverage : float or None, default 0.9
        Of the central intervals, most of the work; None has none: they are NaN.
    levels : ndarray of shape (J,), optional
        Only these levels of the factor.

    Returns
    -------
    Pooling
        Arrays of shape (J, K_g), in the user's units, the intercept at the predictors' centres.

    Notes
    -----
    For each draw, with z the predictors whose coefficients vary by g,

        B_k = [(I + Sigma_g^-1)^-1]_kk / tau_gk^2,    I = c / sigma^2 sum_{i in level} w_i z_i z_i',

    c = 1 for normal residuals and (nu + 1) / (nu + 3), their expected information, for Student-t
    ones; behind a link c / sigma^2 is the posterior mean of each row's information about eta; the
    mean over draws is returned. Complete pooling is theta without the level's own effect:
    kappa and the coarser effects of its path. Partial pooling adds the effect. No pooling is least
    squares of the level's own rows given the rest; its interval is that of the same noise as a new
    observation's, scaled to the level's information, about the estimate in each draw. Behind a link
    it is maximum likelihood, the noise normal.
    """
    levels = np.arange(groups.n_levels[g]) if levels is None else levels
    codes, data = level_codes(groups, g)[levels], data.some(g, levels)
    without = codes.copy()
    without[:, g] = NO_EFFECT
    return Pooling(
        shrinkage=_mean_shrinkage(posterior, data.information[g], g),
        complete=_level_estimates(posterior, without, g, coverage),
        partial=_level_estimates(posterior, codes, g, coverage),
        none=_no_pooling(posterior, data, g, coverage),
    )


def partial_means(posterior: Posterior, groups: Groups, g: int) -> Floats:
    """Partially pooled means of the first coefficient that varies by factor g, (J_g,)."""
    codes = level_codes(groups, g)
    return _coefficients_at(posterior.mean, codes, posterior.varying[g][:1])[:, 0, 0]


def level_codes(groups: Groups, g: int) -> Ints:
    """Codes (J_g, G) of the levels of factor g: its own and its coarser factors', no others'."""
    codes = np.full((groups.n_levels[g], len(groups.factors)), NO_EFFECT, dtype=np.int64)
    level = np.arange(groups.n_levels[g])
    for depth in range(len(groups.factors[g].columns)):
        codes[:, g - depth] = level
        level = groups.factors[g - depth].parent[level]
    return codes


class _CellSums(NamedTuple):
    """Sums over the rows of each cell: ``wzz`` (C, K, K), ``wzy`` (C, K); ``codes`` (C, G)."""

    codes: Ints
    wzz: Floats
    wzy: Floats


class _LevelSums(NamedTuple):
    """One factor's levels and what their rows say.

    ===============  ==============  =============================================================
    ``varying``      (K_g,)          coefficients that vary by the factor
    ``codes``        (J, G)          codes of `level_codes`
    ``members``      (J, C) sparse   1 where a cell belongs to a level
    ``information``  (J, K_g, K_g)   sum of w z z'
    ``inverse``      (J, K_g, K_g)   its pseudo-inverse
    ===============  ==============  =============================================================
    """

    varying: Ints
    codes: Ints
    members: csr_array
    information: Floats
    inverse: Floats


def _sum_cells(rows: Rows, Z: Floats) -> _CellSums:
    """Sums over the rows of each cell, Z (N, K) centred."""
    n_cells = len(rows.codes)
    wzz = sum_products(Z.T, rows.weight, rows.cell, n_cells)
    wzy = [sum_by_cell(rows.weight * z * rows.y, rows.cell, n_cells) for z in Z.T]
    return _CellSums(
        rows.codes, np.ascontiguousarray(np.moveaxis(wzz, -1, 0)), np.column_stack(wzy)
    )


def _sum_informed(rows: Rows, Z: Floats, posterior: Posterior) -> _CellSums:
    """The same behind a link: weights times information, and eta at the mean for the outcome."""
    K = len(posterior.draws.kappa)
    eta = posterior.mean.expected_value(Z[:, :K], rows.codes, rows.cell)[:, 0]
    weight = rows.weight * _mean_information(rows, posterior)
    return _sum_cells(replace(rows, y=eta, weight=weight), Z[:, :K])


def _mean_information(rows: Rows, posterior: Posterior) -> Floats:
    """Posterior mean of the information of each row about eta, (N,); of some draws if many."""
    n_draws = int(np.clip(_INFORMED / len(rows.y), _SPREAD_DRAWS, posterior.n_draws))
    picks = np.unique(np.linspace(0, posterior.n_draws - 1, n_draws).astype(np.int64))
    auxiliary = {name: values[picks] for name, values in posterior.auxiliary.items()}
    some = replace(posterior, draws=posterior.draws.some(picks), auxiliary=auxiliary)
    mean = np.empty(len(rows.y))
    for block, eta in prediction.draws_of_eta(some, rows.X, rows.codes[rows.cell]):
        information = posterior.family.information(eta, auxiliary)
        mean[block] = np.broadcast_to(information, eta.shape).mean(axis=1)
    return mean


def _most_likely(rows: Rows, Z: Floats, posterior: Posterior, level: _LevelSums, g: int) -> Floats:
    """`own_estimates` of factor g given the posterior mean of the rest, (J, K_g)."""
    start = _coefficients_at(posterior.mean, level.codes, level.varying)[..., 0]
    own = OwnRows(Z[:, level.varying], rows.y, rows.weight, rows.codes[rows.cell, g], np.empty(0))
    eta = posterior.mean.expected_value(Z, rows.codes, rows.cell)[:, 0]
    auxiliary = {name: values.mean(keepdims=True) for name, values in posterior.auxiliary.items()}
    own = replace(own, rest=eta - own.part(start))
    return own_estimates(posterior.family, auxiliary, own, start)


def _sum_levels(cells: _CellSums, groups: Groups, g: int, varying: Ints) -> _LevelSums:
    """Sums over the rows of each level of factor g."""
    J, C = groups.n_levels[g], len(cells.codes)
    members = csr_array((np.ones(C), (cells.codes[:, g], np.arange(C))), shape=(J, C))
    information = _over_members(members, cells.wzz[:, varying[:, None], varying])
    inverse, _ = pseudo_inverse(information)
    return _LevelSums(varying, level_codes(groups, g), members, information, inverse)


def _over_members(members: csr_array, of_cells: Floats) -> Floats:
    """Sums over the cells of each level: (C, ...) -> (J, ...)."""
    sums = members @ of_cells.reshape(len(of_cells), -1)
    return np.asarray(sums).reshape(members.shape[0], *of_cells.shape[1:])


def _least_squares(
    coefficients: Coefficients, cells: _CellSums, levels: Sequence[_LevelSums]
) -> list[Floats]:
    """theta + I^-1 sum w z (y - x' beta) for the levels of each factor, (J, K_g, S)."""
    beta = _coefficients_at(coefficients, cells.codes, range(len(coefficients.kappa)))
    left_over = cells.wzy[:, :, None] - cells.wzz @ beta
    return [
        _coefficients_at(coefficients, level.codes, level.varying)
        + level.inverse @ _over_members(level.members, left_over[:, level.varying])
        for level in levels
    ]


def _coefficients_at(coefficients: Coefficients, codes: Ints, columns: Iterable[int]) -> Floats:
    """Some coefficients of beta at each row of codes, (n, number of columns, S)."""
    own, codes = coefficients.at_hand(codes)
    return np.stack([own.at(codes, int(k)) for k in columns], axis=1)


def _mean_shrinkage(posterior: Posterior, information: Floats, g: int) -> Floats:
    """Posterior mean of B, (J, K_g).

    With Sigma = T T', T = diag(tau) R:  B_kk = [R (1 + c T' I T)^-1 R']_kk, see `Shrunk`, which
    needs no inverse of Sigma.
    """
    tau = posterior.tau[g]
    family = posterior.family  # a row's information, where that is not in the sums already
    c = family.information(np.zeros(1), posterior.auxiliary) if family.scales_outcome else 1.0
    c = np.broadcast_to(c, (1, posterior.n_draws))[0]
    correlation = cholesky(posterior.omega[g]) if posterior.omega else diagonal(np.ones_like(tau))
    root, rows = tau[:, None] * correlation, entries(correlation)
    mean = np.empty((len(information), len(tau)))

    def fill(levels: slice) -> None:
        shrunk = Shrunk(np.moveaxis(information[levels], 0, -1)[..., None], root, c)
        for k, row in enumerate(rows):
            parts = [np.square(x) for x in shrunk.forward(row) if x is not None]
            mean[levels, k] = np.minimum(sum(part.mean(axis=-1) for part in parts), 1.0)

    in_blocks(fill, len(mean), BLOCK_BYTES // (8 * posterior.n_draws * len(tau) ** 2))
    return mean


def _level_estimates(
    posterior: Posterior, codes: Ints, g: int, coverage: float | None
) -> Estimates:
    """Mean and interval of the coefficients that vary by factor g at each row of codes."""
    varying = posterior.varying[g]
    mean = _coefficients_at(posterior.mean, codes, varying)
    distinct, which = np.unique(codes, axis=0, return_inverse=True)
    ends = np.full((len(distinct), len(varying), 2), np.nan)

    def fill(rows: slice) -> None:
        draws = _coefficients_at(posterior.draws, distinct[rows], varying)
        ends[rows] = quantiles_of(draws, central(coverage or 0.5))

    if coverage is not None:
        in_blocks(fill, len(distinct), BLOCK_BYTES // (8 * posterior.n_draws * len(varying)))
    ends = ends[which.reshape(-1)]
    return Estimates(mean[..., 0], ends[..., 0], ends[..., 1])


def _no_pooling(posterior: Posterior, data: LevelData, g: int, coverage: float | None) -> Estimates:
    """The levels' own estimates; draws are estimate + spread u + sqrt([I^-1]_kk) noise."""
    inverse, identified = pseudo_inverse(data.information[g])
    mean, spread = np.where(identified, data.estimate[g], np.nan), data.spread[g]
    if coverage is None:
        return Estimates(mean, np.full_like(mean, np.nan), np.full_like(mean, np.nan))
    scale = np.sqrt(np.einsum("jkk->jk", inverse))
    noise = _noise(posterior)
    ends = scale[..., None] * quantiles_of(noise, central(coverage))
    uncertain = np.flatnonzero((spread > _CERTAIN * scale).any(axis=1))
    strata = (np.arange(len(noise)) + 0.5) / len(noise)
    u = ndtri(np.random.default_rng((3, g)).permuted(strata))

    def fill(rows: slice) -> None:
        levels = uncertain[rows]
        deviation = spread[levels, :, None] * u + scale[levels, :, None] * noise
        ends[levels] = quantiles_of(deviation, central(coverage or 0.5))

    in_blocks(fill, len(uncertain), BLOCK_BYTES // (8 * noise.size * mean.shape[1]))
    return Estimates(mean, mean + ends[..., 0], mean + ends[..., 1])


def _noise(posterior: Posterior) -> Floats:
    """What rows add to an estimate of information 1, (M,): normal behind a link, as usual there."""
    if posterior.family.scales_outcome:
        return residuals_of(posterior.outcome).noise.ravel()
    noise: Floats = ndtri((np.arange(_NORMAL_DRAWS) + 0.5) / _NORMAL_DRAWS)
    return noise
