"""The command line, driven by cmdstanpy, on a model whose posterior is known in closed form.

Given the data, mu[1] is normal with precision 1/100 + N/sigma^2, mu[2] has its prior normal(1, 1)
and scale is exponential with mean 1/2, all independent (tests/stan/conjugate.stan).
"""

from __future__ import annotations

import json
import logging
import os
import re
import resource
import shutil
import signal
import subprocess
import sys
import time
import zlib
from pathlib import Path

import numpy as np
import pytest
from cmdstanpy import CmdStanModel
from scipy import stats

from tests.chance import RATE, SHIFT, assert_near

USAGE, BAD_INPUT, NUMERICAL = 64, 65, 70
CANNOT_CREATE, CANNOT_WRITE, ABANDONED = 73, 74, 75
PATIENCE = 30.0  # seconds a loaded machine may take to notice

Y = np.random.default_rng(1).normal(3, 2, 50)
DATA = {
    **{"N": Y.size, "K": 2, "with_scale": 1, "y": Y.tolist(), "sigma": 2.0},
    **{"prior_mean": [0.0, 1.0], "prior_sd": [10.0, 1.0]},
}
NOTHING = {"K": 0, "with_scale": 0, "prior_mean": [], "prior_sd": []}
PRECISION = 1 / 100 + Y.size / 4
MEAN = np.array([Y.sum() / 4 / PRECISION, 1.0, 0.5])
SD = np.array([PRECISION**-0.5, 1.0, 0.5])
MODE = MEAN  # of the density in log(scale): scale exp(-2 scale) peaks at 1/2
STILL = {"adapt_engaged": False, "step_size": 1e-9, "iter_warmup": 0, "iter_sampling": 1}
ENDLESS = {
    "warm-up": ["sample", "num_warmup=2000000000", "num_chains=2"],
    "draws": [
        *("sample", "num_warmup=0", "num_samples=2000000000"),
        *("max_depth=12", "stepsize=1e-9", "adapt", "engaged=0"),
    ],
    "variational": ["variational", "grad_samples=2000000000"],
    "pathfinder": ["pathfinder", "psis_resample=0", "num_paths=1000000", "num_draws=1"],
}


@pytest.fixture(scope="module", autouse=True)
def quiet():
    """cmdstanpy logs every run."""
    logger = logging.getLogger("cmdstanpy")
    level = logger.level
    logger.setLevel(logging.CRITICAL)
    yield
    logger.setLevel(level)


@pytest.fixture(scope="module")
def exe(build_program) -> Path:
    """The program."""
    return build_program("conjugate")


@pytest.fixture(scope="module")
def model(exe) -> CmdStanModel:
    """cmdstanpy's view of the program."""
    return CmdStanModel(exe_file=exe)


@pytest.fixture(scope="module")
def fit(model):
    """Draws that several tests look at."""
    return sample(model)


@pytest.fixture
def data_file(tmp_path) -> Path:
    """The data as a file."""
    path = tmp_path / "data.json"
    path.write_text(json.dumps(DATA))
    return path


def sample(model, data=DATA, **settings):
    """Four chains of 1000 draws to 17 digits, unless said otherwise."""
    settings = {"seed": 7 + SHIFT, "sig_figs": 17, "show_progress": False} | settings
    return model.sample(data, **settings)


def parameters(fit) -> np.ndarray:
    """(draws, 3): mu[1], mu[2], scale."""
    return np.column_stack([fit.stan_variable("mu"), fit.stan_variable("scale")])


def log_density(mu: np.ndarray, scale: np.ndarray) -> np.ndarray:
    """Of (draws, 2) and (draws,), in mu and log(scale), up to a constant."""
    prior = -np.square((mu - [0, 1]) / [10, 1]).sum(axis=1) / 2 - 2 * scale + np.log(scale)
    return prior - np.square((Y - mu[:, :1]) / 2).sum(axis=1) / 2


