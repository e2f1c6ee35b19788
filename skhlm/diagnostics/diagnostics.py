"""Can the draws be trusted? R-hat, effective sample sizes, the algorithm's own signs, a verdict."""

from __future__ import annotations

import math
import warnings
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np
import pandas as pd
from sklearn.exceptions import ConvergenceWarning

from skhlm._typing import Bools, Floats
from skhlm.diagnostics.checks import Check, Verdict, judge, worst_verdict
from skhlm.diagnostics.extremes import (
    Extreme,
    Extremes,
    Scarce,
    find_degenerate,
    find_extremes,
)
from skhlm.draws import Draws, ImportanceStatistics, SamplerStatistics
from skhlm.exceptions import Message
from skhlm.inputs.columns import listed
from skhlm.inputs.labels import Labels
from skhlm.numerics.convergence import RHAT_MATTERS, e_bfmi
from skhlm.numerics.digits import told_apart
from skhlm.numerics.importance import K_RELIABLE
from skhlm.printable import printable

RHAT_WARN, RHAT_FAIL = RHAT_MATTERS, 1.05
ESS_WARN, ESS_FAIL = 100, 10  # for each chain
DIVERGENT_FAIL = 0.01  # share of the draws
TREEDEPTH_NOTE = 0.01  # share of the draws
E_BFMI_WARN = 0.3
PARETO_K_WARN, PARETO_K_FAIL = K_RELIABLE, 1.0
IMPORTANCE_ESS_WARN = 100  # of all draws together
_HOPELESS = 20  # times the draws: nobody would wait for as many

_OURS = "our choice"
_VEHTARI_2021 = "Vehtari et al. 2021, doi:10.1214/20-BA1221"
_VEHTARI_2024 = "Vehtari et al. 2024, JMLR 25(72)"
_BDA = "Gelman et al. 2013, section 11.5, doi:10.1201/b16018"
_BETANCOURT_2016 = "Betancourt 2016, arXiv:1604.00695"
_BETANCOURT_2017 = "Betancourt 2017, arXiv:1701.02434"


