"""
Radon: counties with one home and with a hundred
================================================

Radon comes out of the ground, so basements have more of it than the floors above, and places
differ. In some counties of Minnesota a hundred homes were measured, in some a single one. Which
counties have most?
"""

# %%
# Every county by itself
# ----------------------
# The five counties with the highest mean of log radon, and how many homes that is from:

import numpy as np

from skhlm import GroupEffectsDisplay, HLMRegressor, ResponseCurveDisplay, ShrinkageDisplay
from skhlm.datasets import load_radon

X, y = load_radon(return_X_y=True)
minnesota = X["state"] == "MN"
X, y = X.loc[minnesota, ["county", "floor"]], y[minnesota]
log_radon = "log radon (pCi/L)"
print(y.groupby(X["county"]).agg(["mean", "size"]).nlargest(5, "mean").round(2))

# %%
# They are counties with four homes at most: noise ranks first.
#
# Every county together
# ---------------------
# One intercept and one difference between floors for every county, pulled to those of the state.

model = HLMRegressor("county", random_state=0).fit(X, y)
print(f"above the basement: about {1 - np.exp(model.coef_[0]):.0%} less radon")
_ = ShrinkageDisplay.from_estimator(model, outcome=log_radon)

# %%
# Markers have areas in proportion to the number of homes. Small counties move far, large ones
# hardly; differences between floors move further than intercepts, as a county says less about
# them. Where all homes of a county were measured on the same floor there is no estimate without
# pooling, and still one with it.
#
# Who has most, and how sure are we?
# ----------------------------------

effects = GroupEffectsDisplay.from_estimator(model, coefficients="Intercept", outcome=log_radon)

# %%
# Four counties in numbers. The shrinkage factor B says how far a county's intercept is pulled: 0
# leaves it to its own homes, 1 gives it the state's. Murray's one home was measured in the
# basement and says nothing of other floors, so there is no estimate without pooling.

pooling = model.shrinkage_factors().query("coefficient == 'Intercept at the means'")
pooling = pooling.assign(county=pooling["level"].str[0])
columns = ["county", "n", "B", "no_pooling", "partial_pooling"]
chosen = ["LAC QUI PARLE", "MURRAY", "HENNEPIN", "ST LOUIS"]
print(pooling.loc[pooling["county"].isin(chosen), columns].round(2).to_string(index=False))

# %%
# The same counties in pictures: homes measured in the basement (0) or above it (1).

rows = X.drop_duplicates("county").query("county in @chosen")
_ = ResponseCurveDisplay.from_estimator(model, rows, "floor", observed=(X, y), outcome=log_radon)
