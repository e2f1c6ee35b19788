"""The yardsticks for outcomes that are numbers."""

from __future__ import annotations

from collections.abc import Sequence
from numbers import Integral
from typing import Any, ClassVar

from sklearn.base import RegressorMixin
from sklearn.utils._param_validation import Hidden

from skhlm._typing import Floats
from skhlm.baselines.yardstick import Pooled, Unpooled, Yardstick
from skhlm.families import FAMILIES
from skhlm.inputs.outcomes import named_family
from skhlm.methods.arguments import COVERAGES, KIND, UNIT_INTERVAL, check_quantiles, checked
from skhlm.methods.coverages import intervals_of
from skhlm.posterior.prediction import Kind
from skhlm.preparation import OutcomeRequest

HAVE_YARDSTICKS = tuple(
    name for name, family in FAMILIES.items() if family.is_gaussian or not family.scales_outcome
)
"""Families of which there are yardsticks: that of least squares for all that have residuals."""


class YardstickRegressor(RegressorMixin, Yardstick):
    """Expected values, intervals and quantiles of numbers."""

    _parameter_constraints: ClassVar[dict[str, list[Any]]] = {
        **Yardstick._parameter_constraints,
        "family": [str],
        "exposure": [None, str, Integral, Hidden("array-like")],  # fit says more
    }

    def __init__(
        self,
        groups: Any = None,
        *,
        family: str = "normal",
        exposure: Any = None,
        fit_intercept: bool = True,
    ) -> None:
        self.groups = groups
        self.family = family
        self.exposure = exposure
        self.fit_intercept = fit_intercept

    @property
    def _outcome_request(self) -> OutcomeRequest:
        """The family by its name, numbers, and the exposure."""
        return OutcomeRequest(named_family(self.family, HAVE_YARDSTICKS), exposure=self.exposure)

    def predict(self, X: Any, return_std: bool = False) -> Floats | tuple[Floats, Floats]:
        """Expected value of y.

        Parameters
        ----------
        X : frame or array-like of shape (n_samples, n_features)
            As at fit.
        return_std : bool, default=False
            Whether to return the standard deviation of a new observation's distribution as well.

        Returns
        -------
        mean : ndarray of shape (n_samples,)
        std : ndarray of shape (n_samples,)
            Only with ``return_std``; infinite where the Student-t distribution of least squares has
            2 degrees of freedom or fewer.
        """
        mean = self._gather(X, lambda cells, X, at, _: cells.predict(X, at).mean)
        if not return_std:
            return mean
        return mean, self._gather(X, lambda cells, X, at, _: cells.predict(X, at).std)

    @checked({"coverage": COVERAGES, "kind": KIND})
    def predict_interval(
        self, X: Any, coverage: float | Sequence[float] = 0.9, kind: Kind = "outcome"
    ) -> Floats:
        """Central interval of a new observation, or of its expected value.

        Of least squares x'b -+ t s sqrt(1 + x' (A'A)^-1 x), without the 1 for ``kind="mean"``. Of
        other families the outcome's interval is that of the distribution that was fitted, as if its
        parameters were known; the mean's is Wald's, x'b -+ z sqrt(x' (A'WA)^-1 x) on the scale of
        the link.

        Parameters
        ----------
        X : frame or array-like of shape (n_samples, n_features)
            As at fit.
        coverage : float in (0, 1) or array-like of shape (n_coverages,), default=0.9
            Probability of the interval.
        kind : {"outcome", "mean", "link"}, default="outcome"
            Interval of a new observation, of its expected value, or of eta = x'b.

        Returns
        -------
        interval : ndarray of shape (n_samples, 2) or (n_samples, n_coverages, 2)
            Lower and upper ends, in the units of y; infinite without degrees of freedom. Those of
            counts are whole numbers that are in the interval, which has at least this probability.
        """
        return intervals_of(coverage, lambda ends: self._quantiles(X, ends, kind))

    @checked({"quantiles": ["array-like", UNIT_INTERVAL], "kind": KIND})
    def predict_quantiles(
        self,
        X: Any,
        quantiles: float | Sequence[float] = (0.05, 0.5, 0.95),
        kind: Kind = "outcome",
    ) -> Floats:
        """Quantiles of a new observation's distribution, or of the expected value's.

        See `predict_interval`.

        Parameters
        ----------
        X : frame or array-like of shape (n_samples, n_features)
            As at fit.
        quantiles : float or array-like of shape (n_quantiles,), default=(0.05, 0.5, 0.95)
            Probabilities, between 0 and 1.
        kind : {"outcome", "mean", "link"}, default="outcome"
            Quantiles of a new observation, of its expected value, or of eta = x'b.

        Returns
        -------
        values : ndarray of shape (n_samples, n_quantiles)
            In the units of y. Of counts the smallest with at least this probability at or below.
        """
        return self._quantiles(X, check_quantiles(quantiles).tolist(), kind)


