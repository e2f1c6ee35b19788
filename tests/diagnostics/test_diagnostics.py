"""The verdict: every check fires where it should, names the parameter, and is silent otherwise."""

from __future__ import annotations

import re
import warnings
from dataclasses import replace

import numpy as np
import pytest
from scipy import stats
from sklearn.exceptions import ConvergenceWarning

from skhlm._typing import Floats
from skhlm.diagnostics import Diagnostics, diagnose, warn_unless_converged
from skhlm.diagnostics.checks import Check
from skhlm.diagnostics.diagnostics import _ess
from skhlm.diagnostics.extremes import Scarce
from skhlm.draws import Draws, ImportanceStatistics, SamplerStatistics
from skhlm.inputs.labels import Labels
from tests.draws import auxiliary

CHAINS, DRAWS = 4, 500
LABELS = Labels(
    coefficients=("Intercept", "spend", "price"),
    factors=("region", "region/country"),
    group_columns=(("region",), ("region", "country")),
    levels=((("APAC",), ("EMEA",)), (("APAC", "Japan"), ("EMEA", "France"), ("EMEA", "Spain"))),
    varying=(np.array([0, 1]), np.array([0, 2])),
)


def make_draws(
    *, chains: int = CHAINS, draws: int = DRAWS, full: bool = True, student: bool = True
) -> Draws:
    """Independent draws: a perfect sampler's."""
    rng = np.random.default_rng(chains * 1000 + draws)
    shape = (chains, draws)
    omega = np.tile(np.eye(2), (*shape, 1, 1))
    omega[:, :, 0, 1] = omega[:, :, 1, 0] = rng.uniform(-0.9, 0.9, size=shape)
    return Draws(
        kappa=rng.normal(size=(*shape, 3)),
        delta=(rng.normal(size=(*shape, 2, 2)), rng.normal(size=(*shape, 3, 2))),
        tau=(rng.gamma(2, size=(*shape, 2)), rng.gamma(2, size=(*shape, 2))),
        omega=(omega, omega[::-1]) if full else (),
        auxiliary=auxiliary(
            rng.gamma(2, size=shape), rng.gamma(2, size=shape) if student else None
        ),
    )


def make_statistics(chains: int = CHAINS, draws: int = DRAWS) -> SamplerStatistics:
    """Statistics of a sampler without a fault."""
    shape = (chains, draws)
    return SamplerStatistics(
        divergent=np.zeros(shape, dtype=bool),
        treedepth=np.full(shape, 3),
        n_leapfrog=np.full(shape, 7),
        energy=np.random.default_rng(0).normal(size=shape),
        accept=np.full(shape, 0.8),
        step_size=np.full(chains, 0.5),
        max_treedepth=10,
    )


def judge(draws: Draws | None = None, statistics: SamplerStatistics | None = None) -> Diagnostics:
    """Diagnosis of healthy draws and statistics, except for what is given."""
    return diagnose(draws or make_draws(), statistics or make_statistics(), LABELS)


