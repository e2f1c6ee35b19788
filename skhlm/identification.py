"""What the data can tell: checks of the rows and priors that precede sampling."""

from __future__ import annotations

import warnings
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import combinations

import numpy as np

from skhlm._typing import Bools, Floats, Ints
from skhlm.diagnostics.checks import Check, judge
from skhlm.engine import Problem
from skhlm.exceptions import IdentificationWarning
from skhlm.inputs.columns import listed
from skhlm.inputs.design import Rows, Units, is_constant
from skhlm.inputs.labels import Labels
from skhlm.priors import LocationScale

NULL_EIGENVALUE = 1e-12  # of a correlation matrix: R² of a predictor on the others is 1 to rounding
INVOLVED = 1e-4  # smallest entry of a direction that is not zero by rounding
CONDITION_NOTE = 30.0
FREEDOM_WARN = 3.0
LEVELS_NOTE = 5
BETWEEN_NOTE, BETWEEN_WARN = 2, 1
EXACT_WARN = 1e-6  # residual sd over sd(y)
ROUNDING_WARN = 1e-6  # distance of neighbouring floats over sd
SHARE_WARN = 0.5
FEW_ROWS = 20  # where one row has a large share of everything
PRIOR_WARN = 100.0

_OURS = "our choice"
_BELSLEY = "Belsley, Kuh and Welsch 1980, doi:10.1002/0471725153"
_GELMAN = "Gelman 2006, doi:10.1214/06-BA117A"
_LME4 = "lme4's lmerControl, doi:10.18637/jss.v067.i01"

SEVERE = (
    "constant predictors",
    "collinear predictors",
    "single level",
    "rows in a level",
    "factors alike",
    "distinct outcomes",
    "exact fit",
)


def check_identification(
    problem: Problem, rows: Rows, units: Units, labels: Labels
) -> tuple[Check, ...]:
    """Find what the data do not identify, and inputs whose scale is a trap.

    Parameters
    ----------
    problem : Problem
        What the engine fits: levels, what varies, priors.
    rows : Rows
        The same rows in the user's units.
    units : Units
        From those to the problem's.
    labels : Labels
        What messages call columns, factors and levels.

    Returns
    -------
    checks : tuple of Check
        Always the same checks in the same order, passed ones too. None fails: the draws are the
        posterior's. Where a check warns they may say what the prior said, or a mistake in the data;
        where it notes something they say how much is known, and the note why no more.

    Notes
    -----
    The cost is a few passes over the rows and one eigendecomposition of the predictors'
    correlations. Rows count by their weight, so weight 2 is the same as the row given twice.
    """
    data = _Data(problem, rows, units, labels)
    return (*_about_predictors(data), *_about_factors(data), *_about_scales(data))


def warn_unless_identified(checks: Sequence[Check], stacklevel: int = 4) -> tuple[Check, ...]:
    """Give one IdentificationWarning with the severe findings, if there are any.

    Severe is what no further draws and no small change of the data would mend: constant or
    collinear predictors, a factor with a single level or with one row in every level, two factors
    that split the rows alike, an outcome that never changes, or that is among the predictors.

    Parameters
    ----------
    checks : sequence of Check
    stacklevel : int, default 4
        As in `warnings.warn`; 4 points at the caller of ``fit``, which scikit-learn wraps.

    Returns
    -------
    tuple of Check
        The others, of which nothing was said.

    Warns
    -----
    IdentificationWarning
        If a severe check warns.
    """
    found = [check for check in checks if check.name in SEVERE and check.verdict == "warn"]
    if found:
        text = " ".join([*(check.advice for check in found), "See diagnostics_."])
        warnings.warn(text, IdentificationWarning, stacklevel=stacklevel)
    return tuple(check for check in checks if check not in found)


