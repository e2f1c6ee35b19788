"""
Airfares: a busy route, and a busy year
=======================================

Where many fly, fares are low; or are they? A route that is busier than others is one thing, a year
that was busier than the route's others another. Two slopes, and a model of routes that has one
coefficient for both is wrong where it hurts most: on routes that it has never seen.
"""

# %%
# Routes and years
# ----------------
# 1,149 routes within the United States, in each of four years. On the left a point is a route: its
# passengers and its fare, averaged over the years. On the right it is a year of a route, and how
# far it was above or below the route's own average.

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from sklearn.metrics import root_mean_squared_error
from sklearn.model_selection import GroupShuffleSplit, ShuffleSplit
from sklearn.pipeline import make_pipeline

from skhlm import GroupMeans, HLMRegressor, PooledRegressor, ResponseCurveDisplay
from skhlm.datasets import load_airfare

table, fare = load_airfare(return_X_y=True)
X = pd.DataFrame(
    {
        "route": table["route"],
        "year": table["year"] - 1997,
        "log_distance": np.log(table["distance"]),
        "log_passengers": np.log(table["passengers"]),
        "largest_share": table["largest_share"],
    }
)
y = np.log(fare).rename("log_fare")


def draw_slope(ax, x, y, x_label, y_label):
    """Points, and the line of least squares through them."""
    ax.plot(x, y, ".", ms=3, alpha=0.3, color="#0072b2")
    slope, intercept = np.polyfit(x, y, 1)
    ends = np.array([x.min(), x.max()])
    ax.plot(ends, intercept + slope * ends, color="#d55e00", lw=2, label=f"slope {slope:.2f}")
    ax.set(xlabel=x_label, ylabel=y_label)
    ax.legend(frameon=False)
    ax.spines[["top", "right"]].set_visible(False)


pair = pd.DataFrame({"passengers": X["log_passengers"], "fare": y})
of_route = pair.groupby(X["route"]).transform("mean")
_, axes = plt.subplots(1, 2, figsize=(9, 4), layout="constrained")
means = of_route[X["year"] == 0]
draw_slope(axes[0], *means.to_numpy().T, "log passengers of a route", "log fare of a route")
draw_slope(axes[1], *(pair - of_route).to_numpy().T, "log passengers, above average", "log fare")

# %%
# One slope for both
# ------------------
# Distance, the share of the largest airline and the year are predictors as well; every route has an
# intercept of its own.

model = HLMRegressor("route", family="normal", varying="intercept", random_state=0).fit(X, y)
kappa = model.summary().query("parameter == 'kappa'").set_index("coefficient")
print(kappa[["mean", "q05", "q95"]].round(2).to_string())

# %%
# The coefficient of passengers is neither of the two slopes. It is nearer to the one within, as the
# intercepts take up most of what routes differ by; and its interval is that of a model in which
# there is but one.
#
# Two slopes in one model
# -----------------------
# `GroupMeans` adds the means of a route's predictors. Their coefficients say how much steeper the
# slope between routes is than that within.

means = GroupMeans("route", ["log_passengers", "largest_share"])
both = make_pipeline(means, model)
both.fit(X, y)
summary = both[-1].summary().query("parameter == 'kappa'").set_index("coefficient")
print(summary[["mean", "q05", "q95"]].round(2).to_string())

# %%
# In a year with a tenth more passengers than is usual on a route its fare is 3.5% lower. Between
# routes of a length fares hardly depend on how many fly: the 0.30 of the mean takes back most of
# the -0.37. The share of the largest airline goes with higher fares within routes, and more so
# between them.
#
# Routes that nobody has seen
# ---------------------------
# A quarter of the routes is held out: root mean squared errors of log fares. Then a quarter of all
# rows, so that routes are known from other years.

models = {"pooled": PooledRegressor("route"), "varying intercept": model, "with means": both}
splits = {
    "new routes": GroupShuffleSplit(1, test_size=0.25, random_state=0).split(X, y, X["route"]),
    "known routes": ShuffleSplit(1, test_size=0.25, random_state=0).split(X),
}
errors = pd.DataFrame(index=list(models), columns=list(splits), dtype=float)
for of, split in splits.items():
    train, test = next(split)
    for name, each in models.items():
        predicted = each.fit(X.iloc[train], y.iloc[train]).predict(X.iloc[test])
        errors.loc[name, of] = root_mean_squared_error(y.iloc[test], predicted)
print(errors.round(3).to_string())

# %%
# On new routes the hierarchical model loses to least squares without any groups: it applies a slope
# that is mostly that of years to routes. With means it is as good as least squares, and its
# intervals know that rows of a route go together. On known routes both hierarchical models are far
# ahead, and the means make no difference: what they say of a route its own years say better.
#
# What if a route became busier?
# ------------------------------
# A curve of the pipeline moves the passengers and holds the route's mean, so it has the slope
# within. Three routes that differ in how many fly:

of_1997 = X[X["year"] == 0].sort_values("log_passengers")
rows = of_1997.iloc[[100, 574, 1048]]
_ = both.fit(X, y)
grid = np.linspace(4.5, 8, 30)
_ = ResponseCurveDisplay.from_estimator(
    both, rows, "log_passengers", grid=grid, observed=(X, y), outcome="log fare (log $)"
)

# %%
# What a busier year does is seen well; that it is the passengers who do it is not said: cheap years
# draw passengers, too.
