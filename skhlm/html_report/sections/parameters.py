"""Parameters: everything but the group effects, what the data told of them, and coefficients."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import pandas as pd

from skhlm.displays.prior_posterior import prior_of
from skhlm.html_report.page import heading, paragraph, terms
from skhlm.html_report.table import MOST_ROWS, table
from skhlm.html_report.words import meanings, where_numbers_are
from skhlm.numerics.quantiles import quantiles_of
from skhlm.posterior import Posterior
from skhlm.posterior.parameters import list_population
from skhlm.reports.parameters import monte_carlo_errors

_N_PRIOR = 4000  # draws from the prior: quantiles to two digits
_TAILS = (0.05, 0.5, 0.95)


def parameters(model: Any) -> Iterator[str]:
    """What each kind of parameter is, tables of all of them, prior against posterior."""
    yield paragraph(where_numbers_are(model))
    yield terms(meanings(model))
    summary = model.summary()
    errors = monte_carlo_errors(model._posterior, model._spec.labels)
    summary.insert(summary.columns.get_loc("sd") + 1, "mcse", errors)
    said = "mcse is the Monte Carlo standard error of the mean: how far other draws would move it."
    summary = _without_empty(summary)
    yield table(summary, "Parameters", said, folded=False, elsewhere="model.summary()")
    yield table(
        prior_against_posterior(model),
        "Prior against posterior",
        "Medians and 90% intervals, where the model is fitted, at the predictors' means. width is "
        "that of the posterior's interval over the prior's: near 1 the data have told nothing.",
        folded=True,
    )
    yield heading("Coefficients of combinations of levels")
    yield from _coefficients(model)


def prior_against_posterior(model: Any) -> pd.DataFrame:
    """Quantiles of every parameter but the group effects before and after the data."""
    posterior: Posterior = model._posterior.where_fitted
    labels = model._spec.labels.where_fitted
    prior = prior_of(model, _N_PRIOR, np.random.default_rng(0)).where_fitted
    before, after = _population_quantiles(prior), _population_quantiles(posterior)
    names = [str(name) for block in list_population(posterior) for name in block.names(labels)]
    with np.errstate(invalid="ignore", divide="ignore"):
        width = (after[:, 2] - after[:, 0]) / (before[:, 2] - before[:, 0])
    columns = [
        f"{when}_{what}" for when in ("prior", "posterior") for what in ("q05", "q50", "q95")
    ]
    numbers = dict(zip(columns, np.hstack([before, after]).T, strict=True))
    return pd.DataFrame({"parameter": names, **numbers, "width": width})


def _population_quantiles(posterior: Posterior) -> Any:
    """Quantiles (P, 3) of everything but the group effects."""
    draws = [np.atleast_2d(block.reported(posterior)) for block in list_population(posterior)]
    return quantiles_of(np.vstack(draws), _TAILS)


def _coefficients(model: Any) -> Iterator[str]:
    """Kappa and the effects, added up for each combination of levels that fit has seen."""
    spec = model._spec
    n, K = len(spec.combinations), len(spec.labels.coefficients)
    most = max(MOST_ROWS // K, 1)
    levels = None
    if n > most:
        levels = pd.DataFrame(spec.labels.values(spec.combinations[:most]))
        yield paragraph(
            f"The table has {most:,} of {n:,} combinations; model.coefficients() has all.",
            "left-out",
        )
    frame = model.coefficients(levels)
    said = "kappa and the effects of all factors."
    yield table(frame, "Coefficients", said, folded=True, elsewhere="model.coefficients()")


def _without_empty(frame: pd.DataFrame) -> pd.DataFrame:
    """A frame without the columns in which nothing is known, or no name given."""
    empty = [name for name in frame if frame[name].isna().all() or (frame[name] == "").all()]
    return frame.drop(columns=empty)
