"""What a model file says, checked, as a fitted model: nothing that `fit` could not have left."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import replace
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray

from skhlm._typing import Floats, Ints
from skhlm.draws import Draws, LeftOut
from skhlm.exceptions import ModelFileError
from skhlm.families import FAMILIES, Family, find_family
from skhlm.families.links import LOG
from skhlm.files.archive import require
from skhlm.files.notation import Array, conforms, decode
from skhlm.inputs.classes import Classes
from skhlm.inputs.columns import Columns, Label, kind
from skhlm.inputs.design import Ranges, Units, coefficient_names
from skhlm.inputs.frames import predictor_positions
from skhlm.inputs.hierarchy import Factor, Groups, Hierarchy
from skhlm.inputs.labels import Labels
from skhlm.posterior import NEW, NO_EFFECT, Coefficients, Posterior
from skhlm.posterior.moments import BOTH, Moments
from skhlm.posterior.posterior import Effects, with_left_out
from skhlm.posterior.rounded_effects import LARGEST_CODE, RoundedEffects
from skhlm.preparation import ModelSpec, name_parameters
from skhlm.reports.pooling import LevelData

_ROUNDING = 1e-6  # of a correlation
_MOST_INFORMATION = 1e100
_NOT_LEFT_OUT = "left_out: not a factor whose effects can be made"

_TYPES: Mapping[str, Any] = {
    "parameters": dict[str, Any],
    "columns": tuple[int | tuple[str, ...] | None, ...],
    "hierarchies": tuple[tuple[tuple[int, ...] | bool, ...], ...],
    "labels": tuple[tuple[Any, ...], ...],
    "varying": tuple[tuple[int, ...], ...],
    "units": tuple[bool | float, ...],
    "n_chains": int,
    "fingerprint": str,
    "seed": int | None,
    "outcome_name": str | None,
    "priors": dict[str, Any] | str | None,
    "family": str,
    "exposure": int | None,
    "classes": tuple[str | tuple[Any, ...], ...] | None,
    "left_out": tuple[int, ...] | None,
    "attributes": dict[str, Any],
}
_LATER: Mapping[str, Any] = {  # what older files lack
    "fingerprint": "",
    "seed": None,
    "outcome_name": None,
    "priors": None,
    "family": "",
    "exposure": None,
    "classes": None,
    "left_out": None,
}
_UNITS = ("Y", "M", "W", "D", "h", "m", "s", "ms", "us", "ns")  # of dates and times
_LABELS = {  # types of the two labels of a classifier, as numpy calls them
    "bool": bool,
    **dict.fromkeys(("int8", "int16", "int32", "int64"), int),
    **dict.fromkeys(("uint8", "uint16", "uint32", "uint64"), int),
    **dict.fromkeys(("float16", "float32", "float64"), float),
    "str": str,
    "object": str,
    **{f"{kind}64[{unit}]": int for kind in ("datetime", "timedelta") for unit in _UNITS},
}
_FINGERPRINT = re.compile("([0-9a-f]{64})?", re.ASCII)


class Contents:
    """Values and arrays of a file; each is asked for once, with what it must be.

    Parameters
    ----------
    values : mapping
        JSON of the model.
    arrays : dict of str to ndarray
        Those that nobody has asked for yet.
    """

    def __init__(self, values: Mapping[str, Any], arrays: dict[str, Array]) -> None:
        self.knows_priors = "priors" in values
        values = {**_LATER, **values}
        require(values.keys() == _TYPES.keys(), "its entries are not those of a model")
        self.arrays = arrays
        self.values = {name: decode(value, name, arrays) for name, value in values.items()}
        for name, value in self.values.items():
            require(conforms(value, _TYPES[name]), f"{name}: not of its type")

    def __getitem__(self, name: str) -> Any:
        """A value of the right type."""
        return self.values[name]

    def floats(
        self,
        name: str,
        *shape: int,
        least: float = -np.inf,
        most: float = np.inf,
        gaps: bool = False,
    ) -> Floats:
        """A finite array of a given shape and range; -1 in the shape is any length but 0.

        With ``gaps`` some of it may be NaN.
        """
        array: Floats = self._array(name, "<f8", shape)
        fine = np.isfinite(array) | (gaps & np.isnan(array))
        require(fine.all(), f"array {name}: holds NaN or infinity")
        outside = (array < least) | (array > most)
        require(not outside.any(), f"array {name}: out of range")
        return array

    def ints(self, name: str, *shape: int, below: Sequence[int]) -> Ints:
        """Numbers from 0, less than ``below`` in each column."""
        array: Ints = self._array(name, "<i8", shape)
        require((array >= 0).all() and (array < below).all(), f"array {name}: out of range")
        return array

    def codes(self, name: str, *shape: int) -> NDArray[np.int16]:
        """Numbers of 16 bits, but for the least of all, which is no code."""
        array: NDArray[np.int16] = self._array(name, "<i2", shape)
        require((array >= -LARGEST_CODE).all(), f"array {name}: out of range")
        return array

    def _array(self, name: str, dtype: str, shape: tuple[int, ...]) -> Any:
        require(name in self.arrays, f"array {name}: missing")
        array = self.arrays.pop(name)
        require(array.dtype == np.dtype(dtype), f"array {name}: not of its type")
        fits = len(array.shape) == len(shape) and all(
            n == wanted or (wanted < 0 < n) for n, wanted in zip(array.shape, shape, strict=True)
        )
        require(fits, f"array {name}: its shape does not agree with the rest")
        return array


def read_spec(contents: Contents) -> ModelSpec:
    """What was learned from the training data besides the posterior.

    Parameters
    ----------
    contents : Contents

    Returns
    -------
    ModelSpec
    """
    columns = _columns(contents["columns"])
    groups = _groups(contents, columns)
    exposure = _exposure(contents, columns, groups)
    kept = predictor_positions(groups.hierarchies, columns, exposure)
    units = _units(contents, len(kept), has_offset=exposure is not None)
    try:
        names = coefficient_names(
            tuple(map(columns.predictor_name, kept)), fit_intercept=units.fit_intercept
        )
    except ValueError as error:
        raise ModelFileError(str(error)) from error
    varying = _varying(contents["varying"], len(groups.factors), len(names))
    weights = tuple(
        contents.floats(f"factor{g}.weight", size, least=0.0)
        for g, size in enumerate(groups.n_levels)
    )
    combinations = contents.ints("combinations", -1, len(groups.factors), below=groups.n_levels)
    labels = name_parameters(groups, names, varying, units)
    size = len(kept) + units.has_offset
    ranges = Ranges(*(contents.floats(name, size) for name in ("low", "high", "typical")))
    spec = ModelSpec(
        columns,
        groups,
        labels,
        units,
        weights,
        combinations,
        ranges,
        outcome_name=contents["outcome_name"],
        priors=contents["priors"],
        exposure=exposure,
        classes=_classes(contents),
    )
    return _with_priors(spec, contents)


def read_level_data(contents: Contents, labels: Labels) -> LevelData:
    """What each level's rows say alone.

    Parameters
    ----------
    contents : Contents
    labels : Labels

    Returns
    -------
    LevelData
    """
    if "factor0.information" not in contents.arrays:
        return LevelData()
    information, estimate, spread = [], [], []
    for g, (levels, columns) in enumerate(zip(labels.levels, labels.varying, strict=True)):
        J, K = len(levels), len(columns)
        information.append(contents.floats(f"factor{g}.information", J, K, K))
        estimate.append(contents.floats(f"factor{g}.estimate", J, K, gaps=True))
        spread.append(contents.floats(f"factor{g}.spread", J, K, least=0.0))
    return LevelData(tuple(information), tuple(estimate), tuple(spread))


def read_fingerprint(contents: Contents) -> str:
    """The fingerprint of the rows of fit; empty in older files.

    Parameters
    ----------
    contents : Contents

    Returns
    -------
    str
    """
    fingerprint: str = contents["fingerprint"]
    require(_FINGERPRINT.fullmatch(fingerprint), "fingerprint: not that of rows")
    return fingerprint


def read_seed(contents: Contents) -> int | None:
    """The seed of the draws; None in older files.

    Parameters
    ----------
    contents : Contents

    Returns
    -------
    int or None
    """
    seed: int | None = contents["seed"]
    require(seed is None or 0 <= seed < 2**32, "seed: out of range")
    return seed


def read_posterior(contents: Contents, spec: ModelSpec) -> Posterior:
    """The posterior of a model with given names, levels and units.

    Parameters
    ----------
    contents : Contents
    spec : ModelSpec

    Returns
    -------
    Posterior
    """
    varying = spec.labels.varying
    family = read_family(contents)
    kappa = contents.floats("kappa", len(spec.labels.coefficients), -1)
    S = kappa.shape[1]
    n_chains = contents["n_chains"]
    require(n_chains >= 0 and S % max(1, n_chains) == 0, "n_chains: does not agree with the draws")
    full = "factor0.omega" in contents.arrays
    sizes = [
        (g, J, len(columns))
        for g, (J, columns) in enumerate(zip(spec.groups.n_levels, varying, strict=True))
    ]
    left_out = _left_out(contents, spec)
    missing = None if left_out is None else left_out.factor
    kept = Coefficients(
        kappa,
        tuple(_delta(contents, g, 0 if g == missing else J, K_g, S) for g, J, K_g in sizes),
        varying,
    )
    scales = Draws(
        kappa,
        (),
        tuple(contents.floats(f"factor{g}.tau", K_g, S, least=0.0) for g, _, K_g in sizes),
        tuple(_omega(contents, g, K_g, S) for g, _, K_g in sizes if full),
        {a.name: contents.floats(a.name, S, least=a.lower) for a in family.auxiliary},
    )
    draws = kept
    if left_out is not None:
        draws = with_left_out(kept, left_out, scales, spec.units, family)
    posterior = Posterior(
        draws=draws,
        mean=_mean(contents, spec),
        tau=scales.tau,
        omega=scales.omega,
        auxiliary=scales.auxiliary,
        family=family,
        units=spec.units,
        n_chains=n_chains,
        sample=contents.floats("noise", -1, S) if "noise" in contents.arrays else None,
        moments=_moments(contents, family, len(kappa), sizes)
        if "moments" in contents.arrays
        else None,
    )
    return replace(
        posterior, mode=_mode(contents, posterior) if "mode" in contents.arrays else None
    )


def _left_out(contents: Contents, spec: ModelSpec) -> LeftOut | None:
    """What the effects of a factor are made from that are not in the file."""
    found, n_levels = contents["left_out"], spec.groups.n_levels
    if found is None:
        return None
    require(len(found) >= 2 and len(set(found[1:])) == len(found) - 1, _NOT_LEFT_OUT)
    seed, g, *above = found
    in_range = all(0 <= h < len(n_levels) for h in (g, *above)) and 0 <= seed < 2**64
    require(in_range, _NOT_LEFT_OUT)
    require(read_family(contents).is_gaussian, _NOT_LEFT_OUT)
    J, K_g = n_levels[g], len(spec.labels.varying[g])
    sizes, K = [n_levels[h] for h in above], len(spec.labels.coefficients)
    most = _MOST_INFORMATION
    information = contents.floats("left_out.information", J, K_g, K, least=-most, most=most)
    own = information[:, :, spec.labels.varying[g]]
    require((np.einsum("lkk->lk", own) >= 0).all(), _NOT_LEFT_OUT)
    return LeftOut(
        factor=g,
        information=information,
        score=contents.floats("left_out.score", J, K_g, least=-most, most=most),
        above=tuple(above),
        lies_in=tuple(contents.ints("left_out.lies_in", J, len(above), below=sizes).T),
        seed=seed,
    )


def _moments(
    contents: Contents, family: Family, n_coefficients: int, sizes: Sequence[tuple[int, int, int]]
) -> Moments:
    """Which means and sds are finite; each factor has a number, levels and coefficients."""
    most = [BOTH + 1]
    own = contents.ints("moments_of_family", len(family.auxiliary), below=most)
    names = [parameter.name for parameter in family.auxiliary]
    return Moments(
        kappa=contents.ints("moments", n_coefficients, below=most),
        tau=tuple(contents.ints(f"factor{g}.moments_of_tau", K, below=most) for g, _, K in sizes),
        delta=tuple(contents.ints(f"factor{g}.moments", J, K, below=most) for g, J, K in sizes),
        auxiliary=dict(zip(names, own.tolist(), strict=True)),
    )


def _mode(contents: Contents, posterior: Posterior) -> Posterior:
    """The mode as a posterior of one draw; its coefficients are the mean's."""
    family, K = posterior.family, [len(columns) for columns in posterior.varying]
    at_mode = contents.floats("mode", len(family.auxiliary))
    return replace(
        posterior,
        draws=posterior.mean,
        tau=tuple(
            contents.floats(f"factor{g}.mode_tau", K_g, least=0.0)[:, None]
            for g, K_g in enumerate(K)
        ),
        omega=tuple(
            contents.floats(f"factor{g}.mode_omega", K_g, K_g)[..., None]
            for g, K_g in enumerate(K[: len(posterior.omega)])
        ),
        auxiliary={a.name: value[None] for a, value in zip(family.auxiliary, at_mode, strict=True)},
        n_chains=1,
        sample=None,
    )


