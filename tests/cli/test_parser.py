"""Options: each with help and its default, those of the estimator, and answers at once."""

from __future__ import annotations

import resource
import subprocess
import sys
from argparse import SUPPRESS

import pytest

from skhlm import HLMRegressor
from skhlm.cli.examples import EXAMPLES
from skhlm.cli.parser import build_parser
from skhlm.cli.remedies import _commands
from tests.cli.running import FIT, run

HEAVY = ("numpy", "pandas", "scipy", "sklearn", "cmdstanpy", "joblib", "tqdm", "matplotlib")
AT_ONCE = 0.3  # seconds
COMMANDS = {command.prog.split()[-1]: command for command in _commands(build_parser())}


@pytest.mark.parametrize("arguments", [[], ["fit"], ["fit", "d.csv"], ["nonsense"]])
def test_wrong_usage_exits_with_2(capsys, arguments):
    with pytest.raises(SystemExit) as stopped:
        run(*arguments)
    assert stopped.value.code == 2
    assert "usage: skhlm" in capsys.readouterr().err


FIT_K = "fit --target y -o m.skhlm"
HINTS = {
    f"{FIT_K} --predictors x d.csv": "--predictors takes every word up to the next option",
    f"{FIT_K} --predictors x d.csv --varying y": "required: data. --predictors takes every word",
    "report -o r.html --features spend m.skhlm": "required: model. --features takes every word",
    f"{FIT_K} d.csv --groups a b": "--groups takes one word: give it once for each",
    f"{FIT_K} d.csv --group a b": "--groups takes one word: give it once for each",
    f"{FIT_K} d.csv more --sample_weight w": "Did you mean '--sample-weight'?",
    f"{FIT_K} d.csv --seed 1": "Did you mean '--random-state'?",
    "predict m.skhlm d.csv --level 0.9": "Did you mean '--coverage'?",
    "predict m.skhlm d.csv --coverage 0.5 0.9": "Several shares of --coverage go in one word",
}
NO_HINTS = [
    f"{FIT_K} d.csv more.csv --groups a",
    f"{FIT_K} d.csv --groups a -z",
    f"{FIT_K} d.csv 0.5",
    FIT_K,
]


def wrong(capsys, command):
    """What is said of wrong usage."""
    with pytest.raises(SystemExit) as stopped:
        run(*command.split())
    assert stopped.value.code == 2
    printed = capsys.readouterr().err
    assert f"usage: skhlm {command.split()[0]}" in printed
    return printed.splitlines()[-1]


@pytest.mark.parametrize("command", HINTS)
def test_words_at_the_wrong_place_are_told_where_they_belong(capsys, command):
    assert HINTS[command] in wrong(capsys, command)


@pytest.mark.parametrize("command", NO_HINTS)
def test_nothing_is_blamed_for_other_words(capsys, command):
    assert "--" not in wrong(capsys, command).partition(": error: ")[2]


@pytest.mark.parametrize("command", EXAMPLES)
def test_help_has_examples(capsys, command):
    with pytest.raises(SystemExit) as stopped:
        run(command, "--help")
    printed = capsys.readouterr().out
    assert stopped.value.code == 0
    assert f"examples:\n  skhlm {command}" in printed


def test_options_of_fit_are_parameters_of_the_estimator(capsys):
    with pytest.raises(SystemExit):
        run("fit", "--help")
    printed = capsys.readouterr().out
    switches = {"fit_intercept": "--no-intercept", "autoscale": "--no-autoscale"}
    switches["priors"] = "--prior"
    others = {"unseen", "warm_start"}  # of predict; of no use
    for name in set(HLMRegressor().get_params()) - others:
        assert switches.get(name, f"--{name.replace('_', '-')}") in printed


@pytest.mark.parametrize(
    ("term", "told"),
    [
        ("tau", "such as tau=Normal(0, 1)"),
        ("tau=Norml(0, 1)", "Did you mean 'Normal'?"),
        ("tau=Normal(0, -1)", "scale must be above zero"),
        ("tau=Normal(0, 1, 2)", "Normal(loc, scale)"),
        ("tau=Normal(0, x)", "'x' is no number"),
        ("tau=__import__('os')", "no prior"),
    ],
)
def test_a_prior_that_is_none_is_wrong_usage(folder, capsys, term, told):
    with pytest.raises(SystemExit) as stopped:
        run("fit", folder / "data.csv", *FIT, "--prior", term, "-o", folder / "x.skhlm")
    assert stopped.value.code == 2
    assert told in capsys.readouterr().err


@pytest.mark.parametrize("command", COMMANDS)
def test_every_option_has_help_and_says_its_default(command):
    for action in COMMANDS[command]._actions:
        assert action.help, action
        if action.option_strings and action.dest != "help" and not action.required:
            assert "(default: " in action.help, action.option_strings


