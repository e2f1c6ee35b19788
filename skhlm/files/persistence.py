"""Model files: what of a fitted model is written, and what is checked before it is one again.

A file holds what prediction and reports need, as JSON and arrays (`archive`). Derived random
numbers, the residuals of row-wise quantiles and the effects of a new level, are written too: numpy
may make others from the same seed one day, and predictions of a stored model must not change.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, nullcontext
from pathlib import Path
from typing import IO, Any

import numpy as np
from sklearn.utils.validation import check_is_fitted

from skhlm._typing import Floats
from skhlm._version import __version__
from skhlm.classifier import HLMClassifier
from skhlm.diagnostics import Diagnostics
from skhlm.estimator import HierarchicalModel
from skhlm.exceptions import ModelFileError
from skhlm.families import AUXILIARY, limits_of
from skhlm.files.archive import read_archive, require, write_archive
from skhlm.files.notation import Array, conforms, encode
from skhlm.files.restoration import (
    Contents,
    read_fingerprint,
    read_level_data,
    read_posterior,
    read_seed,
    read_spec,
    written_classes,
)
from skhlm.files.sampling import read_statistics, written_statistics
from skhlm.methods.fitted import Fit
from skhlm.outputs import replacing
from skhlm.posterior import NEW, Posterior
from skhlm.posterior.level_effects import LevelEffects
from skhlm.posterior.moments import BOTH
from skhlm.posterior.parameters import list_parameters
from skhlm.posterior.rounded_effects import RoundedEffects
from skhlm.preparation import ModelSpec
from skhlm.regressor import HLMRegressor

_OF_ALL: Mapping[str, Any] = {
    "intercept_": float,
    "coef_": Floats,
    "tau_": dict[str, dict[str, float]],
    "diagnostics_": Diagnostics,
}
ATTRIBUTES: Mapping[str, Any] = {**_OF_ALL, **{f"{name}_": float for name in AUXILIARY}}

_MODELS: Mapping[str, type[HierarchicalModel]] = {
    "HLMRegressor": HLMRegressor,
    "HLMClassifier": HLMClassifier,
}


def save(model: HierarchicalModel, path: str | os.PathLike[str] | IO[bytes]) -> None:
    """Write a fitted model to one file, from which `load` makes it again.

    Parameters
    ----------
    model : HLMRegressor or HLMClassifier
        Fitted.
    path : str, path-like or binary file object
        Where to; ".skhlm" is the usual suffix. A file that exists is replaced once the new one is
        complete on disk, which has its permissions: it is never half written.

    Raises
    ------
    NotFittedError
        When the model has not been fitted.
    TypeError
        When it is of another class, a subclass included, or holds a parameter that cannot be
        written; when ``path`` is none.
    OSError
        When the file cannot be written; ``FileNotFoundError`` when there is no such directory.

    Notes
    -----
    The file has names, labels and numbers, in JSON and in numpy's format, and no code. Predictions
    and reports of the loaded model equal those of the model bit for bit. Not kept are the training
    rows (but a fingerprint that tells them from others), a ``random_state`` that is a generator (it
    becomes None) and metadata requests. Its size is about that of the draws that are kept, 8 bytes
    each, or 2 of the effects of a factor that has a thousand or more: see `HLMRegressor.compact`.

    Examples
    --------
    >>> import skhlm
    >>> skhlm.save(model, "demand.skhlm")  # doctest: +SKIP
    """
    if type(model) not in _MODELS.values():
        raise TypeError(
            f"save: got a {type(model).__name__}. A model file holds an HLMRegressor or an "
            "HLMClassifier; pickle other estimators, pipelines and subclasses."
        )
    check_is_fitted(model)
    model._validate_params()
    arrays: dict[str, Array] = {}
    content = {"estimator": type(model).__name__, **_written(model, arrays)}
    _check_path(path, "write")
    target = replacing(path) if isinstance(path, (str, os.PathLike)) else nullcontext(path)
    with target as file:
        write_archive(file, content, arrays, __version__)


def load(path: str | os.PathLike[str] | IO[bytes]) -> Any:
    """Read a fitted model that `save` wrote.

    Parameters
    ----------
    path : str, path-like or binary file object
        The file; a file object must be seekable.

    Returns
    -------
    model : HLMRegressor or HLMClassifier
        Predicts where there is neither Stan nor cmdstanpy.

    Raises
    ------
    ModelFileError
        When the file is no model, is damaged or cut off, holds what no model has, or was written
        in a later format. A ``ValueError`` too.
    OSError
        When the file cannot be read; ``FileNotFoundError`` when it is not there.
    TypeError
        When ``path`` is neither a path nor a file.

    Notes
    -----
    Nothing in the file is run, imported or looked up by name, and loading takes about as much
    memory as the file is long. So a file from a stranger can do no more than predict nonsense:
    checksums tell that a file is damaged, not who wrote it.

    Examples
    --------
    >>> import skhlm
    >>> model = skhlm.load("demand.skhlm")  # doctest: +SKIP
    """
    _check_path(path, "read")
    with _reading(path) as file:
        content, arrays = read_archive(file)
        kind = content.pop("estimator", None)
        known = isinstance(kind, str) and kind in _MODELS
        require(known, "it holds an unknown kind of model")
        model = _restored(_MODELS[kind], Contents(content, arrays))
        require(not arrays, f"it holds arrays of no use: {', '.join(arrays)[:80]}")
        return model


def _check_path(path: object, method: str) -> None:
    """Raise unless it is a path, or a file object with a method "read" or "write"."""
    if not (isinstance(path, (str, os.PathLike)) or hasattr(path, method)):
        raise TypeError(
            f"path: got {path!r}; give the path of a model file, such as 'demand.skhlm', or a file "
            "object that is open in binary mode."
        )


@contextmanager
def _reading(path: str | os.PathLike[str] | IO[bytes]) -> Iterator[IO[bytes]]:
    """The file, open; where it is refused, the error names it."""
    try:
        if isinstance(path, (str, os.PathLike)):
            _check_not_a_stream(Path(path))
            with Path(path).open("rb") as file:
                yield file
        else:
            yield path
    except (ArithmeticError, AttributeError, LookupError, TypeError, ValueError) as error:
        reason = error if isinstance(error, ModelFileError) else "it is not that of a model"
        name = repr(os.fspath(path)) if isinstance(path, (str, os.PathLike)) else "The file"
        raise ModelFileError(f"{name} cannot be loaded as a model: {reason}.") from error


def _check_not_a_stream(path: Path) -> None:
    """Refuse a pipe, which cannot be read from its end, and for which one might wait for ever."""
    file = not path.exists() or path.is_file() or path.is_dir()
    require(file, "it is a pipe or device; a model is read from a file, or an io.BytesIO")


# --- what is written ------------------------------------------------------------------------------


def _written(model: HierarchicalModel, arrays: dict[str, Array]) -> dict[str, Any]:
    """JSON of a model; arrays are put into ``arrays``."""
    fit = model._fit
    spec, posterior = fit.spec, fit.posterior
    values = {
        "parameters": _parameters(model),
        "columns": (spec.columns.n, spec.columns.names),
        "hierarchies": tuple((h.columns, h.by_name) for h in spec.groups.hierarchies),
        "labels": tuple(spec.groups.labels.items()),
        "varying": tuple(tuple(columns.tolist()) for columns in posterior.varying),
        "units": (spec.units.fit_intercept, spec.units.y_center, spec.units.y_scale),
        "n_chains": posterior.n_chains,
        "fingerprint": fit.fingerprint,
        "seed": fit.seed,
        "outcome_name": spec.outcome_name,
        "priors": spec.priors,
        "family": posterior.family.name,
        "exposure": spec.exposure,
        "classes": None if spec.classes is None else written_classes(spec.classes),
        "attributes": {name: getattr(model, name) for name in ATTRIBUTES if hasattr(model, name)},
    }
    arrays |= _common_arrays(model)
    arrays |= written_statistics(fit.statistics, posterior)
    if (made := posterior.draws.made) is not None:
        values["left_out"] = (made.rows.seed, made.rows.factor, *made.rows.above)
        arrays |= _left_out_arrays(made)
    for g in range(len(spec.groups.factors)):
        arrays |= {f"factor{g}.{key}": array for key, array in _factor_arrays(model, g).items()}
    return {name: encode(value, name, arrays) for name, value in values.items()}


def _parameters(model: HierarchicalModel) -> dict[str, Any]:
    """Parameters of the constructor."""
    parameters: dict[str, Any] = model.get_params(deep=False)
    if isinstance(parameters["random_state"], np.random.RandomState):
        parameters["random_state"] = None
    return parameters


def _common_arrays(model: HierarchicalModel) -> dict[str, Array]:
    """Draws of all parameters, and what belongs to no factor."""
    spec, posterior = model._fit.spec, model._fit.posterior
    units, ranges = spec.units, spec.ranges
    found: dict[str, Array] = {
        "x_center": units.x_center,
        "x_scale": units.x_scale,
        "low": ranges.low,
        "high": ranges.high,
        "typical": ranges.mean,
        "combinations": spec.combinations,
        "mean": posterior.mean.kappa[:, 0],
    }
    moments = posterior.finite_moments
    found["moments"] = moments.kappa
    own = [moments.auxiliary.get(a.name, BOTH) for a in posterior.family.auxiliary]
    found["moments_of_family"] = np.array(own, dtype=np.int64)
    if (sample := posterior.outcome.sample) is not None:
        found["noise"] = sample
    if posterior.mode is not None:
        at_mode = [posterior.mode.auxiliary[a.name] for a in posterior.family.auxiliary]
        found["mode"] = np.concatenate([np.zeros(0), *at_mode])
    blocks = [block for block in list_parameters(posterior) if block.is_kept(posterior)]
    return found | {block.key: block.kept(posterior) for block in blocks}


def _left_out_arrays(effects: LevelEffects) -> dict[str, Array]:
    """What the effects that nobody keeps are made from, beside the draws of all else."""
    rows = effects.rows
    shape = len(rows.above), len(rows.score)
    return {
        "left_out.information": rows.information,
        "left_out.score": rows.score,
        "left_out.lies_in": np.array(rows.lies_in, dtype=np.int64).reshape(shape).T,
    }


def _factor_arrays(model: HierarchicalModel, g: int) -> dict[str, Array]:
    """Arrays of factor g beside its parameters' draws: its levels, what is known of them."""
    fit = model._fit
    spec, posterior = fit.spec, fit.posterior
    factor, effects = spec.groups.factors[g], posterior.draws.delta[g]
    found: dict[str, Array] = {
        "parent": factor.parent,
        "label": factor.label,
        "weight": spec.level_weights[g],
        "new": effects[NEW],
        "mean": posterior.mean.delta[g][:-2, :, 0],
        "moments": posterior.finite_moments.delta[g],
        "moments_of_tau": posterior.finite_moments.tau[g],
    }
    if isinstance(effects, RoundedEffects):
        found |= {"codes": effects.codes, "middle": effects.middle, "step": effects.step}
    if posterior.mode is not None:
        found["mode_tau"] = posterior.mode.tau[g][:, 0]
        if posterior.mode.omega:
            found["mode_omega"] = posterior.mode.omega[g][..., 0]
    if fit.level_data.information:
        found |= {name: tables[g] for name, tables in vars(fit.level_data).items()}
    return found


