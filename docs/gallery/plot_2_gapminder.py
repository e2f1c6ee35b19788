"""
Gapminder: countries in continents
==================================

Life expectancy in 142 countries, 1952 to 2007. Say that only three of the twelve years had been
recorded in each country: what can be said of the others, and of a country without any record?

.. image:: /docs/demo.png
   :alt: a line from three years; slopes pulled to their continents; a country held out entirely

``python -m skhlm.demo`` draws this picture, which says it all at once. Step by step:

Data: Gapminder.org, CC-BY 4.0.
"""

# %%
# Three years a country
# ---------------------
# Countries are nested in continents: a country is pulled to its continent, and a continent to the
# world.

from skhlm import (
    CoverageDisplay,
    GroupEffectsDisplay,
    HLMRegressor,
    PooledRegressor,
    ResponseCurveDisplay,
    ShrinkageDisplay,
    UnpooledRegressor,
)
from skhlm.datasets import load_gapminder

X, y = load_gapminder(return_X_y=True)
X = X[["continent", "country"]].assign(decades=(X["year"] - 1980) / 10)
few = X.groupby("country").sample(3, random_state=0).index
rest = X.index.difference(few)
life = "life expectancy (years)"

models = {
    "partial pooling": HLMRegressor("continent/country", family="normal", random_state=0),
    "no pooling": UnpooledRegressor("continent/country"),
    "complete pooling": PooledRegressor("continent/country"),
}
for name, model in models.items():
    model.fit(X.loc[few], y[few])
    print(f"{name:17} R² of the other nine years: {model.score(X.loc[rest], y[rest]):.2f}")

# %%
# The pull
# --------
# A row is a country, in blocks by continent. Where three years say little about a trend, it is
# that of the continent, the black line; what is far from it with little to show for it is pulled
# furthest.

model = models["partial pooling"]
_ = ShrinkageDisplay.from_estimator(model, outcome=life)

# %%
# Continents
# ----------
# Five continents, and what they add to the world's intercept and slope. So few say little about
# how much continents differ, which is why the intervals are wide.

_ = GroupEffectsDisplay.from_estimator(model, "continent", outcome=life)

# %%
# Six countries
# -------------
# All twelve years as points, and intervals for single years: the model was shown three of them.
# Straight lines are poor descriptions of wars and epidemics.

names = ["Japan", "Cambodia", "Rwanda", "Botswana", "Norway", "Brazil"]
rows = X[X["country"].isin(names) & (X["decades"] == 2.7)]
_ = ResponseCurveDisplay.from_estimator(
    model, rows, "decades", observed=(X, y), kind="outcome", outcome=life
)

# %%
# Are the intervals right?
# ------------------------
# Of the years that were left out, 90% should lie in their 90% intervals. 94% do, and the narrower
# intervals hold too many: most countries keep closer to a line than normal residuals can say that
# must allow for wars, too. ``family="student_t"``, the default, has heavier tails, and its
# intervals of 30, 50, 70 and 90% hold 30, 49, 67 and 87%; with three rows a country it takes ten
# times as long.

_ = CoverageDisplay.from_estimators(models, X.loc[rest], y[rest])

# %%
# A country without a record
# --------------------------
# It gets its continent's coefficients, and an interval as wide as countries of a continent
# differ.

new = rows.iloc[[0]].assign(continent="Asia", country="Atlantis", decades=2.0)
print(model.predict(new).round(1), model.predict_interval(new).round(1))