def assert_posterior(draws: np.ndarray, n_batches: int = 50) -> None:
    """Means and variances of (draws, 3), whose errors are from the means of batches."""
    bound = stats.t.isf(RATE / 12, n_batches - 1)  # six numbers, on either side
    for moment, truth in ((draws, MEAN), ((draws - MEAN) ** 2, SD**2)):
        batches = moment.reshape(n_batches, -1, 3).mean(axis=1)
        error = batches.std(axis=0, ddof=1) / n_batches**0.5
        assert np.all(np.abs(batches.mean(axis=0) - truth) < bound * error)


def run(exe, *words, **options) -> subprocess.CompletedProcess[str]:
    """The program on its own."""
    command = [str(exe), *map(str, words)]
    return subprocess.run(command, check=False, capture_output=True, text=True, **options)


def assert_fails(result, code: int, *causes: str) -> None:
    """This exit code, and one line on standard error that names the causes."""
    assert result.returncode == code, result.stderr
    assert re.fullmatch(r"Error: .*\n", result.stderr)
    for cause in causes:
        assert cause in result.stderr


class TestSample:
    def test_draws_follow_the_posterior(self, fit):
        assert_posterior(parameters(fit))

    def test_all_chains_run_in_one_process(self, fit):
        assert fit.chains == 4
        assert fit.runset.num_procs == 1

    def test_sampler_columns(self, fit):
        diagnostics = fit.method_variables()
        assert list(diagnostics) == [
            *("lp__", "accept_stat__", "stepsize__", "treedepth__"),
            *("n_leapfrog__", "divergent__", "energy__"),
        ]
        assert diagnostics["accept_stat__"].mean() == pytest.approx(0.8, abs=0.15)
        assert np.all(diagnostics["n_leapfrog__"] < 2.0 ** (diagnostics["treedepth__"] + 1))
        assert not diagnostics["divergent__"].any()
        np.testing.assert_allclose(diagnostics["stepsize__"][0], fit.step_size, rtol=1e-5)

    def test_log_density_of_the_draws(self, fit):
        mu, scale = fit.stan_variable("mu"), fit.stan_variable("scale")[:, 0]
        lp = fit.method_variables()["lp__"].ravel(order="F")
        np.testing.assert_allclose(lp, log_density(mu, scale), rtol=1e-13)

    def test_generated_quantities(self, fit):
        total = parameters(fit).sum(axis=1)
        np.testing.assert_allclose(fit.stan_variable("total"), total, rtol=1e-13)
        assert np.unique(fit.stan_variable("noise")).size == 4000

    def test_learned_metric_is_the_posterior_variance(self, fit):
        np.testing.assert_allclose(fit.inv_metric[:, 0], SD[0] ** 2, rtol=0.5)

    def test_configuration_in_the_file(self, fit):
        config = fit.metadata.cmdstan_config
        assert config["model"] == "conjugate_model"
        assert (config["method"], config["algorithm"]) == ("sample", "hmc")
        assert (config["num_samples"], config["num_warmup"]) == (1000, 1000)
        assert (config["seed"], config["delta"], config["max_depth"]) == (7 + SHIFT, 0.8, 10)
        assert config["stanc_version"].startswith("stanc3")

    def test_times(self, fit):
        for chain in fit.time:
            assert chain["warmup"] + chain["sampling"] == pytest.approx(chain["total"])

    @pytest.mark.parametrize("parallel_chains", [1, 2, 4])
    def test_threads_do_not_change_the_draws(self, model, fit, parallel_chains):
        again = sample(model, parallel_chains=parallel_chains)
        np.testing.assert_array_equal(again.draws(), fit.draws())

    def test_a_chain_does_not_depend_on_the_others(self, model, fit):
        third = sample(model, chains=1, chain_ids=3)
        np.testing.assert_array_equal(third.draws()[:, 0], fit.draws()[:, 2])

    def test_a_process_for_each_chain_draws_the_same(self, model, fit):
        apart = sample(model, force_one_process_per_chain=True)
        assert apart.runset.num_procs == 4
        np.testing.assert_array_equal(apart.draws(), fit.draws())

    def test_digits(self, model, fit):
        rough = sample(model, sig_figs=4)
        np.testing.assert_allclose(rough.draws(), fit.draws(), rtol=5.1e-4)
        for cell in Path(rough.runset.csv_files[0]).read_text().splitlines()[-7].split(","):
            assert len(re.sub(r"e.*|\D", "", cell).lstrip("0")) <= 4

    def test_treedepth_is_bounded(self, model):
        fit = sample(model, max_treedepth=2, step_size=1e-3, adapt_engaged=False)
        assert np.all(fit.method_variables()["treedepth__"] == 2)

    def test_progress(self, fit):
        console = Path(fit.runset.stdout_files[0]).read_text()
        for chain in range(1, 5):
            assert f"Chain [{chain}] Iteration: 2000 / 2000 [100%]  (Sampling)" in console