@dataclass(frozen=True, eq=False)
class Diagnostics:
    """How well inference went, over every parameter that was sampled, group effects included.

    With normal residuals and one hierarchy the effects of its finest factor are not sampled: they
    are made from everything else and independent noise.

    What does not apply to an algorithm is NaN, zero or empty. ``print(model.diagnostics_)`` shows
    every check, `skhlm.HLMRegressor.diagnose` gives them as a frame.

    Attributes
    ----------
    algorithm : str
        What drew: "nuts", or the name of an approximation.
    checks : tuple of Check
        Every check with its verdict, number, threshold, source and advice, passed ones too.
    verdict : {"pass", "warn", "fail"}
        The worst of the checks; a note leaves it as it is.
    messages : tuple of str
        What was found and what to do about it; empty if the verdict is "pass".
    notes : tuple of str
        What else there is to know of the data or the run, for which nothing has to be done.
    converged : bool
        Whether the draws can be taken for draws of the posterior.
    max_rhat : float
        Largest rank-normalised split R-hat; NaN with one chain and for approximations. Infinite if
        the draws of a parameter are all equal or not finite.
    rhat_excess : float
        Largest (R-hat - 1) / (limit - 1), the limit of a parameter being what its R-hat does not
        exceed by chance, or 1.01 if that is more: above 1 the chains disagree. NaN with one chain,
        for approximations and from a file of before there was one; infinite as ``max_rhat`` is.
    chains_disagree : bool
        Whether an R-hat is above 1.01 by more than chance explains, or above 1.05.
    min_ess_bulk, min_ess_tail : float
        Smallest effective sample sizes of all chains together; NaN for approximations.
    worst_parameter : str
        The parameter whose R-hat is farthest beyond chance, or largest if above 1.05; with one
        chain, with the smallest bulk ESS. Parameters are judged as they were fitted, "Intercept at
        the means" of the predictors among them.
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
        How often the sampler was run: more than once where the first run was poor.
    n_chains, n_draws : int
        Chains, and draws in each.
    pareto_k : float
        Pareto k of the importance ratios of an approximation; NaN for NUTS.

    Notes
    -----
    ===========================  =============  ====================  ===========================
    check                        warn           fail                  source
    ===========================  =============  ====================  ===========================
    R-hat                        > 1.01, by     > 1.05                [1]_; our choice
                                 more than
                                 chance
    bulk and tail ESS per chain  < 100          < 10                  [1]_; [2]_, section 11.5
    divergences                  any            > 1% of the draws     [3]_; our choice
    E-BFMI of a chain            < 0.3                                [4]_, as CmdStan's diagnose
    trajectories cut short       a note: > 1%                         our choice: slow, not wrong
    Pareto k                     > 0.7          > 1                   [5]_
    importance ESS               < 100                                our choice
    ===========================  =============  ====================  ===========================

    Of many parameters one has an R-hat above 1.01 by chance, however well the chains agree. So each
    has a limit, 1.01 or more, from its own effective draws and the number of parameters: chains
    that agree exceed one of all these limits in a fit of a thousand (more often with fewer than
    some 20 draws a chain). Above 1.05 no chance is an excuse.

    A draw that is not finite, or a parameter whose draws are all equal, is a failure. The checks
    that `fit` adds on what the data can identify are those of docs/diagnostics.md.

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
    .. [5] Vehtari, Simpson, Gelman, Yao and Gabry (2024). Pareto smoothed importance sampling.
       Journal of Machine Learning Research 25(72). https://jmlr.org/papers/v25/19-556.html
    """

    algorithm: str
    checks: tuple[Check, ...]
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
    pareto_k: float
    rhat_excess: float = np.nan

    @property
    def verdict(self) -> Verdict:
        """The worst of the checks, but for notes."""
        return worst_verdict(self.checks)

    @property
    def messages(self) -> tuple[str, ...]:
        """Advice of the checks that warn or fail, in their order."""
        return tuple(check.advice for check in self.checks if check.verdict in ("warn", "fail"))

    @property
    def notes(self) -> tuple[str, ...]:
        """What checks note, in their order."""
        return tuple(check.advice for check in self.checks if check.verdict == "note")

    @property
    def converged(self) -> bool:
        """Chains agree, no ESS below 100 for each chain, no divergence; Pareto k <= 0.7."""
        if self.chains_disagree:
            return False
        if self.pareto_k <= PARETO_K_WARN:
            return True
        enough = ESS_WARN * self.n_chains
        return self.min_ess_bulk >= enough and self.min_ess_tail >= enough and self.n_divergent == 0

    @property
    def chains_disagree(self) -> bool:
        """Whether an R-hat is above 1.01 and by more than chance explains, or above 1.05."""
        if np.isnan(self.rhat_excess):  # of an approximation, or read from an older file
            return self.max_rhat > RHAT_WARN
        return self.rhat_excess > 1 or self.max_rhat > RHAT_FAIL

    def and_also(self, checks: Sequence[Check]) -> Diagnostics:
        """The same with more checks."""
        return replace(self, checks=(*self.checks, *checks))

    def to_frame(self) -> pd.DataFrame:
        """The checks as a tidy frame: check, verdict, value, threshold, source, advice."""
        frame = pd.DataFrame([vars(check) for check in self.checks])
        return frame.rename(columns={"name": "check"})

    def __str__(self) -> str:
        """The verdict, and a line for each check."""
        head = f"{self.verdict}: {self.algorithm}, {self.n_chains} x {self.n_draws} draws"
        return printable("\n".join([head, *(f"  {check}" for check in self.checks)]))

    def _repr_html_(self) -> str:
        """The checks as a table, for notebooks."""
        table: str = self.to_frame().to_html(index=False, na_rep="–", float_format="{:.4g}".format)
        return f"<p>{self.algorithm}: {self.verdict}</p>{table}"


def diagnose(
    draws: Draws,
    statistics: SamplerStatistics | ImportanceStatistics,
    labels: Labels,
    algorithm: str = "nuts",
    n_threads: int = 1,
) -> Diagnostics:
    """Judge draws, in whatever units, and what the algorithm says of them.

    Parameters
    ----------
    draws : Draws
    statistics : SamplerStatistics or ImportanceStatistics
        Of a sampler, or of an approximation.
    labels : Labels
        What messages call the parameters.
    algorithm : str, default="nuts"
        What messages call the algorithm.
    n_threads : int, default=1
        How many threads to work in.

    Returns
    -------
    Diagnostics
    """
    if isinstance(statistics, ImportanceStatistics):
        return _diagnose_approximation(draws, statistics, labels, algorithm)
    return _diagnose_sampler(draws, statistics, labels, algorithm, n_threads)


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
    text = printable(" ".join([_what_happened(diagnostics), *diagnostics.messages]))
    message = Message(text, python="See diagnostics_.")
    warnings.warn(message, ConvergenceWarning, stacklevel=stacklevel)


def _what_happened(diagnostics: Diagnostics) -> str:
    """First sentence of the warning."""
    if diagnostics.algorithm != "nuts":
        return f"algorithm={diagnostics.algorithm!r} did not come close to the posterior."
    runs = f" even after {diagnostics.n_runs} runs" if diagnostics.n_runs > 1 else ""
    return f"The sampler has not converged{runs}."


