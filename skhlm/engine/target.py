"""A problem in the coordinates of its tree map: what every algorithm runs on."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from skhlm._typing import Floats
from skhlm.draws import Draws
from skhlm.engine.inference import Earlier
from skhlm.engine.problem import Problem
from skhlm.engine.program import (
    INITIAL_RADIUS,
    DataBlock,
    Start,
    build_data_block,
    initial_values,
    read_coordinates,
)
from skhlm.engine.quick_fit.calibration import calibrate
from skhlm.engine.quick_fit.recalibration import recalibrate
from skhlm.engine.tree_map.backward import to_coordinates
from skhlm.engine.tree_map.forward import Coordinates, MapConstants, to_draws
from skhlm.numerics.forest import Forest, learn_forest


@dataclass(frozen=True)
class Target:
    """A problem, and the map to its parameters."""

    problem: Problem
    forest: Forest
    constants: MapConstants

    def data_block(self) -> DataBlock:
        """What the Stan program reads."""
        return build_data_block(self.problem, self.forest, self.constants)

    def coordinates(self, columns: Floats) -> Coordinates:
        """Coordinates from the columns of the program's output, (chains, draws, P)."""
        return read_coordinates(columns, self.problem, n_roots=max(len(self.forest.chains), 1))

    def draws(self, coordinates: Coordinates, n_threads: int = 1) -> Draws:
        """Draws of the model's own parameters."""
        return to_draws(coordinates, self.problem, self.forest, self.constants, n_threads)

    def start(self, earlier: Earlier) -> Start:
        """The last draws of an earlier fit, seen through the present map, and drawn in.

        Where the data have changed, in their units or in what they say, these draws may be
        hundreds of standard deviations out, from where no chain comes back in time. No chain
        begins farther out than a cold one may.
        """
        with np.errstate(all="ignore"):
            z = to_coordinates(earlier.last, self.problem, self.forest, self.constants)
        near = {name: _drawn_in(at) for name, at in vars(z).items()}
        return Start(initial_values(Coordinates(**near)), earlier.step_size)

    def recalibrated(self, coordinates: Coordinates, draws: Draws) -> Target:
        """The same problem, its map learned from draws."""
        constants = recalibrate(self.problem, self.forest, self.constants, coordinates, draws)
        return replace(self, constants=constants)


def _drawn_in(z: Floats) -> Floats:
    """Coordinates within the radius of cold starts; what is no number is in the middle."""
    return np.clip(np.nan_to_num(z), -INITIAL_RADIUS, INITIAL_RADIUS)


def build_target(problem: Problem) -> Target:
    """The problem with a map from a quick fit."""
    forest = learn_forest(problem.codes, problem.n_levels)
    return Target(problem, forest, calibrate(problem, forest))
