"""`PriorPosteriorDisplay`: what was thought of parameters before the data, and after."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike

from skhlm._typing import Floats
from skhlm.displays.densities import density
from skhlm.displays.fonts import with_glyphs
from skhlm.displays.names import LONGEST_ALONE, shown_apart
from skhlm.displays.panels import (
    figure_of,
    grid_shape,
    legend_beside,
    name_panel,
    open_panels,
    tidy,
)
from skhlm.displays.parameters import MOST_PANELS, find_parameters, list_draws
from skhlm.displays.style import BLUE, GREY
from skhlm.methods.fitted import Fitted, find_hierarchical
from skhlm.posterior.posterior import Posterior
from skhlm.posterior.prior_draws import draw_priors
from skhlm.random_state import seed_of

if TYPE_CHECKING:
    from matplotlib.axes import Axes

_POINTS = 256
_MIDDLE = 0.5  # of the prior, that a panel shows unless the posterior is far narrower
_FAR_NARROWER = 8.0


class PriorPosteriorDisplay:
    """Densities of parameters under the prior, in grey, and under the posterior, in blue.

    Where the two are alike the data say nothing about a parameter, and the prior decides; where the
    posterior is a peak on a flat prior the data do. A posterior at the edge of its prior is a
    conflict: one of the two is wrong, or the model is. A panel spans the posterior and the middle
    of the prior, but for priors so wide that the posterior would be a line in it.

    Parameters
    ----------
    parameters : array-like of str of shape (P,)
        What they are called.
    prior, posterior : array-like of shape (P, n_prior_draws), (P, n_draws)
        Draws of them, in the units of the data.
    bounds : array-like of shape (P, 2), default=None
        Between which values each can be; None is anywhere.
    titles : array-like of str of shape (P,), default=None
        What the panels are called; None is the parameters.
    n_parameters : int, default=None
        How many parameters there are, where these are the first of them, for the legend.

    Attributes
    ----------
    ax_ : Axes, or ndarray of them
        What was drawn on.
    axes_ : ndarray of shape (P,)
        The panels.
    figure_ : Figure
        The figure that holds them.
    prior_, posterior_ : ndarray of shape (P,)
        The densities (Line2D).
    share_ : ndarray of shape (P,)
        Width of the posterior's interquartile range over that of the prior: near 1 the data said
        nothing, near 0 they said nearly all.
    legend_ : Legend

    See Also
    --------
    skhlm.HLMRegressor.prior_predictive : What the priors say of outcomes.

    Notes
    -----
    Densities are kernel estimates, mirrored at bounds, with the bandwidth of Silverman's rule by
    the interquartile range. The intercept is that at x = 0, and so are its prior and the prior of
    its tau: what those where the model is fitted, and those of the slopes, add up to.

    References
    ----------
    Gabry, J., Simpson, D., Vehtari, A., Betancourt, M. and Gelman, A. (2019). Visualization in
    Bayesian workflow. Journal of the Royal Statistical Society A 182(2), 389-402.
    doi:10.1111/rssa.12378

    Examples
    --------
    >>> import numpy as np
    >>> from skhlm.displays import PriorPosteriorDisplay
    >>> rng = np.random.default_rng(0)
    >>> display = PriorPosteriorDisplay(
    ...     parameters=["kappa[price]"], prior=rng.normal(0, 2, (1, 4000)),
    ...     posterior=rng.normal(0.5, 0.2, (1, 1000)),
    ... )
    >>> display.plot().share_.round(1).tolist()
    [0.1]
    """

    def __init__(
        self,
        *,
        parameters: ArrayLike,
        prior: ArrayLike,
        posterior: ArrayLike,
        bounds: ArrayLike | None = None,
        titles: ArrayLike | None = None,
        n_parameters: int | None = None,
    ) -> None:
        self.parameters = np.asarray(parameters, dtype=np.str_)
        self.prior: Floats = np.asarray(prior, dtype=np.float64)
        self.posterior: Floats = np.asarray(posterior, dtype=np.float64)
        everywhere = np.tile([-np.inf, np.inf], (len(self.parameters), 1))
        self.bounds: Floats = everywhere if bounds is None else np.asarray(bounds, np.float64)
        self.titles = self.parameters if titles is None else np.asarray(titles, dtype=np.str_)
        self.n_parameters = n_parameters or len(self.parameters)

    @classmethod
    def from_estimator(
        cls,
        estimator: Any,
        parameters: Sequence[str] | str | None = None,
        *,
        n_draws: int = 20_000,
        random_state: Any = 0,
        ax: Any = None,
    ) -> PriorPosteriorDisplay:
        """Draw the priors of a fitted model and what became of them.

        Parameters
        ----------
        estimator : HLMRegressor or HLMClassifier
            A fitted one, alone or inside a pipeline, search or transformed target.
        parameters : str or list of str, default=None
            Parameters of `skhlm.HLMRegressor.summary` by name, such as "sigma", "kappa[days]" or
            "tau[region/country, Intercept]"; also "tau" for all of a kind. None is all of them, of
            more than 16 the first 16.
        n_draws : int, default=20000
            Draws of the priors.
        random_state : int, RandomState or None, default=0
            Seed of these.
        ax
            As in `plot`.

        Returns
        -------
        PriorPosteriorDisplay
            Drawn.

        Raises
        ------
        NotFittedError
            If the model is not fitted.
        TypeError
            If there is no HLMRegressor in it.
        ValueError
            If there is no such parameter.

        Notes
        -----
        Priors are those of the fit, whatever parameters were set since, in the units of the data:
        with ``autoscale`` a prior of scale 2.5 is one of 2.5 sd(y) / sd(x).
        """
        model: Fitted = find_hierarchical(estimator).model
        labels = model._spec.labels
        after = list_draws(model._posterior, labels)
        rng = np.random.default_rng(seed_of(random_state))
        before = list_draws(prior_of(model, n_draws, rng), labels)
        names = list(after)[:MOST_PANELS]
        if parameters is not None:
            names = find_parameters(parameters, list(after), list(after))
        auxiliary = {one.name: one.lower for one in model._posterior.family.auxiliary}
        display = cls(
            parameters=names,
            prior=np.stack([before[name].draws() for name in names]),
            posterior=np.stack([after[name].draws() for name in names]),
            bounds=[_bounds(name, auxiliary) for name in names],
            titles=[after[name].title for name in names],
            n_parameters=len(after) if parameters is None else None,
        )
        return display.plot(ax)

    @with_glyphs
    def plot(self, ax: Any = None) -> PriorPosteriorDisplay:
        """Draw.

        Parameters
        ----------
        ax : Axes, or array-like of P Axes, default=None
            What to draw on: one Axes bounds all panels; None is a new figure.

        Returns
        -------
        self
        """
        n = len(self.parameters)
        shape = grid_shape(n)
        size = (1.8 + 2.6 * shape[1], 0.5 + 2.0 * shape[0])
        panels = open_panels("PriorPosteriorDisplay.plot", ax, n, shape, size)
        titles = shown_apart(self.titles, LONGEST_ALONE)
        self.prior_ = np.empty(n, dtype=object)
        self.posterior_ = np.empty(n, dtype=object)
        quartiles = [np.quantile(x, [0.25, 0.75], axis=1) for x in (self.posterior, self.prior)]
        of_posterior, of_prior = (np.diff(ends, axis=0)[0] for ends in quartiles)
        self.share_: Floats = of_posterior / of_prior
        for i, axes in enumerate(panels):
            self._draw(axes, i)
            name_panel(axes, titles[i])
            tidy(axes)
            axes.set_yticks([])
            axes.spines["left"].set_visible(False)
        left_out = self.n_parameters > n
        title = f"{n} of {self.n_parameters} parameters" if left_out else None
        last = panels[min(shape[1], n) - 1]
        handles = [self.posterior_[0], self.prior_[0]]
        self.legend_ = legend_beside(last, handles=handles, title=title)
        self.axes_ = np.array(panels, dtype=object)
        self.ax_ = panels[0] if n == 1 else self.axes_
        self.figure_ = figure_of(panels[0])
        return self

    def _draw(self, axes: Axes, i: int) -> None:
        """Both densities of a parameter."""
        low, high = self._limits(i)
        bounds = float(self.bounds[i, 0]), float(self.bounds[i, 1])
        at = np.linspace(low, high, _POINTS)
        before, after = (density(x[i], at, bounds) for x in (self.prior, self.posterior))
        axes.fill_between(at, after, color=BLUE, alpha=0.25, lw=0)
        (self.posterior_[i],) = axes.plot(at, after, color=BLUE, lw=1.6, label="posterior")
        (self.prior_[i],) = axes.plot(at, before, color=GREY, lw=1.6, ls="--", label="prior")
        axes.set_xlim(low, high)
        axes.set_ylim(bottom=0)

    def _limits(self, i: int) -> tuple[float, float]:
        """Ends of a panel: the posterior's, and the prior's middle unless that is far wider."""
        low, high = np.quantile(self.posterior[i], [0.001, 0.999])
        width = float(high - low) or 1.0
        first, last = np.quantile(self.prior[i], [_MIDDLE / 2, 1 - _MIDDLE / 2])
        if last - first > _FAR_NARROWER * width:  # a flat line, on which the posterior is a peak
            first, last = low - width, high + width
        ends = min(low - 0.1 * width, first), max(high + 0.1 * width, last)
        return max(ends[0], float(self.bounds[i, 0])), min(ends[1], float(self.bounds[i, 1]))


def prior_of(model: Fitted, n_draws: int, rng: np.random.Generator) -> Posterior:
    """Draws of the priors of the fit in the user's units, without any level."""
    spec, posterior = model._spec, model._posterior
    family = posterior.family
    draws = draw_priors(
        spec.build_priors(family),
        [0] * len(spec.labels.factors),
        n_draws,
        rng,
        family=family,
        covariance=posterior.structure,
    )
    return Posterior.from_draws(draws, spec.labels.varying, spec.units, family)


def _bounds(name: str, auxiliary: dict[str, float]) -> tuple[float, float]:
    """Between which values a parameter can be."""
    kind = name.partition("[")[0]
    if kind == "omega":
        return -1.0, 1.0
    return (auxiliary.get(kind, 0.0), np.inf) if kind in {"tau", *auxiliary} else (-np.inf, np.inf)
