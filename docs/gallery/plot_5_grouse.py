"""
Ticks on grouse chicks: the place, the brood or the chick?
==========================================================

Red grouse chicks on a Scottish moor carry ticks on their heads: most have none or two, some have
eighty. Chicks of a brood walk through the same heather, and broods live at places. Who has many
ticks, and why? Counted by R. Moss, published by Elston and others in 2001.
"""

# %%
# What was counted
# ----------------
# 403 chicks of 118 broods at 63 places, in three summers.

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd

from skhlm import HLMRegressor
from skhlm.datasets import load_grouse

X, y = load_grouse(return_X_y=True)
colours = dict(zip((1995, 1996, 1997), ("#0072b2", "#d55e00", "#009e73"), strict=True))
jitter = np.random.default_rng(0).uniform(-0.3, 0.3, size=len(y))


def draw_counts(ax):
    """Each chick a point, on an axis on which 0, 1, 2, ... can be told apart."""
    for year, chicks in X.groupby("year"):
        at = chicks["height"], np.log1p(y[chicks.index] + jitter[chicks.index] * 0.5)
        ax.plot(*at, ".", ms=4, alpha=0.5, color=colours[year], label=str(year))
    ticks = [0, 1, 2, 5, 10, 20, 50, 100]
    ax.set_yticks(np.log1p(ticks), labels=ticks)
    ax.set(xlabel="height above the sea (m)", ylabel="ticks on a chick")
    ax.spines[["top", "right"]].set_visible(False)


_, ax = plt.subplots(figsize=(7, 4), layout="constrained")
draw_counts(ax)
_ = ax.legend(frameon=False)

# %%
# High places have few ticks, and 1996 was a year of ticks. Years are neither a trend nor a sample
# of years, so two columns say how 1996 and 1997 differ from 1995.


def predictors(X):
    """Height in steps of 100 m from 450 m, and years as differences from 1995."""
    years = {f"in_{year}": (X["year"] == year).astype(int) for year in (1996, 1997)}
    return X[["location", "brood"]].assign(height=(X["height"] - 450) / 100, **years)


# %%
# Is it the place?
# ----------------
# A Poisson model says that chicks at one place, in one year, differ by chance alone. Draw ticks
# from it, many times, and compare with those that were counted:

by_place = HLMRegressor("location", family="poisson", varying="intercept", random_state=0)
by_place.fit(predictors(X).drop(columns="brood"), y)
columns = ["statistic", "observed", "lower", "upper", "p_value"]
print(by_place.posterior_predictive_check()[columns].round(2).to_string(index=False))

# %%
# The model does not produce such data: counts have more variance than it allows, and more chicks
# are free of ticks. So let broods differ, and also, by the negative binomial family, chicks.

model = HLMRegressor(
    "location/brood", family="negative_binomial", varying="intercept", random_state=0
).fit(predictors(X), y)
print(model.diagnostics_.verdict)
print(model.posterior_predictive_check()[columns].round(2).to_string(index=False))

# %%
# These data are what such a model produces.
#
# Places, broods, chicks
# ----------------------
# All three are standard deviations of the logarithm of the number of ticks, or nearly: 0.7 means
# that two of three are within a factor of two of the usual.

table = model.summary().set_index("parameter")
spreads = table.loc[["tau", "overdispersion"], ["q05", "q50", "q95"]]
names = ["between places", "between broods\nof a place", "between chicks\nof a brood"]
_, ax = plt.subplots(figsize=(6, 2.4), layout="constrained")
low, middle, high = spreads.to_numpy().T
ax.errorbar(middle, names, xerr=[middle - low, high - middle], fmt="o", color="#0072b2", lw=2)
ax.set(xlabel="standard deviation of log ticks, with its 90% interval", xlim=(0, None))
ax.set_ylim(2.5, -0.5)
ax.spines[["top", "right"]].set_visible(False)

# %%
# Broods differ most: it matters where a hen leads her chicks. That places differ beyond their
# height is not certain. What height and years do, as ratios of expected counts:

kappa = table.loc["kappa"].set_index("coefficient")[["q50", "q05", "q95"]].drop("Intercept")
print(np.exp(kappa).round(2).set_axis(["ratio", "lower", "upper"], axis=1).to_string())

# %%
# A hundred metres higher, a tenth of the ticks.
#
# The usual brood, and the mean of broods
# ---------------------------------------
# At a place where none was counted the expected number of ticks, the solid line, is half as much
# again as that of a usual brood at a usual place, the dashed one: broods that have more have many
# more. The band should hold nine of ten chicks of 1996; counts below 10 are whole steps in it.

heights = np.arange(403, 534, 2)
_, ax = plt.subplots(figsize=(7, 4.5), layout="constrained")
draw_counts(ax)
for year, colour in colours.items():
    new = pd.DataFrame({"location": "new", "brood": "new", "height": heights, "year": year})
    new = predictors(new)
    ax.plot(heights, np.log1p(model.predict(new)), color=colour, lw=2)
    ax.plot(heights, np.log1p(model.predict(new, kind="typical")), "--", color=colour)
    if year == 1996:
        low, high = np.log1p(model.predict_interval(new)).T
        ax.fill_between(heights, low, high, color=colour, alpha=0.15, lw=0)

# %%
# The sibling
# -----------
# One chick is caught, its head is clean or not. What of its sibling? `sample_y` draws both, with
# the brood that they share.

pair = predictors(
    pd.DataFrame({"location": "new", "brood": "new", "height": 450, "year": [1996] * 2})
)
first, second = model.sample_y(pair, 20_000)
print("the second has more than 20 ticks with probability")
for condition, chosen in [
    ("whatever the first has", first >= 0),
    ("if the first has none", first == 0),
    ("if the first has more than 20", first > 20),
]:
    print(f"{(second[chosen] > 20).mean():.2f} {condition}")
