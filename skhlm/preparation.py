"""From what ``fit`` is given to a problem for the engine, and what prediction has to remember."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from sklearn.base import BaseEstimator
from sklearn.utils._param_validation import validate_parameter_constraints

from skhlm._typing import Floats, Ints
from skhlm.engine import Problem
from skhlm.families import Evidence, Family
from skhlm.inputs.classes import Classes, check_labels
from skhlm.inputs.columns import Columns, GroupColumn, listed, read_group_column
from skhlm.inputs.design import (
    Ranges,
    Rows,
    Units,
    canonical_rows,
    coefficient_names,
    learn_ranges,
    learn_units,
    parse_varying,
    settled,
)
from skhlm.inputs.frames import (
    FitData,
    check_fit_data,
    check_observed,
    check_predict_data,
    predictor_positions,
)
from skhlm.inputs.hierarchy import Groups, learn_groups
from skhlm.inputs.labels import Labels
from skhlm.inputs.outcomes import name_of_outcome
from skhlm.inputs.priors import ChosenPriors, check_units, choose_priors
from skhlm.priors import Priors


@dataclass(frozen=True, eq=False)
class ModelSpec:
    """What is learned from the training data besides the posterior: names, levels, units.

    =================  ==============  ===========================================================
    ``columns``                        the columns of X
    ``groups``                         grouping factors and their levels
    ``labels``                         what the parameters are called
    ``units``                          centres and scales of y and the predictors
    ``level_weights``  G x (J_g,)      sum of the weights of the rows in each level
    ``combinations``   (C, G)          the distinct combinations of levels, as codes
    ``ranges``                         where the predictors were seen
    ``outcome_name``                   what y is called, if it is; None in older files
    ``priors``                         those of the fit, as they were given then
    ``exposure``                       position in X of the column whose logarithm is the offset
    ``classes``                        what zeros and ones of y stand for in a classifier
    =================  ==============  ===========================================================
    """

    columns: Columns
    groups: Groups
    labels: Labels
    units: Units
    level_weights: tuple[Floats, ...]
    combinations: Ints
    ranges: Ranges
    outcome_name: str | None = None
    priors: Any = None
    exposure: int | None = None
    classes: Classes | None = None

    @property
    def predictor_positions(self) -> list[int]:
        """The columns of X that are predictors, (p,)."""
        return predictor_positions(self.groups.hierarchies, self.columns, self.exposure)

    def build_priors(self, family: Family) -> Priors:
        """The priors of the fit, in the model's units, gaps filled in."""
        return self.choose_priors(family).numbers()

    def choose_priors(self, family: Family) -> ChosenPriors:
        """The same as they were given, and who gave them."""
        return choose_priors(
            self.priors,
            columns=self.columns,
            hierarchies=self.groups.hierarchies,
            coefficients=self.labels.coefficients,
            varying=self.labels.varying,
            family=family,
        )

    def read(self, model: BaseEstimator, X: Any) -> tuple[Floats, Ints, Mapping[int, GroupColumn]]:
        """Predictors (n, p), levels (n, G) and group columns of rows to predict.

        Where there is an exposure, predictors are (n, p + 1): its logarithm is the last.
        """
        _check_unseen(model)
        predictors, columns = check_predict_data(
            model, X, self.columns, self.groups.hierarchies, self.exposure
        )
        codes = self.groups.codes(columns, len(predictors))
        if (codes < 0).any():
            self.groups.warn_of_spellings(columns)
        if model.unseen == "error":
            self.groups.check_seen(columns, codes)
        return predictors, codes, columns

    def read_outcome(self, y: Any, n_rows: int) -> Floats:
        """Observed outcomes (n,) of rows to be scored, classes as zeros and ones."""
        if self.classes is None:
            return check_observed(y, n_rows)
        return self.classes.numbers(check_labels(y, n_rows))

    def as_given(self, predictors: Floats, codes: Ints) -> Any:
        """Rows of predictors (n, p) and levels (n, G) as an X that looks like that of fit."""
        X = np.empty((len(predictors), self.columns.n), dtype=object)
        kept = self.predictor_positions
        X[:, kept] = predictors[:, : len(kept)]
        if self.exposure is not None:
            X[:, self.exposure] = np.exp(predictors[:, -1])
        values = self.labels.values(codes)
        for hierarchy in self.groups.hierarchies:
            for position, name in zip(hierarchy.columns, hierarchy.names, strict=True):
                X[:, position] = values[name]
        if self.columns.names is None:
            return X
        return pd.DataFrame(X, columns=list(self.columns.names)).infer_objects()

    def read_levels(self, levels: Any) -> tuple[dict[str, list[Any]], Ints]:
        """Values of the group columns, and codes (n, G), of combinations that a user asks for."""
        names = dict(_group_columns(self.groups))
        frame = _frame_of_levels(levels).rename(columns=names)  # by position, too
        if missing := [name for name in names.values() if name not in frame]:
            raise ValueError(
                f"levels: no values for {listed(missing)}. Give one for each group column: "
                f"{listed(names.values())}."
            )
        columns = {j: read_group_column(name, frame[name]) for j, name in names.items()}
        values = {name: frame[name].tolist() for name in names.values()}
        return values, self.groups.codes(columns, len(frame))