class TestStart:
    def test_a_start_for_each_chain(self, model):
        inits = [{"mu": [c, -c], "scale": [c + 0.5]} for c in range(4)]
        draws = sample(model, inits=inits, **STILL).draws()[0, :, 7:10]
        np.testing.assert_allclose(draws, [[c, -c, c + 0.5] for c in range(4)], atol=1e-5)

    def test_one_start_for_all(self, model):
        draws = sample(model, inits={"mu": [1, 2], "scale": [3]}, **STILL).draws()[0, :, 7:10]
        np.testing.assert_allclose(draws, np.tile([1, 2, 3], (4, 1)), atol=1e-5)

    def test_the_rest_is_random(self, model):
        fit = sample(model, inits={"mu": [1, 2]}, **STILL)
        np.testing.assert_allclose(fit.stan_variable("mu"), np.tile([1, 2], (4, 1)), atol=1e-5)
        assert np.unique(fit.stan_variable("scale")).size == 4

    def test_zero(self, model):
        draws = sample(model, inits=0, **STILL).draws()[0, :, 7:10]
        np.testing.assert_allclose(draws, np.tile([0, 0, 1], (4, 1)), atol=1e-5)

    def test_radius(self, model):
        mu = sample(model, inits=0.01, **STILL).stan_variable("mu")
        assert np.all((np.abs(mu) < 0.011) & (mu != 0))


class TestMetric:
    def test_unit_metric(self, model):
        fit = sample(model, metric="unit_e")
        assert fit.inv_metric is None
        acceptance = fit.method_variables()["accept_stat__"].mean()
        assert acceptance == pytest.approx(0.8, abs=0.15)
        assert_posterior(parameters(fit))

    def test_no_adaptation_keeps_the_step_size(self, model):
        fit = sample(model, metric="unit_e", step_size=0.25, adapt_engaged=False)
        np.testing.assert_array_equal(fit.step_size, 0.25)
        assert_posterior(parameters(fit))


class TestApproximations:
    def test_mode(self, model):
        fit = model.optimize(DATA, seed=1, algorithm="lbfgs", jacobian=True, sig_figs=17)
        found = [fit.optimized_params_dict[name] for name in ("mu[1]", "mu[2]", "scale[1]")]
        np.testing.assert_allclose(found, MODE, atol=1e-3 * SD.min())

    def test_laplace(self, model):
        fit = model.laplace_sample(DATA, seed=1, draws=4000, sig_figs=17)
        scale = np.log(fit.stan_variable("scale"))
        draws = np.column_stack([fit.stan_variable("mu"), scale])
        # The curvature of log(scale) - 2 scale in log(scale) is 2 scale = 1 at the mode.
        sd = [SD[0], SD[1], 1.0]
        error = np.divide(sd, 4000**0.5)
        assert_near(draws.mean(axis=0), [*MODE[:2], np.log(0.5)], error)
        assert_near(draws.std(axis=0) / sd, 1, 1 / 8000**0.5)

    def test_laplace_from_a_given_mode(self, model):
        mode = model.optimize(DATA, seed=1, jacobian=True, inits=0)
        fit = model.laplace_sample(DATA, mode=mode, jacobian=True, seed=1, draws=100)
        assert fit.stan_variable("mu").shape == (100, 2)

    @pytest.mark.parametrize("paths", [1, 4])
    def test_pathfinder(self, model, paths):
        settings = {"num_paths": paths, "num_single_draws": 1000, "psis_resample": False}
        fit = model.pathfinder(DATA, seed=1, **settings)
        assert fit.stan_variable("mu").shape == (1000 * paths, 2)
        assert np.all(np.abs(fit.stan_variable("mu").mean(axis=0) - MEAN[:2]) < 0.3 * SD[:2])
        again = model.pathfinder(DATA, seed=1, **settings)
        np.testing.assert_array_equal(again.draws(), fit.draws())

    def test_variational(self, model):
        fit = model.variational(DATA, seed=1, algorithm="meanfield", grad_samples=10, draws=400)
        assert fit.variational_sample.shape[0] == 400
        assert np.all(np.abs(fit.stan_variable("mu") - MEAN[:2]) < 0.5 * SD[:2])
        assert fit.eta > 0