def spoilt(x: Floats, *index: int, by: str) -> Floats:
    """A copy of draws (chains, draws, ...) in which one parameter has gone wrong."""
    x = x.copy()
    place: tuple[slice | int, ...] = (slice(None), slice(None), *index)
    good = x[place]
    bad = {
        "apart": good + np.arange(len(good))[:, None],
        "slightly apart": good + 0.15 * np.arange(len(good))[:, None] * good.std(),
        "slow": np.repeat(good[:, :50], good.shape[1] // 50, axis=1),
        "stuck": np.ones_like(good),
        "not finite": np.where(np.arange(good.shape[1]) == 3, np.nan, good),
    }
    x[place] = bad[by]
    return x


def spoilt_auxiliary(draws: Draws, name: str, by: str) -> dict[str, Floats]:
    """The family's parameters, of which one has gone wrong."""
    return {**draws.auxiliary, name: spoilt(draws.auxiliary[name], by=by)}


@pytest.mark.parametrize("full", [True, False])
@pytest.mark.parametrize("student", [True, False])
def test_healthy_run_passes_in_silence(full: bool, student: bool) -> None:
    found = judge(make_draws(full=full, student=student))
    assert (found.verdict, found.converged, found.messages) == ("pass", True, ())
    assert found.max_rhat < 1.01
    assert min(found.min_ess_bulk, found.min_ess_tail) > 1000
    assert (found.n_divergent, found.n_max_treedepth, found.n_runs) == (0, 0, 1)
    assert found.n_leapfrog == 7 * CHAINS * DRAWS
    assert found.e_bfmi.shape == found.step_size.shape == (CHAINS,)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        warn_unless_converged(found)


def test_an_rhat_that_chance_explains_passes() -> None:
    few = judge(make_draws().map(lambda x: x[:, :100]))
    assert 1.01 < few.max_rhat < 1.05  # the largest of 19 parameters
    assert not few.chains_disagree
    (check,) = [check for check in few.checks if check.name == "R-hat"]
    assert check.verdict == "pass"
    # What F exceeds with probability 0.001 / 38, its denominator from 400 draws; tau is about 1.
    f = stats.f.isf(1e-3 / 38, 7, 400 / (4 * np.array([4, 1]) + 1))
    largest, smallest = np.sqrt((f + 49) / 50)
    assert 0.98 * smallest < check.threshold < 1.02 * largest


def test_no_rhat_above_five_percent_is_excused() -> None:
    """Two chains that change between two modes, each seldom: chance explains their difference."""
    good = make_draws()
    switches = np.cumsum(np.arange(DRAWS) % (DRAWS // 4) == 0) % 2
    offset = 8.0 * np.stack([switches, 1 - switches, 0 * switches, 0 * switches + 1])
    found = judge(replace(good, kappa=good.kappa + offset[:, :, None] * (np.arange(3) == 1)))
    assert found.max_rhat > 1.05
    assert found.rhat_excess < 1
    assert found.chains_disagree and not found.converged
    assert found.verdict == "fail"
    assert found.worst_parameter == "kappa[spend]"
    assert "R-hat is " in found.messages[0]
    assert f"the chains have too few draws ({DRAWS} each) to tell" in found.messages[0]
    by_more = judge(replace(good, kappa=good.kappa + 8.0 * np.arange(CHAINS)[:, None, None]))
    assert by_more.rhat_excess > 1 and "the chains disagree." in by_more.messages[0]


def test_no_limit_is_above_the_one_that_fails() -> None:
    found = judge(make_draws(draws=30), make_statistics(draws=30))
    (check,) = [check for check in found.checks if check.name == "R-hat"]
    assert check.threshold == 1.05 and found.max_rhat < 1.05


def test_parameters_that_are_short_of_draws_are_counted() -> None:
    good = make_draws()
    slow = replace(good, kappa=spoilt(spoilt(good.kappa, 0, by="slow"), 1, by="slow"))
    (message,) = [text for text in judge(slow).messages if text.startswith("Bulk")]
    assert "parameters 2 have too few)" in message
    one = judge(replace(good, kappa=spoilt(good.kappa, 1, by="slow")))
    assert one.messages and "too few" not in "".join(one.messages)


def test_an_older_file_knows_no_excess() -> None:
    older = replace(judge(), rhat_excess=np.nan)
    assert older.converged
    assert not replace(older, max_rhat=1.02).converged


def cases() -> list[tuple[str, Draws]]:
    """One parameter of each kind with chains apart, and what it is called."""
    good = make_draws()
    by = "apart"
    return [
        ("kappa[spend]", replace(good, kappa=spoilt(good.kappa, 1, by=by))),
        ("sigma", replace(good, auxiliary=spoilt_auxiliary(good, "sigma", by=by))),
        ("nu", replace(good, auxiliary=spoilt_auxiliary(good, "nu", by=by))),
        (
            "tau[region/country, price]",
            replace(good, tau=(good.tau[0], spoilt(good.tau[1], 1, by=by))),
        ),
        (
            "omega[region, Intercept, spend]",
            replace(good, omega=(spoilt(good.omega[0], 1, 0, by=by), good.omega[1])),
        ),
        (
            "delta[region/country, EMEA/France, price]",
            replace(good, delta=(good.delta[0], spoilt(good.delta[1], 1, 1, by=by))),
        ),
    ]


@pytest.mark.parametrize(("name", "draws"), cases())
def test_worst_parameter_is_named(name: str, draws: Draws) -> None:
    found = judge(draws)
    assert found.worst_parameter == name
    assert found.verdict == "fail"
    assert found.max_rhat > 1.05
    with pytest.warns(ConvergenceWarning) as caught:
        warn_unless_converged(found)
    assert len(caught) == 1
    text = str(caught[0].message)
    assert name in text
    assert f"{found.max_rhat:.4f}" in text
    assert "iter_sampling" in text


@pytest.mark.parametrize(
    ("by", "verdict"), [("slightly apart", "warn"), ("slow", "warn"), ("stuck", "fail")]
)
def test_degrees_of_trouble(by: str, verdict: str) -> None:
    good = make_draws()
    found = judge(replace(good, kappa=spoilt(good.kappa, 2, by=by)))
    assert found.verdict == verdict
    assert not found.converged
    assert found.worst_parameter == "kappa[price]"


@pytest.mark.parametrize("by", ["stuck", "not finite"])
@pytest.mark.parametrize("chains", [1, 4])
def test_what_never_moves_or_is_not_finite_fails(by: str, chains: int) -> None:
    good = make_draws(chains=chains)
    bad = replace(good, auxiliary=spoilt_auxiliary(good, "sigma", by=by))
    found = judge(bad, make_statistics(chains))
    assert (found.verdict, found.max_rhat, found.worst_parameter) == ("fail", np.inf, "sigma")
    assert found.min_ess_bulk == found.min_ess_tail == 0


def test_too_few_draws_warn() -> None:
    found = judge(make_draws(draws=60), make_statistics(draws=60))
    assert found.verdict == "warn"
    assert not found.converged
    assert "Tail effective sample size" in found.messages[-1]
    wanted = re.search(r"now 60; some (\d+) may do", found.messages[-1])
    assert wanted and 60 * 400 / found.min_ess_tail < int(wanted[1]) < 80 * 400 / found.min_ess_tail


@pytest.mark.parametrize(
    ("ess", "agree", "told"),
    [
        (100.0, True, "(now 500; some 2200 may do)"),
        (123.0, True, "(now 500; some 1800 may do)"),
        (15.0, True, "(now 500)"),  # for as many nobody would wait
        (100.0, False, "(now 500)"),  # more of the same would do nothing
    ],
)
def test_as_many_draws_are_asked_for_as_may_do(ess: float, agree: bool, told: str) -> None:
    check = _ess("bulk", Scarce(ess, "sigma", 1), 10, (4, 500), more_may_do=agree)
    assert check.verdict == ("fail" if ess < 40 else "warn")
    assert told in check.advice


def test_what_takes_no_steps_has_no_checks_of_steps() -> None:
    none = replace(make_statistics(), n_leapfrog=np.zeros((CHAINS, DRAWS), dtype=int))
    found = [check.name for check in judge(statistics=none).checks]
    assert found == ["R-hat", "bulk ESS", "tail ESS"]


@pytest.mark.parametrize("draws", [1, 2, 3])
def test_hardly_any_draws_do_not_pass(draws: int) -> None:
    found = judge(make_draws(draws=draws), make_statistics(draws=draws))
    assert found.verdict != "pass"
    assert not found.converged
    assert np.isnan(found.min_ess_bulk)


def test_one_chain_says_what_is_missing() -> None:
    found = judge(make_draws(chains=1), make_statistics(chains=1))
    assert (found.verdict, found.converged) == ("warn", True)
    assert np.isnan(found.max_rhat)
    assert len(found.messages) == 1
    assert "one chain" in found.messages[0]


@pytest.mark.parametrize(("count", "verdict"), [(1, "warn"), (20, "warn"), (21, "fail")])
def test_divergences(count: int, verdict: str) -> None:
    statistics = make_statistics()
    statistics.divergent.flat[:count] = True
    found = judge(statistics=statistics)
    assert (found.verdict, found.n_divergent, found.converged) == (verdict, count, False)
    with pytest.warns(ConvergenceWarning, match=f"{count} of 2000 .* adapt_delta"):
        warn_unless_converged(replace(found, n_runs=2))


def test_second_run_is_mentioned() -> None:
    statistics = make_statistics()
    statistics.divergent[0, 0] = True
    with pytest.warns(ConvergenceWarning, match="after 2 runs"):
        warn_unless_converged(judge(statistics=replace(statistics, n_runs=2)))


def test_slow_energy_warns_in_the_frame_and_cut_trajectories_are_a_note() -> None:
    statistics = make_statistics()
    statistics.energy[1] = np.cumsum(statistics.energy[1])
    slow = judge(statistics=statistics)
    assert (slow.verdict, slow.converged) == ("warn", True)
    assert "E-BFMI" in slow.messages[0]
    assert slow.e_bfmi[1] < 0.3 < slow.e_bfmi[0]
    statistics = make_statistics()
    statistics.treedepth.flat[:21] = 10
    cut = judge(statistics=statistics)
    assert (cut.verdict, cut.converged, cut.n_max_treedepth) == ("pass", True, 21)
    assert cut.messages == ()
    assert "max_treedepth=10" in cut.notes[0]


def test_no_factors_and_no_coefficients() -> None:
    labels = Labels((), (), (), (), ())
    good = make_draws()
    draws = replace(good, kappa=good.kappa[:, :, :0], delta=(), tau=(), omega=())
    assert diagnose(draws, make_statistics(), labels).verdict == "pass"


# --- approximations -------------------------------------------------------------------------------


def judge_approximation(k: float, ess: float = 900.0, draws: Draws | None = None) -> Diagnostics:
    """Diagnosis of an approximation's draws."""
    statistics = ImportanceStatistics(pareto_k=k, ess=ess, resampled=k <= 0.7)
    return diagnose(draws or make_draws(), statistics, LABELS, "pathfinder")


@pytest.mark.parametrize(
    ("k", "verdict"),
    [
        (-0.2, "pass"),
        (0.7, "pass"),
        (0.7002, "warn"),
        (0.71, "warn"),
        (1.0, "warn"),
        (1.01, "fail"),
        (np.nan, "fail"),
    ],
)
def test_pareto_k_decides_about_an_approximation(k: float, verdict: str) -> None:
    found = judge_approximation(k)
    assert (found.verdict, found.converged) == (verdict, verdict == "pass")
    assert (found.algorithm, found.n_chains, found.n_draws) == ("pathfinder", CHAINS, DRAWS)
    np.testing.assert_equal(found.pareto_k, k)
    assert np.isnan([found.max_rhat, found.min_ess_bulk, found.min_ess_tail]).all()
    assert (found.n_divergent, found.n_leapfrog, found.e_bfmi.size, found.step_size.size) == (
        0,
    ) * 4


def test_a_number_beyond_its_threshold_is_not_printed_as_the_threshold() -> None:
    found = judge_approximation(0.7002)
    assert "is 0.7002 and should be at most 0.7:" in found.messages[0]
    assert "Pareto k: 0.7002 (threshold 0.7)" in str(found)


def test_poor_approximation_warns_once_with_a_way_out() -> None:
    with pytest.warns(ConvergenceWarning) as caught:
        warn_unless_converged(judge_approximation(0.93))
    assert len(caught) == 1
    text = str(caught[0].message)
    for part in ("algorithm='pathfinder'", "0.93", "0.7", "fallback='nuts'", "tighter priors"):
        assert part in text


def test_approximation_of_few_effective_draws_warns_in_the_frame_only() -> None:
    found = judge_approximation(0.3, ess=40.0)
    assert (found.verdict, found.converged) == ("warn", True)
    assert "40 effective draws" in found.messages[0]


@pytest.mark.parametrize("by", ["stuck", "not finite"])
def test_collapsed_approximation_fails(by: str) -> None:
    good = make_draws()
    bad = replace(good, tau=(spoilt(good.tau[0], 1, by=by), good.tau[1]))
    found = judge_approximation(0.2, draws=bad)
    assert (found.verdict, found.converged) == ("fail", False)
    assert (found.worst_parameter, found.max_rhat) == ("tau[region, spend]", np.inf)
    assert "tau[region, spend]" in found.messages[0]


# --- every check is listed ------------------------------------------------------------------------


def test_frame_has_a_row_for_every_check() -> None:
    frame = judge().to_frame()
    assert list(frame) == ["check", "verdict", "value", "threshold", "source", "advice"]
    names = ["divergences", "R-hat", "bulk ESS", "tail ESS", "E-BFMI", "treedepth"]
    assert list(frame["check"]) == names
    assert list(frame["threshold"]) == [0, 1.01, 400, 400, 0.3, 0.01]
    assert set(frame["verdict"]) == {"pass"}
    assert set(frame["advice"]) == {""}
    assert frame["source"].str.len().min() > 0
    assert list(judge_approximation(0.1).to_frame()["check"]) == [
        "Pareto k",
        "importance ESS",
        "spread of draws",
    ]


def test_worst_check_is_the_verdict_and_more_may_follow() -> None:
    found = judge()
    check = Check("digits", "warn", 1e-3, 1e-6, "our choice", "Few digits.")
    warned = found.and_also([check])
    assert (warned.verdict, warned.messages, warned.converged) == ("warn", ("Few digits.",), True)
    assert warned.checks == (*found.checks, check)
    assert found.verdict == "pass"
    failed = warned.and_also([replace(check, verdict="fail")])
    assert failed.verdict == "fail"


def test_a_note_is_told_and_leaves_the_verdict() -> None:
    note = Check("levels", "note", 3, 5, "a paper", "Three levels.")
    noted = judge().and_also([note])
    assert (noted.verdict, noted.messages, noted.notes) == ("pass", (), ("Three levels.",))
    assert str(noted).splitlines()[-2:] == [
        "  note  levels: 3 (threshold 5)",
        "      Three levels.",
    ]
    assert noted.to_frame()["verdict"].tolist()[-1] == "note"
    statistics = make_statistics()
    statistics.divergent[0, 0] = True
    both = judge(statistics=statistics).and_also([note])
    assert both.verdict == "warn"
    with pytest.warns(ConvergenceWarning) as caught:
        warn_unless_converged(both)
    assert "Three levels" not in str(caught[0].message)


def test_prints_every_check() -> None:
    statistics = make_statistics()
    statistics.divergent[0, 0] = True
    found = judge(statistics=statistics)
    lines = str(found).splitlines()
    assert lines[0] == f"warn: nuts, {CHAINS} x {DRAWS} draws"
    assert lines[1] == "  warn  divergences: 1 (threshold 0)"
    assert "adapt_delta" in lines[2]
    assert len(lines) == 2 + len(found.checks)
    html = found._repr_html_()
    assert html.count("<tr") == 1 + len(found.checks)
    assert "divergences" in html


def test_a_check_that_does_not_apply_says_so_in_words() -> None:
    found = judge().and_also([Check("levels to spare", "pass", np.nan, 2, "our choice")])
    assert str(found).splitlines()[-1] == "  pass  levels to spare: not applicable (threshold 2)"
    assert "NaN" not in found._repr_html_() and "nan" not in found._repr_html_()
    one = Check("R-hat", "warn", np.nan, 1.01, "a paper", "Not computed from one chain.")
    assert "R-hat: nan" in str(one)