def _diagnose_sampler(
    draws: Draws, statistics: SamplerStatistics, labels: Labels, algorithm: str, n_threads: int
) -> Diagnostics:
    """Of draws that are chains."""
    worst = find_extremes(draws, labels, ESS_WARN * draws.shape[0], n_threads)
    cut = statistics.treedepth >= statistics.max_treedepth
    energy = e_bfmi(statistics.energy)
    checks = list(_convergence_checks(worst, draws.shape))
    if statistics.has_steps_of(statistics.energy.size):
        checks.insert(0, _divergences(statistics.divergent))
        checks += [_energy(energy), _treedepth(cut, statistics.max_treedepth)]
    return Diagnostics(
        algorithm=algorithm,
        checks=tuple(checks),
        max_rhat=worst.rhat.value,
        min_ess_bulk=worst.ess_bulk.value,
        min_ess_tail=worst.ess_tail.value,
        worst_parameter=(
            worst.ess_bulk if np.isnan(worst.rhat_excess) else _judged_rhat(worst)[0]
        ).parameter,
        n_divergent=int(statistics.divergent.sum()),
        n_max_treedepth=int(cut.sum()),
        e_bfmi=energy,
        n_leapfrog=int(statistics.n_leapfrog.sum()),
        step_size=statistics.step_size,
        n_runs=statistics.n_runs,
        n_chains=draws.shape[0],
        n_draws=draws.shape[1],
        pareto_k=np.nan,
        rhat_excess=worst.rhat_excess,
    )


def _diagnose_approximation(
    draws: Draws, statistics: ImportanceStatistics, labels: Labels, algorithm: str
) -> Diagnostics:
    """Of independent draws that importance ratios compare with the posterior."""
    degenerate = find_degenerate(draws, labels)
    return Diagnostics(
        algorithm=algorithm,
        checks=(
            _pareto(statistics.pareto_k),
            _importance_ess(statistics.ess),
            _spread(degenerate),
        ),
        max_rhat=np.inf if degenerate else np.nan,
        min_ess_bulk=np.nan,
        min_ess_tail=np.nan,
        worst_parameter=degenerate[0] if degenerate else "",
        n_divergent=0,
        n_max_treedepth=0,
        e_bfmi=np.empty(0),
        n_leapfrog=0,
        step_size=np.empty(0),
        n_runs=1,
        n_chains=draws.shape[0],
        n_draws=draws.shape[1],
        pareto_k=statistics.pareto_k,
    )


def _convergence_checks(worst: Extremes, shape: tuple[int, int]) -> Iterator[Check]:
    """R-hat and effective sample sizes."""
    by_chance = not worst.rhat_excess > 1
    alone = shape[0] == 1 and by_chance
    yield _one_chain() if alone else _rhat(*_judged_rhat(worst), shape[1], by_chance=by_chance)
    for kind, ess in (("bulk", worst.ess_bulk), ("tail", worst.ess_tail)):
        yield _ess(kind, ess, worst.n_parameters, shape, more_may_do=by_chance)


def _one_chain() -> Check:
    """R-hat that cannot be computed."""
    advice = (
        "R-hat is not computed from one chain, so nothing tells whether other chains would agree: "
        "set chains=4."
    )
    return Check("R-hat", "warn", np.nan, RHAT_WARN, _VEHTARI_2021, advice)


def _judged_rhat(worst: Extremes) -> tuple[Extreme, float]:
    """The R-hat that tells most, and what it may be: that farthest beyond chance, or far too large.

    Where bulk and folded draws differ in which is the larger and which the farther beyond chance,
    the limit is in the proportion of the latter.
    """
    if worst.rhat.value > RHAT_FAIL or not 0 < worst.rhat_excess < np.inf:
        return worst.rhat, RHAT_WARN
    farthest = worst.beyond_chance
    return farthest, min(1 + (farthest.value - 1) / worst.rhat_excess, RHAT_FAIL)


def _rhat(worst: Extreme, limit: float, n_draws: int, *, by_chance: bool) -> Check:
    """Chains that disagree, or have too few draws to tell."""
    rhat, parameter = worst
    cause = (
        f"the chains have too few draws ({n_draws} each) to tell whether they disagree. Raise "
        "iter_sampling"
        if by_chance
        else "the chains disagree. Raise iter_sampling and iter_warmup"
    )
    advice = (
        f"R-hat is {told_apart(rhat, limit, 4)} for {parameter} and should be at most "
        f"{limit:.4g}: {cause}; if that does not help, look for collinear predictors, a factor "
        "with very few levels (give tighter priors), or, where there is a nu, for one near 1: "
        "levels may have two modes then (family='normal' has one)."
    )
    return judge(
        "R-hat",
        rhat,
        limit,
        f"{_VEHTARI_2021}; {_OURS}",
        advice,
        warns=rhat > limit,
        fails=rhat > RHAT_FAIL,
    )


