"""All that knows Stan: data block, runs of the program, what it wrote."""

from skhlm.engine.program.columns import initial_values, read_coordinates
from skhlm.engine.program.data_block import DataBlock, build_data_block
from skhlm.engine.program.progress import Progress
from skhlm.engine.program.runs import (
    INITIAL_RADIUS,
    Approximation,
    Start,
    advi,
    laplace,
    pathfinder,
    sample,
)

__all__ = [
    "INITIAL_RADIUS",
    "Approximation",
    "DataBlock",
    "Progress",
    "Start",
    "advi",
    "build_data_block",
    "initial_values",
    "laplace",
    "pathfinder",
    "read_coordinates",
    "sample",
]