def read_family(contents: Contents) -> Family:
    """The distribution of the outcome; older files tell it by its parameters."""
    if name := contents["family"]:
        require(name in FAMILIES, "family: there is none of this name")
        return find_family(name)
    told = [known for known in FAMILIES.values() if _has_draws(known, contents)]
    require(told, "family: the draws of its parameters are missing")
    return max(told, key=lambda known: len(known.auxiliary))


def _has_draws(family: Family, contents: Contents) -> bool:
    """Whether it has parameters, and there are draws of them all."""
    return bool(family.auxiliary) and all(
        parameter.name in contents.arrays for parameter in family.auxiliary
    )


def _with_priors(spec: ModelSpec, contents: Contents) -> ModelSpec:
    """The same once its priors are checked; in older files those of the parameters, as they are."""
    if not contents.knows_priors:
        return replace(spec, priors=contents["parameters"].get("priors"))
    try:
        spec.build_priors(read_family(contents))
    except (TypeError, ValueError) as error:
        raise ModelFileError("priors: not those of a model") from error
    return spec


def _columns(found: tuple[Any, ...]) -> Columns:
    """The columns of X: how many, and their names."""
    require(len(found) == 2, "columns: not a number and names")
    n, names = found
    require(type(n) is int and n >= 1, "columns: their number is impossible")
    if names is not None:
        distinct = isinstance(names, tuple) and len(set(names)) == len(names) == n
        require(distinct, "columns: their names do not agree with their number")
    return Columns(n, names)


