"""What must work under every Python and all dependencies: fits, files, the report, the commands.

python smoke.py write DIRECTORY    # fits, and keeps models and what they predict
python smoke.py read DIRECTORY     # models that other environments kept predict here the same
"""

from __future__ import annotations

import json
import subprocess
import sys
import warnings
from pathlib import Path

import numpy as np
import pandas as pd
from sklearn.exceptions import ConvergenceWarning
from sklearn.model_selection import cross_val_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer

import skhlm
from skhlm.datasets import load_sleepstudy

DRAWS = {"chains": 2, "iter_sampling": 100, "random_state": 0}
MODELS = {
    "normal": {"family": "normal", "covariance": "full", **DRAWS},
    "student": {"family": "student_t", **DRAWS},
    "normal-map": {"family": "normal", "algorithm": "map", **DRAWS},
    "student-map": {"family": "student_t", "algorithm": "map", **DRAWS},
}
COMMANDS = [
    "fit data.csv --target y --groups subject --algorithm map --family normal -o command.skhlm",
    "predict command.skhlm data.csv -o predictions.csv",
    "score command.skhlm data.csv --target y -o scores.csv",
    "report command.skhlm --data data.csv --target y -o command.html",
]


def rows() -> tuple[pd.DataFrame, pd.Series]:
    """A nested hierarchy of texts, and crossed columns of dates, integers and booleans."""
    X, y = load_sleepstudy(return_X_y=True)
    number = np.arange(len(X))
    return X.assign(
        half=pd.Categorical(np.where(number % 20 < 10, "first", "second")),
        month=pd.to_datetime("2024-01-01") + pd.to_timedelta(31 * (number % 4), unit="D"),
        site=number % 3,
        night=number % 2 == 0,
    ), y


def new_rows() -> pd.DataFrame:
    """Rows of seen, new and missing levels."""
    X = rows()[0].iloc[::7].reset_index(drop=True).astype({"subject": object, "site": object})
    X.loc[0, "subject"], X.loc[1, "subject"], X.loc[2, "site"] = "new", None, 7
    return X


def predictions(model: skhlm.HLMRegressor) -> dict[str, list]:
    """What a model says, as numbers."""
    X = new_rows()
    mean, std = model.predict(X, return_std=True)
    return {
        "mean": mean.tolist(),
        "std": std.tolist(),
        "quantiles": model.predict_quantiles(X, [0.1, 0.5, 0.9]).tolist(),
        "effects": model.group_effects()["mean"].tolist(),
        "shrinkage": model.shrinkage_factors().select_dtypes("number").to_numpy().tolist(),
        "summary": model.summary()["mean"].tolist(),
        "curve": model.response_curve(X.head(3), feature="days")["mean"].tolist(),
        "slopes": skhlm.average_slope(model, X, "days", by="half")["slope"].tolist(),
        "parts": skhlm.contributions(model, X[:3])["mean"].tolist(),
    }


def write(directory: Path) -> None:
    """Fit, and keep each model and what it predicts."""
    X, y = rows()
    groups = ["half/subject", "month", "site", "night"]
    for name, parameters in MODELS.items():
        model = skhlm.HLMRegressor(groups, **parameters).fit(X, y)
        skhlm.save(model, directory / f"{name}.skhlm")
        text = json.dumps(predictions(model))
        (directory / f"{name}.json").write_text(text)
        assert json.dumps(predictions(skhlm.load(directory / f"{name}.skhlm"))) == text
    model.report(directory / "report.html")
    assert skhlm.optimize_allocation(model, X, "days", by="subject", bounds=(1, 8)).gain > 0
    classifier = skhlm.HLMClassifier(groups, algorithm="laplace", random_state=0).fit(X, y > 300)
    assert np.isfinite(classifier.predict_log_proba(new_rows())).all()
    pipeline = make_pipeline(FunctionTransformer(), skhlm.HLMRegressor("subject", algorithm="map"))
    assert cross_val_score(pipeline, X[["subject", "days"]], y, cv=2, n_jobs=2).mean() > -1
    command_line(X, y, directory)


def command_line(X: pd.DataFrame, y: pd.Series, directory: Path) -> None:
    """Fit, predict and report by the commands, from a CSV file."""

    X[["subject", "days"]].assign(y=y).to_csv(directory / "data.csv", index=False)
    for line in COMMANDS:
        command = [sys.executable, "-m", "skhlm.cli", *line.split()]
        answer = subprocess.run(command, cwd=directory, capture_output=True, text=True, check=False)
        if answer.returncode:
            sys.exit(f"skhlm {line}: {answer.stderr}")
    found = pd.read_csv(directory / "predictions.csv")
    assert len(found) == len(X)
    assert np.isfinite(found.select_dtypes("number")).all().all()


def read(directory: Path) -> None:
    """Every model that is kept below the directory predicts what it did where it was fitted."""
    for path in sorted(directory.glob("*/*.json")):
        expected = json.loads(path.read_text())
        found = predictions(skhlm.load(path.with_suffix(".skhlm")))
        assert found.keys() == expected.keys()
        for name, values in expected.items():
            label = f"{name} of {path.relative_to(directory)}"
            np.testing.assert_allclose(found[name], values, rtol=1e-12, atol=1e-12, err_msg=label)


if __name__ == "__main__":
    warnings.simplefilter("ignore", ConvergenceWarning)  # these are few draws
    {"write": write, "read": read}[sys.argv[1]](Path(sys.argv[2]))