class TestLogProb:
    def test_value_and_gradient(self, exe, data_file, tmp_path):
        points = np.random.default_rng(0).normal(size=(5, 3))
        given, output = tmp_path / "points.json", tmp_path / "lp.csv"
        given.write_text(json.dumps({"params_r": points.tolist()}))
        result = run(
            *(exe, "log_prob", f"unconstrained_params={given}", "data", f"file={data_file}"),
            *("output", f"file={output}", "sig_figs=17"),
        )
        assert result.returncode == 0, result.stderr
        lines = [line for line in output.read_text().splitlines() if not line.startswith("#")]
        assert lines[0] == "lp__,g_mu.1,g_mu.2,g_scale.1"
        rows = np.loadtxt(lines[1:], delimiter=",")
        mu, scale = points[:, :2], np.exp(points[:, 2])
        np.testing.assert_allclose(rows[:, 0], log_density(mu, scale), rtol=1e-12)
        gradient = [(Y - mu[:, :1]).sum(axis=1) / 4 - mu[:, 0] / 100, 1 - mu[:, 1], 1 - 2 * scale]
        np.testing.assert_allclose(rows[:, 1:].T, gradient, rtol=1e-12)

    @pytest.mark.parametrize("points", ["[1, 2, 3]", "[[1, 2]]", "[]"])
    def test_points_of_another_size(self, exe, data_file, tmp_path, points):
        (tmp_path / "points.json").write_text(f'{{"params_r": {points}}}')
        words = ["data", f"file={data_file}", "log_prob", "unconstrained_params=points.json"]
        assert_fails(run(exe, *words, cwd=tmp_path), BAD_INPUT, "points.json", "length 3")


def write_binary(path: Path, arrays: dict[str, np.ndarray], **others) -> Path:
    """Data with these arrays in a binary file beside the JSON."""
    told, content = {}, b""
    for name, array in arrays.items():
        told[name] = [array.itemsize, len(content), *array.shape]
        content += array.tobytes(order="F")
    path.with_suffix(".bin").write_bytes(content)
    binary = {"bytes": len(content), "adler32": zlib.adler32(content), **told}
    path.write_text(json.dumps({**others, "binary": binary}))
    return path


