"""
Advertisers: what does more spend bring?
========================================

Campaigns run in countries of regions, for verticals of industries. The more is spent, the more
comes back, but less and less, and not everywhere alike. These campaigns are simulated, so that
every curve can be compared with the truth.
"""

# %%
# Campaigns
# ---------
# Sales grow with the logarithm of spend. The data have spend, in thousands of euros, so taking
# the logarithm is a step of a pipeline; curves are then over spend.

import numpy as np
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer

import skhlm
from skhlm import AllocationDisplay, GroupEffectsDisplay, HLMRegressor, ResponseCurveDisplay
from skhlm.datasets import make_campaigns

simulated, returns, truth = make_campaigns(
    1000, n_predictors=1, n_regions=6, n_countries=12, random_state=28
)
X = simulated.drop(columns="spend_1").assign(spend=np.exp(2 + 0.8 * simulated["spend_1"]))
y = (30 + 5 * returns).rename("sales (kEUR)")


def take_logarithm(X):
    """Spend in thousands of euros -> its logarithm, standardised."""
    return X.assign(spend=(np.log(X["spend"]) - 2) / 0.8)


groups = ["region/country", "industry/vertical"]
pipeline = make_pipeline(
    FunctionTransformer(take_logarithm), HLMRegressor(groups, random_state=0)
).fit(X, y)
model = pipeline[-1]
print(model.diagnostics_.verdict, f"R² {pipeline.score(X, y):.2f}")

# %%
# Spend and sales
# ---------------
# Six campaigns in six countries: expected sales, with the band that holds them with probability
# 0.9, over the central 90% of spends. Points are campaigns in the same country and vertical, the
# diamond is where the campaign is now, the dashed line is the truth.

low, high = X["spend"].quantile([0.05, 0.95])
grid = np.linspace(low, high, 50)
size = X.groupby(["country", "vertical"])["spend"].transform("size")
usual = X.assign(size=size)[X["spend"].between(low, high)]
rows = usual.sort_values("size", ascending=False, kind="stable").drop_duplicates("country")[:6]
rows = rows[X.columns]
display = ResponseCurveDisplay.from_estimator(pipeline, rows, "spend", grid=grid, observed=(X, y))
intercept, slope = truth.beta.loc[rows.index].to_numpy().T[:, :, None]
true_curves = 30 + 5 * (intercept + slope * (np.log(grid) - 2) / 0.8)
for ax, curve in zip(display.axes_, display.panels_, strict=True):
    ax.plot(grid, true_curves[curve], "k--")

# %%
# Marginal returns
# ----------------
# The slope of the curve is what another euro of spend brings in sales. Where the band is above
# the line at 1 it pays for itself, where it is below it does not, and between more data would
# help to decide.

display = ResponseCurveDisplay.from_estimator(
    pipeline, rows, "spend", grid=grid[grid >= 4], slope=True, outcome="sales (kEUR)"
)
true_slopes = 5 * slope / 0.8 / display.grid
for ax, curve in zip(display.axes_, display.panels_, strict=True):
    ax.plot(display.grid, true_slopes[curve], "k--")
    ax.axhline(1, color="black", lw=0.8)

# %%
# As numbers, at a spend of 10:

marginal = skhlm.response_curve(pipeline, rows, "spend", grid=[10], slope=True)
columns = ["country", "vertical", "slope", "slope_lower", "slope_upper"]
print(marginal[columns].round(2).to_string(index=False))

# %%
# Moving the budget
# -----------------
# Which country should have more? Every campaign of a country gets the same, and all of them
# together what they have now. At the best allocation another euro brings the same everywhere;
# until then it is better spent where it brings more. As returns are those of a logarithm, each
# country's amount is in proportion to its slope.

allocation = skhlm.optimize_allocation(pipeline, X, "spend", by="country")
display = AllocationDisplay.from_allocation(allocation, feature="spend (kEUR)")

# %%
# The truth is known here: what this allocation really brings, and what the best one would bring.

true_slope = 5 * truth.beta["spend_1"] / 0.8
by_country = true_slope.groupby(X["country"]).mean()
found = allocation.units.set_index("country")["end"]
best = by_country * X["spend"].sum() / (by_country * X["country"].value_counts()).sum()


def true_gain(amounts):
    """Of all campaigns over what they have now, in kEUR of sales."""
    return float((true_slope * np.log(X["country"].map(amounts) / X["spend"])).sum())


print(f"expected {allocation.gain:.0f} ({allocation.lower:.0f} to {allocation.upper:.0f})")
print(f"in truth {true_gain(found):.0f}, at best {true_gain(best):.0f}")

# %%
# Are the bands right?
# --------------------
# 90% bands of the thousand campaigns should hold about 90% of the true values, those in countries
# and verticals with few campaigns included.

lower, upper = model.predict_interval(take_logarithm(X), kind="mean").T
true = 30 + 5 * (truth.beta["Intercept"] + truth.beta["spend_1"] * simulated["spend_1"])
print(f"{true.between(lower, upper).mean():.0%} of the true values are inside")

# %%
# Countries
# ---------
# What each country adds to its region's intercept and slope; the black crosses are the truth.

display = GroupEffectsDisplay.from_estimator(model, "region/country", outcome="sales (kEUR)")
effects = truth.effects[truth.effects["factor"] == "region/country"]
for ax, (_, true_effects) in zip(display.axes_, effects.groupby("coefficient"), strict=True):
    true_effects = 5 * true_effects.set_index(true_effects["level"].str[-1])["effect"]
    levels = [display.levels[place] for place in display.order_]
    ax.plot(true_effects.reindex(levels), range(len(levels)), "kx")

# %%
# Where to look next
# ------------------
# The same campaign in a country never seen: what is the variance of its predicted sales made of?
# Most is noise, which no data will remove. What countries differ by is next.

budget = model.interval_budget(take_logarithm(rows[:1].assign(country="Atlantis")))
print(budget[["part", "factor", "share"]].round(3).to_string(index=False))
