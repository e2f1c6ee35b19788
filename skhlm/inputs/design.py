"""Rows in canonical order, cells, which coefficients vary, and units: centred, scaled and back."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from hashlib import sha256
from reprlib import repr as repr_short

import numpy as np

from skhlm._typing import Bools, Floats, Ints
from skhlm.draws import Draws
from skhlm.families import AUXILIARY, Family
from skhlm.inputs.columns import Columns, as_list, listed
from skhlm.inputs.hierarchy import Hierarchy, by_factor
from skhlm.inputs.labels import AT_THE_MEANS, INTERCEPT

_LARGEST = 1e152
_ROUNDING = 4 * float(np.finfo(np.float64).eps)  # a relative range that is no variation
_SLACK = 1e-9  # of a predictor's range, that rounding alone is not called extrapolation
_AT_ZERO = 1e-9  # of a predictor's sd, that standardised columns are centred at 0
# Of 53: the last bits depend on who computed or parsed a number. With 30 it falls on the other side
# of an edge once in 2^22 times.
_FINGERPRINT_BITS = 30


@dataclass(frozen=True)
class Rows:
    """Distinct rows in canonical order, in the user's units.

    Rows are sorted by cell, then by predictors and outcome, and equal rows are merged into one
    that has their weight. So neither the order of the rows given nor writing a row twice instead
    of giving it weight 2 makes any difference to what follows.

    =================  ======  ======================================================
    field              shape   what it is
    =================  ======  ======================================================
    ``X``              (N, p)  predictors; behind them the offset, if there is one
    ``y``              (N,)    outcome
    ``weight``         (N,)    frequency weights, > 0
    ``cell``           (N,)    cell of each row: 0, ..., C - 1, non-decreasing
    ``codes``          (C, G)  level of each cell in each grouping factor; increasing
    ``given``          (n,)    which of them each row given is; empty if nobody knows
    ``given_weight``   (n,)    the weight it was given with
    =================  ======  ======================================================
    """

    X: Floats
    y: Floats
    weight: Floats
    cell: Ints
    codes: Ints
    given: Ints = field(default_factory=lambda: np.empty(0, dtype=np.int64))
    given_weight: Floats = field(default_factory=lambda: np.empty(0))

    def level_weights(self, n_levels: Sequence[int]) -> tuple[Floats, ...]:
        """Sum of the weights of the rows in each level, (J_g,) for each grouping factor."""
        cells = np.bincount(self.cell, self.weight, minlength=len(self.codes))
        sums = [np.bincount(self.codes[:, g], cells, size) for g, size in enumerate(n_levels)]
        return tuple(np.asarray(total, dtype=np.float64) for total in sums)

    def fingerprint(self) -> str:
        """SHA-256 of the rows, with numbers to nine significant digits."""
        codes = self.codes[self.cell]
        rows = canonical_rows(_rounded(self.X), _rounded(self.y), self.weight, codes)
        digest = sha256(repr((rows.X.shape, rows.codes.shape)).encode())
        for numbers in (rows.X, rows.y, _rounded(rows.weight)):
            digest.update(numbers.astype("<f8").tobytes())
        for counts in (rows.cell, rows.codes):
            digest.update(counts.astype("<i8").tobytes())
        return digest.hexdigest()


@dataclass(frozen=True)
class Ranges:
    """Where the predictors were seen at fit, (p,) each: extremes and weighted means.

    Those of an offset are the last: its mean is the logarithm of the mean exposure.
    """

    low: Floats
    high: Floats
    mean: Floats

    @property
    def widths(self) -> Floats:
        """How wide the ranges are, (p,); where a predictor was constant, a number of its size."""
        width = self.high - self.low
        return np.where(width > 0, width, np.maximum(np.abs(self.mean), 1.0))

    def outside(self, X: Floats) -> Bools:
        """Whether predictors (..., p) are outside; a difference within rounding does not count."""
        slack = _SLACK * (self.high - self.low)
        result: Bools = (self.low - slack > X) | (self.high + slack < X)
        return result


def learn_ranges(rows: Rows, *, has_offset: bool = False) -> Ranges:
    """Extremes and weighted means of the predictors."""
    share = rows.weight / rows.weight.sum()
    low, high = rows.X.min(axis=0), rows.X.max(axis=0)
    mean = low + share @ (rows.X - low)
    if has_offset:
        mean[-1] = high[-1] + np.log(share @ np.exp(rows.X[:, -1] - high[-1]))
    return Ranges(low, high, mean)


def _rounded(x: Floats) -> Floats:
    """Numbers, of any shape, rounded to the bits that a fingerprint knows."""
    mantissa, exponent = np.frexp(x)
    whole = np.rint(np.ldexp(mantissa, _FINGERPRINT_BITS))
    result: Floats = np.ldexp(whole, exponent - _FINGERPRINT_BITS)
    return result


def canonical_rows(X: Floats, y: Floats, weight: Floats, codes: Ints) -> Rows:
    """Sort and merge rows with predictors (n, p), y (n,), weights > 0 (n,), levels (n, G)."""
    cells, cell = cells_of(codes)
    X = X + 0.0  # not -0.0, which compares equal to 0.0 but has other bytes
    y = y + 0.0
    order = np.lexsort((weight, y, *X.T[::-1], cell))
    given, given_weight = np.empty(len(y), dtype=np.int64), weight
    X, y, weight, cell = X[order], y[order], weight[order], cell[order]
    first = np.ones(len(y), dtype=np.bool_)
    first[1:] = (cell[1:] != cell[:-1]) | (y[1:] != y[:-1]) | (X[1:] != X[:-1]).any(axis=1)
    given[order] = np.cumsum(first) - 1
    starts = np.flatnonzero(first)
    total = np.add.reduceat(weight, starts)
    return Rows(X[starts], y[starts], total, cell[starts], cells, given, given_weight)


def cells_of(codes: Ints) -> tuple[Ints, Ints]:
    """Distinct rows of codes (C, G) in increasing order, and which of them each row is (n,)."""
    cell = np.zeros(len(codes), dtype=np.int64)
    for column in codes.T:
        _, cell = np.unique(cell * (column.max() + 1) + column, return_inverse=True)
    _, example = np.unique(cell, return_index=True)
    return np.ascontiguousarray(codes[example]), cell


@dataclass(frozen=True)
class Units:
    """Centres and scales that lead from the user's units to those of the model, and back.

        y' = (y - y_center) / y_scale,    x'_k = (x_k - x_center_k) / x_scale_k

    ``x_center`` and ``x_scale`` have shape (p,), one entry a predictor. Coefficients in the user's
    units are those of centred predictors: their intercept is the expected value at ``x_center``.
    Where there is an offset, predictors have one column more, the last, which has no coefficient
    but is added to x' beta.
    """

    fit_intercept: bool
    y_center: float
    y_scale: float
    x_center: Floats
    x_scale: Floats
    has_offset: bool = False

    def outcome(self, y: Floats) -> Floats:
        """Outcome as the model sees it, (n,)."""
        return (y - self.y_center) / self.y_scale

    def predictors(self, X: Floats) -> Floats:
        """Predictors as the model sees them, (n, K): the intercept's ones first."""
        return self._with_ones((X[:, : len(self.x_center)] - self.x_center) / self.x_scale)

    def centred(self, X: Floats) -> Floats:
        """Predictors that coefficients in the user's units multiply, (n, K); and the offset."""
        p = len(self.x_center)
        Z = self._with_ones(X[:, :p] - self.x_center)
        return np.column_stack([Z, X[:, p]]) if self.has_offset else Z

    def offset(self, X: Floats) -> Floats:
        """What is added to x' beta of the model, (n,)."""
        offset = X[:, -1] if self.has_offset else np.zeros(len(X))
        return offset + self.y_center

    @property
    def is_centred(self) -> bool:
        """Whether an intercept at ``x_center`` is another one than that at x = 0."""
        far = np.abs(self.x_center) > _AT_ZERO * self.x_scale
        return self.fit_intercept and bool(far.any())

    @property
    def are_users(self) -> bool:
        """Whether the model has the user's units."""
        center, scale = np.r_[self.y_center, self.x_center], np.r_[self.y_scale, self.x_scale]
        return bool((center == 0).all() and (scale == 1).all())

    @property
    def coefficient_scale(self) -> Floats:
        """(K,): a coefficient in the user's units over the same in the model's."""
        slopes = self.y_scale / self.x_scale
        return np.r_[self.y_scale, slopes] if self.fit_intercept else slopes

    def draws(self, draws: Draws, varying: Sequence[Ints]) -> Draws:
        """Draws of the model's parameters in the user's units; correlations have none."""
        scale = self.coefficient_scale
        kappa = draws.kappa * scale
        if self.fit_intercept:
            kappa[..., 0] += self.y_center
        scales = [scale[columns] for columns in varying]
        return Draws(
            kappa=kappa,
            delta=tuple(d * s for d, s in zip(draws.delta, scales, strict=True)),
            tau=tuple(t * s for t, s in zip(draws.tau, scales, strict=True)),
            omega=draws.omega,
            auxiliary={
                name: values * self.y_scale if AUXILIARY[name].units_of_outcome else values
                for name, values in draws.auxiliary.items()
            },
        )

    def _with_ones(self, X: Floats) -> Floats:
        return np.column_stack([np.ones(len(X)), X]) if self.fit_intercept else X