@dataclass(frozen=True)
class _Data:
    """Rows as the checks look at them; p predictors, N distinct rows."""

    problem: Problem
    rows: Rows
    units: Units
    labels: Labels

    @cached_property
    def has_intercept(self) -> bool:
        return len(self.labels.coefficients) > len(self.rows.X.T)

    @cached_property
    def predictor_names(self) -> tuple[str, ...]:
        return self.labels.coefficients[1:] if self.has_intercept else self.labels.coefficients

    @cached_property
    def n(self) -> float:
        """Number of rows, each as often as its weight says."""
        return float(self.rows.weight.sum())

    @property
    def freedom(self) -> float:
        """Rows beyond those that the population-level coefficients take."""
        return self.n - len(self.labels.coefficients)

    @cached_property
    def share(self) -> Floats:
        """Weights that sum to one, (N,)."""
        return self.rows.weight / self.n

    @cached_property
    def constant(self) -> Bools:
        """Predictors that never change, (p,)."""
        return np.array([is_constant(x) for x in self.rows.X.T], dtype=np.bool_)

    @cached_property
    def redundant(self) -> Bools:
        """Constant predictors that the intercept, or nothing at all, can stand for, (p,)."""
        nothing: Bools = self.rows.X[0] == 0
        return self.constant & (self.has_intercept | nothing)

    @cached_property
    def standardised(self) -> Floats:
        """Predictors that change, centred beside an intercept, with mean square 1: (N, q)."""
        X = self.rows.X[:, ~self.redundant]
        if self.has_intercept:
            X = X - X[0]
            X = X - self.share @ X
        norm: Floats = np.sqrt(self.share @ np.square(X))
        return X / norm

    @cached_property
    def outcome(self) -> Floats:
        """y, centred beside an intercept, with mean square 1 unless it is constant: (N,)."""
        y = self.rows.y - self.rows.y[0] if self.has_intercept else self.rows.y
        y = y - self.share @ y if self.has_intercept else y
        return y / (np.sqrt(self.share @ np.square(y)) or 1.0)

    @cached_property
    def varies_by_intercept(self) -> list[int]:
        """Factors by which the intercept varies."""
        if not self.has_intercept:
            return []
        return [g for g, columns in enumerate(self.problem.varying) if 0 in columns]

    def level(self, g: int) -> Ints:
        """Level of each row in factor g, (N,)."""
        level: Ints = self.rows.codes[self.rows.cell, g]
        return level

    def factor(self, g: int) -> str:
        return self.labels.factors[g]


# --- predictors -----------------------------------------------------------------------------------


def _about_predictors(data: _Data) -> Iterator[Check]:
    """Can each population-level coefficient be learned?"""
    yield _constant_predictors(data)
    correlation = data.standardised.T @ (data.share[:, None] * data.standardised)
    eigenvalues, vectors = np.linalg.eigh(correlation)
    null = eigenvalues < NULL_EIGENVALUE
    names = _chosen(data.predictor_names, ~data.redundant)
    yield _collinear(names, vectors[:, null], len(data.rows.y) - data.has_intercept)
    yield _nearly_collinear(names, eigenvalues[~null], vectors[:, ~null])
    yield _degrees_of_freedom(data)


def _chosen(names: Sequence[str], which: Bools) -> list[str]:
    """Names at which a boolean array is true."""
    return [name for name, chosen in zip(names, which.tolist(), strict=True) if chosen]


def _constant_predictors(data: _Data) -> Check:
    names = _chosen(data.predictor_names, data.redundant)
    advice = (
        f"These predictors have the same value in every row: {listed(names)}. Their coefficients "
        "are not identified, the prior alone decides about them: leave the columns out."
    )
    found = bool(names)
    return judge("constant predictors", len(names), 0, _OURS, advice, warns=found)


def _collinear(names: Sequence[str], null: Floats, rank: int) -> Check:
    """``null`` (q, r): directions in which the predictors do not move; as many as rows allow do.

    Where there are more predictors than rows, that is for another check to say.
    """
    involved = _chosen(names, np.abs(null).max(axis=1, initial=0) > INVOLVED)
    advice = (
        f"These predictors are linearly dependent: {listed(involved)}. Their coefficients are not "
        "identified, the prior alone tells them apart, though predictions for rows like those of "
        "fit are sound: leave some of the columns out."
    )
    count = null.shape[1] if len(names) <= rank else np.nan
    return judge("collinear predictors", count, 0, _OURS, advice, warns=count > 0)


def _nearly_collinear(names: Sequence[str], eigenvalues: Floats, vectors: Floats) -> Check:
    """Condition index sqrt(largest / smallest) of the correlations, and who is behind it.

    A predictor is, where more than half of its coefficient's variance, sum_j v_kj² / lambda_j,
    comes from the smallest eigenvalue.
    """
    condition = float(np.sqrt(eigenvalues[-1] / eigenvalues[0])) if eigenvalues.size else 1.0
    variance = np.square(vectors) / eigenvalues
    proportion = variance[:, :1].sum(axis=1) / np.maximum(variance.sum(axis=1), 1e-300)
    involved = _chosen(names, proportion > 0.5)
    advice = (
        f"The predictors are nearly collinear (condition index {condition:.0f}), above all "
        f"{listed(involved)}: the data tell a combination of their coefficients much better than "
        "each. Read them together, centre powers and products before they are formed, or leave "
        "one out."
    )
    near = condition > CONDITION_NOTE
    return judge("condition index", condition, CONDITION_NOTE, _BELSLEY, advice, notes=near)