# --- what is read ---------------------------------------------------------------------------------


def _restored(kind: type[HierarchicalModel], contents: Contents) -> HierarchicalModel:
    """A model that has everything `fit` would have left, but the training rows."""
    model = _constructed(kind, contents["parameters"])
    spec = read_spec(contents)
    require((kind is HLMClassifier) == (spec.classes is not None), "classes: not those of a model")
    level_data, fingerprint = read_level_data(contents, spec.labels), read_fingerprint(contents)
    posterior = read_posterior(contents, spec)
    attributes = _attributes(contents["attributes"], spec, posterior)
    diagnostics: Diagnostics = attributes["diagnostics_"]
    said = read_statistics(contents, posterior, diagnostics, model.max_treedepth)
    seed = read_seed(contents)
    fit = Fit(spec, posterior, diagnostics, level_data, fingerprint, seed, statistics=said)
    model._become(fit, attributes)
    return model


def _constructed(kind: type[HierarchicalModel], parameters: dict[str, Any]) -> HierarchicalModel:
    """An estimator with these parameters; what the writer did not know keeps its default."""
    unknown = parameters.keys() - kind().get_params().keys()
    require(not unknown, f"parameters: {', '.join(sorted(unknown))[:80]} unknown")
    model = kind(**parameters)
    try:
        model._validate_params()
    except ValueError as error:
        raise ModelFileError(f"parameters: {error}") from error
    return model


def _attributes(told: dict[str, Any], spec: ModelSpec, posterior: Posterior) -> dict[str, Any]:
    """The public attributes that are not told by the rest of the file.

    What is the limit of another family's parameter the file may not say, if it is older than that.
    """
    limits = {f"{name}_": value for name, value in limits_of(posterior.family).items()}
    own = [f"{parameter.name}_" for parameter in posterior.family.auxiliary]
    found: dict[str, Any] = limits | told
    require(found.keys() == {*_OF_ALL, *limits, *own}, "attributes: not those of a model")
    for name, value in found.items():
        require(conforms(value, ATTRIBUTES[name]), f"attributes: {name} is not of its type")
    labels, units = spec.labels, spec.units
    names = {factor: labels.varying_names(g) for g, factor in enumerate(labels.factors)}
    taus = {factor: list(taus) for factor, taus in found["tau_"].items()}
    require(taus == names, "attributes: tau_ does not agree with the grouping factors")
    require(len(found["coef_"]) == len(units.x_center), "attributes: coef_ is of wrong length")
    return found
