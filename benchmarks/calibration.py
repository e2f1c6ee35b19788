"""Are posteriors calibrated? Simulation-based calibration of eight designs.

``python -m benchmarks.calibration`` draws parameters from the prior and outcomes given these, fits
with the defaults, and asks for the rank of each parameter among 99 draws of its posterior: uniform,
if everything is right [1]_. One quantity more is the log likelihood of all rows, which sees the
data [2]_. Ranks go to ``benchmarks/results/calibration.json``, with a checksum, tests of uniformity
to ``calibration.md`` beside it, pictures to ``docs/pictures/calibration.png``. ``--designs``
simulates some designs, and leaves the ranks of others; ``--simulations`` is how many of each.

.. [1] Talts, Betancourt, Simpson, Vehtari and Gelman (2018). Validating Bayesian inference
   algorithms with simulation-based calibration. arXiv:1804.06788
.. [2] Modrák, Moon, Kim, Bürkner, Huurre, Faltejsková, Gelman and Vehtari (2025). Simulation-based
   calibration checking for Bayesian computation. Bayesian Analysis 20(2). doi:10.1214/23-BA1404
"""

from __future__ import annotations

import argparse
import json
import warnings
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from functools import partial
from hashlib import sha256
from itertools import islice
from typing import Any

import numpy as np
import pandas as pd
from scipy import stats

from benchmarks.machine import describe_machine
from benchmarks.plain import ROOT
from skhlm import HLMRegressor
from skhlm._typing import Floats
from skhlm.posterior import Posterior, prediction
from skhlm.posterior.parameters import list_parameters
from skhlm.posterior.prior_draws import draw_priors
from skhlm.preparation import prepare
from skhlm.priors import Normal

RANKS = ROOT / "benchmarks" / "results" / "calibration.json"
PAGE = ROOT / "benchmarks" / "results" / "calibration.md"
PICTURE = ROOT / "docs" / "pictures" / "calibration.png"
DRAWS, BINS = 99, 20  # of the posterior; of their 100 ranks
SIZE = 0.01  # of all tests together
COLUMNS = (
    "design | simulations | quantities | smallest p | of | divergences left | runs beyond one | "
    "failed"
)
EFFECTS = 4  # of each factor whose ranks are looked at


@dataclass(frozen=True)
class Design:
    """Rows, their groups and the model."""

    rows: int
    factors: dict[str, int]  # levels by the name of the column
    groups: list[str]
    family: str
    predictors: int = 1
    covariance: str = "diagonal"
    varying: Any = "all"
    scale: float = 1.0  # of kappa's and tau's priors
    own: tuple[str, ...] = ()  # parameters of the family whose prior is half-normal(0, 1)

    def model(self, seed: int) -> HLMRegressor:
        """With proper priors, in the user's units."""
        return HLMRegressor(
            self.groups,
            family=self.family,
            covariance=self.covariance,
            varying=self.varying,
            autoscale=False,
            priors={
                "kappa": Normal(0, self.scale),
                "tau": Normal(0, self.scale),
                **{name: Normal(0, 1) for name in self.own},
            },
            random_state=seed,
            n_jobs=1,
        )

    def table(self, rng: np.random.Generator) -> pd.DataFrame:
        """Predictors and levels; a nested factor's levels lie in turn in those above."""
        frame = pd.DataFrame(
            rng.normal(size=(self.rows, self.predictors)),
            columns=[f"x{i}" for i in range(self.predictors)],
        )
        order = rng.permutation(self.rows)
        for name, levels in self.factors.items():
            frame[name] = order % levels
        return frame


DESIGNS = {
    "normal": Design(120, {"a": 12}, ["a"], "normal", own=("sigma",)),
    "normal, full covariance": Design(
        80, {"a": 8}, ["a"], "normal", predictors=2, covariance="full", own=("sigma",)
    ),
    "Student-t, crossed": Design(150, {"a": 10, "b": 7}, ["a", "b"], "student_t", own=("sigma",)),
    "Student-t, intercepts": Design(
        120, {"a": 15}, ["a"], "student_t", varying="intercept", own=("sigma",)
    ),
    "binomial, nested": Design(200, {"a": 4, "b": 16}, ["a/b"], "binomial"),
    "Poisson, crossed": Design(120, {"a": 8, "b": 9}, ["a", "b"], "poisson", scale=0.5),
    "negative binomial": Design(150, {"a": 10}, ["a"], "negative_binomial", scale=0.5),
    "gamma, nested": Design(120, {"a": 4, "b": 12}, ["a/b"], "gamma", scale=0.5),
}


def simulate(name: str, seed: int) -> dict[str, Any]:
    """Ranks of the true parameters of one simulation, by name, and how the fit went."""
    design, rng = DESIGNS[name], np.random.default_rng([seed, *name.encode()])
    X, model = design.table(rng), design.model(seed)
    some_y = np.tile([1.0, 0.0] if design.family == "binomial" else [1.0, 2.0], len(X))[: len(X)]
    problem, spec, _ = prepare(model, X, some_y, None)
    drawn = draw_priors(
        problem.priors,
        problem.n_levels,
        1,
        rng,
        family=problem.family,
        covariance=design.covariance,
    )
    truth = Posterior.from_draws(drawn, problem.varying, spec.units, problem.family)
    predictors, codes, _ = spec.read(model, X)
    new = np.full_like(codes, -1)
    y = prediction.joint_draws(truth, predictors, codes, new, 1, rng)[:, 0]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        model.fit(X, y)
    posterior = model._posterior
    picks = np.linspace(0, posterior.n_draws - 1, DRAWS).astype(np.int64)
    found, true = (
        _quantities(p, spec.labels, predictors, codes, y) for p in (posterior.picked(picks), truth)
    )
    diagnostics = model.diagnostics_
    return {
        "ranks": {key: int((found[key] < true[key][0]).sum()) for key in found},
        "divergent": diagnostics.n_divergent,
        "runs": diagnostics.n_runs,
        "verdict": diagnostics.verdict,
    }