def _degrees_of_freedom(data: _Data) -> Check:
    """Rows beyond those that the population-level coefficients take."""
    K = len(data.labels.coefficients)
    advice = (
        f"There are {K} population-level coefficients and only {data.n:g} rows (the sum of the "
        "weights): the residual scale and some coefficients follow their priors. Use fewer "
        "predictors or tighter priors; give weights that count rows."
    )
    few = data.freedom < FREEDOM_WARN
    return judge("degrees of freedom", data.freedom, FREEDOM_WARN, _OURS, advice, warns=few)


# --- grouping factors -----------------------------------------------------------------------------


def _about_factors(data: _Data) -> Iterator[Check]:
    """Can each tau be learned, and told from sigma and from the others?"""
    yield _few_levels(data)
    yield _single_level(data)
    yield _one_row_a_level(data)
    yield _alike(data)
    yield _between_levels(data)


def _few_levels(data: _Data) -> Check:
    sizes = data.problem.n_levels
    few = [f"{data.factor(g)} ({J})" for g, J in enumerate(sizes) if J < LEVELS_NOTE]
    advice = (
        f"These grouping factors have fewer than {LEVELS_NOTE} levels: {', '.join(few)}. So few "
        "say little about tau, and its prior matters: try others, priors={'tau': ...}, or make the "
        "columns predictors by one-hot encoding."
    )
    smallest = min(sizes, default=np.nan)
    return judge("levels", smallest, LEVELS_NOTE, _GELMAN, advice, notes=bool(few))


def _single_level(data: _Data) -> Check:
    names = [data.factor(g) for g, J in enumerate(data.problem.n_levels) if J == 1]
    advice = (
        f"These grouping factors have a single level: {listed(names)}. Its effect and the "
        "population-level coefficients are not identified apart, and tau has its prior: leave "
        "them out of groups."
    )
    return judge("single level", len(names), 0, _LME4, advice, warns=bool(names))


def _one_row_a_level(data: _Data) -> Check:
    most = {g: int(np.bincount(data.level(g)).max()) for g in data.varies_by_intercept}
    names = [data.factor(g) for g, rows in most.items() if rows == 1 and data.n > 1]
    advice = (
        f"Every level of these grouping factors has one distinct row: {listed(names)}. Their "
        "effects and the residuals are not identified apart, only the sum of their variances is: "
        "leave the factors out of groups, or give a tighter prior for sigma."
    )
    smallest = min(most.values(), default=np.nan)
    return judge("rows in a level", smallest, 2, _LME4, advice, warns=bool(names))


def _alike(data: _Data) -> Check:
    """Pairs of factors with the same partition of the rows that share a varying coefficient."""
    sizes, codes, varying = data.problem.n_levels, data.rows.codes, data.problem.varying
    pairs = [
        f"{data.factor(g)} and {data.factor(h)}"
        for g, h in combinations(range(len(sizes)), 2)
        if sizes[g] == sizes[h] > 1
        and np.intersect1d(varying[g], varying[h]).size
        and len(np.unique(codes[:, g] * sizes[h] + codes[:, h])) == sizes[g]
    ]
    advice = (
        f"These grouping factors split the rows in the same way: {'; '.join(pairs)}. Their effects "
        "are not identified apart, only their sum is: keep one of each pair."
    )
    return judge("factors alike", len(pairs), 0, _OURS, advice, warns=bool(pairs))


