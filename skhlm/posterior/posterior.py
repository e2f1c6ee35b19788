"""The fitted model in the user's units: its draws, as arrays only.

Draws are the last axis of every array, so that what a row needs lies side by side. Predictors stay
centred, as they were fitted; `skhlm.posterior.at_zero` moves the intercept to x = 0.

A row's level of a factor is given by its code: 0, ..., J_g - 1 for levels seen at fit, `NEW` for
any other (its effect is N(0, Sigma_g)), `NO_EFFECT` to leave the factor out.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any, TypeAlias

import numpy as np
from scipy.special import ndtri

from skhlm._typing import Floats, Ints
from skhlm.draws import Draws, LeftOut, are_many
from skhlm.families import AUXILIARY, Family
from skhlm.inputs.design import Units
from skhlm.numerics.small_matrices import cholesky, root
from skhlm.numerics.strata import stratified
from skhlm.posterior.level_effects import LevelEffects, Rest
from skhlm.posterior.moments import Moments
from skhlm.posterior.on_demand import OnDemand, some_of
from skhlm.posterior.outcomes import Outcome, outcome_of
from skhlm.posterior.rounded_effects import RoundedEffects, round_effects

NEW, NO_EFFECT = -1, -2

Effects: TypeAlias = Floats | LevelEffects | RoundedEffects


def without_new(codes: Ints) -> Ints:
    """Codes of any shape, factors left out where a level is new."""
    return np.where(codes == NEW, NO_EFFECT, codes)


def from_zero(new_levels: Ints) -> Ints:
    """Which new level each row (n, G) has, numbered 0, 1, ... by factor, as if no others were."""
    numbered = new_levels.copy()
    for of_factor in numbered.T:
        new = of_factor >= 0
        of_factor[new] = np.unique(of_factor[new], return_inverse=True)[1]
    return numbered


@dataclass(frozen=True)
class Coefficients:
    """Coefficients of every level, beta = kappa + effects of the row's levels.

    ===========  ==================  ===========================================================
    ``kappa``    (K, S)              population-level coefficients
    ``delta``    (J_g + 2, K_g, S)   for each factor its effects; then zeros (`NO_EFFECT`), then
                                     the effects of a level that was not seen (`NEW`). Those of one
                                     factor may be made when they are asked for; many are rounded
    ``varying``  (K_g,)              for each factor the coefficients that vary by it, increasing
    ===========  ==================  ===========================================================
    """

    kappa: Floats
    delta: tuple[Effects, ...]
    varying: tuple[Ints, ...]

    @property
    def made(self) -> LevelEffects | None:
        """The effects that are made when they are asked for, if there is such a factor."""
        return next((one for one in self.delta if isinstance(one, LevelEffects)), None)

    def some(self, picks: Ints | slice) -> Coefficients:
        """Those of some draws."""
        delta = tuple(_some_draws(effects, picks) for effects in self.delta)
        return Coefficients(some_of(self.kappa, picks), delta, self.varying)

    def few(self, picks: Ints) -> Coefficients:
        """Those of a few draws with all effects at hand; what is made is of few random numbers."""
        some = self.some(picks).renumbered()
        return replace(some, delta=tuple(map(np.asarray, some.delta)))

    def renumbered(self) -> Coefficients:
        """The same but for effects that are made, which are of the first random numbers."""
        delta = tuple(
            effects.renumbered() if isinstance(effects, LevelEffects) else effects
            for effects in self.delta
        )
        return replace(self, delta=delta)

    def times(self, rate: float) -> Coefficients:
        """So many times the coefficients."""
        delta = tuple(
            effects.times(rate) if isinstance(effects, OnDemand) else rate * effects
            for effects in self.delta
        )
        return Coefficients(rate * self.kappa, delta, self.varying)

    def at_hand(self, codes: Ints) -> tuple[Coefficients, Ints]:
        """The same with effects as arrays, those of the levels in rows of codes (n, G); the codes.

        Codes are other ones where effects are not kept as they are: of such a factor there are only
        the levels that occur.
        """
        delta = list(self.delta)
        for g, effects in enumerate(self.delta):
            if isinstance(effects, OnDemand):
                own = codes[:, g]
                levels = np.unique(own[own >= 0])
                behind = len(effects) + np.array([NO_EFFECT, NEW])
                delta[g] = effects.of(np.concatenate([levels, behind]))
                codes = codes.copy()
                codes[:, g] = np.where(own >= 0, np.searchsorted(levels, own), own)
        return Coefficients(self.kappa, tuple(delta), self.varying), codes

    def at(self, codes: Ints, k: int) -> Floats:
        """Coefficient k of beta for each row of codes (n, G): (n, S)."""
        beta = np.broadcast_to(self.kappa[k], (len(codes), self.kappa.shape[1]))
        for g, columns in enumerate(self.varying):
            for j in np.flatnonzero(columns == k):
                beta = beta + self.delta[g][codes[:, g], j]
        return beta

    def by_cell(self, codes: Ints) -> Iterator[Floats]:
        """Beta of each row of codes (n, g), (K, S), in turn; the next overwrites the last.

        It has the effects of the first g factors, g <= G. These are added in the order of `at`, and
        only from the first on whose level is another than in the row before.
        """
        sums = [self.kappa, *(np.empty_like(self.kappa) for _ in range(codes.shape[1]))]
        before: list[int] = []
        for levels in codes.tolist():
            same = [a == b for a, b in zip(levels, before, strict=False)]
            for g in range(same.index(False) if False in same else len(same), len(levels)):
                self._add(sums[g], g, levels[g], sums[g + 1])
            before = levels
            yield sums[-1]

    def _add(self, beta: Floats, g: int, level: int, total: Floats) -> None:
        """``total`` (K, S) becomes beta with the effects of one level."""
        effects = dict(zip(self.varying[g].tolist(), self.delta[g][level], strict=True))
        for k, (value, result) in enumerate(zip(beta, total, strict=True)):
            if k in effects:
                np.add(value, effects[k], out=result)
            else:
                np.copyto(result, value)

    def expected_value(self, Z: Floats, codes: Ints, cell: Ints | slice = slice(None)) -> Floats:
        """z_i' beta_i, (n, S), for rows Z (n, K) whose levels are ``codes[cell]``.

        A last column beyond the K coefficients is an offset, which is added. Sums term by term: a
        matrix product may round a row differently in another batch.
        """
        own, codes = self.at_hand(codes)
        value = np.zeros((len(Z), self.kappa.shape[1]))
        for k in range(len(self.kappa)):
            value += Z[:, k, None] * own.at(codes, k)[cell]
        for offset in Z.T[len(self.kappa) :]:
            value += offset[:, None]
        return value


@dataclass(frozen=True)
class Posterior:
    """Posterior of a hierarchical linear model in the user's units, on centred predictors.

    S is the number of draws of all chains together, chain after chain.

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
    family : Family
        Distribution of the outcome.
    units : Units
        Where the predictors are centred, and whether the first coefficient is an intercept.
    n_chains : int
        Number of Markov chains; 0 for draws that are independent.
    mode : Posterior or None
        The mode as a posterior of one draw, where it stands for the posterior mean.
    sample : ndarray of shape (M, S) or None
        The sample of errors of a stored model, see `Outcome.sample`; None lets one be worked out.
    moments : Moments or None
        Which means and standard deviations are finite; None is all, as far as is known.
    """

    draws: Coefficients
    mean: Coefficients
    tau: tuple[Floats, ...]
    omega: tuple[Floats, ...]
    auxiliary: dict[str, Floats]
    family: Family
    units: Units
    n_chains: int
    mode: Posterior | None = None
    sample: Floats | None = None
    moments: Moments | None = None

    @classmethod
    def from_draws(
        cls,
        draws: Draws,
        varying: Sequence[Ints],
        units: Units,
        family: Family,
        *,
        mode: Draws | None = None,
        left_out: LeftOut | None = None,
        n_chains: int | None = None,
        moments: Moments | None = None,
    ) -> Posterior:
        """Posterior in the user's units from draws of the model that was fitted in ``units``.

        Parameters
        ----------
        draws : Draws
        varying : G arrays of shape (K_g,)
        units : Units
        family : Family
        mode : Draws or None, default=None
            One draw to take for the posterior mean.
        left_out : LeftOut or None, default=None
            What the effects of a factor follow from that has no levels in the draws.
        n_chains : int or None, default=None
            Number of Markov chains that the draws are; None if the draws' first axis says.
        moments : Moments or None, default=None
            Which means and standard deviations are finite.
        """
        flat, coefficients, means = _in_user_units(draws, varying, units)
        if left_out is not None:
            coefficients = with_left_out(coefficients, left_out, flat, units, family)
        alone = None
        if mode is not None:
            of_mode = None if left_out is None else replace(left_out, seed=None)
            alone = cls.from_draws(mode, varying, units, family, left_out=of_mode)
        return cls(
            draws=coefficients,
            mean=_posterior_mean(coefficients, means) if alone is None else alone.mean,
            tau=flat.tau,
            omega=flat.omega,
            auxiliary=flat.auxiliary,
            family=family,
            units=units,
            n_chains=draws.shape[0] if n_chains is None else n_chains,
            mode=alone,
            moments=moments,
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
        few = self.picked((length * np.arange(n_chains)[:, None] + kept).reshape(-1))
        delta = tuple(
            _with_new_level(effects, _new_level(g, few.tau[g], few.omega))
            for g, effects in enumerate(few.draws.delta)
        )
        return replace(few, draws=replace(few.draws, delta=delta).renumbered())

    def picked(self, picks: Ints) -> Posterior:
        """The posterior with some of its draws; `mean` stays."""
        return replace(
            self,
            draws=self.draws.some(picks),
            tau=tuple(np.take(tau, picks, axis=-1) for tau in self.tau),
            omega=tuple(np.take(omega, picks, axis=-1) for omega in self.omega),
            auxiliary={name: values[picks] for name, values in self.auxiliary.items()},
            sample=None,
        )

    def __getstate__(self) -> dict[str, Any]:
        """State without what is worked out from it again."""
        return {name: value for name, value in vars(self).items() if name != "outcome"}

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

    @property
    def finite_moments(self) -> Moments:
        """Which means and standard deviations are finite, all where nothing is known."""
        if self.moments is not None:
            return self.moments
        return Moments.all_finite(len(self.draws.kappa), self.varying, self.n_levels)

    @property
    def averaged(self) -> Posterior:
        """The draws that expected values are means over: all, or the mode alone."""
        return self if self.mode is None else self.mode

    @cached_property
    def outcome(self) -> Outcome:
        """What a new observation can be, given eta."""
        return outcome_of(self.family, self.auxiliary, self.sample)

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


def correlated(z: Floats, tau: Floats, omega: Floats | None) -> Floats:
    """Effects with N(0, Sigma^s) in each draw s, of standard normal z (..., K_g, S)."""
    if omega is None:
        return tau * z
    effects: Floats = tau * np.einsum("sij,...js->...is", root(omega), z)
    return effects


def _draws_last(x: Floats) -> Floats:
    """(chains, draws, ...) -> (..., S), contiguous."""
    chains, draws, *shape = x.shape
    return np.ascontiguousarray(np.moveaxis(x.reshape(chains * draws, *shape), 0, -1))


def _in_user_units(
    draws: Draws, varying: Sequence[Ints], units: Units
) -> tuple[Draws, Coefficients, list[Floats]]:
    """Draws in the user's units, (..., S), without effects; the coefficients of every level.

    And the means of effects, (J_g, K_g).
    """
    others = replace(draws, delta=tuple(effects[:, :, :0] for effects in draws.delta))
    flat = units.draws(others, varying).map(_draws_last)
    delta, means = [], []
    for g, (effects, columns) in enumerate(zip(draws.delta, varying, strict=True)):
        unseen = _new_level(g, flat.tau[g], flat.omega)
        kept, mean = _kept(effects, units.coefficient_scale[columns], unseen)
        delta.append(kept)
        means.append(mean)
    return flat, Coefficients(flat.kappa, tuple(delta), tuple(varying)), means


def _kept(effects: Floats, scale: Floats, unseen: Floats) -> tuple[Effects, Floats]:
    """Draws (chains, draws, J, K_g) of effects times their scale as they are kept; the means."""
    J, n_draws = effects.shape[2], unseen.shape[1]

    def read(levels: slice) -> Floats:
        return _draws_last(effects[:, :, levels] * scale)

    if are_many(J, len(scale), n_draws):
        rounded, mean = round_effects(read, J, unseen)
        if rounded is not None:
            return rounded, mean
    whole = np.zeros((J + 2, *unseen.shape))
    whole[:-2], whole[NEW] = read(slice(J)), unseen
    return whole, whole[:-2].mean(axis=-1)


def with_left_out(
    kept: Coefficients,
    left_out: LeftOut,
    scales: Draws,
    units: Units,
    family: Family,
) -> Coefficients:
    """Coefficients with the effects that were left out, made when they are asked for.

    ``kept`` has no levels of that factor; its scales, correlations and the family's parameters, in
    the user's units, are those of ``scales`` (..., S).
    """
    g, scale = left_out.factor, units.coefficient_scale
    own = scale[kept.varying[g]]
    kappa = kept.kappa - np.eye(len(scale), 1) * units.y_center * units.fit_intercept
    outcome = {
        name: values / units.y_scale if AUXILIARY[name].units_of_outcome else values
        for name, values in scales.auxiliary.items()
    }
    n_draws = kappa.shape[1]
    rest = Rest(
        kappa=kappa / scale[:, None],
        above=tuple(kept.delta[h] / scale[kept.varying[h], None] for h in left_out.above),
        root=(scales.tau[g] / own[:, None])[:, None] * _correlation_root(scales, g),
        precision=np.broadcast_to(family.information(np.zeros(1), outcome), (n_draws,)),
    )
    effects = LevelEffects(
        rows=left_out,
        varying=kept.varying,
        rest=rest,
        scale=own,
        unseen=kept.delta[g][NEW],
        stream=np.arange(n_draws),
    )
    delta = tuple(effects if h == g else other for h, other in enumerate(kept.delta))
    return replace(kept, delta=delta)


def _correlation_root(scales: Draws, g: int) -> Floats:
    """Lower L with L L' = Omega, (K_g, K_g, S)."""
    if scales.omega:
        return cholesky(scales.omega[g])
    size, n_draws = scales.tau[g].shape
    return np.broadcast_to(np.eye(size)[:, :, None], (size, size, n_draws))