def _quantities(
    posterior: Posterior, labels: Any, X: Floats, codes: Any, y: Floats
) -> dict[str, Floats]:
    """Draws (S,) of what has a rank, by name."""
    found: dict[str, Floats] = {}
    for block in list_parameters(posterior):
        values = block.reported(posterior).reshape(-1, posterior.n_draws)
        most = EFFECTS if block.kind == "delta" else len(values)
        found |= {
            str(n): v for n, v in zip(islice(block.names(labels), most), values, strict=False)
        }
    total = np.zeros(posterior.n_draws)
    for rows, eta in prediction.draws_of_eta(posterior, X, codes):
        total += posterior.family.log_density(y[rows, None], eta, posterior.auxiliary).sum(axis=0)
    return found | {"log likelihood": total}


def uniformity(ranks: Sequence[int]) -> float:
    """p of the hypothesis that ranks from 0 to 99 are uniform: a chi-squared test of 20 bins."""
    counts = np.bincount(np.asarray(ranks) * BINS // (DRAWS + 1), minlength=BINS)
    return float(stats.chisquare(counts).pvalue)


def page(results: dict[str, Any]) -> str:
    """The table of all designs."""
    lines = [
        "# Simulation-based calibration",
        "",
        f"`python -m benchmarks.calibration`: ranks of true parameters among {DRAWS} draws of "
        f"their posterior, a chi-squared test of {BINS} bins for each. If all is right, the "
        f"smallest p of all n tests is below {SIZE} / n once in {round(1 / SIZE)} pages.",
        "",
        f"| {COLUMNS} |",
        "|---" * len(COLUMNS.split("|")) + "|",
    ]
    smallest, n_tests = 1.0, 0
    for name, result in results["designs"].items():
        p = {key: uniformity(ranks) for key, ranks in result["ranks"].items()}
        worst = min(p, key=lambda key: p[key])
        smallest, n_tests, n = min(smallest, p[worst]), n_tests + len(p), result["simulations"]
        lines.append(
            f"| {name} | {n} | {len(p)} | {p[worst]:.3g} | `{worst}` | {result['divergent']} | "
            f"{result['reruns']} | {result['failed']} |"
        )
    told = "uniform" if smallest * n_tests > SIZE else "NOT uniform"
    lines += [
        "",
        f"{n_tests} tests, smallest p {smallest:.3g}, bound {SIZE / max(n_tests, 1):.2g}: {told}.",
        "",
        f"SHA-256 of the ranks: `{results['sha256']}`",
        "",
        "; ".join(f"{key} {value}" for key, value in results["machine"].items()),
        "",
    ]
    return "\n".join(lines)


def draw(results: dict[str, Any]) -> None:
    """Distribution functions of the ranks less the uniform one, a panel a design."""
    import matplotlib as mpl

    mpl.use("Agg")
    import matplotlib.pyplot as plt

    designs = results["designs"]
    figure, panels = plt.subplots(
        2, 4, figsize=(11, 5), sharex=True, sharey=True, layout="constrained"
    )
    x = np.linspace(0, 1, DRAWS + 2)[1:]
    for axes, (name, result) in zip(panels.flat, designs.items(), strict=False):
        n, tests = result["simulations"], len(result["ranks"])
        bound = stats.norm.isf(SIZE / (2 * tests)) * np.sqrt(x * (1 - x) / n)
        axes.fill_between(x, -bound, bound, color="0.88", linewidth=0)
        for ranks in result["ranks"].values():
            counts = np.bincount(ranks, minlength=DRAWS + 1)
            axes.plot(x, np.cumsum(counts) / n - x, color="C0", alpha=0.5, linewidth=0.8)
        axes.set_title(f"{name} ({n})", fontsize=9)
        axes.set_xlim(0, 1)
    figure.supxlabel("rank of the truth among posterior draws, as a share", fontsize=9)
    figure.supylabel("share of simulations below it, less the uniform one", fontsize=9)
    figure.savefig(PICTURE, dpi=110)


def gathered(found: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """Simulations of a design together."""
    return {
        "simulations": len(found),
        "ranks": {key: [one["ranks"][key] for one in found] for key in found[0]["ranks"]},
        "divergent": sum(one["divergent"] > 0 for one in found),
        "reruns": sum(one["runs"] > 1 for one in found),
        "failed": sum(one["verdict"] == "fail" for one in found),
    }


def main() -> None:
    """Simulate, test, write."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--designs", nargs="+", choices=DESIGNS, default=list(DESIGNS))
    parser.add_argument("--simulations", type=int, default=500)
    parser.add_argument("--workers", type=int, default=None)
    given = parser.parse_args()
    known = json.loads(RANKS.read_text(encoding="utf-8"))["designs"] if RANKS.exists() else {}
    for name in given.designs:
        with ProcessPoolExecutor(given.workers) as pool:
            found = list(pool.map(partial(simulate, name), range(given.simulations), chunksize=5))
        known[name] = gathered(found)
        ordered = {key: known[key] for key in DESIGNS if key in known}
        text = json.dumps({key: value["ranks"] for key, value in ordered.items()}, sort_keys=True)
        results = {
            "sha256": sha256(text.encode()).hexdigest(),
            "machine": describe_machine(),
            "designs": ordered,
        }
        RANKS.write_text(json.dumps(results, separators=(",", ":")) + "\n", encoding="utf-8")
        PAGE.write_text(page(results), encoding="utf-8")
        draw(results)
        print(name, results["sha256"], flush=True)


if __name__ == "__main__":
    main()
