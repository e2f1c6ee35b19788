"""A problem in the coordinates of its tree map: what every algorithm runs on."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np

from skhlm._typing import Floats
from skhlm.diagnostics.checks import Check
from skhlm.diagnostics.modes import check_modes
from skhlm.draws import Draws, LeftOut
from skhlm.engine.mixture import (
    HEAVY_NU,
    MANY_LEVELS,
    SWEEPS,
    last_values,
    may_be_mixture,
    note_of_sampler,
    read_draws,
    start_values,
)
from skhlm.engine.problem import Problem
from skhlm.engine.program.runs import INITIAL_RADIUS, Inits, Start
from skhlm.engine.program.stan_blocks import (
    Block,
    build_data_block,
    initial_values,
    read_coordinates,
    read_kappa,
)
from skhlm.engine.quick_fit.calibration import calibrate, is_exact
from skhlm.engine.quick_fit.recalibration import recalibrate
from skhlm.engine.tree_map.backward import to_coordinates
from skhlm.engine.tree_map.forward import Coordinates, MapConstants, to_draws, with_effects
from skhlm.families import LocationFamily
from skhlm.numerics.columns import Columns
from skhlm.numerics.forest import Forest, learn_forest


@dataclass(frozen=True)
class Target:
    """A problem, and the map to its parameters."""

    problem: Problem
    forest: Forest
    constants: MapConstants
    is_collapsed: bool = False  # the program leaves out the effects
    is_mixture: bool = False  # the program's own sampler draws, not NUTS

    def for_chains(self) -> Target:
        """The target of Markov chains: not of NUTS where that would find it hard."""
        hard = self._may_be_mixture and self._first_guess[1] < HEAVY_NU
        many = max(self.problem.n_levels, default=0) >= MANY_LEVELS
        return replace(self, is_mixture=bool(hard and many))

    def checks(self, draws: Draws, *, chains_disagree: bool) -> Iterator[Check]:
        """What else is to be said of draws: which sampler drew them; why chains disagree."""
        problem, family = self.problem, self.problem.family
        if chains_disagree and isinstance(family, LocationFamily) and family.is_gamma_mixture:
            for *_, leaf in self.forest.chains:
                yield from check_modes(
                    family, problem.evidence, problem.codes, problem.varying, draws, leaf
                )
        if self.is_mixture:
            yield note_of_sampler(problem)

    @property
    def _may_be_mixture(self) -> bool:
        auxiliary = self._first_guess
        return len(auxiliary) > 0 and may_be_mixture(self.problem, self.forest, auxiliary[0])

    @property
    def _first_guess(self) -> Floats:
        """The auxiliary parameters where their maps begin, their cuts aside, (n_aux,)."""
        lower = [a.lower for a in self.problem.family.auxiliary]
        return np.asarray(lower + np.exp(self.constants.log_aux[0]), dtype=np.float64)

    def data_block(self) -> Block:
        """What the Stan program reads."""
        block = build_data_block(self.problem, self.forest, self.constants, self.is_collapsed)
        return {**block, "mixture": SWEEPS * self.is_mixture}

    def draws(self, columns: Columns, seed: int | None, n_threads: int = 1) -> Draws:
        """Draws of the model's own parameters, from the program's columns (chains, draws, P).

        Where the program leaves out the effects, those of the finest factor are left out here as
        well (see `left_out`), and those of coarser ones are drawn from the seed; without a seed
        they are at the mode.
        """
        if self.is_mixture:
            return read_draws(columns, self.problem, self.forest)
        z = self._coordinates(columns)
        finest = self._finest
        if finest is not None:
            z = with_effects(z, self.problem.n_effects - self._n_effects_of(finest), seed)
        kappa = read_kappa(columns, self.problem, self.is_collapsed)
        return to_draws(z, self.problem, self.forest, self.constants, n_threads, finest, kappa)

    def left_out(self, seed: int | None) -> LeftOut | None:
        """What the effects that `draws` leaves out follow from; the seed is of their draws."""
        if self._finest is None:
            return None
        *above, finest = self.forest.chains[0]
        lies_in, codes = [], np.arange(self.problem.n_levels[finest])
        for g in reversed(self.forest.chains[0][1:]):
            codes = self.forest.parents[g][codes]
            lies_in.append(codes)
        own, unit = self.problem.varying[finest], np.exp(-self.constants.log_c)
        return LeftOut(
            factor=finest,
            information=unit * self.constants.leaf_information[0][:, own],
            score=unit * self.constants.leaf_score[0][:, own],
            above=tuple(above),
            lies_in=tuple(reversed(lies_in)),
            seed=seed,
        )

    @property
    def _finest(self) -> int | None:
        """The factor whose effects are left out."""
        return self.forest.chains[0][-1] if self.is_collapsed else None

    def _n_effects_of(self, g: int) -> int:
        return self.problem.n_levels[g] * len(self.problem.varying[g])

    def start(self, last: Draws, step_size: float | None) -> Start:
        """The last draws of an earlier fit, seen through the present map, and drawn in.

        Where the data have changed, in their units or in what they say, these draws may be
        hundreds of standard deviations out, from where no chain comes back in time. No chain
        begins farther out than a cold one may.
        """
        with np.errstate(all="ignore"):
            z = to_coordinates(last, self.problem, self.forest, self.constants)
        near = {name: _drawn_in(at) for name, at in vars(z).items()}
        if self.is_collapsed:
            near["z_delta"] = near["z_delta"][..., :0]
        return Start(self._values(Coordinates(**near)), step_size)

    def cold_start(self, chains: int, seed: int) -> Start | None:
        """Where chains begin that know nothing; None where the program itself draws it."""
        if not self.is_mixture:
            return None
        rng, n_tau = np.random.default_rng(seed), self.problem.n_tau
        K, n_omega = self.problem.n_coefficients, self.problem.n_omega
        sizes = (n_tau, len(self.problem.family.auxiliary), n_omega, K, self.problem.n_effects)
        z = [rng.uniform(-INITIAL_RADIUS, INITIAL_RADIUS, (chains, 1, n)) for n in sizes]
        z_tau, z_aux, z_omega, z_root, z_delta = z
        return Start(
            self._values(Coordinates(z_tau, z_aux, z_omega, z_root[..., None], z_delta)), None
        )

    def _values(self, z: Coordinates) -> tuple[Inits, ...]:
        """The program's parameters at coordinates (chains, 1, ...)."""
        if not self.is_mixture:
            return initial_values(z)
        return start_values(z.z_omega, self._mapped(z), self.forest)

    def _mapped(self, z: Coordinates) -> Draws:
        return to_draws(z, self.problem, self.forest, self.constants)

    def end(self, columns: Columns, step_size: float) -> Start:
        """Where chains go on that have ended with these columns (chains, draws, P)."""
        if self.is_mixture:  # whose steps are not told, and learned anew
            return Start(last_values(columns.last, self.problem), None)
        values = initial_values(self._coordinates(Columns.in_memory(columns.last)))
        return Start(values, step_size, is_tuned=True)

    def recalibrated(self, columns: Columns, draws: Draws) -> Target:
        """The same problem, its map learned from draws and the columns they were mapped from.

        What NUTS has not managed is left to the program's own sampler, where that knows the model.
        """
        if self.is_mixture:
            return self
        z = self._coordinates(columns)
        constants = recalibrate(
            self.problem, self.forest, self.constants, z, draws, scales_alone=self.is_collapsed
        )
        return replace(self, constants=constants, is_mixture=self._may_be_mixture)

    def _coordinates(self, columns: Columns) -> Coordinates:
        """Coordinates from the columns of the program's output."""
        n_roots = max(len(self.forest.chains), 1)
        return read_coordinates(columns, self.problem, n_roots, self.is_collapsed)


def _drawn_in(z: Floats) -> Floats:
    """Coordinates within the radius of cold starts; what is no number is in the middle."""
    return np.clip(np.nan_to_num(z), -INITIAL_RADIUS, INITIAL_RADIUS)


def build_target(problem: Problem) -> Target:
    """The problem with a map from a quick fit."""
    forest = learn_forest(problem.codes, problem.n_levels)
    constants = calibrate(problem, forest)
    return Target(problem, forest, constants, is_collapsed=is_exact(problem, forest, constants))