def learn_units(
    rows: Rows,
    predictor_names: Sequence[str],
    *,
    autoscale: bool,
    fit_intercept: bool,
    family: Family | None = None,
    has_offset: bool = False,
) -> Units:
    """Weighted means and (population) standard deviations; a constant column is not scaled.

    Without an intercept nothing is centred, with ``autoscale=False`` nothing is changed. An outcome
    that its family does not scale has a centre on the scale of eta; an offset has none.
    """
    if family is None or family.scales_outcome:
        X, weight = rows.X, rows.weight
        outcome = _moments(np.ascontiguousarray(rows.y), weight, "y")
    else:
        X, weight = _distinct_predictors(rows)
        offset = rows.X[:, -1] if has_offset else np.zeros(len(rows.y))
        outcome = family.centre(rows.y, rows.weight, offset), 1.0
    moments = [
        _moments(np.ascontiguousarray(x), weight, f"predictor {name!r}")
        for x, name in zip(X.T, predictor_names, strict=False)  # an offset has no name
    ]
    center, scale = np.array([outcome, *moments]).T
    if not autoscale:
        scale = np.ones_like(scale)
    if not (autoscale and fit_intercept):
        center = np.zeros_like(center)
    return Units(
        bool(fit_intercept), float(center[0]), float(scale[0]), center[1:], scale[1:], has_offset
    )


