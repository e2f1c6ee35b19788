"""
Who would curse, and who only wants to?
=======================================

The bus does not stop for you. Would you want to curse, to scold, to shout? And would you do it?
316 people answered 24 such questions, each with yes or no: people and questions are crossed, and
nobody's 24 answers say much alone.
"""

# %%
# What people say
# ---------------
# Shares of yes. Two of the four situations are somebody else's fault, two one's own.

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from sklearn.calibration import CalibrationDisplay
from sklearn.metrics import brier_score_loss, log_loss
from sklearn.model_selection import train_test_split

from skhlm import HLMClassifier
from skhlm.datasets import load_aggression

X, y = load_aggression(return_X_y=True)
X_train, X_test, y_train, y_test = train_test_split(X, y, test_size=0.2, random_state=0)
behaviour = np.select([X["scold"] == 1, X["shout"] == 1], ["scold", "shout"], "curse")
fault = np.where(X["self_to_blame"] == 1, "one's own fault", "another's fault")
mode = np.where(X["do"] == 1, "would do it", "would want to")
print((y == "yes").groupby([fault, behaviour, mode]).mean().unstack().round(2).to_string())

# %%
# People want to more than they would do, cursing most and shouting least; and the wider the gap
# the louder it is.
#
# One model for all
# -----------------
# Log odds of yes, from what the question and the person are known for, with an intercept for each
# person and each question, and for each person a way of their own from wanting to doing. A fifth
# of the answers are held out.

model = HLMClassifier(
    ["person", "item"],
    varying={"person": ["Intercept", "do"], "item": "intercept"},
    iter_sampling=500,
    random_state=0,
).fit(X_train, y_train)
print(model.diagnostics_.verdict)

# %%
# Exponentials of coefficients are odds ratios: what multiplies the odds of yes, at equal person
# and question. Trait anger is that of ten points more on a scale from 11 to 39.

summary = model.summary()
kappa = summary[(summary["parameter"] == "kappa") & (summary["coefficient"] != "Intercept")]
kappa = kappa.set_index("coefficient")[["q05", "q50", "q95"]]
kappa.loc["anger"] *= 10
words = {
    "anger": "ten points of anger",
    "male": "a man, not a woman",
    "do": "do, not want to",
    "self_to_blame": "own fault",
    "scold": "scold, not curse",
    "shout": "shout, not curse",
}
low, middle, high = np.exp(kappa.loc[list(words)].to_numpy().T)
_, ax = plt.subplots(figsize=(6.5, 3), layout="constrained")
ax.errorbar(middle, list(words.values()), xerr=[middle - low, high - middle], fmt="o", lw=2)
ax.axvline(1, color="grey", lw=0.8)
ax.set_xscale("log")
ax.set_xticks([0.1, 0.2, 0.5, 1, 2, 4], labels=["1/10", "1/5", "1/2", "1", "2", "4"])
ax.minorticks_off()
ax.set(xlabel="odds ratio, with its 90% interval")
ax.invert_yaxis()
ax.spines[["top", "right"]].set_visible(False)

# %%
# Wanting and doing, person by person
# -----------------------------------
# The probability that a person would want to curse at another's fault, and that they would do it.
# Below the diagonal people want to more than they would.

people = X.drop_duplicates("person").assign(item="another such", self_to_blame=0, scold=0, shout=0)
wants, does = (model.predict_proba(people.assign(do=do))[:, 1] for do in (0, 1))
_, ax = plt.subplots(figsize=(5, 5), layout="constrained")
for male, label, colour in [(0, "women", "#d55e00"), (1, "men", "#0072b2")]:
    chosen = people["male"].to_numpy() == male
    ax.plot(wants[chosen], does[chosen], "o", ms=5, alpha=0.6, color=colour, label=label)
ax.axline((0, 0), slope=1, color="grey", lw=0.8)
ax.set(xlim=(0, 1), ylim=(0, 1), xlabel="would want to curse", ylabel="would curse")
ax.set_aspect("equal")
ax.legend(frameon=False)
ax.spines[["top", "right"]].set_visible(False)

# %%
# The widest gaps: people who want to and would not, and a few who would more than they want to.

gap = pd.DataFrame({"person": people["person"], "wants": wants, "does": does})
gap["difference"] = gap["wants"] - gap["does"]
gap = gap.sort_values("difference", ascending=False)
print(pd.concat([gap.head(3), gap.tail(3)]).round(2).to_string(index=False))

# %%
# Somebody new
# ------------
# A person of whom nothing is known but that she is a woman of average anger, and a question never
# asked. `predict_proba` averages over what both may be; the interval says that people differ.

new = people[:1].assign(person="somebody", anger=20, male=0)
new = pd.concat([new.assign(do=do) for do in (0, 1)])
for what, p, (lower, upper) in zip(
    ("want to", "do it"), model.predict_proba(new)[:, 1], model.predict_interval(new), strict=True
):
    print(f"would {what:8}{p:.2f}, between {lower:.2f} and {upper:.2f}")

# %%
# Is it right?
# ------------
# Of the answers that were held out, of those predicted to be yes with a probability of 0.7, seven
# of ten should be. And the probabilities should be sharper than a question's share of yes is.

p = model.predict_proba(X_test)[:, 1]
share = (y_train == "yes").groupby(X_train["item"]).mean()
by_item = X_test["item"].map(share)
_, ax = plt.subplots(figsize=(5, 5), layout="constrained")
CalibrationDisplay.from_predictions(y_test == "yes", p, n_bins=10, strategy="quantile", ax=ax)
ax.set(xlabel="predicted probability of yes", ylabel="share of yes")
for name, probability in [("question's share", by_item), ("model", p)]:
    brier = brier_score_loss(y_test == "yes", probability)
    print(f"{name:17} Brier {brier:.3f}, log loss {log_loss(y_test == 'yes', probability):.3f}")