class PooledRegressor(Pooled, YardstickRegressor):
    """Complete pooling: one regression that ignores the groups.

        y_i = x_i' b + sigma e_i,    e_i ~ normal(0, 1)

    by least squares, or a generalized linear model of another family.

    Parameters
    ----------
    groups : None, str, int, tuple or list, default=None
        Hierarchies of grouping factors as `HLMRegressor` takes them: these columns of X are no
        predictors.
    family : str, default="normal"
        Distribution of the outcome given eta = x'b: ``"normal"``, by least squares; ``"binomial"``,
        shares with trials as ``sample_weight``; ``"poisson"``, ``"negative_binomial"`` or
        ``"gamma"``, whose logarithm of the mean is eta. There is none for "student_t".
    exposure : None, str or int, default=None
        Name or position of a positive column of X to which the expected outcome is proportional,
        for "poisson", "negative_binomial" and "gamma".
    fit_intercept : bool, default=True
        Whether there is an intercept.

    Attributes
    ----------
    coef_ : ndarray of shape (n_predictors,)
        Slopes.
    intercept_ : float
        Expected value at x = 0; 0.0 without intercept.
    sigma_ : float
        Residual standard deviation; infinite where rows are not more than coefficients. For
        "normal" alone.
    overdispersion_, cv_ : float
        The parameter of "negative_binomial", and of "gamma".
    n_features_in_ : int
        Number of columns of X, group columns included.
    feature_names_in_ : ndarray of shape (n_features,)
        Names of the columns of X, if it is a frame whose columns all have names.

    See Also
    --------
    UnpooledRegressor : The other extreme.
    HLMRegressor : Between the two, as far as the data say.

    Notes
    -----
    Coefficients are those of `sklearn.linear_model.LinearRegression`, but where predictors are
    collinear or constant: there they are the smallest in units of the predictors' spread. Intervals
    and densities are the exact Student-t distributions of least squares with a flat prior.

    Of other families they are by maximum likelihood: of `sklearn.linear_model.LogisticRegression`,
    `sklearn.linear_model.PoissonRegressor` and `sklearn.linear_model.GammaRegressor`, with a
    penalty of 1e-4 / 2 on the squares of standardised coefficients that tells only where classes
    are separated. "negative_binomial", of which scikit-learn has none, has Poisson's coefficients.
    Its overdispersion and the gamma's cv are by moments: Pearson's statistic sum w (y - mu)^2 /
    Var(y) is as large as its degrees of freedom [1]_ (1e-8 where counts vary less than Poisson's).
    Intervals and densities of outcomes take coefficients for known. Without any event, success or
    failure slopes are 0 and the level is as if half an event more had been seen.

    References
    ----------
    .. [1] Breslow (1984). Extra-Poisson variation in log-linear models. Applied Statistics 33.
       doi:10.2307/2347661

    Examples
    --------
    >>> from skhlm import PooledRegressor
    >>> from skhlm.datasets import load_sleepstudy
    >>> X, y = load_sleepstudy(return_X_y=True)
    >>> model = PooledRegressor("subject").fit(X, y)
    >>> model.coef_.round(2)
    array([10.47])
    >>> model.predict_interval(X[:1]).round()
    array([[172., 331.]])
    """