class TestBinaryData:
    @pytest.fixture
    def binary(self, tmp_path) -> Path:
        """The data with two arrays in the binary file, the second of which is whole numbers."""
        mean = np.array(DATA["prior_mean"], dtype=np.int32)
        rest = DATA | {"y": "NaN"}  # the binary file goes first
        return write_binary(tmp_path / "data.json", {"y": Y, "prior_mean": mean}, **rest)

    def test_the_same_draws_as_from_json(self, model, fit, binary):
        np.testing.assert_array_equal(sample(model, str(binary)).draws(), fit.draws())

    def test_a_start(self, model, tmp_path):
        start = {"mu": np.array([1.5, -2.5]), "scale": np.array([3.5])}
        inits = str(write_binary(tmp_path / "inits.json", start))
        draws = sample(model, inits=inits, **STILL).draws()[0, :, 7:10]
        np.testing.assert_allclose(draws, np.tile([1.5, -2.5, 3.5], (4, 1)), atol=1e-5)

    def test_points_lie_column_by_column(self, exe, data_file, tmp_path):
        points = np.random.default_rng(0).normal(size=(5, 3))
        write_binary(tmp_path / "points.json", {"params_r": points})
        words = ["log_prob", "unconstrained_params=points.json", "data", f"file={data_file}"]
        result = run(exe, *words, "output", "file=lp.csv", "sig_figs=17", cwd=tmp_path)
        assert result.returncode == 0, result.stderr
        lines = (tmp_path / "lp.csv").read_text().splitlines()
        rows = np.loadtxt([line for line in lines if line[0] not in "#l"], delimiter=",")
        expected = log_density(points[:, :2], np.exp(points[:, 2]))
        np.testing.assert_allclose(rows[:, 0], expected, rtol=1e-12)

    @pytest.mark.parametrize(
        ("change", "cause"),
        [
            (lambda content: content[:-1], "it has 407 bytes instead of 408"),
            (lambda content: content[:0], "it has 0 bytes instead of 408"),
            (lambda content: content + b"x", "it has 409 bytes instead of 408"),
            (lambda content: content[:7] + b"\xff" + content[8:], "its checksum is wrong"),
            (lambda content: content[8:16] + content[:8] + content[16:], "its checksum is wrong"),
        ],
        ids=["cut off", "empty", "longer", "a byte", "moved"],
    )
    def test_a_damaged_file(self, exe, binary, tmp_path, change, cause):
        content = binary.with_suffix(".bin").read_bytes()
        binary.with_suffix(".bin").write_bytes(change(content))
        result = run(exe, "data", f"file={binary}", "sample", cwd=tmp_path)
        assert_fails(result, BAD_INPUT, "data.bin", cause)

    def test_a_missing_file(self, exe, binary, tmp_path):
        binary.with_suffix(".bin").unlink()
        result = run(exe, "data", f"file={binary}", "sample", cwd=tmp_path)
        assert_fails(result, BAD_INPUT, "data.bin", "No such file")

    @pytest.mark.parametrize(
        ("described", "cause"),
        [
            ({"y": [8, 0, 51]}, "mismatch in dimension"),
            ({"y": [8, 0, 52]}, "no array as 'y' is described"),
            ({"y": [8, 16, 50]}, "no array as 'y' is described"),
            ({"y": [8, 500, 50]}, "no array as 'y' is described"),
            ({"y": [2, 0, 50]}, "no array as 'y' is described"),
            ({"y": [8, 0.5, 50]}, "no array as 'y' is described"),
            ({"y": [8, -8, 50]}, "no array as 'y' is described"),
            ({"y": [8, 0, 2**40, 2**40]}, "no array as 'y' is described"),
            ({"y": [8, 0]}, "no array as 'y' is described"),
            ({"y": 8}, "no array as 'y' is described"),
            ({"adler32": [1, 2]}, "no array as 'adler32' is described"),
            ({"bytes": -1}, "no array as 'bytes' is described"),
        ],
        ids=str,
    )
    def test_an_odd_description(self, exe, binary, tmp_path, described, cause):
        content = json.loads(binary.read_text())
        content["binary"].update(described)
        binary.write_text(json.dumps(content))
        result = run(exe, "data", f"file={binary}", "sample", cwd=tmp_path)
        assert_fails(result, BAD_INPUT, cause)


