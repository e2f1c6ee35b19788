"""What can go wrong while the Stan program runs, and what is left behind: nothing."""

from __future__ import annotations

import errno
import os
import signal
import subprocess
import sys
import tempfile
import threading
import time
import warnings
from contextlib import suppress
from types import SimpleNamespace

import numpy as np
import psutil
import pytest
from cmdstanpy import CmdStanModel
from sklearn.exceptions import ConvergenceWarning

from skhlm import HLMRegressor
from skhlm.engine.inference import choose_settings
from skhlm.engine.program import executable, runs
from skhlm.engine.program.executable import PROGRAM
from skhlm.engine.target import build_target
from skhlm.exceptions import SamplingError
from skhlm.progress import Progress
from tests.engine.problems import make_problem

LONG = 1_000_000  # iterations that no test waits for


@pytest.fixture
def long_fit(campaigns):
    """A fit that lasts until something stops it."""
    X, y = campaigns
    model = HLMRegressor("region", chains=2, iter_sampling=LONG, random_state=0)
    return lambda: model.fit(X[["region", "spend_1"]], y)


@pytest.fixture
def interrupts():
    """Interrupts are raised, whatever those who run the tests have made of them."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


def programs():
    """Running Stan programs that this process started, but those that only say what they are."""
    return [child for child in psutil.Process().children() if draws(child)]


def draws(child):
    """Whether a process is the Stan program, at work."""
    try:
        return child.name() == "hlm" and "info" not in child.cmdline()
    except psutil.NoSuchProcess:
        return False


def when_running(act, method="sample"):
    """Do something in a thread once a program of this method has begun to write draws."""

    def is_there():
        with suppress(psutil.NoSuchProcess):  # the one before, which finds the mode, has ended
            return any(f"method={method}" in program.cmdline() for program in programs())
        return False

    def wait_and_act():
        while not is_there():
            time.sleep(0.01)
        time.sleep(0.5)
        act()

    thread = threading.Thread(target=wait_and_act)
    thread.start()
    return thread


def assert_nothing_left(temporary):
    assert not list(temporary.glob("skhlm-*"))
    deadline = time.monotonic() + 60
    while programs() and time.monotonic() < deadline:
        time.sleep(0.05)
    assert not programs()


def test_killed(long_fit, temporary):
    thread = when_running(lambda: programs()[0].kill())
    with pytest.raises(SamplingError, match=r"killed \(signal 9, SIGKILL\), probably .* memory"):
        long_fit()
    thread.join()
    assert_nothing_left(temporary)


def test_killed_while_it_draws_about_the_mode(campaigns, temporary):
    X, y = campaigns
    model = HLMRegressor("region", algorithm="laplace", iter_sampling=LONG, random_state=0)
    thread = when_running(lambda: programs()[0].kill(), method="laplace")
    with pytest.raises(SamplingError, match=r"killed \(signal 9, SIGKILL\)"):
        model.fit(X[["region", "spend_1"]], y)
    thread.join()
    assert_nothing_left(temporary)


_REFUSES = """#!/bin/sh
case " $* " in
*" method={method} "*) {ending} ;;
esac
exec {program} "$@"
"""


@pytest.fixture
def program_that(tmp_path, monkeypatch):
    """Put a program in the place of ours that ends one method at once in some way."""

    def install(method, ending):
        program = tmp_path / "hlm"
        program.write_text(_REFUSES.format(method=method, ending=ending, program=PROGRAM))
        program.chmod(0o755)
        monkeypatch.setattr(executable, "PROGRAM", program)

    return install


@pytest.mark.parametrize(("algorithm", "method"), [("advi", "variational"), ("pathfinder",) * 2])
def test_where_it_finds_no_way_the_answer_is_laplace_s(campaigns, program_that, algorithm, method):
    X, y = campaigns
    data = X[["region", "spend_1"]], y
    settings = {"iter_sampling": 50, "chains": 2, "random_state": 0}
    program_that(method, 'echo "Error: no way"; exit 70')
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        model = HLMRegressor("region", algorithm=algorithm, **settings).fit(*data)
        laplace = HLMRegressor("region", algorithm="laplace", **settings).fit(*data)
    np.testing.assert_array_equal(model.predict(data[0]), laplace.predict(data[0]))


@pytest.mark.parametrize(("algorithm", "method"), [("advi", "variational"), ("pathfinder",) * 2])
@pytest.mark.parametrize(
    ("ending", "said"),
    [
        ('echo "Error: no space left"; exit 74', "TMPDIR"),
        ("kill -9 $$", r"killed \(signal 9, SIGKILL\)"),
    ],
)
def test_what_else_ends_it_is_said(campaigns, program_that, algorithm, method, ending, said):
    X, y = campaigns
    program_that(method, ending)
    model = HLMRegressor("region", algorithm=algorithm, iter_sampling=50, chains=2, random_state=0)
    with pytest.raises(SamplingError, match=said):
        model.fit(X[["region", "spend_1"]], y)


@pytest.mark.usefixtures("interrupts")
def test_interrupted(long_fit, temporary):
    thread = when_running(lambda: os.kill(os.getpid(), signal.SIGINT))
    with pytest.raises(KeyboardInterrupt):
        long_fit()
    thread.join()
    assert_nothing_left(temporary)


@pytest.mark.usefixtures("interrupts")
def test_interrupted_while_the_program_is_stopped(long_fit, temporary):
    def stop_and_interrupt():
        programs()[0].suspend()
        os.kill(os.getpid(), signal.SIGINT)

    thread = when_running(stop_and_interrupt)
    with pytest.raises(KeyboardInterrupt):
        long_fit()
    thread.join()
    assert_nothing_left(temporary)


_CUTS_OFF = """#!/bin/sh
{program} "$@" || exit
for word; do
    case $word in diagnostic_file=*) file=${{word#*=}} ;; esac
done
[ -z "$file" ] || truncate -s -1 "${{file%.csv}}_2.csv"
"""


def test_part_of_a_draw_is_refused(campaigns, tmp_path, temporary, monkeypatch):
    program = tmp_path / "hlm"
    program.write_text(_CUTS_OFF.format(program=PROGRAM))
    program.chmod(0o755)
    monkeypatch.setattr(executable, "PROGRAM", program)
    X, y = campaigns
    model = HLMRegressor("region", chains=2, iter_sampling=50, random_state=0)
    with pytest.raises(SamplingError, match=r"_2.csv has \d+ bytes, which are no 50 draws"):
        model.fit(X[["region", "spend_1"]], y)
    assert_nothing_left(temporary)


def test_fits_in_a_process_that_was_forked_after_a_fit():
    script = """
import os, numpy as np
from skhlm import HLMRegressor
before = dict(os.environ)
X = np.random.default_rng(0).normal(size=(40, 1))
fit = lambda: HLMRegressor(chains=2, iter_sampling=300, random_state=0).fit(X, X[:, 0])
import warnings; warnings.simplefilter("ignore")
first = fit().coef_
assert dict(os.environ) == before
child = os.fork()
if child == 0:
    os._exit(0 if (fit().coef_ == first).all() else 1)
print(os.waitpid(child, 0)[1])
"""
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)}
    answer = subprocess.run(
        [sys.executable, "-c", script],
        env=environment,
        capture_output=True,
        text=True,
        check=True,
        timeout=60,
    )
    assert answer.stdout.strip() == "0"


def test_its_directory_removed(long_fit, temporary):
    def remove():
        for directory in temporary.glob("skhlm-*"):
            directory.rename(temporary / "elsewhere")

    thread = when_running(remove)
    with pytest.raises(SamplingError, match=r"was removed while it ran"):
        long_fit()
    thread.join()
    assert_nothing_left(temporary)


def test_no_space_for_the_data(long_fit, temporary, monkeypatch):
    def refuse(*_):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(runs, "write_variables", refuse)
    with pytest.raises(SamplingError, match=r"disk of the temporary directory .* is full"):
        long_fit()
    assert_nothing_left(temporary)


def test_no_space_for_the_draws(tmp_path):
    script = """
import resource, signal
import numpy as np
from skhlm import HLMRegressor
from skhlm.exceptions import SamplingError
from tests.engine.problems import make_problem
model = HLMRegressor(random_state=0, iter_sampling=100_000)
resource.setrlimit(resource.RLIMIT_FSIZE, (200_000, 200_000))
try:
    model.fit(np.arange(20.0)[:, None], np.arange(20.0) % 7)
except SamplingError as error:
    print(error)
"""
    environment = os.environ | {"TMPDIR": str(tmp_path), "PYTHONPATH": os.pathsep.join(sys.path)}
    answer = subprocess.run(
        [sys.executable, "-c", script], env=environment, capture_output=True, text=True, check=True
    )
    assert f"the temporary directory {tmp_path} is full, or may not take files" in answer.stdout
    assert not list(tmp_path.glob("skhlm-*"))


@pytest.mark.parametrize("algorithm", ["nuts", "laplace", "pathfinder", "advi"])
def test_a_temporary_directory_of_any_name(temporary, monkeypatch, algorithm):
    """Ends of lines, bytes that are no text, and what shells, CSV and paths give a meaning."""
    odd = temporary / "a b\n#\r\t'\"\\,=~$*{}% é\udcff.csv (Default) "
    odd.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(odd))
    y = np.sin(np.arange(20.0))
    model = HLMRegressor(algorithm=algorithm, chains=2, iter_sampling=200, random_state=0)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)  # these are few draws
        assert model.fit(np.arange(20.0)[:, None], y).sigma_ > 0
    assert_nothing_left(odd)


def test_no_temporary_directory(long_fit, monkeypatch, tmp_path):
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "nowhere"))
    with pytest.raises(SamplingError, match=r"writable temporary directory .* TMPDIR"):
        long_fit()


def test_draws_of_the_program_are_those_that_it_writes_as_text(tmp_path):
    rng = np.random.default_rng(0)
    level = np.arange(200) % 50
    problem = make_problem(np.ones((200, 1)), rng.normal(size=200), [level], family="student_t")
    data = build_target(problem).data_block()
    settings = _settings(algorithm="nuts", iter_sampling=20, chains=2)
    columns, statistics = runs.sample(data, settings, Progress())
    assert columns.shape == (2, 20, 1 + 2 + 1 + 50)
    runs.write_variables(data, tmp_path / "data.json")
    fit = CmdStanModel(exe_file=PROGRAM).sample(
        data=str(tmp_path / "data.json"),
        chains=2,
        seed=settings.seed,
        inits=runs.INITIAL_RADIUS,
        iter_warmup=settings.iter_warmup,
        iter_sampling=20,
        adapt_delta=settings.adapt_delta,
        metric="unit_e",
        sig_figs=17,
        show_progress=False,
    )
    drawn = fit.draws().swapaxes(0, 1)
    np.testing.assert_array_equal(columns.array(), drawn[:, :, 7:])
    np.testing.assert_array_equal(statistics.energy, drawn[:, :, 6])


def test_a_normal_distribution_also_where_there_is_no_maximum(tmp_path):
    """Far from all rows a Student-t density is convex; there, draws have a standard deviation of 1.

    That of 1,000 draws has an error of 0.022; all coordinates but the last hardly take part.
    """
    rng = np.random.default_rng(0)
    problem = make_problem(np.ones((50, 1)), rng.normal(size=50), [], family="student_t")
    runs.write_variables(build_target(problem).data_block(), tmp_path / "data.json")
    (tmp_path / "mode.csv").write_text("z_aux.1,z_aux.2,z_root.1.1\n0,0,99\n")
    words = ["data", "file=data.json", "output", "file=draws.csv", "laplace", "mode=mode.csv"]
    subprocess.run([PROGRAM, *words], cwd=tmp_path, capture_output=True, check=True)
    lines = (tmp_path / "draws.csv").read_text().splitlines()
    rows = [line for line in lines if not line.startswith("#")]
    assert rows[0] == "log_p__,log_q__,z_aux.1,z_aux.2,z_root.1.1"
    log_p, _, *draws = np.loadtxt(rows[1:], delimiter=",").T
    assert np.isfinite(log_p).all()
    assert np.mean(draws[2]) == pytest.approx(99, abs=0.2)
    assert np.std(draws[2]) == pytest.approx(1, abs=0.1)


@pytest.mark.parametrize(("n_failures", "seeds"), [(0, [1]), (2, [1, 2, 3]), (99, [1, 2, 3])])
def test_advi_from_other_starts_and_then_laplace(n_failures, seeds, monkeypatch):
    tried = []
    variational = CmdStanModel.variational

    def fail(self, *, seed, **arguments):
        tried.append(seed)
        if len(tried) <= n_failures:
            runset = SimpleNamespace(_retcodes=[70])  # where cmdstanpy has it
            raise RuntimeError(f"no learning rate: {runset}")
        return variational(self, seed=seed, **arguments)

    monkeypatch.setattr(CmdStanModel, "variational", fail)
    problem = make_problem(np.ones((20, 1)), np.sin(np.arange(20)), [])
    settings = _settings(algorithm="advi", iter_sampling=10)
    found = runs.advi(build_target(problem).data_block(), settings)
    assert tried == seeds
    assert found.columns.shape == (40, 2)
    assert np.isfinite(found.log_ratio).all()
    assert (found.mode is None) == (n_failures < 3)


def _settings(**chosen):
    gaps = dict.fromkeys(["iter_warmup", "adapt_delta", "n_jobs", "fallback"])
    rest = {"chains": 4, "max_treedepth": 10, "seed": 1}
    return choose_settings(**(gaps | rest | chosen))


def test_columns_before_the_parameters_are_counted():
    """Stan 2.39 writes of a mode also whether the search converged."""
    assert runs._n_statistics(("lp__", "z_root.1.1")) == 1
    assert runs._n_statistics(("lp__", "converged__", "z_root.1.1")) == 2
