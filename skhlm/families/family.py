"""What the package asks of the distribution of an outcome y given eta = x' beta."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from math import nan
from reprlib import repr as repr_short
from typing import Any, ClassVar, NamedTuple, Protocol

import numpy as np

from skhlm._typing import Bools, Floats, Ints
from skhlm.families.evidence import Evidence
from skhlm.families.excess import Excess
from skhlm.families.links import IDENTITY, Link
from skhlm.priors import Gamma, Location, LocationScale, Normal, Prior, PriorSet

PriorNumbers = LocationScale | Gamma  # of one parameter
Aux = Mapping[str, Floats]  # auxiliary parameters by name, draws along the last axis


@dataclass(frozen=True)
class Auxiliary:
    """A parameter of the outcome's distribution beside eta, such as sigma or nu.

    ``name`` is its key in priors, draws, tables, files and ArviZ. ``lower`` is its bound; a
    parameter that is ``cut`` stays so far above it, far below what data tell, since an exact fit
    would have none: in units of the outcome's spread where it is in ``units_of_outcome``. One of
    these is multiplied back when the outcome was scaled. A ``skewed`` one has a bent map to the
    sampler's coordinate, another a straight one that leans on the parameters after it. ``absent``
    is what stands for it in families without.
    ``inverse_square`` is what books call 1 / its square, where tables are to tell that, too.
    ``prior`` is the default, ``weakly_informative`` that of the set of this name if it is another.
    """

    name: str
    meaning: str
    prior: Prior
    lower: float = 0.0
    cut: float = 0.0
    units_of_outcome: bool = False
    skewed: bool = False
    absent: float = nan
    inverse_square: str | None = None
    weakly_informative: Prior | None = None

    def prior_in(self, prior_set: PriorSet) -> Prior:
        """Its prior in a set of priors."""
        if prior_set == "weakly_informative" and self.weakly_informative is not None:
            return self.weakly_informative
        return self.prior

    def check(self, given: object) -> Prior:
        """The prior that a user gave, or an error that says which are possible."""
        if not isinstance(self.prior, Gamma):
            return check_location(given, self.name)
        if not isinstance(given, Gamma):
            raise TypeError(
                f"priors: the prior of {self.name} is Gamma(shape, rate) from skhlm.priors, "
                f"got {repr_short(given)}."
            )
        return given

    def numbers(self, given: object) -> PriorNumbers:
        """Numbers of such a prior."""
        prior = self.check(given)
        if isinstance(prior, Gamma):
            return Gamma(float(prior.shape), float(prior.rate))
        return LocationScale.of([prior])


def check_location(prior: object, argument: str) -> Location:
    """The prior of a location or scale that a user gave, or an error that says what it may be."""
    if not isinstance(prior, Location):
        raise TypeError(
            f"priors: the prior of {argument} is Normal(loc, scale), StudentT(df, loc, scale) or "
            f"Cauchy(loc, scale) from skhlm.priors, got {repr_short(prior)}."
        )
    return prior


class Flaw(NamedTuple):
    """Outcomes that cannot be, (n,), some of them; what is the matter, and the remedy."""

    wrong: Bools
    remedy: str


@dataclass(frozen=True)
class Swept:
    """What a sweep of the quick fit leaves to the auxiliary parameters.

    ================  =====  ======================================================================
    ``eta``           (N,)   offsets and x' beta at the present effects
    ``dof``           ()     rows less the effective number of parameters
    ``eta_variance``         a function that returns the variances (N,) of eta; costly
    ``log_volume``           a function of D times rows' information (N,): the logarithms (D,) of
                             the volumes that it leaves the coefficients, up to a constant
    ================  =====  ======================================================================
    """

    eta: Floats
    dof: float
    eta_variance: Callable[[], Floats]
    log_volume: Callable[[Sequence[Floats]], Floats]


class AuxiliaryFit(Protocol):
    """Posterior of the auxiliary parameters in the quick fit.

    ``logs`` are the logarithms of each above its bound at the centre, in the family's order.
    """

    @property
    def logs(self) -> Sequence[Floats]:
        """In the family's order, () each."""
        ...

    def maps(self) -> tuple[Floats, Floats]:
        """``log_aux`` (3, n_aux) and ``aux_lean`` (n_aux, n_aux) of the tree map."""
        ...

    def is_near(self, other: Any) -> bool:
        """Whether the sweeps may end: their centres hardly differ."""
        ...


@dataclass(frozen=True)
class CoefficientPriors:
    """Priors of what every family has, in the model's units."""

    kappa: Location
    tau: Location


_WEAKLY_INFORMATIVE = CoefficientPriors(kappa=Normal(0, 2.5), tau=Normal(0, 1))