@pytest.mark.parametrize("command", ["fit", "compare"])
def test_defaults_that_are_told_are_the_estimators(command):
    """None, where it is left to the package, is told in words."""
    parameters = HLMRegressor().get_params()
    for action in COMMANDS[command]._actions:
        if action.default == SUPPRESS and action.dest != "help":
            default = parameters.get(action.dest)
            if isinstance(default, bool) or default is None or action.dest == "verbose":
                continue
            assert f"(default: {default}" in action.help


def test_there_are_examples_of_every_command():
    assert {*COMMANDS} == {*EXAMPLES}


@pytest.mark.parametrize(
    "arguments",
    [["--help"], ["--version"], ["fit", "--help"], ["allocate", "--help"], ["nonsense"]],
)
def test_words_are_answered_at_once(arguments):
    """By the time of the processor: others may be at work on the machine."""
    program = "import sys; from skhlm.cli import main\ntry: main(sys.argv[1:])\nfinally:\n"
    program += "    print(*sys.modules, file=sys.stderr)"
    command = [sys.executable, "-c", program, *arguments]
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    done = subprocess.run(command, capture_output=True, text=True)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    spent = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    assert spent < AT_ONCE
    if arguments != ["nonsense"]:
        assert done.returncode == 0
    assert not {*done.stderr.split()} & {*HEAVY}


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["--chains", "0"], "argument --chains: it is 0, and must be at least 1"),
        (["--chains", "two"], "argument --chains: 'two' is no whole number"),
        (["--iter-warmup", "9"], "argument --iter-warmup: it is 9, and must be at least 10"),
        (["--iter-sampling", "1"], "argument --iter-sampling: it is 1, and must be at least 4"),
        (["--adapt-delta", "1"], "argument --adapt-delta: it is 1, and must be between 0 and 1"),
        (["--max-treedepth", "21"], "argument --max-treedepth: it is 21, and must be from 1 to 20"),
        (["--n-jobs", "0"], "argument --n-jobs: it is 0, and must be at least 1, or -1 for all"),
        (["--random-state", "-1"], "argument --random-state: it is -1, and must be from 0 to"),
        (["--encoding", "utf-9"], "argument --encoding: there is no encoding 'utf-9'. Known are"),
        (["--sep", "::"], "argument --sep: '::' is neither one character nor tab"),
    ],
)
def test_a_value_out_of_range_is_told_by_its_option(capsys, arguments, told):
    with pytest.raises(SystemExit) as stopped:
        run("fit", "data.csv", *FIT, "-o", "m.skhlm", *arguments)
    assert stopped.value.code == 2
    assert told in capsys.readouterr().err


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["predict", "m", "d", "--coverage", "1.5"], "--coverage: it is 1.5, and must be between"),
        (["predict", "m", "d", "--coverage", "0.5,1"], "--coverage: it is 1, and must be between"),
        (
            ["curve", "m", "--feature", "x", "--coverage", "0.5,"],
            "--coverage: '0.5,' has nothing beside a comma",
        ),
        (["predict", "m", "d", "--coverage", "0.5", "--coverage", "0.9"], "in one word: 0.5,0.9."),
        (["predict", "m", "d", "--coverage", "0.5", "0.9"], "--coverage go in one word"),
        (["score", "m", "d", "--coverage", "0.5", "--coverage", "0.9"], "is given twice."),
        (["allocate", "m", "d", "--derive", "a=ln(x)"], "in 'a=ln(x)' ln is called log here."),
        (["curve", "m", "--derive", "a=sqtr(x)"], "no function 'sqtr'. Did you mean 'sqrt'?"),
        (["fit", "d", "--prior", "tau=Normal(a, 1)"], "in 'tau=Normal(a, 1)' 'a' is no number"),
        (["fit", "d", "--prior", "tau=Normal(0, 0)"], "scale must be above zero, got 0.0"),
        (["fit", "d", "--prior", "nu=Gamma(1)"], "Gamma(shape, rate) has 2 numbers, and 1 are"),
        (["fit", "d", "--priors", "weak"], "no 'weak'. Choose from 'default', 'weakly"),
        (["allocate", "m", "d", "--feature", "x", "--total", "0"], "--total: it is 0, and must be"),
        (["allocate", "m", "d", "--feature", "x", "--objective", "best"], "'best' is no number"),
        (["curve", "m", "--feature", "x", "--grid", "0", "inf", "3"], "'inf' is no finite number"),
        (["compare", "d", "--target", "y", "--cv", "1"], "--cv: it is 1, and must be at least 2"),
    ],
)
def test_so_is_one_of_other_commands(capsys, arguments, told):
    with pytest.raises(SystemExit):
        run(*arguments)
    assert told in capsys.readouterr().err
