"""Makes `sleepstudy.skhlm` and what it predicts: `python tests/data/derive.py`.

Later versions must read the file of this one and predict the same. Run it for a new schema only,
and under a new name: the old file stays.
"""

from __future__ import annotations

import json
from pathlib import Path

import skhlm
from skhlm.datasets import load_sleepstudy

HERE = Path(__file__).parent


def predictions(model: skhlm.HLMRegressor) -> dict[str, list]:
    """Predictions for seen subjects, a new one and a missing one."""
    X, _ = load_sleepstudy(return_X_y=True)
    X = X.iloc[::9].reset_index(drop=True).astype({"subject": object})
    X.loc[0, "subject"], X.loc[1, "subject"] = "new", None
    mean, std = model.predict(X, return_std=True)
    return {
        "mean": mean.tolist(),
        "std": std.tolist(),
        "interval": model.predict_interval(X).tolist(),
        "interval of the mean": model.predict_interval(X, kind="mean").tolist(),
        "effects": model.group_effects()["mean"].tolist(),
        "summary": model.summary()["q95"].tolist(),
    }


if __name__ == "__main__":
    X, y = load_sleepstudy(return_X_y=True)
    model = skhlm.HLMRegressor("subject", covariance="full", random_state=0).fit(X, y).compact(40)
    skhlm.save(model, HERE / "sleepstudy.skhlm")
    text = json.dumps(predictions(model), indent=1)
    (HERE / "sleepstudy.json").write_text(f"{text}\n")
