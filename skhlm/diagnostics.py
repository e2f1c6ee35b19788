"""Did the sampler work? R-hat, effective sample sizes, the sampler's own signs, and a verdict."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Literal, NamedTuple

import numpy as np
from sklearn.exceptions import ConvergenceWarning

from skhlm._typing import Bools, Floats
from skhlm.convergence import Convergence, convergence, e_bfmi
from skhlm.draws import Draws, SamplerStatistics
from skhlm.labels import Labels, pairs, path

Verdict = Literal["pass", "warn", "fail"]

RHAT_WARN, RHAT_FAIL = 1.01, 1.05
ESS_WARN, ESS_FAIL = 100, 10  # for each chain
DIVERGENT_FAIL = 0.01  # share of the draws
TREEDEPTH_WARN = 0.01  # share of the draws
E_BFMI_WARN = 0.3


@dataclass(frozen=True, eq=False)
class Diagnostics:
    """How well the sampler did, over every parameter, group effects included.

    Attributes
    ----------
    verdict : {"pass", "warn", "fail"}
        The worst of the checks below.
    max_rhat : float
        Largest rank-normalised split R-hat; NaN with one chain. Infinite if the draws of a
        parameter are all equal or not finite.
    min_ess_bulk, min_ess_tail : float
        Smallest effective sample sizes of all chains together.
    worst_parameter : str
        The parameter with the largest R-hat; with one chain, with the smallest bulk ESS.
    n_divergent : int
        Draws whose trajectory diverged.
    n_max_treedepth : int
        Draws whose trajectory was cut at ``max_treedepth`` doublings.
    e_bfmi : ndarray of shape (chains,)
        Energy Bayesian fraction of missing information.
    n_leapfrog : int
        Gradients that the draws took, warmup not counted.
    step_size : ndarray of shape (chains,)
        Step sizes after warmup.
    n_runs : int
        2 if the sampler was recalibrated and run a second time, else 1.
    n_chains, n_draws : int
        Chains, and draws in each.
    messages : tuple of str
        What was found and what to do about it; empty if nothing was.

    Notes
    -----
    ===========================  =============  ====================  ===========================
    check                        warn           fail                  source
    ===========================  =============  ====================  ===========================
    R-hat                        > 1.01         > 1.05                [1]_; our choice
    bulk and tail ESS per chain  < 100          < 10                  [1]_; [2]_, section 11.5
    divergences                  any            > 1% of the draws     [3]_; our choice
    E-BFMI of a chain            < 0.3                                [4]_, as CmdStan's diagnose
    trajectories cut short       > 1% of draws                        our choice: slow, not wrong
    ===========================  =============  ====================  ===========================

    A draw that is not finite, or a parameter whose draws are all equal, is a failure.

    References
    ----------
    .. [1] Vehtari, Gelman, Simpson, Carpenter and Bürkner (2021). Rank-normalization, folding, and
       localization: an improved R-hat for assessing convergence of MCMC. Bayesian Analysis 16(2).
       doi:10.1214/20-BA1221
    .. [2] Gelman, Carlin, Stern, Dunson, Vehtari and Rubin (2013). Bayesian Data Analysis, third
       edition. doi:10.1201/b16018
    .. [3] Betancourt (2017). A conceptual introduction to Hamiltonian Monte Carlo. arXiv:1701.02434
    .. [4] Betancourt (2016). Diagnosing suboptimal cotangent disintegrations in Hamiltonian Monte
       Carlo. arXiv:1604.00695
    """

    verdict: Verdict
    max_rhat: float
    min_ess_bulk: float
    min_ess_tail: float
    worst_parameter: str
    n_divergent: int
    n_max_treedepth: int
    e_bfmi: Floats
    n_leapfrog: int
    step_size: Floats
    n_runs: int
    n_chains: int
    n_draws: int
    messages: tuple[str, ...]

    @property
    def converged(self) -> bool:
        """No R-hat above 1.01, no ESS below 100 for each chain, no divergence."""
        enough = ESS_WARN * self.n_chains
        return (
            not self.max_rhat > RHAT_WARN
            and self.min_ess_bulk >= enough
            and self.min_ess_tail >= enough
            and self.n_divergent == 0
        )


def diagnose(draws: Draws, statistics: SamplerStatistics, labels: Labels) -> Diagnostics:
    """Judge a run of the sampler by its draws, in whatever units, and by its statistics.

    Parameters
    ----------
    draws : Draws
    statistics : SamplerStatistics
    labels : Labels
        What messages call the parameters.

    Returns
    -------
    Diagnostics
    """
    worst = _worst(draws, labels)
    share_cut = statistics.treedepth >= statistics.max_treedepth
    energy = e_bfmi(statistics.energy)
    findings = [
        *_convergence_findings(worst, draws.shape),
        *_divergences(statistics.divergent),
        *_energy(energy),
        *_treedepth(share_cut, statistics.max_treedepth),
    ]
    return Diagnostics(
        verdict=_VERDICTS[max((finding.severity for finding in findings), default=0)],
        max_rhat=worst.rhat.value,
        min_ess_bulk=worst.ess_bulk.value,
        min_ess_tail=worst.ess_tail.value,
        worst_parameter=(worst.ess_bulk if np.isnan(worst.rhat.value) else worst.rhat).parameter,
        n_divergent=int(statistics.divergent.sum()),
        n_max_treedepth=int(share_cut.sum()),
        e_bfmi=energy,
        n_leapfrog=int(statistics.n_leapfrog.sum()),
        step_size=statistics.step_size,
        n_runs=statistics.n_runs,
        n_chains=draws.shape[0],
        n_draws=draws.shape[1],
        messages=tuple(finding.text for finding in findings),
    )


def warn_unless_converged(diagnostics: Diagnostics, stacklevel: int = 4) -> None:
    """Give one ConvergenceWarning with everything that was found, unless the run converged.

    Parameters
    ----------
    diagnostics : Diagnostics
    stacklevel : int, default 4
        As in `warnings.warn`; 4 points at the caller of ``fit``, which scikit-learn wraps.

    Warns
    -----
    ConvergenceWarning
        If ``diagnostics.converged`` is false.
    """
    if diagnostics.converged:
        return
    runs = " even after a second run" if diagnostics.n_runs > 1 else ""
    text = " ".join(diagnostics.messages)
    warnings.warn(
        f"The sampler has not converged{runs}. {text} See diagnostics_.",
        ConvergenceWarning,
        stacklevel=stacklevel,
    )


_VERDICTS: tuple[Verdict, ...] = ("pass", "warn", "fail")


class _Finding(NamedTuple):
    """A message, and the position in `_VERDICTS` of the verdict it calls for."""

    severity: int
    text: str


class _Extreme(NamedTuple):
    """The worst value of a statistic, and the parameter that has it."""

    value: float
    parameter: str


class _Worst(NamedTuple):
    rhat: _Extreme
    ess_bulk: _Extreme
    ess_tail: _Extreme


_Block = tuple[Floats, Callable[[int], str]]  # draws (chains, draws, P) and names of P parameters


def _worst(draws: Draws, labels: Labels) -> _Worst:
    """Largest R-hat and smallest ESS over all parameters."""
    extremes = [_worst_of_block(block) for block in _blocks(draws, labels)]
    rhats, bulks, tails = zip(*extremes, strict=True)
    return _Worst(
        max(rhats, key=lambda extreme: -np.inf if np.isnan(extreme.value) else extreme.value),
        min(bulks, key=_unknown_first),
        min(tails, key=_unknown_first),
    )


def _unknown_first(extreme: _Extreme) -> float:
    """Order of ESS in which NaN comes before everything."""
    return -np.inf if np.isnan(extreme.value) else extreme.value


def _worst_of_block(block: _Block) -> _Worst:
    """Largest R-hat and smallest ESS of one block of parameters."""
    x, name = block
    rhat, bulk, tail = _checked(x)
    largest = 0 if np.isnan(rhat).all() else int(np.nanargmax(rhat))
    places = [(rhat, largest), (bulk, int(np.argmin(bulk))), (tail, int(np.argmin(tail)))]
    return _Worst(*(_Extreme(float(value[i]), name(i)) for value, i in places))


def _checked(x: Floats) -> Convergence:
    """Statistics of (chains, draws, P); what never moves or is not finite is the worst of all."""
    stuck = ~(np.ptp(x, axis=(0, 1)) > 0) | ~np.isfinite(x).all(axis=(0, 1))
    rhat, bulk, tail = convergence(x)
    if x.shape[1] == 1:
        stuck[:] = False
    return Convergence(
        np.where(stuck, np.inf, rhat), np.where(stuck, 0, bulk), np.where(stuck, 0, tail)
    )


def _blocks(draws: Draws, labels: Labels) -> Iterator[_Block]:
    """All parameters of the model, leaving out what is constant by definition."""
    if draws.kappa.shape[2]:
        yield draws.kappa, lambda i: f"kappa[{labels.coefficients[i]}]"
    yield draws.sigma[:, :, None], lambda _: "sigma"
    if draws.nu is not None:
        yield draws.nu[:, :, None], lambda _: "nu"
    for g in range(len(labels.factors)):
        yield from _blocks_of_factor(draws, labels, g)


def _blocks_of_factor(draws: Draws, labels: Labels, g: int) -> Iterator[_Block]:
    """tau, the correlations and the effects of one factor."""
    factor, names, levels = labels.factors[g], labels.varying_names(g), labels.levels[g]
    if not names:
        return
    yield draws.tau[g], lambda i: f"tau[{factor}, {names[i]}]"
    if draws.omega and len(names) > 1:
        rows, columns = pairs(len(names))
        pair_names = labels.pair_names(g)
        yield draws.omega[g][:, :, rows, columns], lambda i: f"omega[{factor}, {pair_names[i]}]"

    def effect(i: int) -> str:
        level, j = divmod(i, len(names))
        return f"delta[{factor}, {path(levels[level])}, {names[j]}]"

    yield draws.delta[g].reshape(*draws.shape, -1), effect


def _convergence_findings(worst: _Worst, shape: tuple[int, int]) -> Iterator[_Finding]:
    """R-hat and effective sample sizes."""
    chains, draws = shape
    rhat, parameter = worst.rhat
    if chains == 1:
        yield _Finding(0, "R-hat is not computed from one chain; 4 are recommended.")
    if rhat > RHAT_WARN:
        yield _Finding(
            1 + (rhat > RHAT_FAIL),
            f"R-hat is {rhat:.3f} for {parameter} and should be at most {RHAT_WARN}: the chains "
            "disagree. Raise iter_sampling and iter_warmup; if that does not help, look for "
            "collinear predictors, a factor with very few levels (give tighter priors), or nu near "
            "1, where levels may have two modes (family='normal' has one).",
        )
    for what, (ess, parameter) in [("Bulk", worst.ess_bulk), ("Tail", worst.ess_tail)]:
        if not ess >= ESS_WARN * chains:
            yield _Finding(
                1 + (ess < ESS_FAIL * chains),
                f"{what} effective sample size is {ess:.0f} for {parameter} and should be at least "
                f"{ESS_WARN * chains}, {ESS_WARN} for each chain: raise iter_sampling (now "
                f"{draws}).",
            )


def _divergences(divergent: Bools) -> Iterator[_Finding]:
    """Divergent trajectories."""
    if divergent.any():
        yield _Finding(
            1 + bool(divergent.mean() > DIVERGENT_FAIL),
            f"{divergent.sum()} of {divergent.size} draws ended a divergent trajectory, so a part "
            "of the posterior may be missing: raise adapt_delta (up to 0.99), or give tighter "
            "priors for tau.",
        )


def _energy(fraction: Floats) -> Iterator[_Finding]:
    """Chains that move slowly between levels of energy."""
    low = np.flatnonzero(fraction < E_BFMI_WARN)
    if len(low):
        yield _Finding(
            1,
            f"E-BFMI is down to {fraction[low].min():.2f} in {len(low)} of {len(fraction)} chains "
            f"and should be at least {E_BFMI_WARN}: tails may be explored slowly; raise "
            "iter_sampling.",
        )


def _treedepth(cut: Bools, max_treedepth: int) -> Iterator[_Finding]:
    """Trajectories that were cut before they turned."""
    if cut.mean() > TREEDEPTH_WARN:
        yield _Finding(
            1,
            f"{cut.sum()} of {cut.size} draws reached max_treedepth={max_treedepth}: sampling is "
            "slow; raise max_treedepth.",
        )