class TestBinaryDraws:
    def test_the_same_draws_as_in_the_csv_file(self, model, fit):
        apart = sample(model, save_diagnostics=True)
        files = apart.runset.diagnostic_files
        draws = np.stack([np.fromfile(file, dtype="<f8").reshape(1000, -1) for file in files], 1)
        np.testing.assert_array_equal(draws, fit.draws()[:, :, 7:])
        np.testing.assert_array_equal(apart.draws(), fit.draws()[:, :, :7])
        np.testing.assert_array_equal(apart.step_size, fit.step_size)
        assert all(name.endswith("__") for name in apart.column_names)

    def test_one_chain(self, model, fit):
        alone = sample(model, chains=1, save_diagnostics=True)
        (file,) = alone.runset.diagnostic_files
        draws = np.fromfile(file, dtype="<f8").reshape(1000, -1)
        np.testing.assert_array_equal(draws, fit.draws()[:, 0, 7:])

    def test_other_methods(self, exe, data_file, tmp_path):
        files = ["output", "file=o.csv", "diagnostic_file=o.bin"]
        words = ["data", f"file={data_file}", *files, "variational", "output_samples=40"]
        assert run(exe, *words, cwd=tmp_path).returncode == 0
        assert (tmp_path / "o.bin").stat().st_size % (41 * 8) == 0  # and the mean

    def test_cannot_be_created(self, exe, data_file, tmp_path):
        words = ["output", "file=o.csv", "diagnostic_file=none/o.bin", "sample"]
        result = run(exe, "data", f"file={data_file}", *words, cwd=tmp_path)
        assert_fails(result, CANNOT_CREATE, "none/o.bin")


class TestInfo:
    def test_info(self, model):
        info = model.exe_info()
        assert info["STAN_THREADS"] == "true"
        assert (int(info["stan_version_major"]), int(info["stan_version_minor"])) >= (2, 35)

    def test_moved_program_finds_its_library(self, exe, tmp_path):
        moved = shutil.copytree(exe.parent, tmp_path / "elsewhere") / exe.name
        assert run(moved, "info", env={}).returncode == 0