def _some_draws(effects: Effects, picks: Ints | slice) -> Effects:
    """Effects of some draws."""
    return effects.some(picks) if isinstance(effects, OnDemand) else some_of(effects, picks)


def _with_new_level(effects: Effects, unseen: Floats) -> Effects:
    """The same with these effects of a level that was not seen."""
    if isinstance(effects, OnDemand):
        return replace(effects, unseen=unseen)
    effects = effects.copy()
    effects[NEW] = unseen
    return effects


def _posterior_mean(draws: Coefficients, means: Sequence[Floats]) -> Coefficients:
    """Posterior means with S = 1, but where they are made those of effects as given."""
    delta = tuple(
        effects.means
        if isinstance(effects, LevelEffects)
        else np.pad(mean, [(0, 2), (0, 0)])[:, :, None]
        for effects, mean in zip(draws.delta, means, strict=True)
    )
    return Coefficients(draws.kappa.mean(axis=-1, keepdims=True), delta, draws.varying)


def _new_level(g: int, tau: Floats, omega: tuple[Floats, ...]) -> Floats:
    """One draw of N(0, Sigma_g^s) for each draw s, (K_g, S): always the same, and stratified."""
    z: Floats = ndtri(stratified(np.random.default_rng((1, g)), tau.shape))
    return correlated(z, tau, omega[g] if omega else None)