class UnpooledRegressor(Unpooled, YardstickRegressor):
    """No pooling: a regression of its own for each combination of levels.

        y_i = x_i' b_c(i) + sigma e_i,    e_i ~ normal(0, 1)

    where c(i) is the combination of the finest levels of all hierarchies that row i belongs to.
    Combinations share the residual scale sigma, and each has what its rows can tell. What they
    cannot, as the slope of a predictor that is constant or collinear there, is that of
    `PooledRegressor`; so are all slopes of one that has not more rows (sum of weights) than
    coefficients, which has an intercept of its own alone. Combinations that fit has not seen, and
    missing group values, are predicted by `PooledRegressor`; all are where sigma is left one degree
    of freedom or none, so that errors would have no expected size.

    Parameters
    ----------
    groups : None, str, int, tuple or list, default=None
        Hierarchies of grouping factors as `HLMRegressor` takes them.
    family : str, default="normal"
        Distribution of the outcome given eta = x'b: ``"normal"``, by least squares; ``"binomial"``,
        shares with trials as ``sample_weight``; ``"poisson"``, ``"negative_binomial"`` or
        ``"gamma"``, whose logarithm of the mean is eta. There is none for "student_t".
    exposure : None, str or int, default=None
        Name or position of a positive column of X to which the expected outcome is proportional,
        for "poisson", "negative_binomial" and "gamma".
    fit_intercept : bool, default=True
        Whether each regression has an intercept.

    Attributes
    ----------
    combinations_ : DataFrame of shape (n_combinations, n_group_columns)
        The combinations that fit has seen: values of the group columns.
    coef_ : ndarray of shape (n_combinations, n_predictors)
        Slopes of each combination; those of the pooled regression where it cannot tell them.
    intercept_ : ndarray of shape (n_combinations,)
        Expected value of each combination at x = 0.
    lent_ : ndarray of bool of shape (n_combinations, n_predictors)
        Which slopes are, wholly or in part, those of the pooled regression: of predictors that are
        constant or collinear among the rows of the combination, or if these are too few.
    fallback_ : ndarray of bool of shape (n_combinations,)
        Which combinations have nothing of their own. Of least squares: those of less than one row,
        or without an intercept of not more rows than coefficients; all of them where sigma would be
        left one degree of freedom or none. Of other families: those of not more rows than
        coefficients, or of outcomes at one end alone.
    n_fallback_ : int
        Number of these.
    sigma_ : float
        Residual standard deviation of the combinations that do not fall back; that of the pooled
        regression if all do. For "normal" alone.
    overdispersion_, cv_ : float
        The parameter of "negative_binomial", and of "gamma".
    n_features_in_ : int
        Number of columns of X, group columns included.
    feature_names_in_ : ndarray of shape (n_features,)
        Names of the columns of X, if it is a frame whose columns all have names.

    See Also
    --------
    PooledRegressor : The other extreme.
    HLMRegressor : Between the two, as far as the data say.

    Notes
    -----
    It is the regression with the interactions of all predictors and the combinations. One sigma
    for all, as in the hierarchical model, has the degrees of freedom of all combinations; with a
    sigma for each, three rows of a line would have intervals by the Cauchy distribution.

    Coefficients of a combination are those nearest to the pooled ones, in units of the predictors'
    spread, among all that fit its rows best. Pooled slopes bring their own standard errors to
    intervals and densities, as if they were independent of the combination's rows, and take as
    many degrees of freedom as they are where a combination has an intercept alone.

    What other families are fitted by: `PooledRegressor`. scikit-learn's solvers are called for each
    combination, which takes some milliseconds each, where least squares takes some microseconds.

    Examples
    --------
    >>> from skhlm import UnpooledRegressor
    >>> from skhlm.datasets import load_sleepstudy
    >>> X, y = load_sleepstudy(return_X_y=True)
    >>> model = UnpooledRegressor("subject").fit(X, y)
    >>> model.coef_.shape, model.n_fallback_
    ((18, 1), 0)
    >>> model.predict_interval(X[:1]).round()
    array([[195., 293.]])
    """
