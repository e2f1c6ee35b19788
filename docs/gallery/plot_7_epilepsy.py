"""
Seizures of 59 patients: does the drug help?
============================================

A trial of progabide against epilepsy: half of the patients had the drug, half a placebo, and each
counted seizures for four periods of two weeks. Published by Thall and Vail in 1990, and since then
the textbook's case of counts of which a patient's vary more than chance would have them.
"""

# %%
# What was counted
# ----------------
# 236 counts, four of each patient. Patients differ enormously, and did so before the trial.

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd

import skhlm
from skhlm.datasets import load_epilepsy

X, y = load_epilepsy(return_X_y=True)
_, ax = plt.subplots(figsize=(7, 4), layout="constrained")
for treated, colour, name in ((0, "#767676", "placebo"), (1, "#0072b2", "progabide")):
    of_arm = X["progabide"] == treated
    for _, rows in X[of_arm].groupby("patient"):
        ax.plot(rows["visit"], np.log1p(y[rows.index]), color=colour, lw=0.7, alpha=0.6)
    ax.plot([], [], color=colour, label=name)
ticks = [0, 1, 3, 10, 30, 100]
ax.set_yticks(np.log1p(ticks), labels=ticks)
ax.set(xlabel="visit", ylabel="seizures in two weeks", xticks=[1, 2, 3, 4])
ax.spines[["top", "right"]].set_visible(False)
_ = ax.legend(frameon=False)

# %%
# What was counted before goes in as the logarithm of seizures in two weeks, less that of a usual
# patient; the last visit may differ; and the drug may do more to patients who had more.


def predictors(X):
    """Baseline and age about those of a usual patient, the drug, and both together."""
    baseline = np.log(X["baseline"] / 4) - 1.75
    return pd.DataFrame(
        {
            "patient": X["patient"],
            "baseline": baseline,
            "age": (X["age"] - 28) / 10,
            "last visit": (X["visit"] == 4).astype(int),
            "progabide": X["progabide"],
            "progabide x baseline": X["progabide"] * baseline,
        }
    )


# %%
# A patient's counts are no Poisson counts
# ----------------------------------------
# The usual first model: every patient has a rate, and a patient's four counts differ from it by
# chance. If so, randomized quantile residuals are normal.

poisson = skhlm.HLMRegressor("patient", family="poisson", varying="intercept", random_state=0)
poisson.fit(predictors(X), y)
_ = skhlm.ResidualsDisplay.from_estimator(poisson)

# %%
# In the middle the line ends above the dashed one: of patients with many seizures, counts are
# further from their rate than chance has it. On the right the low counts leave the band, and so
# does one that is far too high. The check of the fit says so as well:

found = poisson.diagnose().set_index("check")
print(found.loc[found["verdict"].isin(["warn", "fail"]), ["verdict", "value"]].round(2))

# %%
# The negative binomial family lets the rate of a patient vary from one period to the next.

model = skhlm.HLMRegressor(
    "patient", family="negative_binomial", varying="intercept", random_state=0
).fit(predictors(X), y)
_ = skhlm.ResidualsDisplay.from_estimator(model)

# %%
# No count is too far out any more. Most are even nearer than they should be, as the rate of each
# patient follows its own four counts. What was not seen could not be followed: where does each
# count lie in what the model expects from all others? Within the band, all along:

_ = skhlm.LooPitDisplay.from_estimator(model)

# %%
# Does the drug help?
# -------------------
# As ratios of seizure rates, with the model that is too sure above the one that is not.

for name, fitted in (("Poisson", poisson), ("negative binomial", model)):
    display = skhlm.CoefficientsDisplay.from_estimator(fitted, ratio=True)
    _ = display.ax_.set_title(name)

# %%
# A usual patient had some seven tenths of the seizures with progabide, between half of them and
# nine tenths. The last line says that it may do less for patients who had more before: there, and
# so for whom the drug is good, 59 patients do not settle it. Where the models differ is the last
# visit: the Poisson model is sure that it is better, the other one, which knows how much periods
# of one patient differ, is not.

table = model.summary().set_index(["parameter", "coefficient"])
ratio = np.exp(table.loc[("kappa", "progabide"), ["q05", "q50", "q95"]].astype(float))
print(ratio.round(1).to_string())

# %%
# For the population, and for a patient
# -------------------------------------
# The curve of a patient whose own effect is zero, with the uncertainty of the coefficients alone,
# and partial residuals of all counts about it:

_ = skhlm.ResponseCurveDisplay.from_estimator(
    model,
    feature="baseline",
    population=True,
    kind="link",
    observed=(predictors(X), y),
    partial_residuals=True,
)

# %%
# The band is narrow, as many patients tell where the curve is. A new patient's two weeks are
# another matter:

new = predictors(X[X["visit"] == 1].head(1)).assign(patient="new", baseline=0.0)
for treated in (0, 1):
    low, high = model.predict_interval(new.assign(progabide=treated))[0]
    print(f"progabide {treated}: between {low:.0f} and {high:.0f} seizures, in nine of ten cases")
