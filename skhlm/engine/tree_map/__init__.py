"""The tree map: no Stan, no family."""

from skhlm.engine.tree_map.backward import to_coordinates
from skhlm.engine.tree_map.forest import Forest, learn_forest
from skhlm.engine.tree_map.forward import Coordinates, MapConstants, to_draws
from skhlm.engine.tree_map.trees import Tree, leaf_effects, learn_trees

__all__ = [
    "Coordinates",
    "Forest",
    "MapConstants",
    "Tree",
    "leaf_effects",
    "learn_forest",
    "learn_trees",
    "to_coordinates",
    "to_draws",
]
