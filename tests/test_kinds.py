"""Classes of other packages are recognised, and none is imported to ask."""

from __future__ import annotations

import subprocess
import sys

import pytest
from sklearn.compose import ColumnTransformer
from sklearn.pipeline import FeatureUnion, Pipeline

from skhlm.kinds import is_a

PIPELINE = "sklearn.pipeline.Pipeline"


class Own(Pipeline):
    """A class that derives from one of them."""


def test_instances_are_recognised_by_where_their_class_is_public() -> None:
    assert is_a(Pipeline([("a", "passthrough")]), PIPELINE)
    assert is_a(Own([("a", "passthrough")]), PIPELINE)
    assert is_a(ColumnTransformer([]), PIPELINE, "sklearn.compose.ColumnTransformer")
    assert not is_a(FeatureUnion([]), PIPELINE, "sklearn.compose.ColumnTransformer")


def test_no_module_is_needed(monkeypatch: pytest.MonkeyPatch) -> None:
    assert not is_a(1, "nowhere.at_all.Thing")
    monkeypatch.setitem(sys.modules, "nowhere", None)
    assert not is_a(1, "nowhere.Thing")


def test_estimators_come_without_other_estimators() -> None:
    """Which take longer to import than all of ours."""
    told = (
        "import sys; from skhlm import HLMClassifier, HLMRegressor; "
        "print([m for m in ('compose', 'feature_selection', 'linear_model', 'pipeline') "
        "if f'sklearn.{m}' in sys.modules])"
    )
    answer = subprocess.run(
        [sys.executable, "-c", told], capture_output=True, text=True, check=True
    )
    assert answer.stdout.strip() == "[]"