class Family(ABC):
    """A distribution of the outcome. Arrays broadcast; draws are their last axis."""

    name: ClassVar[str]
    code: ClassVar[int]  # its case in stan/families/families.hpp
    link: ClassVar[Link] = IDENTITY
    auxiliary: ClassVar[tuple[Auxiliary, ...]] = ()
    priors: ClassVar[CoefficientPriors]  # the default

    # words
    elsewhere: ClassVar[tuple[str, ...]] = ()  # what other packages call it
    noun: ClassVar[str]  # "Student-t residuals"
    formula: ClassVar[str]  # "student_t(nu, eta, sigma)"
    support: ClassVar[str]  # "counts: 0, 1, 2, ..."

    is_gaussian: ClassVar[bool] = False  # the log density is quadratic in eta: integrals are exact
    is_gamma_mixture: ClassVar[bool] = (
        False  # normal errors of precisions from a gamma distribution
    )
    merges_equal_rows: ClassVar[bool] = False  # rows equal in x and y are often many
    is_discrete: ClassVar[bool] = False  # outcomes are whole numbers
    is_binary: ClassVar[bool] = False  # these are 0 and 1, or shares of ones
    wider: ClassVar[str | None] = None  # the family of a larger variance, where this has the least
    scales_outcome: ClassVar[bool] = False  # whether autoscaling is of y, too
    statistics: ClassVar[tuple[str, ...]] = (
        "mean",
        "sd",
        "min",
        "max",
        "skewness",
    )  # of its checks

    def __eq__(self, other: object) -> bool:
        """A family has no state: one of a kind is as good as another."""
        return type(self) is type(other)

    def __hash__(self) -> int:
        """Of the class."""
        return hash(type(self))

    def priors_in(self, prior_set: PriorSet) -> CoefficientPriors:
        """Those of coefficients in a set of priors."""
        return self.priors if prior_set == "default" else _WEAKLY_INFORMATIVE

    # -- what y may be ---------------------------------------------------------------------------

    @abstractmethod
    def find_flaw(self, y: Floats) -> Flaw | None:
        """Outcomes among these, finite numbers (n,), that cannot be."""

    def find_extreme(self, y: Floats, weight: Floats) -> Flaw | None:
        """Outcomes (n,) that can be, but are too large or too small to be fitted in doubles."""
        del y, weight
        return None

    @abstractmethod
    def centre(self, y: Floats, weight: Floats, offset: Floats) -> float:
        """Where on the scale of eta the intercept's prior is, offsets aside."""

    # -- the likelihood --------------------------------------------------------------------------

    @abstractmethod
    def log_density(self, y: Floats, eta: Floats, aux: Aux) -> Floats:
        """log p(y | eta), with its constants."""

    @abstractmethod
    def score(self, y: Floats, eta: Floats, aux: Aux) -> Floats:
        """Derivative of the log density by eta."""

    @abstractmethod
    def information(self, eta: Floats, aux: Aux) -> Floats:
        """Expected square of the score, given eta."""

    def curvature(self, y: Floats, eta: Floats, aux: Aux) -> Floats:
        """Minus the second derivative of the log density by eta, or what stands for it."""
        del y
        return self.information(eta, aux)

    @abstractmethod
    def log_information(self, logs: Sequence[Floats]) -> Floats:
        """log c: that of a row, where it is the same for all; from the `AuxiliaryFit`'s logs.

        Zero for a family whose information differs from row to row.
        """

    def power_of_scale(self, y: Floats, weight: Floats) -> float:
        """With minus this power the likelihood of rows falls far out in a scale of the family."""
        del y, weight
        return 0.0

    # -- the outcome -----------------------------------------------------------------------------

    @property
    def scale(self) -> str:
        """What eta is called, in front of "of y"; empty where it is on the scale of y itself."""
        return self.link.scale

    def mean(self, eta: Floats, aux: Aux) -> Floats:
        """Expected outcome."""
        del aux
        return self.link.inverse(eta)

    @abstractmethod
    def variance(self, eta: Floats, aux: Aux) -> Floats:
        """Variance of the outcome given eta; infinite where there is none."""

    @abstractmethod
    def own_variance(self, mean: Floats, aux: Aux) -> Floats:
        """Variance of the outcome about its mean, on the scale of eta.

        Of logarithms that of a log-normal distribution of the same mean and variance, log(1 + Var /
        mean^2), of log odds that of the logistic distribution which is above zero where the outcome
        is one: Nakagawa, Johnson and Schielzeth (2017), doi:10.1098/rsif.2017.0213.
        """

    @abstractmethod
    def cdf(self, y: Floats, eta: Floats, aux: Aux) -> Floats:
        """Probability of an outcome of at most y."""

    @abstractmethod
    def quantile(self, p: Floats, eta: Floats, aux: Aux) -> Floats:
        """The smallest outcome with probability p at or below it."""

    @abstractmethod
    def draw(self, eta: Floats, aux: Aux, rng: np.random.Generator) -> Floats:
        """Independent outcomes, of the shape that eta and the parameters broadcast to."""

    # -- whether outcomes are like that ----------------------------------------------------------

    def excess_variance(self, y: Floats, eta: Floats, trials: Floats) -> Excess | None:
        """How much more outcomes vary than the family says; None where a parameter says how much.

        Its scale is for the variance of eta from row to row. Shares are of so many trials.
        """
        del y, eta, trials
        return None

    def excess_zeros(self, y: Floats, eta: Floats, aux: Aux) -> Excess | None:
        """Zeros beyond those expected; None where outcomes are no counts."""
        del y, eta, aux
        return None

    # -- what the likelihood needs of the rows ---------------------------------------------------

    def compress(self, evidence: Evidence) -> Evidence:
        """Fewer rows with the same likelihood, up to a constant; by default these."""
        return evidence

    def evidence(
        self,
        X: Floats,
        y: Floats,
        weight: Floats,
        cell: Ints,
        n_cells: int,
        priors: Mapping[str, Any],
        offset: Floats | None = None,
    ) -> Evidence:
        """What the likelihood sees of rows (N, K) that are sorted by cell."""
        unit = next((priors[a.name].scale[0] for a in self.auxiliary if a.units_of_outcome), 1.0)
        return self.compress(Evidence.of_rows(X, y, weight, cell, n_cells, float(unit), offset))

    def merge(self, first: Evidence, second: Evidence) -> Evidence:
        """The evidence of two parts of the rows, numbered by the same cells."""
        return self.compress(first.joined(second))

    def cuts(self, evidence: Evidence) -> tuple[float, ...]:
        """How far above its bound each auxiliary parameter stays."""
        spread = evidence.spread
        return tuple(a.cut * (spread if a.units_of_outcome else 1) for a in self.auxiliary)

    # -- the quick fit: rows as Gaussian ones about the present eta ------------------------------
    # A fit is the family's own kind of `AuxiliaryFit`; information and scores include weights.

    exact_steps: ClassVar[bool]  # whether no step of the effects can overshoot, scales as they are

    @abstractmethod
    def start(self, evidence: Evidence) -> tuple[Floats, Floats]:
        """Information and score (N,) of rows about coefficients of zero, from outcomes alone."""

    @abstractmethod
    def spread(self, evidence: Evidence, eta: Floats) -> float:
        """How much of eta (N,), which is complete pooling's, group effects might explain."""

    @abstractmethod
    def first_fit(self, evidence: Evidence, eta: Floats, cuts: Sequence[float]) -> Any:
        """Orders of magnitude to begin with, at eta (N,)."""

    def own_eta(self, evidence: Evidence, eta: Floats) -> Floats:
        """Eta (N,) by each outcome alone, or by complete pooling's where that tells little."""
        del evidence
        return eta

    @abstractmethod
    def working_information(self, evidence: Evidence, eta: Floats, fit: Any) -> Floats:
        """Information W (N,) of each row about its eta."""

    @abstractmethod
    def working_score(
        self, evidence: Evidence, eta: Floats, rest: Floats, information: Floats, fit: Any
    ) -> Floats:
        """Score (N,) at ``rest`` of each row's quadratic about eta, W (eta - rest) + g.

        That is, with g the score at eta, what the effects are estimated from whose part of eta the
        rest lacks. The information W is `working_information`'s, or was a moment ago.
        """

    @abstractmethod
    def fit(
        self, evidence: Evidence, seen: Swept, priors: Mapping[str, Any], start: Any, n: int
    ) -> Any:
        """The fit after a sweep, on a grid of n points an axis around ``start``."""

    @abstractmethod
    def expansion(self, evidence: Evidence, eta: Floats, fit: Any) -> tuple[Floats, Floats]:
        """Expected information and score (N,) of rows at eta: what the tree map is made of."""

    def log_likelihood(self, evidence: Evidence, eta: Floats, aux: Aux) -> float:
        """Of all rows, up to a constant."""
        return float((evidence.weight * self.log_density(evidence.y, eta, aux)).sum())

    def central(self, fit: AuxiliaryFit) -> dict[str, Floats]:
        """The auxiliary parameters at the centre of a fit."""
        pairs = zip(self.auxiliary, fit.logs, strict=True)
        return {parameter.name: parameter.lower + np.exp(log) for parameter, log in pairs}