def _groups(contents: Contents, columns: Columns) -> Groups:
    """Grouping factors and their levels."""
    hierarchies = tuple(_hierarchy(found, columns) for found in contents["hierarchies"])
    paths = [h.columns[: d + 1] for h in hierarchies for d in range(len(h.columns))]
    require(len(set(paths)) == len(paths), "hierarchies: the same factor twice")
    pairs = contents["labels"]
    require(
        all(len(pair) == 2 and isinstance(pair[0], int) for pair in pairs),
        "labels: not those of columns",
    )
    labels = {position: _labels(values) for position, values in pairs}
    used = {position for h in hierarchies for position in h.columns}
    require(
        labels.keys() == used and len(labels) == len(pairs),
        "labels: not those of the group columns",
    )
    names = [name for hierarchy in hierarchies for name in hierarchy.factors]
    factors: list[Factor] = []
    for g, (name, path) in enumerate(zip(names, paths, strict=True)):
        n_parents = factors[-1].n_levels if len(path) > 1 else 1
        factors.append(_factor(contents, g, name, path, n_parents, len(labels[path[-1]])))
    return Groups(hierarchies, labels, tuple(factors))


def _hierarchy(found: tuple[Any, ...], columns: Columns) -> Hierarchy:
    """One path of nested factors."""
    require(len(found) == 2, "hierarchies: not columns")
    positions, by_name = found
    require(isinstance(positions, tuple) and positions, "hierarchies: not columns")
    require(isinstance(by_name, bool), "hierarchies: not of its type")
    require(
        all(0 <= position < columns.n for position in positions)
        and len(set(positions)) == len(positions),
        "hierarchies: there is no such column",
    )
    require(columns.names is not None or not by_name, "hierarchies: columns have no names")
    return Hierarchy(positions, tuple(map(columns.group_name, positions)), by_name)


