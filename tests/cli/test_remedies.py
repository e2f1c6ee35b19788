"""Messages of the package in the words of options."""

from __future__ import annotations

import pickle

import pytest

from skhlm.cli.remedies import in_options, told
from skhlm.exceptions import Message


def test_messages_in_the_words_of_options():
    told = in_options(
        "y: column 'n' is 0.5 in row 2: set chains=4 and iter_sampling=2000, or algorithm='nuts'; "
        "raise adapt_delta and sample_weight of 'sample_weight'."
    )
    assert told == (
        "column 'n' is 0.5 in row 2: set --chains 4 and --iter-sampling 2000, or --algorithm nuts; "
        "raise --adapt-delta and --sample-weight of 'sample_weight'."
    )
    missing = "Input y contains NaN. y: column 'n' is nan in row 2: leave it out."
    assert in_options(missing) == "column 'n' is nan in row 2: leave it out."


@pytest.mark.parametrize(
    ("message", "in_words"),
    [
        ("exposure: column 'n' is 0", "--exposure: column 'n' is 0"),
        ("priors['tau']: 'x' is none", "--prior tau: 'x' is none"),
        ("try priors={'tau': Normal(0, 1)}.", "try --prior tau=Normal(0, 1)."),
        (
            "groups=[..., 'row'] and varying={'row': 'intercept'}:",
            "--groups row and --varying row=intercept:",
        ),
        ("as fit_intercept=False. Set fit_intercept=True.", "as --no-intercept. Set the default."),
        ("take it out of `groups`", "take it out of --groups"),
        ("give bounds=(low, high) within which", "give --low and --high within which"),
        (
            "The step GroupMeans, before the model, adds the level means of 'x' as predictors.",
            "What the level means of 'x' as predictors bring: skhlm compare --group-means; the "
            "step GroupMeans in Python adds them.",
        ),
        ("no column 'x' in X. X has 3", "no column 'x' in the table. the table has 3"),
        ("y holds one class", "the target holds one class"),
        ("Let rows have the same: by='country'.", "Let rows have the same: --by country."),
        ("Give an upper bound, such as bounds=(0, high).", "Give an upper bound, such as --high."),
        ("column 'iter_sampling' is 3", "column 'iter_sampling' is 3"),
        ("a model of family='normal'", "a model of --family normal"),
    ],
)
def test_parameters_become_options(message, in_words):
    assert in_options(message) == in_words


def test_a_warning_of_few_draws_names_no_option_that_there_is_not():
    message = Message("They rest on few draws.", python="Take predict(kind='typical').")
    assert told(UserWarning(message)) == "They rest on few draws."


def test_a_remedy_for_python_is_not_told():
    """It is data of the message, also after it went from one process to another."""
    error = ValueError(Message("No price.", python="Use `SimpleImputer`.", elsewhere="Fill it in."))
    for one in (error, pickle.loads(pickle.dumps(error))):
        assert str(one) == "No price. Use `SimpleImputer`."
        assert told(one) == "No price. Fill it in."
    assert told(Message("a", python=", b.", elsewhere=".")) == "a."
    assert told(ValueError("y holds 3")) == "the target holds 3"
    assert told(ValueError()) == ""
