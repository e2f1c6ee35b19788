"""Data to try a hierarchical model on: seven small real sets and simulated advertisers.

>>> from skhlm.datasets import load_gapminder
>>> X, y = load_gapminder(return_X_y=True)
>>> X.head(2)
  continent      country  year  log10_gdp_per_capita
0      Asia  Afghanistan  1952              2.891786
1      Asia  Afghanistan  1957              2.914265

The group columns stay in X, as every estimator of this package takes them. Each loader's docstring
states units, source and licence; ``derive.py`` made the files.
"""

from __future__ import annotations

from skhlm.datasets.real import (
    Dataset,
    load_aggression,
    load_airfare,
    load_epilepsy,
    load_gapminder,
    load_grouse,
    load_radon,
    load_sleepstudy,
)
from skhlm.datasets.simulated import CampaignTruth, make_campaigns

__all__ = [
    "CampaignTruth",
    "Dataset",
    "load_aggression",
    "load_airfare",
    "load_epilepsy",
    "load_gapminder",
    "load_grouse",
    "load_radon",
    "load_sleepstudy",
    "make_campaigns",
]