def _between_levels(data: _Data) -> Check:
    """Levels beyond those that predictors of the levels themselves take: J_g - 1 - q_g."""
    spare, found = [np.nan], []
    for g in data.varies_by_intercept:
        J = data.problem.n_levels[g]
        fixed = _constant_within(data.rows, g, J) & ~data.constant
        if J > 1 and fixed.any():
            spare.append(J - 1 - int(fixed.sum()))
            if spare[-1] < BETWEEN_NOTE:
                names = listed(_chosen(data.predictor_names, fixed))
                found.append(f"{data.factor(g)} ({J} levels; {names})")
    advice = (
        f"Predictors that never change within a level are almost as many as levels: "
        f"{'; '.join(found)}. Their coefficients and the levels' effects are hardly told apart: "
        "leave out some of these predictors, or the factor."
    )
    least = float(np.nanmin(spare)) if len(spare) > 1 else np.nan
    warns = least < BETWEEN_WARN
    return judge(
        "levels to spare", least, BETWEEN_NOTE, _OURS, advice, notes=bool(found), warns=warns
    )


def _constant_within(rows: Rows, g: int, n_levels: int) -> Bools:
    """Whether each predictor is constant within every level of factor g, (p,)."""
    cells = np.searchsorted(rows.cell, np.arange(len(rows.codes)))
    order = np.argsort(rows.codes[:, g], kind="stable")
    levels = np.searchsorted(rows.codes[order, g], np.arange(n_levels))
    low, high = (
        extreme.reduceat(extreme.reduceat(rows.X, cells, axis=0)[order], levels, axis=0)
        for extreme in (np.minimum, np.maximum)
    )
    same: Bools = (low == high).all(axis=0)
    return same


# --- outcome and scales ---------------------------------------------------------------------------


def _about_scales(data: _Data) -> Iterator[Check]:
    """Is the outcome one to learn from, and do numbers and priors fit each other?"""
    columns = dict(zip(data.predictor_names, data.rows.X.T, strict=True)) | {"y": data.rows.y}
    changing = {name: x for name, x in columns.items() if not is_constant(x)}
    yield _distinct_outcomes(data)
    yield _exact_fit(data)
    yield _lost_digits(data, changing)
    yield _dominant_row(data, changing)
    yield _dominant_weight(data)
    yield _prior_scales(data)


def _distinct_outcomes(data: _Data) -> Check:
    count = 1 if is_constant(data.rows.y) else len(np.unique(data.rows.y))
    advice = (
        f"y is {data.rows.y[0]:g} in every row: there is no variation to explain, and the residual "
        "scale goes to zero. Check which column is the outcome."
    )
    return judge("distinct outcomes", count, 2, _OURS, advice, warns=count == 1)


def _exact_fit(data: _Data) -> Check:
    """Smallest residual sd over sd(y) of least squares, pooled and within cells."""
    ratio = np.nan
    if not is_constant(data.rows.y) and data.freedom >= FREEDOM_WARN:
        ratio = min(_residual(data, data.standardised, data.outcome), _residual_in_cells(data))
    advice = (
        f"The predictors give y all but exactly (residual sd {ratio:.1e} of sd(y)): is y, or what "
        "it was computed from, among them? The residual scale goes to its lower bound, and "
        "intervals have no width."
    )
    return judge("exact fit", ratio, EXACT_WARN, _OURS, advice, warns=ratio < EXACT_WARN)


def _residual(data: _Data, X: Floats, y: Floats) -> float:
    """Root mean square of y - X b at the least-squares b; X (N, q), y (N,)."""
    weighted = data.share[:, None] * X
    b = np.linalg.lstsq(weighted.T @ X, weighted.T @ y, rcond=NULL_EIGENVALUE)[0]
    return float(np.sqrt(data.share @ np.square(y - X @ b)))


def _residual_in_cells(data: _Data) -> float:
    """The same with a free intercept for each cell; infinite without rows to spare."""
    cells = len(data.rows.codes)
    if not data.varies_by_intercept or len(data.rows.y) < 2 * cells + data.rows.X.shape[1]:
        return np.inf
    columns = np.column_stack([data.standardised, data.outcome])
    starts = np.searchsorted(data.rows.cell, np.arange(cells))
    sums = np.add.reduceat(data.share[:, None] * columns, starts, axis=0)
    weight = np.add.reduceat(data.share, starts)
    inside = columns - (sums / weight[:, None])[data.rows.cell]
    return _residual(data, inside[:, :-1], inside[:, -1])


def _lost_digits(data: _Data, columns: dict[str, Floats]) -> Check:
    """Distance of neighbouring floats at the largest value, over the sd."""
    loss = {x: float(np.spacing(np.abs(v).max())) / _sd(data, v) for x, v in columns.items()}
    bad = [name for name, ratio in loss.items() if ratio > ROUNDING_WARN]
    advice = (
        f"So far from zero that floats are too coarse for how little they change: {listed(bad)}. "
        "Subtract a constant before the values become floats, for example count days since the "
        "first."
    )
    worst = max(loss.values(), default=np.nan)
    return judge("digits", worst, ROUNDING_WARN, _OURS, advice, warns=bool(bad))