class TestFailures:
    @pytest.mark.parametrize(
        ("words", "cause"),
        [
            (["sample", "num_sample=3"], "unknown argument 'num_sample=3'"),
            (["sample", "warmup"], "unknown argument 'warmup'"),
            (["sample", "thin=1"], "unknown argument 'thin=1'"),
            (["optimize", "tol_obj=1"], "unknown argument 'tol_obj=1'"),
            (["sample", "num_chains=0"], "an integer > 0"),
            (["sample", "num_samples=1e3"], "an integer >= 0"),
            (["sample", "num_samples=many"], "an integer >= 0"),
            (["sample", "adapt", "delta=1"], "between 0 and 1"),
            (["sample", "stepsize=nan"], "a number > 0"),
            (["sample", "adapt", "engaged=yes"], "0|1"),
            (["sample", "metric=dense_e"], "diag_e|unit_e"),
            (["sample", "metric=diag_e|unit_e"], "diag_e|unit_e"),
            (["variational", "algorithm=fullrank"], "must be meanfield"),
            (["optimize", "jacobian=1", "algorithm=newton"], "must be lbfgs"),
            (["sample", "random", "seed=4294967296"], "2^32"),
            (["guess"], "unknown argument 'guess'"),
            (["method=guess"], "unknown method 'guess'"),
            ([], "no method"),
            (["optimize"], "missing argument 'optimize.jacobian', must be 1"),
            (["pathfinder"], "missing argument 'pathfinder.psis_resample', must be 0"),
            (["log_prob"], "missing argument 'log_prob.unconstrained_params'"),
            (["laplace"], "missing argument 'laplace.mode', must be the path of a file"),
        ],
    )
    def test_bad_argument(self, exe, data_file, tmp_path, words, cause):
        data = ["data", f"file={data_file}"] if words else []
        assert_fails(run(exe, *data, *words, cwd=tmp_path), USAGE, cause)

    def test_no_data(self, exe):
        assert_fails(run(exe, "sample"), USAGE, "missing argument 'data.file'")

    def test_bad_number_of_threads(self, exe, data_file):
        environment = os.environ | {"STAN_NUM_THREADS": "few"}
        result = run(exe, "data", f"file={data_file}", "sample", env=environment)
        assert_fails(result, USAGE, "STAN_NUM_THREADS")

    @pytest.mark.parametrize(
        ("content", "cause"),
        [
            (json.dumps(DATA)[:-20], "JSON"),
            ("", "JSON"),
            (json.dumps(DATA | {"N": 51}), "mismatch in dimension"),
            (json.dumps(DATA | {"sigma": -1}), "sigma"),
            (json.dumps({"N": 1}), "variable does not exist"),
            (json.dumps(DATA | NOTHING), "no parameters"),
        ],
    )
    def test_damaged_data(self, exe, tmp_path, content, cause):
        path = tmp_path / "data.json"
        path.write_text(content)
        assert_fails(run(exe, "data", f"file={path}", "sample", cwd=tmp_path), BAD_INPUT, cause)

    def test_missing_data(self, exe, tmp_path):
        result = run(exe, "data", "file=nowhere.json", "sample", cwd=tmp_path)
        assert_fails(result, BAD_INPUT, "nowhere.json", "No such file")

    def test_bad_start(self, exe, data_file, tmp_path):
        (tmp_path / "init.json").write_text('{"mu": [1, 2, 3], "scale": [1]}')
        words = ["data", f"file={data_file}", "init=init.json", "sample"]
        assert_fails(run(exe, *words, cwd=tmp_path), BAD_INPUT, "init.json")

    @pytest.mark.parametrize(
        ("mode", "cause"),
        [
            ("mu.1,mu.2\n1,2\n", "no value of the parameter scale.1"),
            ("mu.1,mu.2,scale.1\n1,2,-1\n", "does not fit"),
        ],
    )
    def test_bad_mode(self, exe, data_file, tmp_path, mode, cause):
        (tmp_path / "mode.csv").write_text(mode)
        words = ["data", f"file={data_file}", "laplace", "mode=mode.csv"]
        assert_fails(run(exe, *words, cwd=tmp_path), BAD_INPUT, "mode.csv", cause)

    @pytest.mark.parametrize(
        "words",
        [
            ["sample"],
            ["optimize", "jacobian=1"],
            ["variational"],
            ["pathfinder", "psis_resample=0"],
        ],
        ids=lambda words: words[0],
    )
    def test_no_starting_point(self, exe, tmp_path, words):
        path = tmp_path / "data.json"
        path.write_text(json.dumps(DATA | {"y": [float("nan")] * Y.size}))
        result = run(exe, "data", f"file={path}", *words, cwd=tmp_path)
        assert_fails(result, NUMERICAL, "initial value")

    def test_output_cannot_be_created(self, exe, data_file, tmp_path):
        words = ["data", f"file={data_file}", "output", f"file={tmp_path}/none/o.csv", "sample"]
        assert_fails(run(exe, *words), CANNOT_CREATE, "none/o.csv")

    def test_cause_reaches_the_caller(self, model):
        with pytest.raises(RuntimeError, match="Error: the data do not fit the program"):
            sample(model, DATA | {"sigma": -1.0})


