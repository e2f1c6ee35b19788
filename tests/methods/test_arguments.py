"""What is said of an argument names the class of the model, and scikit-learn's switch is heard."""

from __future__ import annotations

import pytest
from sklearn import config_context
from sklearn.exceptions import NotFittedError

from skhlm import (
    HLMClassifier,
    HLMRegressor,
    PooledClassifier,
    PooledRegressor,
    UnpooledClassifier,
    UnpooledRegressor,
)


class Renamed(HLMRegressor):
    """A model of another name."""


@pytest.mark.parametrize("kind", [HLMRegressor, Renamed, PooledRegressor, UnpooledRegressor])
@pytest.mark.parametrize(
    ("arguments", "wrong"), [({"coverage": 2}, "coverage"), ({"kind": "both"}, "kind")]
)
def test_errors_name_the_class_and_the_method(kind, arguments, wrong):
    said = f"^The '{wrong}' parameter of {kind.__name__}.predict_interval must be"
    with pytest.raises(ValueError, match=said):
        kind().predict_interval([[0.0]], **arguments)


@pytest.mark.parametrize("kind", [HLMClassifier, Renamed, PooledClassifier, UnpooledClassifier])
def test_wrong_keywords_name_the_class_that_was_called(kind):
    said = rf"^{kind.__name__}\.__init__\(\) got an unexpected keyword argument 'alpha'"
    with pytest.raises(TypeError, match=said):
        kind(alpha=1)
    said = rf"^{kind.__name__}\.__init__\(\) takes from 1 to 2 positional arguments but 3 were"
    with pytest.raises(TypeError, match=said):
        kind("g", 1)
    assert kind("g").get_params()["groups"] == "g"


@pytest.mark.parametrize("kind", [HLMClassifier, PooledClassifier])
def test_who_asks_labels_for_log_odds_is_told_where_they_are(kind):
    said = rf"^{kind.__name__}\.predict\(\) got an unexpected .* 'kind'.*log odds decision_function"
    with pytest.raises(TypeError, match=said):
        kind().predict([[0.0]], kind="link")
    said = r"^Renamed\.prior_predictive\(\) got an unexpected keyword argument 'sample_weight'\.$"
    with pytest.raises(TypeError, match=said):
        Renamed().prior_predictive([[0.0]], sample_weight=[1])


def test_every_mixin_names_the_class():
    for method in ("bayes_r2", "group_effects", "shrinkage_factors"):
        with pytest.raises(ValueError, match=f"'coverage' parameter of Renamed.{method} must be"):
            getattr(Renamed(), method)(coverage=0)
    with pytest.raises(ValueError, match=r"'max_draws' parameter of Renamed\.compact must be"):
        Renamed().compact(0)


def test_defaults_and_positions_are_checked_alike():
    with pytest.raises(ValueError, match=r"'kind' parameter of HLMRegressor\.sample_y"):
        HLMRegressor().sample_y([[0.0]], 1, 0, "both")
    with pytest.raises(TypeError, match="missing a required argument: 'X'"):
        HLMRegressor().sample_y()


def test_checks_are_left_out_where_scikit_learn_is_told_to():
    with config_context(skip_parameter_validation=True), pytest.raises(NotFittedError):
        HLMRegressor().predict_interval([[0.0]], coverage=2)


def test_a_method_keeps_its_name_and_documentation():
    assert HLMRegressor.predict_interval.__name__ == "predict_interval"
    assert HLMRegressor.predict_interval.__doc__.startswith("Central credible interval")