def _ess(
    kind: str, worst: Scarce, n_parameters: int, shape: tuple[int, int], *, more_may_do: bool
) -> Check:
    """Too few effective draws."""
    ess, parameter, n_short = worst
    chains, draws = shape
    enough = ESS_WARN * chains
    times = enough / ess if ess > 0 else np.inf
    wanted = (
        f"; some {_up(1.1 * times * draws)} may do" if more_may_do and 1 < times < _HOPELESS else ""
    )
    others = f" (of {n_parameters} parameters {n_short} have too few)" if n_short > 1 else ""
    advice = (
        f"{kind.capitalize()} effective sample size is {told_apart(ess, enough, 0)} for {parameter}"
        f"{others} and should be at least {enough}, {ESS_WARN} for each chain: raise iter_sampling "
        f"(now {draws}{wanted})."
    )
    source = f"{_VEHTARI_2021}; {_BDA}"
    few, hardly_any = not ess >= enough, ess < ESS_FAIL * chains
    return judge(f"{kind} ESS", ess, enough, source, advice, warns=few, fails=hardly_any)


def _up(number: float) -> int:
    """Two digits of it, rounded up."""
    unit = int(10 ** max(math.floor(math.log10(number)) - 1, 0))
    return math.ceil(number / unit) * unit


def _divergences(divergent: Bools) -> Check:
    """Divergent trajectories."""
    count = int(divergent.sum())
    advice = (
        f"{count} of {divergent.size} draws ended a divergent trajectory, so a part of the "
        "posterior may be missing: raise adapt_delta (up to 0.99), or give tighter priors for tau."
    )
    source = f"{_BETANCOURT_2017}; {_OURS}"
    many = count > DIVERGENT_FAIL * divergent.size
    return judge("divergences", count, 0, source, advice, warns=count > 0, fails=many)


def _energy(fraction: Floats) -> Check:
    """Chains that move slowly between levels of energy."""
    low = fraction < E_BFMI_WARN
    known = fraction[~np.isnan(fraction)]
    smallest = float(known.min()) if known.size else np.nan
    advice = (
        f"E-BFMI is down to {told_apart(smallest, E_BFMI_WARN, 2)} in {low.sum()} of "
        f"{len(fraction)} chains and should be at least {E_BFMI_WARN}: tails may be explored "
        "slowly; raise iter_sampling."
    )
    slow = bool(low.any())
    return judge("E-BFMI", smallest, E_BFMI_WARN, _BETANCOURT_2016, advice, warns=slow)


def _treedepth(cut: Bools, max_treedepth: int) -> Check:
    """Trajectories that were cut before they turned."""
    share = float(cut.mean())
    advice = (
        f"{cut.sum()} of {cut.size} draws reached max_treedepth={max_treedepth}: sampling is slow; "
        "raise max_treedepth."
    )
    often = share > TREEDEPTH_NOTE
    return judge("treedepth", share, TREEDEPTH_NOTE, _OURS, advice, notes=often)


def _pareto(k: float) -> Check:
    """An approximation too far from the posterior for importance ratios to say how far."""
    advice = (
        f"Pareto k of the importance ratios is {told_apart(k, PARETO_K_WARN, 2)} and should be at "
        f"most {PARETO_K_WARN}: the approximation misses parts of the posterior, and its means and "
        "intervals may be wrong. Use algorithm='nuts' (fallback='nuts' does so by itself), try "
        "another algorithm, or give tighter priors."
    )
    poor, useless = not k <= PARETO_K_WARN, not k <= PARETO_K_FAIL
    return judge("Pareto k", k, PARETO_K_WARN, _VEHTARI_2024, advice, warns=poor, fails=useless)


def _importance_ess(ess: float) -> Check:
    """Few draws that carry most of the weight."""
    advice = (
        f"The importance weights leave {told_apart(ess, IMPORTANCE_ESS_WARN, 0)} effective draws, "
        f"and there should be at least {IMPORTANCE_ESS_WARN}: quantiles are rough. Raise "
        "iter_sampling, or use algorithm='nuts'."
    )
    few = not ess >= IMPORTANCE_ESS_WARN
    return judge("importance ESS", ess, IMPORTANCE_ESS_WARN, _OURS, advice, warns=few)


def _spread(degenerate: Sequence[str]) -> Check:
    """Parameters whose draws are no distribution."""
    advice = (
        f"All draws are equal, or some are not finite, for {listed(degenerate)}: the approximation "
        "has collapsed. Use algorithm='nuts'."
    )
    some = bool(degenerate)
    return judge("spread of draws", len(degenerate), 0, _OURS, advice, warns=some, fails=some)