class TestFullDisk:
    LIMIT = 20_000

    def limited(self):
        """In the child: files of at most LIMIT bytes."""
        resource.setrlimit(resource.RLIMIT_FSIZE, (self.LIMIT, self.LIMIT))

    @pytest.mark.parametrize(
        "words",
        [
            ["sample", "num_chains=2", "num_samples=1000000"],
            ["variational", "output_samples=1000000"],
            ["pathfinder", "psis_resample=0", "num_draws=100000"],
        ],
        ids=lambda words: words[0],
    )
    def test_whole_rows_only(self, exe, data_file, tmp_path, words):
        output = ["output", f"file={tmp_path / 'o.csv'}", "sig_figs=17"]
        result = run(exe, "data", f"file={data_file}", *output, *words, preexec_fn=self.limited)
        assert_fails(result, CANNOT_WRITE, str(tmp_path), "File too large")
        counts = []
        for path in tmp_path.glob("o*.csv"):
            *lines, rest = path.read_text().split("\n")
            assert rest == ""
            rows = [line for line in lines if not line.startswith("#")]
            assert len({row.count(",") for row in rows}) == 1
            counts.append(len(rows))
        assert max(counts) > 50

    def test_whole_rows_of_binary_draws(self, exe, data_file, tmp_path):
        output = ["output", f"file={tmp_path / 'o.csv'}", f"diagnostic_file={tmp_path / 'o.bin'}"]
        words = ["sample", "num_warmup=0", "num_samples=1000000"]
        result = run(exe, "data", f"file={data_file}", *output, *words, preexec_fn=self.limited)
        assert_fails(result, CANNOT_WRITE, str(tmp_path), "File too large")
        *_, rest = (tmp_path / "o.csv").read_text().split("\n")
        size = (tmp_path / "o.bin").stat().st_size
        assert rest == ""
        assert size % (5 * 8) == 0  # mu, scale, total, noise
        assert size > 50 * 5 * 8

    @pytest.mark.skipif(not Path("/dev/full").exists(), reason="no /dev/full")
    def test_no_space_for_binary_draws(self, exe, data_file, tmp_path):
        output = ["output", "file=o.csv", "diagnostic_file=/dev/full"]
        result = run(exe, "data", f"file={data_file}", *output, "sample", cwd=tmp_path)
        assert_fails(result, CANNOT_WRITE, "/dev/full", "No space left on device")
        rows = [line for line in (tmp_path / "o.csv").read_text().splitlines() if line[0] != "#"]
        assert len(rows) == 1  # the names

    @pytest.mark.skipif(not Path("/dev/full").exists(), reason="no /dev/full")
    def test_no_space(self, exe, data_file):
        words = ["data", f"file={data_file}", "output", "file=/dev/full", "sample"]
        assert_fails(run(exe, *words), CANNOT_WRITE, "/dev/full", "No space left on device")


class TestAbandoned:
    @pytest.fixture(autouse=True)
    def two_threads(self, monkeypatch):
        monkeypatch.setenv("STAN_NUM_THREADS", "2")

    def command(self, exe, data_file, directory, words) -> list[str]:
        directory.mkdir()
        output = ["output", f"file={directory / 'o.csv'}", "refresh=0"]
        return [str(exe), "data", f"file={data_file}", *output, *words]

    @pytest.mark.parametrize("what", ENDLESS)
    def test_removed_directory(self, exe, data_file, tmp_path, what):
        command = self.command(exe, data_file, tmp_path / "run", ENDLESS[what])
        with subprocess.Popen(command, stderr=subprocess.PIPE, text=True) as process:
            wait_for_output(tmp_path / "run")
            assert process.poll() is None
            shutil.rmtree(tmp_path / "run")
            _, said = process.communicate(timeout=PATIENCE)
        assert process.returncode == ABANDONED
        assert re.fullmatch("Error: .*removed.*\n", said)

    @pytest.mark.parametrize("what", ENDLESS)
    def test_dead_parent(self, exe, data_file, tmp_path, what):
        command = self.command(exe, data_file, tmp_path / "run", ENDLESS[what])
        parent = subprocess.Popen([sys.executable, "-c", PARENT, *command], stdout=subprocess.PIPE)
        child = int(parent.stdout.readline())
        wait_for_output(tmp_path / "run")
        assert alive(child)
        parent.send_signal(signal.SIGKILL)
        parent.communicate()
        deadline = time.monotonic() + PATIENCE
        while alive(child) and time.monotonic() < deadline:
            time.sleep(0.05)
        assert not alive(child)


# Starts the program with its own standard streams, says its process id, and waits.
PARENT = """
import subprocess, sys
quiet = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
child = subprocess.Popen(sys.argv[1:], **quiet)
print(child.pid, flush=True)
child.wait()
"""


def wait_for_output(directory: Path) -> None:
    """Until the program has opened its output, and a moment longer: all of its files."""
    deadline = time.monotonic() + PATIENCE
    while not any(directory.iterdir()):
        assert time.monotonic() < deadline, "no output"
        time.sleep(0.01)
    time.sleep(0.5)


def alive(process: int) -> bool:
    """Whether a process runs; a dead one that nobody has reaped does not."""
    try:
        return Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False
