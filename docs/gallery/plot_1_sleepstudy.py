"""
Sleep: a line for everybody
===========================

Eighteen people slept three hours a night; their reaction time was measured every day. People
differ, in how fast they are when rested and in what a night costs them. How much should one
believe ten measurements of one person?
"""

# %%
# Fit
# ---
# The column that holds the groups stays in X. Everybody gets an intercept and a slope.

from skhlm import (
    HLMRegressor,
    PosteriorPredictiveDisplay,
    ResponseCurveDisplay,
    ShrinkageDisplay,
    TraceDisplay,
)
from skhlm.datasets import load_sleepstudy

X, y = load_sleepstudy(return_X_y=True)
model = HLMRegressor("subject", random_state=0).fit(X, y)
reaction = "reaction time (ms)"
print(model.diagnostics_.verdict)

# %%
# A line for each
# ---------------
# Each panel is a person, twelve of the eighteen: points are measurements, the line is the
# expected reaction time, the band holds it with probability 0.9. In grey, everybody else. Subject
# 332's reaction on day 6 is far from all others, and the line does not follow it: residuals are
# Student-t by default.

_ = ResponseCurveDisplay.from_estimator(model, feature="days", observed=(X, y), outcome=reaction)

# %%
# Pulled to the common line
# -------------------------
# Open markers are the lines that each person's own ten rows give, by least squares; filled ones
# are the model's. The black line is what is common to all. Ten rows say a good deal, so most are
# pulled a little. The slopes of 352 and 332 move most: single measurements had turned their
# least-squares lines.

_ = ShrinkageDisplay.from_estimator(model, outcome=reaction)

# %%
# Does the model make data like these?
# ------------------------------------
# Each thin line is the distribution of one set of 180 reaction times that the model thinks
# possible.

_ = PosteriorPredictiveDisplay.from_estimator(model, outcome=reaction)

# %%
# Did the sampler work?
# ---------------------
# The verdict above says so. The picture behind it: where all chains explore the same
# distribution, the ranks of their draws are level.

_ = TraceDisplay.from_estimator(model, ["sigma", "kappa[days]", "tau[subject, days]"])