def _labels(values: Any) -> tuple[Label, ...]:
    """Labels of a group column: of one kind, in increasing order."""
    require(isinstance(values, tuple) and values, "labels: not those of a column")
    require(all(isinstance(value, Label) for value in values), "labels: not of their type")
    require(len(set(map(kind, values))) == 1, "labels: of several kinds")
    increasing = all(a < b for a, b in pairwise(values))
    require(increasing and values[0] == values[0], "labels: not in order")
    return tuple(values)


def _factor(
    contents: Contents, g: int, name: str, path: tuple[int, ...], n_parents: int, n_labels: int
) -> Factor:
    """The levels of factor g: pairs (parent, label), increasing."""
    label = contents.ints(f"factor{g}.label", -1, below=[n_labels])
    parent = contents.ints(f"factor{g}.parent", len(label), below=[n_parents])
    pairs = parent * n_labels + label
    require((np.diff(pairs) > 0).all(), f"factor{g}: its levels are not in order")
    if len(path) == 1:
        require(len(label) == n_labels, f"factor{g}: its levels are not its labels")
    return Factor(name, path, parent, label)


def _exposure(contents: Contents, columns: Columns, groups: Groups) -> int | None:
    """Position of the exposure in X."""
    exposure: int | None = contents["exposure"]
    if exposure is not None:
        free = exposure in predictor_positions(groups.hierarchies, columns)
        require(free, "exposure: there is no such column")
        require(read_family(contents).link == LOG, "exposure: the family has none")
    return exposure