def _dominant_row(data: _Data, columns: dict[str, Floats]) -> Check:
    """Largest share of a column's sum of squares about its mean that a single row has."""
    shares = {}
    for name, x in columns.items() if data.n >= FEW_ROWS else ():
        square = np.square((x - data.share @ x) / _sd(data, x))
        shares[name] = float(square.max()) / data.n
    bad = [f"{name} ({share:.0%})" for name, share in shares.items() if share > SHARE_WARN]
    advice = (
        f"One row has most of the variance of {', '.join(bad)}: check it. Scaled by their sd, the "
        "other rows are nearly equal, and a coefficient may rest on this row alone. "
        "family='student_t' bears outliers of y, but not of predictors."
    )
    worst = max(shares.values(), default=np.nan)
    return judge("share of one row", worst, SHARE_WARN, _OURS, advice, warns=bool(bad))


def _dominant_weight(data: _Data) -> Check:
    """Largest share of the weights that one distinct row has."""
    largest = float(data.share.max())
    advice = (
        f"One distinct row has {largest:.0%} of the weight: the fit is about this row. Weights "
        "count rows; scale them down if they mean something else."
    )
    heavy = largest > SHARE_WARN and len(data.share) > 2
    return judge("weight of one row", largest, SHARE_WARN, _OURS, advice, warns=heavy)


def _prior_scales(data: _Data) -> Check:
    """How many times wider or narrower than the data suggest the most misplaced prior is."""
    ratios = dict(_prior_ratios(data)) if not is_constant(data.rows.y) else {}
    misfit = {name: max(ratio, 1 / ratio) for name, ratio in ratios.items()}
    bad = [f"{name} ({ratios[name]:.2g})" for name, off in misfit.items() if off > PRIOR_WARN]
    advice = (
        f"These priors are far from the scale of the data (prior's scale over the data's): "
        f"{', '.join(bad)}. With autoscale=True priors are in units of sd(y) and sd(y)/sd(x); with "
        "autoscale=False in the units of the data: give priors to suit, or autoscale."
    )
    worst = max(misfit.values(), default=np.nan)
    return judge("scale of priors", worst, PRIOR_WARN, _OURS, advice, warns=bool(bad))


def _prior_ratios(data: _Data) -> Iterator[tuple[str, float]]:
    """|loc| + scale of each prior over the size that the data suggest for the parameter.

    Sizes are sd(y) for sigma and tau of an intercept, sd(y)/sd(x_k) for slopes and their tau, and
    |mean(y)| + sd(y) for kappa of the intercept.
    """
    problem, priors, labels = data.problem, data.problem.priors, data.labels.where_fitted
    y, X = data.units.outcome(data.rows.y), data.units.predictors(data.rows.X)
    sd_y = _sd(data, y)
    sd_x = np.array([_sd(data, x) for x in X.T])
    sd_x[np.r_[[True] * data.has_intercept, data.constant].astype(bool)] = 1.0
    suggested = sd_y / sd_x
    for parameter in problem.family.auxiliary:
        prior = priors.auxiliary[parameter.name]
        if parameter.units_of_outcome and isinstance(prior, LocationScale):
            yield parameter.name, float(_reach(prior)[0] / sd_y)
    typical = suggested.copy()
    if data.has_intercept:
        typical[0] += abs(float(data.share @ y))
    for name, ratio in zip(labels.coefficients, _reach(priors.kappa) / typical, strict=True):
        yield f"kappa[{name}]", float(ratio)
    for g, columns in enumerate(problem.varying):
        ratios = _reach(priors.tau[g]) / suggested[columns]
        for name, ratio in zip(labels.varying_names(g), ratios, strict=True):
            yield f"tau[{data.factor(g)}, {name}]", float(ratio)


def _reach(prior: LocationScale) -> Floats:
    """How far from zero a prior lets its parameters go."""
    return np.abs(prior.loc) + prior.scale


def _sd(data: _Data, x: Floats) -> float:
    """Weighted standard deviation of x (N,), computed about its first value."""
    x = x - x[0]
    return float(np.sqrt(data.share @ np.square(x - data.share @ x)))