def _check_unseen(model: BaseEstimator) -> None:
    """Check the one parameter that prediction looks at, which may have been set since fit."""
    allowed = {"unseen": model._parameter_constraints["unseen"]}
    validate_parameter_constraints(allowed, {"unseen": model.unseen}, type(model).__name__)


def _frame_of_levels(levels: Any) -> pd.DataFrame:
    """A frame, a mapping of columns, one combination or a list of them, as a pandas frame."""
    if isinstance(levels, str) or np.isscalar(levels):
        raise TypeError(
            f"levels: got {levels!r}; give a mapping such as {{'country': 'France'}} with a value "
            "for each group column, a list of these, or a data frame."
        )
    if hasattr(levels, "columns"):
        return pd.DataFrame({name: list(levels[name]) for name in levels.columns})
    if isinstance(levels, Mapping):
        single = not any(pd.api.types.is_list_like(value) for value in levels.values())
        return pd.DataFrame([levels] if single else levels)
    return pd.DataFrame(list(levels))


@dataclass(frozen=True)
class OutcomeRequest:
    """Which outcome an estimator models: its family, whether it is a class, the exposure."""

    family: Family
    has_classes: bool = False
    exposure: object = None


def prepare(model: Any, X: Any, y: Any, sample_weight: Any) -> tuple[Problem, ModelSpec, Rows]:
    """Check the data against the model's parameters and learn everything that precedes sampling.

    The model learns the names of the columns, as scikit-learn has it, and is not changed else.
    Returns the problem in the model's units, what prediction has to remember, and the rows in
    canonical order and the user's units.
    """
    asked: OutcomeRequest = model._outcome_request
    family = asked.family
    data = check_fit_data(model, X, y, sample_weight, model.groups, **vars(asked))
    names = coefficient_names(data.predictor_names, fit_intercept=model.fit_intercept)
    varying = parse_varying(model.varying, data.columns, data.hierarchies, names)
    groups = learn_groups(data.hierarchies, data.groups)
    groups.warn_of_twins(data.groups)
    check_units(model.priors, autoscale=model.autoscale)
    priors = choose_priors(
        model.priors,
        columns=data.columns,
        hierarchies=data.hierarchies,
        coefficients=names,
        varying=varying,
        family=family,
    ).numbers()
    codes = groups.codes(data.groups, len(data.y))
    rows = canonical_rows(data.predictors, data.y, data.weight, codes)
    units = _units(rows, data, model, family)
    problem = Problem(
        evidence=_evidence(rows, units, family, priors),
        codes=rows.codes,
        n_levels=groups.n_levels,
        varying=varying,
        family=family,
        covariance=model.covariance,
        priors=priors,
    )
    spec = ModelSpec(
        columns=data.columns,
        groups=groups,
        labels=name_parameters(groups, names, varying, units),
        units=units,
        level_weights=rows.level_weights(groups.n_levels),
        combinations=rows.codes,
        ranges=learn_ranges(rows, has_offset=units.has_offset),
        outcome_name=name_of_outcome(y),
        priors=_kept(model.priors),
        exposure=data.exposure,
        classes=data.classes,
    )
    return problem, spec, rows


def _units(rows: Rows, data: FitData, model: Any, family: Family) -> Units:
    """From the user's units to those of the model."""
    return learn_units(
        rows,
        data.predictor_names,
        autoscale=model.autoscale,
        fit_intercept=model.fit_intercept,
        family=family,
        has_offset=data.exposure is not None,
    )


def _evidence(rows: Rows, units: Units, family: Family, priors: Priors) -> Evidence:
    """What the likelihood sees of the rows, in the model's units."""
    X, cells = units.predictors(rows.X), (rows.cell, len(rows.codes))
    if family.scales_outcome:
        y = units.outcome(settled(rows.y, units))
        return family.evidence(X, y, rows.weight, *cells, priors.auxiliary)
    offset = units.offset(rows.X)
    return family.evidence(X, rows.y, rows.weight, *cells, priors.auxiliary, offset)


def _kept(priors: Any) -> Any:
    """The priors as they are now, whatever becomes of the user's mappings."""
    if not isinstance(priors, Mapping):
        return priors
    return {key: _kept(entry) for key, entry in priors.items()}


def name_parameters(
    groups: Groups, coefficients: tuple[str, ...], varying: tuple[Ints, ...], units: Units
) -> Labels:
    """What the parameters of the model are called."""
    paths = [h.names[: depth + 1] for h in groups.hierarchies for depth in range(len(h.names))]
    levels = tuple(tuple(groups.levels(g)) for g in range(len(groups.factors)))
    return Labels(coefficients, groups.names, tuple(paths), levels, varying, units.is_centred)


def _group_columns(groups: Groups) -> list[tuple[int, str]]:
    """Positions and names of the group columns; twice where two hierarchies share one."""
    return [
        pair
        for hierarchy in groups.hierarchies
        for pair in zip(hierarchy.columns, hierarchy.names, strict=True)
    ]
