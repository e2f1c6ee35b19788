"""What the sampler said of each draw goes through a model file; damage is refused."""

from __future__ import annotations

import io
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest

from skhlm import HLMRegressor, load, save
from skhlm.exceptions import ModelFileError
from skhlm.files.restoration import Contents
from skhlm.files.sampling import read_statistics, written_statistics

OLD = Path(__file__).parents[1] / "data" / "sleepstudy.skhlm"


@pytest.fixture(scope="module")
def model():
    rng = np.random.default_rng(0)
    X = pd.DataFrame({"g": np.repeat(np.arange(6), 10), "x": rng.normal(size=60)})
    y = X["x"] + rng.normal(size=6)[X["g"]] + rng.normal(size=60)
    settings = {"chains": 2, "iter_sampling": 300, "random_state": 0}
    return HLMRegressor("g", family="normal", **settings).fit(X, y)


def through_a_file(model):
    file = io.BytesIO()
    save(model, file)
    return load(io.BytesIO(file.getvalue()))


def test_a_loaded_model_has_what_the_sampler_said(model):
    divergent = model._fit.statistics.divergent.copy()
    divergent[1, [0, 7]] = True
    changed = model.__copy__()
    changed._fit = replace(
        model._fit, statistics=replace(model._fit.statistics, divergent=divergent)
    )
    told, found = vars(changed._fit.statistics), vars(through_a_file(changed)._fit.statistics)
    assert told.keys() == found.keys()
    for name, value in told.items():
        np.testing.assert_array_equal(found[name], value, err_msg=name)


def test_its_report_has_energies(model, tmp_path):
    pytest.importorskip("matplotlib.pyplot")
    through_a_file(model).report(tmp_path / "r.html")
    page = (tmp_path / "r.html").read_text("utf-8")
    assert '<div id="energy"' in page
    assert "the file is of an earlier version" not in page


def test_it_takes_24_bytes_a_draw(model):
    arrays = written_statistics(model._fit.statistics, model._posterior)
    assert sum(array.nbytes for array in arrays.values()) == 24 * model._posterior.n_draws


def test_older_files_and_thinned_models_have_none(model):
    assert load(OLD)._fit.statistics is None
    assert through_a_file(model.compact(100))._fit.statistics is None


def test_numbers_that_no_file_can_hold_are_left_out(model):
    energy = model._fit.statistics.energy.copy()
    energy[0, 0] = np.nan
    statistics = replace(model._fit.statistics, energy=energy)
    assert written_statistics(statistics, model._posterior) == {}
    assert written_statistics(None, model._posterior) == {}


@pytest.mark.parametrize(
    ("name", "change", "said"),
    [
        ("sampler.acceptance", lambda a: a + 1, "out of range"),
        ("sampler.energy", lambda a: a[:, 1:], "shape"),
        ("sampler.steps", lambda a: -a - 1, "out of range"),
        ("sampler.steps", None, "missing"),
    ],
)
def test_damage_is_refused(model, name, change, said):
    arrays = written_statistics(model._fit.statistics, model._posterior)
    array = arrays.pop(name)
    if change is not None:
        arrays[name] = change(array)
    contents = Contents.__new__(Contents)
    contents.arrays = arrays
    told = SimpleNamespace(step_size=np.ones(2), n_runs=1)
    with pytest.raises(ModelFileError, match=said):
        read_statistics(contents, model._posterior, told, 10)
