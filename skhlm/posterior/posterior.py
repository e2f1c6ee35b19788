"""The fitted model in the user's units: expected values, new observations, intervals. Arrays only.

Draws are the last axis of every array, so that what a row needs lies side by side. Predictors stay
centred, as they were fitted; the functions named ``..._at_zero`` move the intercept to x = 0.

A row's level of a factor is given by its code: 0, ..., J_g - 1 for levels seen at fit, `NEW` for
any other (its effect is N(0, Sigma_g)), `NO_EFFECT` to leave the factor out.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any, Literal

import numpy as np
from scipy.special import ndtri

from skhlm._typing import Floats, Ints
from skhlm.draws import Draws
from skhlm.families.location import LocationFamily
from skhlm.families.residuals import Residuals
from skhlm.inputs.design import Units
from skhlm.numerics.blocks import blocks
from skhlm.posterior.mixtures import Mixture

NEW, NO_EFFECT = -1, -2
BLOCK_BYTES = 2**22  # of one working array of row-wise draws: what a processor's cache holds
JOINT_BYTES = 2**26  # of one working array of joint draws
_ROUNDING = 1e-9
_FEW = 2  # quantiles, which are selected faster than all is sorted
MIN_PREDICTIVE_DRAWS = 2000  # residuals in such a sample

Kind = Literal["outcome", "mean"]


@dataclass(frozen=True)
class Coefficients:
    """Coefficients of every level, beta = kappa + effects of the row's levels.

    ===========  ==================  ===========================================================
    ``kappa``    (K, S)              population-level coefficients
    ``delta``    (J_g + 2, K_g, S)   for each factor its effects; then zeros (`NO_EFFECT`), then
                                     the effects of a level that was not seen (`NEW`)
    ``varying``  (K_g,)              for each factor the coefficients that vary by it, increasing
    ===========  ==================  ===========================================================
    """

    kappa: Floats
    delta: tuple[Floats, ...]
    varying: tuple[Ints, ...]

    def at(self, codes: Ints, k: int) -> Floats:
        """Coefficient k of beta for each row of codes (n, G): (n, S)."""
        beta = np.broadcast_to(self.kappa[k], (len(codes), self.kappa.shape[1]))
        for g, columns in enumerate(self.varying):
            for j in np.flatnonzero(columns == k):
                beta = beta + self.delta[g][codes[:, g], j]
        return beta

    def expected_value(self, Z: Floats, codes: Ints, cell: Ints | slice = slice(None)) -> Floats:
        """z_i' beta_i, (n, S), for rows Z (n, K) whose levels are ``codes[cell]``.

        Sums term by term: a matrix product may round a row differently in another batch.
        """
        value = np.zeros((len(Z), self.kappa.shape[1]))
        for k in range(len(self.kappa)):
            value += Z[:, k, None] * self.at(codes, k)[cell]
        return value


@dataclass(frozen=True)
class Posterior:
    """Posterior of a hierarchical linear model in the user's units, on centred predictors.

    ``X`` in its methods holds the predictors in the user's units, (n, P), and ``codes`` each row's
    levels, (n, G). S is the number of draws of all chains together, chain after chain.

    Attributes
    ----------
    draws : Coefficients
        Draws of kappa and of every effect. The effects of a new level are one draw from
        N(0, Sigma_g^s) for each posterior draw s, the same for all new levels of the factor.
    mean : Coefficients
        Their posterior means, or the mode, S = 1; zero for a new level.
    tau : G arrays of shape (K_g, S)
        Standard deviations of the group effects.
    omega : G arrays of shape (K_g, K_g, S)
        Their correlations; empty for a diagonal covariance.
    auxiliary : dict of str to ndarray of shape (S,)
        Parameters of the family, such as sigma.
    family : LocationFamily
        Distribution of the outcome.
    noise : ndarray of shape (M, S)
        M residuals for each draw, common to all rows: a sample of them, stratified.
    units : Units
        Where the predictors are centred, and whether the first coefficient is an intercept.
    n_chains : int
        Number of Markov chains; 0 for draws that are independent.
    """

    draws: Coefficients
    mean: Coefficients
    tau: tuple[Floats, ...]
    omega: tuple[Floats, ...]
    auxiliary: dict[str, Floats]
    family: LocationFamily
    noise: Floats
    units: Units
    n_chains: int

    @classmethod
    def from_draws(
        cls,
        draws: Draws,
        varying: Sequence[Ints],
        units: Units,
        family: LocationFamily,
        *,
        mode: Draws | None = None,
        n_chains: int | None = None,
    ) -> Posterior:
        """Posterior in the user's units from draws of the model that was fitted in ``units``.

        Parameters
        ----------
        draws : Draws
        varying : G arrays of shape (K_g,)
        units : Units
        family : LocationFamily
        mode : Draws or None, default=None
            One draw to take for the posterior mean.
        n_chains : int or None, default=None
            Number of Markov chains that the draws are; None if the draws' first axis says.
        """
        flat, coefficients = _in_user_units(draws, varying, units)
        centre = coefficients if mode is None else _in_user_units(mode, varying, units)[1]
        return cls(
            draws=coefficients,
            mean=_posterior_mean(centre),
            tau=flat.tau,
            omega=flat.omega,
            auxiliary=flat.auxiliary,
            family=family,
            noise=_noise(family, flat.auxiliary, flat.kappa.shape[-1]),
            units=units,
            n_chains=draws.shape[0] if n_chains is None else n_chains,
        )

    def thinned(self, n_draws: int) -> Posterior:
        """The posterior with fewer draws: evenly spaced ones of each chain; `mean` stays.

        Parameters
        ----------
        n_draws : int
            At most so many are kept, as many of each chain, and at least one of each.
        """
        n_chains = max(1, self.n_chains)  # independent draws are as good as one chain
        length = self.n_draws // n_chains
        n_kept = min(length, max(1, n_draws // n_chains))
        kept = ((np.arange(n_kept) + 0.5) * length / n_kept).astype(np.int64)
        picks = (length * np.arange(n_chains)[:, None] + kept).reshape(-1)
        tau = tuple(np.take(tau, picks, axis=-1) for tau in self.tau)
        omega = tuple(np.take(omega, picks, axis=-1) for omega in self.omega)
        delta = tuple(np.take(effects, picks, axis=-1) for effects in self.draws.delta)
        for g, effects in enumerate(delta):
            effects[NEW] = _new_level(g, tau[g], _root(omega, g))
        auxiliary = {name: values[picks] for name, values in self.auxiliary.items()}
        return replace(
            self,
            draws=Coefficients(np.take(self.draws.kappa, picks, axis=-1), delta, self.varying),
            tau=tau,
            omega=omega,
            auxiliary=auxiliary,
            noise=_noise(self.family, auxiliary, len(picks)),
        )

    def __getstate__(self) -> dict[str, Any]:
        """State without what is worked out from it again."""
        return {name: value for name, value in vars(self).items() if name != "residuals"}

    @property
    def n_draws(self) -> int:
        """S, the number of draws of all chains together."""
        return int(self.draws.kappa.shape[-1])

    @property
    def n_levels(self) -> tuple[int, ...]:
        """J_g, the number of levels of each factor seen at fit."""
        return tuple(len(delta) - 2 for delta in self.draws.delta)

    @property
    def varying(self) -> tuple[Ints, ...]:
        """For each factor the coefficients that vary by it."""
        return self.draws.varying

    def expected_value(self, X: Floats, codes: Ints) -> Floats:
        """Posterior mean of E[y | x], (n,): the expected value at the mean coefficients.

        Exactly linear in `mean`; a row's value does not depend on the other rows.
        """
        value = np.empty(len(X))
        for rows in blocks(len(X), BLOCK_BYTES // 64):
            Z = self.units.centred(X[rows])
            value[rows] = self.mean.expected_value(Z, codes[rows])[:, 0]
        return value

    def blocks(self, X: Floats, codes: Ints, width: int = 1) -> Iterator[tuple[Ints, Floats]]:
        """Draws of E[y | x], a block of rows at a time.

        Parameters
        ----------
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
            Draws of their expected values.
        """
        order = np.lexsort(codes.T[::-1]) if codes.shape[1] else np.arange(len(codes))
        for block in blocks(len(X), BLOCK_BYTES // (8 * self.n_draws * width)):
            rows = order[block]
            cells, cell = _runs(codes[rows])
            yield rows, self.draws.expected_value(self.units.centred(X[rows]), cells, cell)

    def quantiles(
        self, X: Floats, codes: Ints, quantiles: Sequence[float], kind: Kind = "outcome"
    ) -> Floats:
        """Quantiles of a new observation or of E[y | x] for each row.

        Parameters
        ----------
        X, codes
            Predictors and levels of the rows.
        quantiles : sequence of q floats in [0, 1]
        kind : {"outcome", "mean"}, default "outcome"

        Returns
        -------
        ndarray of shape (n, q)

        Notes
        -----
        Given a draw, residuals and effects of new levels have normal or Student-t distributions:
        quantiles are those of the mixture of these over the draws, see `Mixture.quantiles`, and
        reach as far as its tails. E[y | x] of known levels has the draws alone, whose quantiles
        are linear between neighbours. A row's quantiles do not depend on the other rows. About
        0.4 ms a row for an interval from 4800 draws; memory does not grow with the rows.
        """
        result = np.empty((len(X), len(quantiles)))
        for rows, mixture in self.mixtures(X, codes, kind):
            result[rows] = quantiles_of_mixture(mixture, quantiles)
        return result

    def mixtures(self, X: Floats, codes: Ints, kind: Kind) -> Iterator[tuple[Ints, Mixture]]:
        """Distributions of a new observation or of E[y | x], a block of rows at a time.

        Effects of new levels are no draws in them, but normal distributions. All rows come once.
        """
        known = np.where(codes == NEW, NO_EFFECT, codes)
        for rows, values in self.blocks(X, known, width=4):
            yield rows, self.mixture(values, X[rows], codes[rows], kind)

    def mixture(self, known: Floats, X: Floats, codes: Ints, kind: Kind) -> Mixture:
        """The same for some rows, from draws of their expected values without new levels (b, S)."""
        variance = self.variance_of_new(self.units.centred(X), codes)
        return Mixture(known, variance, self.residuals if kind == "outcome" else None)

    @cached_property
    def residuals(self) -> Residuals:
        """Distribution of a residual in each draw."""
        return self.family.residuals(self.auxiliary)

    def variance_of_new(self, Z: Floats, codes: Ints) -> Floats:
        """Variance that new levels add to z' beta in each draw, (n, S), for rows Z (n, K)."""
        if not (codes == NEW).any():
            return np.broadcast_to(0.0, (len(Z), self.n_draws))
        variance = np.zeros((len(Z), self.n_draws))
        for g, columns in enumerate(self.varying):
            new = codes[:, g] == NEW
            if new.any():
                variance[new] += _quadratic_form(Z[new][:, columns], self.covariance(g))
        return variance

    def interval(
        self, X: Floats, codes: Ints, coverage: float = 0.9, kind: Kind = "outcome"
    ) -> Floats:
        """Central interval for each row, (n, 2); see `quantiles`."""
        return self.quantiles(X, codes, central(coverage), kind)

    def predictive_std(self, X: Floats, codes: Ints) -> Floats:
        """Standard deviation of a new observation's distribution for each row, (n,).

        The square root of Var(z' beta) over draws + sum over factors with a new level of
        E[z' Sigma_g z] + `residual_variance`; infinite where that is.
        """
        variance = np.empty(len(X))
        for rows, values in self.blocks(X, np.where(codes == NEW, NO_EFFECT, codes)):
            variance[rows] = values.var(axis=1)
        Z = self.units.centred(X)
        for g, columns in enumerate(self.varying):
            new = codes[:, g] == NEW
            mean = self.covariance(g).mean(axis=-1, keepdims=True)
            variance[new] += _quadratic_form(Z[new][:, columns], mean)[:, 0]
        std: Floats = np.sqrt(variance + self.residual_variance)
        return std

    @property
    def residual_variance(self) -> float:
        """Variance of the noise, as the family sums it up."""
        return self.family.typical_variance(self.auxiliary)

    def joint_draws(
        self,
        X: Floats,
        codes: Ints,
        new_levels: Ints,
        n_samples: int,
        rng: np.random.Generator,
        kind: Kind = "outcome",
    ) -> Floats:
        """Joint draws of new observations, or of E[y | x], of all rows together.

        Parameters
        ----------
        X, codes
            Predictors and levels of the rows.
        new_levels : ndarray of shape (n, G)
            Where a code is `NEW`, which new level of the factor it is: 0, 1, ... Rows of the same
            new level share its effects; different new levels are independent.
        n_samples : int
            Number of draws. Posterior draws are picked without replacement while there are enough.
        rng : numpy.random.Generator
        kind : {"outcome", "mean"}, default "outcome"

        Returns
        -------
        ndarray of shape (n, n_samples)
        """
        picks = rng.choice(self.n_draws, n_samples, replace=n_samples > self.n_draws)
        n_new = [
            1 + int(new.max(initial=-1, where=code == NEW))
            for new, code in zip(new_levels.T, codes.T, strict=True)
        ]
        codes = np.where(
            codes == NEW, np.asarray(self.n_levels, dtype=np.int64) + new_levels, codes
        )
        Z = self.units.centred(X)
        result = np.empty((len(X), n_samples))
        for block in blocks(n_samples, JOINT_BYTES // (8 * self._joint_size(len(X), n_new))):
            pick = picks[block]
            coefficients = self._coefficients_of_new_levels(pick, n_new, rng)
            result[:, block] = coefficients.expected_value(Z, codes)
            if kind == "outcome":
                result[:, block] += self._fresh_noise(pick, len(X), rng)
        return result

    @property
    def structure(self) -> str:
        """The covariance of a level's effects that was fitted, as `HLMRegressor` calls it."""
        return "full" if self.omega else "diagonal"

    @property
    def where_fitted(self) -> Posterior:
        """The same for predictors less their centres: x = 0 is then where the model was fitted."""
        return replace(self, units=replace(self.units, x_center=np.zeros_like(self.units.x_center)))

    def covariance(self, g: int) -> Floats:
        """Sigma_g = diag(tau) Omega diag(tau), (K_g, K_g, S)."""
        tau = self.tau[g]
        omega = self.omega[g] if self.omega else np.eye(len(tau))[:, :, None]
        covariance: Floats = tau[:, None] * tau * omega
        return covariance

    def kappa_at_zero(self) -> Floats:
        """Population-level coefficients, (K, S), the intercept at x = 0."""
        return self._at_zero(self.draws.kappa, np.arange(len(self.draws.kappa)))

    def delta_at_zero(self, g: int, levels: slice = slice(None)) -> Floats:
        """Effects of some levels of factor g, (J, K_g, S), their intercepts at x = 0.

        If slopes vary by the factor and the intercept does not, it varies at x = 0 all the same;
        that part is in `coefficients_at_zero` alone.
        """
        return self._at_zero(self.draws.delta[g][:-2][levels], self.varying[g])

    def coefficients_at_zero(self, codes: Ints, of: Coefficients | None = None) -> Floats:
        """Beta of each row of codes, (n, K, S), the intercept at x = 0; of the draws by default."""
        of = self.draws if of is None else of
        n_coefficients, n_draws = of.kappa.shape
        beta = np.empty((len(codes), n_coefficients, n_draws))
        for k in range(n_coefficients):
            beta[:, k] = of.at(codes, k)
        return self._at_zero(beta, np.arange(n_coefficients))

    def describe_effects(self, g: int, probabilities: Sequence[float]) -> Floats:
        """`describe` of the effects of factor g at x = 0, (J_g, K_g, 2 + q)."""
        shape = (self.n_levels[g], len(self.varying[g]), 2 + len(probabilities))
        result = np.empty(shape)
        for levels in blocks(shape[0], BLOCK_BYTES // (8 * self.n_draws * (shape[1] + 1))):
            result[levels] = describe(self.delta_at_zero(g, levels), probabilities)
        return result

    def describe_coefficients(self, codes: Ints, probabilities: Sequence[float]) -> Floats:
        """`describe` of beta at x = 0 for each row of codes, (n, K, 2 + q); means as in `mean`."""
        n_coefficients = len(self.draws.kappa)
        result = np.empty((len(codes), n_coefficients, 2 + len(probabilities)))
        for rows in blocks(len(codes), BLOCK_BYTES // (8 * self.n_draws * (n_coefficients + 1))):
            beta = self.coefficients_at_zero(codes[rows])
            result[rows] = describe(beta, probabilities)
            result[rows, :, 0] = self.coefficients_at_zero(codes[rows], self.mean)[:, :, 0]
        return result

    def covariance_at_zero(self, g: int) -> Floats:
        """Covariance T Sigma_g T' of factor g's effects when their intercepts are at x = 0."""
        columns = self.varying[g]
        T = self._at_zero(np.eye(len(columns))[:, :, None], columns)[:, :, 0].T
        covariance: Floats = np.einsum("ij,jks,lk->ils", T, self.covariance(g), T)
        return covariance

    def tau_at_zero(self, g: int) -> Floats:
        """Standard deviations of factor g's effects, (K_g, S), that of the intercept at x = 0."""
        tau: Floats = np.sqrt(np.einsum("iis->is", self.covariance_at_zero(g)))
        return tau

    def omega_at_zero(self, g: int) -> Floats:
        """Correlations of factor g's effects, (K_g, K_g, S), the intercept at x = 0."""
        tau = self.tau_at_zero(g)
        return self.covariance_at_zero(g) / (tau[:, None] * tau)

    def _at_zero(self, coefficients: Floats, columns: Ints) -> Floats:
        """Intercept, if there is one, of (..., K_g, S) less sum_k x_center_k slope_k."""
        result = coefficients.copy()
        if self.units.fit_intercept and 0 in columns:
            for j, column in enumerate(columns[1:], start=1):
                result[..., 0, :] -= self.units.x_center[column - 1] * coefficients[..., j, :]
        return result

    def _joint_size(self, n_rows: int, n_new: Sequence[int]) -> int:
        """Numbers that one joint draw keeps in memory."""
        levels = sum(
            (J + new + 2) * len(columns)
            for J, new, columns in zip(self.n_levels, n_new, self.varying, strict=True)
        )
        return 3 * n_rows + levels

    def _coefficients_of_new_levels(
        self, picks: Ints, n_new: Sequence[int], rng: np.random.Generator
    ) -> Coefficients:
        """Some draws of the coefficients, effects of so many new levels after the seen ones'."""
        delta = []
        for g, m in enumerate(n_new):
            seen = self.draws.delta[g][:-2][:, :, picks]
            z = rng.standard_normal((m, seen.shape[1], len(picks)))
            root = _root(self.omega, g, picks)
            effects = self.tau[g][:, picks] * _apply(root, z)
            delta.append(np.concatenate([seen, effects, np.zeros((2, *seen.shape[1:]))]))
        return Coefficients(self.draws.kappa[:, picks], tuple(delta), self.varying)

    def _fresh_noise(self, picks: Ints, n_rows: int, rng: np.random.Generator) -> Floats:
        """Independent residuals of some draws, (n_rows, number of picks)."""
        some = {name: values[picks] for name, values in self.auxiliary.items()}
        return self.family.draw_errors(some, (n_rows, len(picks)), rng)


def central(coverage: float) -> tuple[float, float]:
    """Probabilities below the two ends of a central interval."""
    return (1 - coverage) / 2, (1 + coverage) / 2


def quantiles_of(values: Floats, probabilities: Sequence[float]) -> Floats:
    """Quantiles along the last axis, linear between order statistics: (..., S) -> (..., q)."""
    position = np.asarray(probabilities, dtype=np.float64) * (values.shape[-1] - 1)
    below = np.floor(position).astype(np.int64)
    weight = position - below
    result = np.empty((*values.shape[:-1], len(position)))
    ordered = np.sort(values, axis=-1) if len(position) > _FEW else None
    for q, (rank, share) in enumerate(zip(below.tolist(), weight.tolist(), strict=True)):
        x = np.partition(values, rank, axis=-1) if ordered is None else ordered
        result[..., q] = x[..., rank]
        if share:
            above = x[..., rank + 1] if ordered is not None else x[..., rank + 1 :].min(axis=-1)
            result[..., q] = x[..., rank] * (1 - share) + above * share
    return result


def quantiles_of_mixture(mixture: Mixture, probabilities: Sequence[float]) -> Floats:
    """Quantiles of each row, (b, q): of its density, or of its draws where it has none.

    Raises
    ------
    ValueError
        Where there are draws alone, and not one of them is beyond a quantile.
    """
    smooth = mixture.is_smooth
    if not smooth.all():
        _check_reach(mixture.mean.shape[1], probabilities)
    result = np.empty((len(smooth), len(probabilities)))
    result[~smooth] = quantiles_of(mixture.mean[~smooth], probabilities)
    result[smooth] = mixture.some(smooth).quantiles(probabilities)
    return result


def _check_reach(n_draws: int, probabilities: Sequence[float]) -> None:
    """Raise where quantiles are farther out than draws can tell."""
    outermost = min((min(p, 1 - p) for p in probabilities), default=0.5)
    if outermost * n_draws < min(1.0, n_draws / 2) * (1 - _ROUNDING):
        raise ValueError(
            f"{n_draws} draws of an expected value tell its quantiles from {1 / n_draws:.2g} to "
            f"{1 - 1 / n_draws:.6g}, as at least one draw must lie beyond: the largest coverage of "
            f"an interval is 1 - 2/{n_draws} = {max(1 - 2 / n_draws, 0):.6g}, and "
            f"{1 - 2 * outermost:.6g} was asked for. Ask for less, or fit with more draws "
            "(iter_sampling, chains; max_draws of compact). Intervals of new observations "
            "(kind='outcome') have no such bound."
        )


def describe(values: Floats, probabilities: Sequence[float]) -> Floats:
    """Mean, sd and quantiles along the last axis: (..., S) -> (..., 2 + q)."""
    moments = np.stack([values.mean(axis=-1), values.std(axis=-1)], axis=-1)
    return np.concatenate([moments, quantiles_of(values, probabilities)], axis=-1)


def _draws_last(x: Floats) -> Floats:
    """(chains, draws, ...) -> (..., S), contiguous."""
    chains, draws, *shape = x.shape
    return np.ascontiguousarray(np.moveaxis(x.reshape(chains * draws, *shape), 0, -1))


def _in_user_units(
    draws: Draws, varying: Sequence[Ints], units: Units
) -> tuple[Draws, Coefficients]:
    """Draws in the user's units, (..., S), and the coefficients of every level."""
    flat = units.draws(draws, varying).map(_draws_last)
    new = [_new_level(g, tau, _root(flat.omega, g)) for g, tau in enumerate(flat.tau)]
    delta = tuple(
        np.concatenate([effects, np.zeros((1, *unseen.shape)), unseen[None]])
        for effects, unseen in zip(flat.delta, new, strict=True)
    )
    return flat, Coefficients(flat.kappa, delta, tuple(varying))


def _posterior_mean(draws: Coefficients) -> Coefficients:
    """Posterior means with S = 1; a new level's are zero."""
    delta = tuple(effects.mean(axis=-1, keepdims=True) for effects in draws.delta)
    for effects in delta:
        effects[NEW] = 0.0
    return Coefficients(draws.kappa.mean(axis=-1, keepdims=True), delta, draws.varying)


def _root(omega: tuple[Floats, ...], g: int, picks: Ints | slice = slice(None)) -> Floats | None:
    """R with R R' = Omega_g, (S, K_g, K_g), or None for independent effects.

    By eigenvectors: correlations within rounding of 1 have no Cholesky factor.
    """
    if not omega:
        return None
    values, vectors = np.linalg.eigh(np.moveaxis(omega[g][..., picks], -1, 0))
    root: Floats = vectors * np.sqrt(np.maximum(values, 0))[:, None, :]
    return root


def _apply(root: Floats | None, z: Floats) -> Floats:
    """R z for each draw: (S, K, K) and (..., K, S) -> (..., K, S)."""
    return z if root is None else np.einsum("sij,...js->...is", root, z)


def _new_level(g: int, tau: Floats, root: Floats | None) -> Floats:
    """One draw of N(0, Sigma_g^s) for each draw s, (K_g, S): always the same, and stratified."""
    z: Floats = ndtri(_stratified(np.random.default_rng((1, g)), tau.shape))
    return tau * _apply(root, z)


def _noise(family: LocationFamily, auxiliary: Mapping[str, Floats], n_draws: int) -> Floats:
    """Residuals of each draw, (M, S), stratified over all of them."""
    n_each = -(-MIN_PREDICTIVE_DRAWS // n_draws)
    u = _stratified(np.random.default_rng(0), (n_each * n_draws,)).reshape(n_each, n_draws)
    return family.error_quantile(u, auxiliary)


def _stratified(rng: np.random.Generator, shape: tuple[int, ...]) -> Floats:
    """Uniform draws, one at the middle of each of equal strata along the last axis, shuffled."""
    strata = np.broadcast_to((np.arange(shape[-1]) + 0.5) / shape[-1], shape)
    return rng.permuted(strata, axis=-1)


def _quadratic_form(Z: Floats, covariance: Floats) -> Floats:
    """z' Sigma z for each row and draw, (n, S), from Sigma (K, K, S).

    Term by term, so that no row depends on the batch; never below zero, as sums may be by rounding.
    """
    value = np.zeros((len(Z), covariance.shape[-1]))
    for i, row in enumerate(covariance):
        for j, entry in enumerate(row):
            value += (Z[:, i] * Z[:, j])[:, None] * entry
    return np.maximum(value, 0.0, out=value)


def _runs(codes: Ints) -> tuple[Ints, Ints]:
    """Distinct neighbours among rows of codes (b, G), and which of them each row is, (b,)."""
    starts = np.ones(len(codes), dtype=bool)
    starts[1:] = (codes[1:] != codes[:-1]).any(axis=1)
    return codes[starts], np.cumsum(starts) - 1
