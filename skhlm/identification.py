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
from skhlm.diagnostics.slopes import constant_within
from skhlm.engine import Problem
from skhlm.exceptions import IdentificationWarning, Message
from skhlm.inputs.columns import listed
from skhlm.inputs.design import Rows, Units, is_constant
from skhlm.inputs.labels import Labels
from skhlm.printable import printable
from skhlm.priors import LocationScale

NULL_EIGENVALUE = 1e-12  # of a correlation matrix: R² of a predictor on the others is 1 to rounding
INVOLVED = 1e-4  # smallest entry of a direction that is not zero by rounding
CONDITION_NOTE = 30.0
FREEDOM_WARN = 3.0
LEVELS_NOTE = 5
BETWEEN_NOTE, BETWEEN_WARN = 2, 1
BOUND_NOTE = 0.2  # of the levels
WHOLE = 1e-6  # of a number of successes
EXACT_WARN = 1e-6  # residual sd over sd(y)
ROUNDING_WARN = 1e-6  # distance of neighbouring floats over sd
SHARE_WARN = 0.5
FEW_ROWS = 20  # where one row has a large share of everything
PRIOR_WARN = 100.0

_OURS = "our choice"
_BELSLEY = "Belsley, Kuh and Welsch 1980, doi:10.1002/0471725153"
_GELMAN = "Gelman 2006, doi:10.1214/06-BA117A"
_LME4 = "lme4's lmerControl, doi:10.18637/jss.v067.i01"