def written_classes(classes: Classes) -> tuple[str, tuple[Any, ...]]:
    """Type and labels of two classes, for a file.

    Parameters
    ----------
    classes : Classes

    Returns
    -------
    tuple of str and tuple
        Dates and times as whole numbers of their unit.

    Raises
    ------
    TypeError
        When the labels are of another type than a file can hold.
    """
    labels = classes.labels
    name = "str" if labels.dtype.kind == "U" else labels.dtype.name
    if name not in _LABELS:
        raise TypeError(
            f"classes: a model file cannot keep labels of type {name}. Pickle the model, or fit "
            "with labels that are text."
        )
    return name, tuple((labels.astype(np.int64) if labels.dtype.kind in "mM" else labels).tolist())


def _classes(contents: Contents) -> Classes | None:
    """What zeros and ones stand for."""
    found: tuple[Any, ...] | None = contents["classes"]
    if found is None:
        return None
    require(read_family(contents).is_binary, "classes: the family has none")
    require(len(found) == 2, "classes: not a type and labels")
    name, labels = found
    known = name in _LABELS and isinstance(labels, tuple) and len(labels) == 2
    require(known and all(type(one) is _LABELS[name] for one in labels), "classes: not two labels")
    require(labels[0] < labels[1], "classes: not in order")
    return Classes(np.array(labels, dtype=name))


def _units(contents: Contents, n_predictors: int, *, has_offset: bool) -> Units:
    """Centres and scales."""
    found, family = contents["units"], read_family(contents)
    require(len(found) == 3 and type(found[0]) is bool, "units: not those of a model")
    intercept, center, scale = found
    require(not isinstance(center, bool) and not isinstance(scale, bool), "units: not numbers")
    require(np.isfinite(center) and 0 < scale < np.inf, "units: out of range")
    require(family.scales_outcome or scale == 1, "units: the family's outcomes have no scale")
    return Units(
        intercept,
        center,
        scale,
        contents.floats("x_center", n_predictors),
        contents.floats("x_scale", n_predictors, least=0.0),
        has_offset,
    )


def _varying(
    found: tuple[tuple[int, ...], ...], n_factors: int, n_coefficients: int
) -> tuple[Ints, ...]:
    """Which coefficients vary by each factor."""
    require(len(found) == n_factors, "varying: does not agree with the grouping factors")
    for columns in found:
        ordered = list(columns) == sorted(set(columns)) and columns
        require(ordered, "varying: not in order")
        require(columns[0] >= 0 and columns[-1] < n_coefficients, "varying: no such coefficient")
    return tuple(np.array(columns, dtype=np.int64) for columns in found)


def _delta(contents: Contents, g: int, J: int, K: int, S: int) -> Effects:
    """Effects of factor g, then zeros, then those of a new level: (J + 2, K, S)."""
    if f"factor{g}.codes" in contents.arrays:
        return _rounded(contents, g, J, K, S)
    delta = np.zeros((J + 2, K, S))
    if J:
        delta[:-2] = contents.floats(f"factor{g}.delta", J, K, S)
    delta[NEW] = contents.floats(f"factor{g}.new", K, S)
    return delta


def _rounded(contents: Contents, g: int, J: int, K: int, S: int) -> RoundedEffects:
    """The same of effects that are rounded; none is too large for a float."""
    most = np.finfo(np.float64).max / 4
    return RoundedEffects(
        codes=contents.codes(f"factor{g}.codes", J, K, S),
        middle=contents.floats(f"factor{g}.middle", J, K, least=-most, most=most),
        step=contents.floats(f"factor{g}.step", J, K, least=0.0, most=most / LARGEST_CODE),
        unseen=contents.floats(f"factor{g}.new", K, S),
    )


def _mean(contents: Contents, spec: ModelSpec) -> Coefficients:
    """Coefficients of point predictions, one draw; zero for a new level."""
    deltas = []
    for g, (J, columns) in enumerate(zip(spec.groups.n_levels, spec.labels.varying, strict=True)):
        delta = np.zeros((J + 2, len(columns), 1))
        delta[:NO_EFFECT, :, 0] = contents.floats(f"factor{g}.mean", J, len(columns))
        deltas.append(delta)
    kappa = contents.floats("mean", len(spec.labels.coefficients))
    return Coefficients(kappa[:, None], tuple(deltas), spec.labels.varying)


def _omega(contents: Contents, g: int, K: int, S: int) -> Floats:
    """Correlations of factor g's effects."""
    bound = 1 + _ROUNDING
    return contents.floats(f"factor{g}.omega", K, K, S, least=-bound, most=bound)
