"""Response curves over the input columns of pipelines, searches and transformed targets."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd
from sklearn.utils._param_validation import validate_params

from skhlm._typing import Floats
from skhlm.methods.arguments import COVERAGE, KIND_OF_Y, check_has_interval
from skhlm.methods.coverages import Coverage, several_coverages
from skhlm.methods.fitted import find_hierarchical
from skhlm.methods.moving_input import MovingInput, Seen, find_input
from skhlm.methods.original_scale import KindOfY, find_scale
from skhlm.methods.paths import no_effects
from skhlm.posterior import Kind, prediction
from skhlm.reports import curves
from skhlm.reports.frames import frame_along


@several_coverages
@validate_params(
    {
        "coverage": COVERAGE,
        "kind": KIND_OF_Y,
        "slope": ["boolean"],
        "population": ["boolean"],
    },
    prefer_skip_nested_validation=True,
)
def response_curve(
    estimator: Any,
    X: Any = None,
    feature: Any = None,
    grid: Any = None,
    coverage: Coverage = 0.9,
    kind: KindOfY | None = None,
    slope: bool = False,
    *,
    population: bool = False,
) -> pd.DataFrame:
    """The expected value, a new observation or eta as one input of a pipeline moves.

    Each row of X is taken through the steps of the pipeline at each point of the grid, so that the
    curve is over what the pipeline is given: spend, where a step makes its logarithm and powers.

    Parameters
    ----------
    estimator : estimator
        A fitted `HLMRegressor` or `HLMClassifier`, alone or inside pipelines, searches and
        transformed targets.
    X : frame or array-like of shape (n_samples, n_features), default=None
        Rows as the estimator takes them. None for an `HLMRegressor` alone, as in its method.
    feature : str or int
        The column of X that moves, by name or position.
    grid : array-like of shape (n_points,), default=None
        Its values, in float64 whatever type X has. None is 50 points over the training range, as
        it shows in the predictors that move with the feature: from where they enter their training
        ranges to where they leave them; where they never do, to the end of the range of X. Of a
        categorical input (see Notes) None is its categories.
    coverage : float in (0, 1) or list of these, default=0.9
        Posterior probability of the central interval at each point. Several give columns such as
        ``lower_50`` and ``upper_50`` for each.
    kind : {"mean", "outcome", "link", "median"}, default=None
        Interval of the expected value, or of a new observation; "link" is the curve of eta = x'
        beta itself, in log odds or logarithms, slopes included. "median" is for transformed targets
        (see Notes), of which it is the default; of all others it is "mean".
    slope : bool, default=False
        Whether to report the slope in the feature as well, by differences; NaN where a predictor
        jumps. Of a categorical input it is the difference from the first point of the grid.
    population : bool, default=False
        Whether to leave all group effects out, so that there is the uncertainty of kappa alone;
        levels in X then say nothing but which curve is asked for of steps that look at them.

    Returns
    -------
    curve : DataFrame
        As `HLMRegressor.response_curve` returns it, with ``median`` for ``mean`` where that is
        what was asked for. ``extrapolated`` says whether a predictor that
        moves is outside its training range, after the steps, or a category was not there.

    Raises
    ------
    NotFittedError
        When the estimator is not fitted.
    TypeError
        When there is no `HLMRegressor` in it.
    ValueError
        When X has no such column, or it is a group column of the model; when neither the model nor
        X tells where the feature goes, and no grid does; of transformed targets for eta, for slopes
        of what is no expected value, and for expected values where these are not known.

    See Also
    --------
    HLMRegressor.response_curve : Without a pipeline; there also for inputs given by a callable.

    Notes
    -----
    Categorical inputs are those that are no numbers (text, booleans, categories of pandas and
    polars) and those that reach an encoder of scikit-learn as they are, such as the months 1 to 12
    before a `OneHotEncoder`, which has learned the categories.

    Means over groups that a `GroupMeans` among the steps adds stay what they are of the rows of X:
    the curve is that within the group, of new levels, too.

    With a `TransformedTargetRegressor` numbers are on the scale of y. Medians are, as its
    ``predict`` has them, what the model expects, transformed back: half of what is observed is
    above. Expected values are something else, and known of logarithms (as ``func=np.log``,
    ``np.log1p``, ``np.log10``, scaled or not) with normal residuals: E[y] = exp(eta + sigma^2 / 2)
    in each draw. Exp of Student-t residuals has no finite mean.

    Examples
    --------
    >>> import numpy as np
    >>> import pandas as pd
    >>> import skhlm
    >>> X = pd.DataFrame({"spend": np.linspace(0.0, 3.0, 20), "country": ["A", "B"] * 10})
    >>> model = skhlm.HLMRegressor("country", random_state=0)
    >>> curve = skhlm.response_curve(model.fit(X, X["spend"] ** 2), X[:2], "spend", [1.0, 2.0])
    >>> curve.columns.tolist()
    ['row', 'country', 'spend', 'mean', 'lower', 'upper', 'extrapolated']
    """
    route, kind, name = find_scale(find_hierarchical(estimator), kind)
    model = route.model
    if route.direct:
        alone: pd.DataFrame = model.response_curve(
            X, feature, grid, coverage, kind, slope, population=population
        )
        return alone
    check_has_interval(kind, has_classes=model._spec.classes is not None)
    moving = find_input(route, X, feature)
    points = moving.check_grid(grid)
    seen = moving.see(moving.with_others(points)).first(len(points))
    if population:
        seen = replace(seen, codes=no_effects(seen.codes.shape), values={})
    ends = prediction.interval(model._posterior, seen.flat, seen.flat_codes, coverage, kind)
    middle = prediction.linear_predictor if kind == "link" else prediction.expected_value
    mean = middle(model._posterior, seen.flat, seen.flat_codes)
    lower, upper = route.intervals(ends).T
    numbers = {name: route.outcomes(mean), "lower": lower, "upper": upper}
    numbers["extrapolated"] = seen.outside
    if slope:
        rates = _rates(moving, points, seen, coverage, kind)
        numbers |= zip(curves.SLOPE, rates.T, strict=True)
    shaped = {name: np.reshape(x, (-1, len(points))) for name, x in numbers.items()}
    return frame_along(seen.values, moving.name, points, shaped)


def _rates(moving: MovingInput, points: Any, seen: Seen, coverage: float, kind: Kind) -> Floats:
    """Mean and interval (n T, 3) of the slope, or of differences from the first category."""
    if moving.route.targets:
        raise ValueError(
            "slope: the model's y is transformed, and slopes of what is transformed back are not "
            "known. Ask for the slopes of its regressor_, in units of the transformed y; of a "
            "logarithm, with normal residuals, kind='mean' has those of the expected y."
        )
    posterior = moving.route.model._posterior
    Z = posterior.units.centred(seen.flat).reshape(len(seen.codes), len(points), -1)
    here = curves.Points(Z, seen.codes)
    if moving.categories is not None:
        first, same = curves.Points(Z[:, :1], seen.codes), np.zeros(seen.codes.shape, np.bool_)
        found = curves.compare_points(posterior, here, first, same, coverage, kind)[..., :3]
        return found.reshape(-1, 3)
    stencil = moving.stencil(points)
    near = moving.see(stencil.nodes.ravel()).predictors
    near = posterior.units.centred(near.reshape(-1, near.shape[-1]))
    rates = stencil.slopes(near.reshape(len(seen.codes), len(points), 3, -1))
    found = curves.slopes_at(posterior, here, curves.Points(rates, seen.codes), coverage, kind)
    return found.reshape(-1, 3)
