"""A problem in the coordinates of its tree map: what every algorithm runs on."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from skhlm._typing import Floats
from skhlm.draws import Draws, LeftOut
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
from skhlm.numerics.columns import Columns
from skhlm.numerics.forest import Forest, learn_forest


@dataclass(frozen=True)
class Target:
    """A problem, and the map to its parameters."""

    problem: Problem
    forest: Forest
    constants: MapConstants
    is_collapsed: bool = False  # the program leaves out the effects

    def data_block(self) -> Block:
        """What the Stan program reads."""
        return build_data_block(self.problem, self.forest, self.constants, self.is_collapsed)

    def draws(self, columns: Columns, seed: int | None, n_threads: int = 1) -> Draws:
        """Draws of the model's own parameters, from the program's columns (chains, draws, P).

        Where the program leaves out the effects, those of the finest factor are left out here as
        well (see `left_out`), and those of coarser ones are drawn from the seed; without a seed
        they are at the mode.
        """
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
        return Start(initial_values(Coordinates(**near)), step_size)

    def inits(self, columns: Floats) -> tuple[Inits, ...]:
        """The program's parameters where each chain is first, from columns (chains, draws, P)."""
        return initial_values(self._coordinates(Columns.in_memory(columns)))

    def recalibrated(self, columns: Columns, draws: Draws) -> Target:
        """The same problem, its map learned from draws and the columns they were mapped from."""
        z = self._coordinates(columns)
        constants = recalibrate(
            self.problem, self.forest, self.constants, z, draws, scales_alone=self.is_collapsed
        )
        return replace(self, constants=constants)

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