def _distinct_predictors(rows: Rows) -> tuple[Floats, Floats]:
    """Rows whose predictors or levels differ, and their weights.

    So yes and no at equal predictors are, to the last bit, the shares that they add up to.
    """
    first = np.ones(len(rows.y), dtype=np.bool_)
    first[1:] = (rows.cell[1:] != rows.cell[:-1]) | (rows.X[1:] != rows.X[:-1]).any(axis=1)
    starts = np.flatnonzero(first)
    return rows.X[starts], np.add.reduceat(rows.weight, starts)


def _moments(x: Floats, weight: Floats, name: str) -> tuple[float, float]:
    """Weighted mean and sd of x (n,), exactly equivariant under multiplication by powers of two.

    They are computed on x / 2^e, where |x / 2^e| < 1, about its first value, so that neither large
    values nor a large offset lose digits.
    """
    largest = float(np.abs(x).max())
    exponent = int(np.frexp(largest)[1])
    x = np.ldexp(x, -exponent)
    share = weight / weight.sum()
    center = x[0] + (share * (x - x[0])).sum()
    scale = 1.0
    if not is_constant(x):
        scale = float(np.ldexp(np.sqrt((share * (x - center) ** 2).sum()), exponent))
    if largest > _LARGEST or scale < 1 / _LARGEST:
        raise ValueError(
            f"The values of {name} are out of range (largest absolute value {largest:.3g}, "
            f"standard deviation {scale:.3g}): computing with them would overflow. Change their "
            "unit."
        )
    return float(np.ldexp(center, exponent)), scale