OF_SINGLE_ROWS = (  # checks for which it takes the rows themselves, not others that stand for them
    "distinct outcomes",
    "exact fit",
    "trials",
    "share of one row",
    "weight of one row",
)
SEVERE = (
    "constant predictors",
    "collinear predictors",
    "single level",
    "rows in a level",
    "factors alike",
    "distinct outcomes",
    "exact fit",
    "separation",
    "trials",
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
    that split the rows alike, an outcome that never changes, or that is among the predictors or
    told by one of them without exception, shares of successes without the number of trials.

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
        text = printable(" ".join(check.advice for check in found))
        message = Message(text, python="See diagnostics_.")
        warnings.warn(message, IdentificationWarning, stacklevel=stacklevel)
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
        return len(self.labels.coefficients) > len(self.X.T)

    @property
    def X(self) -> Floats:
        """Predictors (N, p), without the offset."""
        return self.rows.X[:, : len(self.units.x_center)]

    @property
    def is_scaled(self) -> bool:
        """Whether the outcome has a scale of its own, and residuals: a family of any number."""
        return self.problem.family.scales_outcome

    @property
    def has_spread(self) -> bool:
        """Whether a parameter says how far outcomes are from their means, which may be nothing."""
        return not self.problem.family.is_discrete

    @cached_property
    def own_eta(self) -> Floats:
        """What x' beta would be where each outcome is its mean, (N,); for outcomes with spread."""
        eta = self.problem.family.link.link(self.rows.y)
        return eta - self.rows.X[:, -1] if self.units.has_offset else eta

    @cached_property
    def bounds(self) -> tuple[Bools, Bools]:
        """Rows whose outcome is at the least or at the largest expected one, (N,) each.

        With such rows alone a coefficient may be infinite.
        """
        inverse = self.problem.family.link.inverse
        lowest, highest = inverse(np.array(-np.inf)), inverse(np.array(np.inf))
        return self.rows.y == lowest, self.rows.y == highest

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
        return np.array([is_constant(x) for x in self.X.T], dtype=np.bool_)

    @cached_property
    def redundant(self) -> Bools:
        """Constant predictors that the intercept, or nothing at all, can stand for, (p,)."""
        nothing: Bools = self.X[0] == 0
        return self.constant & (self.has_intercept | nothing)

    @cached_property
    def standardised(self) -> Floats:
        """Predictors that change, centred beside an intercept, with mean square 1: (N, q)."""
        X = self.X[:, ~self.redundant]
        if self.has_intercept:
            X = X - X[0]
            X = X - self.share @ X
        norm: Floats = np.sqrt(self.share @ np.square(X))
        return X / norm

    @cached_property
    def outcome(self) -> Floats:
        """The same, centred beside an intercept, with mean square 1 unless it is constant: (N,)."""
        y = self.own_eta - self.own_eta[0] if self.has_intercept else self.own_eta
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
        f"weights): {'the residual scale and ' * data.is_scaled}some coefficients follow their "
        "priors. Use fewer predictors or tighter priors; give weights that count rows."
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
    few = [g for g, J in enumerate(sizes) if J < LEVELS_NOTE]
    named = ", ".join(f"{data.factor(g)} ({sizes[g]})" for g in few)
    in_own_units = data.is_scaled and data.units.are_users
    wide = any(_is_wide(data.problem.priors.tau[g]) for g in few) and not in_own_units
    light = "priors='weakly_informative', whose tau is half-normal(1), or "
    advice = (
        f"These grouping factors have fewer than {LEVELS_NOTE} levels: {named}. So few say little "
        f"about tau, and its prior matters: try {light * wide}others, priors={{'tau': ...}}, or "
        "make the columns predictors by one-hot encoding."
    )
    smallest = min(sizes, default=np.nan)
    return judge("levels", smallest, LEVELS_NOTE, _GELMAN, advice, notes=bool(few))


def _is_wide(tau: LocationScale) -> bool:
    """Whether priors of a factor's scales go farther than the weakly informative ones."""
    return bool((np.isfinite(tau.df) | (_reach(tau) > 1)).any())


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
    rest = _what_levels_compete_with(data)
    advice = (
        f"Every level of these grouping factors has one distinct row: {listed(names)}. Their "
        f"effects and {rest}: leave the factors out of groups, or give a tighter prior for "
        f"{data.problem.family.auxiliary[0].name if data.problem.family.auxiliary else 'tau'}."
    )
    smallest = min(most.values(), default=np.nan)
    found = bool(names and rest)
    return judge("rows in a level", smallest, 2, _LME4, advice, warns=found)


def _what_levels_compete_with(data: _Data) -> str:
    """What effects of levels of one row cannot be told from; nothing in counts and of many trials.

    There the variance of a row is known, and effects of rows are what exceeds it.
    """
    if data.is_scaled:
        return "the residuals are not identified apart, only the sum of their variances is"
    if names := [parameter.name for parameter in data.problem.family.auxiliary]:
        return f"{names[0]} are hardly told apart, as both widen the distribution of a row"
    low, high = data.bounds
    if (low | high).all() and high.any() and data.rows.weight.max() <= 1:
        return "what is left to chance in a single yes or no are not identified apart"
    return ""


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
        fixed = constant_within(data.X, data.rows, g, J) & ~data.constant
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


# --- outcome and scales ---------------------------------------------------------------------------


def _about_scales(data: _Data) -> Iterator[Check]:
    """Is the outcome one to learn from, and do numbers and priors fit each other?"""
    columns = dict(zip(data.predictor_names, data.X.T, strict=True))
    columns |= {"y": data.rows.y} if data.is_scaled else {}
    changing = {name: x for name, x in columns.items() if not is_constant(x)}
    yield _distinct_outcomes(data)
    yield _exact_fit(data)
    yield _separation(data)
    yield _levels_at_a_bound(data)
    yield _trials(data)
    yield _lost_digits(data, changing)
    yield _dominant_row(data, changing)
    yield _dominant_weight(data)
    yield _prior_scales(data)


def _distinct_outcomes(data: _Data) -> Check:
    rate = data.has_spread and data.units.has_offset
    y = data.problem.family.link.inverse(data.own_eta) if rate else data.rows.y
    count = 1 if is_constant(y) else len(np.unique(y))
    if data.has_spread:
        one, two = count == 1, data.is_scaled and count == 2 and data.n >= FEW_ROWS
        consequence = f"there is no variation to explain, and {_spread(data)} goes to zero"
    else:  # three events in each row are as good as any
        one, two = bool(data.bounds[0].all() or data.bounds[1].all()), False
        consequence = (
            "how far it is from where it may be the prior says, and the other coefficients"
        )
    advice = (
        f"y is {y[0]:g}{' per exposure' * rate} in every row: {consequence}. Check "
        "which column is the outcome."
        if one
        else f"y has two values, {y.min():g} and {y.max():g}: HLMClassifier models which of them a "
        "row has, whose probability stays between 0 and 1."
    )
    return judge("distinct outcomes", count, 2, _OURS, advice, notes=two, warns=one)


def _exact_fit(data: _Data) -> Check:
    """Smallest residual sd over sd of least squares, pooled and within cells; of log y for logs."""
    ratio = np.nan
    if data.has_spread and not is_constant(data.own_eta) and data.freedom >= FREEDOM_WARN:
        ratio = min(_residual(data, data.standardised, data.outcome), _residual_in_cells(data))
    y = "y" if data.is_scaled else "log y"
    advice = (
        f"The predictors give y all but exactly (residual sd {ratio:.1e} of sd({y})): is y, or "
        f"what it was computed from, among them? Intervals have no width, as {_spread(data)} goes "
        "to its lower bound."
    )
    return judge("exact fit", ratio, EXACT_WARN, _OURS, advice, warns=ratio < EXACT_WARN)


def _spread(data: _Data) -> str:
    """What says how far outcomes are from their means."""
    names = ", ".join(parameter.name for parameter in data.problem.family.auxiliary)
    return "the residual scale" if data.is_scaled else names


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


def _separation(data: _Data) -> Check:
    """Predictors by which outcomes at a bound are told from the others without exception.

    All of them by a threshold, or, to be noted, those on one side of it.
    """
    every, some = ([], []) if data.is_scaled else _separating(data)
    advice = (
        f"These predictors tell without exception where y is {_bound_words(data)}: "
        f"{listed(every or some)}. The data would have their coefficients infinite, and the prior "
        "alone says how large they are: is one of them known only after the outcome? If not, give "
        "kappa a prior that you believe, or leave them out."
    )
    count = np.nan if data.is_scaled else len(every) + len(some)
    return judge("separation", count, 0, _OURS, advice, notes=bool(some), warns=bool(every))


def _separating(data: _Data) -> tuple[list[str], list[str]]:
    """Predictors with a threshold that all rows keep to, and those where some are on it.

    Counts above zero must all be on it, as they hold the slope otherwise.
    """
    low, high = data.bounds
    up, down = data.X[~low], data.X[~high]  # rows that pull eta up, or down
    if not (len(up) and len(down) and data.has_intercept):
        return [], []
    above = (down.max(axis=0) <= up.min(axis=0)) | (up.max(axis=0) <= down.min(axis=0))
    apart = (down.max(axis=0) < up.min(axis=0)) | (up.max(axis=0) < down.min(axis=0))
    if not high.any():
        ends = (up[0] == down.max(axis=0)) | (up[0] == down.min(axis=0))
        above = (np.ptp(up, axis=0) == 0) & ends
    names = data.predictor_names
    return _chosen(names, apart), _chosen(names, above & ~apart & ~data.constant)


def _levels_at_a_bound(data: _Data) -> Check:
    """Share of a factor's levels with outcomes at one bound alone, at its largest."""
    shares, found = [np.nan], []
    for g in [] if data.is_scaled else data.varies_by_intercept:
        J, level = data.problem.n_levels[g], data.level(g)
        sizes = np.bincount(level, minlength=J)
        extreme = sum(
            int((np.bincount(level[at], minlength=J) == sizes).sum()) for at in data.bounds
        )
        shares.append(extreme / J)
        if shares[-1] > BOUND_NOTE:
            found.append(f"{data.factor(g)} ({extreme} of {J})")
    advice = (
        f"y is {_bound_words(data)} in every row of many levels: {', '.join(found)}. How far from "
        "the others these are the rows do not say, and tau follows its prior on that side: "
        "compare priors={'tau': ...}."
    )
    worst = float(np.nanmax(shares)) if len(shares) > 1 else np.nan
    return judge("levels without variation", worst, BOUND_NOTE, _OURS, advice, notes=bool(found))


def _bound_words(data: _Data) -> str:
    """Outcomes at which coefficients may be infinite."""
    return "0 or 1" if data.bounds[1].any() else "0"


def _trials(data: _Data) -> Check:
    """Rows that are shares of a number of trials that cannot have been theirs."""
    rows, count = data.rows, np.nan
    if data.problem.family.is_discrete:
        y = rows.y[rows.given] if len(rows.given) else rows.y
        weight = rows.given_weight if len(rows.given) else rows.weight
        successes = y * weight
        broken = np.abs(successes - np.rint(successes)) > WHOLE * np.maximum(successes, 1)
        count = int((broken & (y % 1 != 0)).sum())
    advice = (
        f"In {count} rows y is a share that the number of trials, which is sample_weight (1 where "
        "none is given), cannot have: y times trials is no whole number. Give the trials, and not "
        "scaled: the width of all intervals depends on them."
    )
    return judge("trials", count, 0, _OURS, advice, warns=count > 0)


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
    """Largest share of a column's sum of squares about its mean that a single row has.

    Of rows that stand for several equal ones, as their weight says, one of these.
    """
    shares = {}
    of_one = np.minimum(data.rows.weight, 1) / data.n
    for name, x in columns.items() if data.n >= FEW_ROWS else ():
        square = np.square((x - data.share @ x) / _sd(data, x))
        shares[name] = float((of_one * square).max())
    bad = [f"{name} ({share:.0%})" for name, share in shares.items() if share > SHARE_WARN]
    advice = (
        f"One row has most of the variance of {', '.join(bad)}: check it. Scaled by their sd, the "
        "other rows are nearly equal, and a coefficient may rest on this row alone. "
        "family='student_t' bears outliers of y, but none bears those of predictors."
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
    known = not (data.is_scaled and is_constant(data.rows.y))
    ratios = dict(_prior_ratios(data)) if known else {}
    misfit = {name: max(ratio, 1 / ratio) for name, ratio in ratios.items()}
    bad = [f"{name} ({ratios[name]:.2g})" for name, off in misfit.items() if off > PRIOR_WARN]
    unit = "sd(y)" if data.is_scaled else f"the {data.problem.family.link.name} of y's mean"
    advice = (
        f"These priors are far from the scale of the data (prior's scale over the data's): "
        f"{', '.join(bad)}. With autoscale=True priors are in units of {unit} and {unit}/sd(x); "
        "with autoscale=False in the units of the data: give priors to suit, or autoscale."
    )
    worst = max(misfit.values(), default=np.nan)
    return judge("scale of priors", worst, PRIOR_WARN, _OURS, advice, warns=bool(bad))


def _prior_ratios(data: _Data) -> Iterator[tuple[str, float]]:
    """|loc| + scale of each prior over the size that the data suggest for the parameter.

    Sizes are sd(y) for sigma and tau of an intercept, sd(y)/sd(x_k) for slopes and their tau, and
    |mean(y)| + sd(y) for kappa of the intercept. Where a link stands between, sd(y) is 1, and
    mean(y) where the family has its centre.
    """
    problem, priors, labels = data.problem, data.problem.priors, data.labels.where_fitted
    mean, sd_y = _size_of_outcome(data)
    X = data.units.predictors(data.rows.X)
    sd_x = np.array([_sd(data, x) for x in X.T])
    sd_x[np.r_[[True] * data.has_intercept, data.constant].astype(bool)] = 1.0
    suggested = sd_y / sd_x
    for parameter in problem.family.auxiliary:
        prior = priors.auxiliary[parameter.name]
        if parameter.units_of_outcome and isinstance(prior, LocationScale):
            yield parameter.name, float(_reach(prior)[0] / sd_y)
    typical = suggested.copy()
    if data.has_intercept:
        typical[0] += abs(mean)
    for name, ratio in zip(labels.coefficients, _reach(priors.kappa) / typical, strict=True):
        yield f"kappa[{name}]", float(ratio)
    for g, columns in enumerate(problem.varying):
        ratios = _reach(priors.tau[g]) / suggested[columns]
        for name, ratio in zip(labels.varying_names(g), ratios, strict=True):
            yield f"tau[{data.factor(g)}, {name}]", float(ratio)


def _size_of_outcome(data: _Data) -> tuple[float, float]:
    """Mean and sd of what the coefficients add up to, in the model's units."""
    rows, units = data.rows, data.units
    if data.is_scaled:
        y = units.outcome(rows.y)
        return float(data.share @ y), _sd(data, y)
    offset = units.offset(rows.X)
    return data.problem.family.centre(rows.y, rows.weight, offset), 1.0


def _reach(prior: LocationScale) -> Floats:
    """How far from zero a prior lets its parameters go."""
    return np.abs(prior.loc) + prior.scale


def _sd(data: _Data, x: Floats) -> float:
    """Weighted standard deviation of x (N,), computed about its first value."""
    x = x - x[0]
    return float(np.sqrt(data.share @ np.square(x - data.share @ x)))