def settled(y: Floats, units: Units) -> Floats:
    """The outcome (n,), one number where it varies by rounding errors alone.

    They are no noise, but would be taken for it: for an outcome without any there is a smallest
    sigma, beside which rounding errors are enormous.
    """
    return np.full_like(y, units.y_center or y[0]) if is_constant(y) else y


def is_constant(x: Floats) -> bool:
    """Whether the values of x (n,) are equal but for rounding: within four units in the last place.

    Those of the largest that has its exponent, so that x times a power of two is no other case.
    """
    exponent = int(np.frexp(np.abs(x).max())[1])
    return bool(np.ldexp(np.ptp(x), -exponent) <= _ROUNDING)


def coefficient_names(predictor_names: Sequence[str], *, fit_intercept: bool) -> tuple[str, ...]:
    """What the K coefficients are called: "Intercept", then the predictors."""
    if not fit_intercept and not predictor_names:
        raise ValueError(
            "There is nothing to estimate: every column of X is a group column and "
            "fit_intercept=False. Set fit_intercept=True, or give X a predictor."
        )
    for name in (INTERCEPT, AT_THE_MEANS):
        if fit_intercept and name in predictor_names:
            raise ValueError(
                f"A predictor is called {name!r}, as the intercept of the model is. Rename the "
                "column, or set fit_intercept=False."
            )
    return (INTERCEPT, *predictor_names) if fit_intercept else tuple(predictor_names)


def parse_varying(
    varying: object,
    columns: Columns,
    hierarchies: Sequence[Hierarchy],
    coefficients: Sequence[str],
) -> tuple[Ints, ...]:
    """Which of the K coefficients vary by each grouping factor: increasing numbers, (K_g,) each.

    In a mapping, a key that names a hierarchy speaks for all its factors, one that names a coarser
    factor for that factor alone; factors it does not reach vary in all coefficients.
    """
    names = [factor for hierarchy in hierarchies for factor in hierarchy.factors]
    if isinstance(varying, Mapping):
        choices = dict.fromkeys(names, "all") | by_factor(varying, columns, hierarchies, "varying")
    else:
        _choice(varying, "varying", columns, coefficients)  # checked even where nothing can vary
        choices = dict.fromkeys(names, varying)
    return tuple(
        _choice(choice, f"varying for {name!r}", columns, coefficients)
        for name, choice in choices.items()
    )


def _choice(choice: object, argument: str, columns: Columns, coefficients: Sequence[str]) -> Ints:
    """Increasing numbers of the coefficients chosen by "all", "intercept" or a list of columns."""
    if isinstance(choice, str) and choice == "all":
        return np.arange(len(coefficients))
    if isinstance(choice, str) and choice == "intercept":
        choice = [INTERCEPT]
    names = as_list(choice)
    if names is None:
        raise TypeError(
            f"{argument}: got {repr_short(choice)}; it is 'all', 'intercept' or a list of columns, "
            "such as ['Intercept', 'price']."
        )
    if not names:
        raise ValueError(
            f"{argument}: the list is empty, so nothing would vary. Name a column, or take the "
            "factor out of `groups`."
        )
    chosen = {_coefficient(column, argument, columns, coefficients) for column in names}
    return np.array(sorted(chosen), dtype=np.int64)


def _coefficient(
    column: object, argument: str, columns: Columns, coefficients: Sequence[str]
) -> int:
    """Number of the coefficient of one column, or of the intercept."""
    if isinstance(column, str) and column in coefficients:
        return coefficients.index(column)
    if isinstance(column, str) and column == INTERCEPT:
        raise ValueError(
            f"{argument}: there is no intercept that could vary, as fit_intercept=False."
        )
    if isinstance(column, str) and column == "intercept" and INTERCEPT in coefficients:
        raise ValueError(
            f"{argument}: in a list the intercept is called {INTERCEPT!r}, as in all reports, not "
            "'intercept'."
        )
    name = columns.predictor_name(columns.position(column, argument))
    if name not in coefficients:
        raise ValueError(
            f"{argument}: {name!r} is a group column or the exposure, not a predictor, so it has "
            "no coefficient. "
            f"The coefficients are {listed(coefficients)}."
        )
    return coefficients.index(name)
