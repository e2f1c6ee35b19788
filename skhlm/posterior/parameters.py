"""The list of a model's parameters: which there are, in which order, what each is called.

Whatever shows all parameters reads it: summary, diagnostics, traces, ArviZ, files, benchmarks.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator
from typing import NamedTuple

import numpy as np

from skhlm._typing import Floats, Ints
from skhlm.draws import Draws
from skhlm.inputs.labels import Labels, pairs, paths
from skhlm.posterior import at_zero
from skhlm.posterior.moments import BOTH
from skhlm.posterior.on_demand import OnDemand
from skhlm.posterior.posterior import Posterior


def list_parameters(of: Draws | Posterior) -> list[Block]:
    """All blocks of a model; some have no parameters, as the correlations of one coefficient."""
    return [*list_population(of), *map(_Delta, range(len(of.tau)))]


def list_population(of: Draws | Posterior) -> list[Block]:
    """Everything but the group effects."""
    return [
        _Kappa(),
        *map(_Tau, range(len(of.tau))),
        *map(_Omega, range(len(of.omega))),
        *map(_Auxiliary, of.auxiliary),
    ]


class Name(NamedTuple):
    """What a parameter is called: its kind and, where there are several, its place.

    As text all in one, "delta[region, EMEA, days]".
    """

    kind: str
    factor: str | None = None
    level: str | None = None
    coefficient: str | None = None

    def __str__(self) -> str:
        place = [part for part in self[1:] if part is not None]
        return f"{self.kind}[{', '.join(place)}]" if place else self.kind


class Block(ABC):
    """Parameters of one kind and, if these have factors, of one factor: one array of draws.

    Attributes
    ----------
    kind : str
        "kappa", "tau", "omega", "delta", or the name of a parameter of the family.
    g : int
        Number of the factor; -1 where the kind has none.
    """

    kind: str
    g: int = -1

    @property
    def key(self) -> str:
        """Name of the array among others."""
        return self.kind if self.g < 0 else f"factor{self.g}.{self.kind}"

    @property
    def is_auxiliary(self) -> bool:
        """Whether it is a parameter of the family."""
        return isinstance(self, _Auxiliary)

    def is_kept(self, _: Posterior, /) -> bool:
        """Whether their draws are kept as they are, not rounded, or made when asked for."""
        return True

    @abstractmethod
    def names(self, labels: Labels, /) -> Iterator[Name]:
        """What they are called, in the order of the arrays."""

    @abstractmethod
    def drawn(self, draws: Draws) -> Floats:
        """Draws as the model has them, side by side, (chains, draws, P)."""

    @abstractmethod
    def kept(self, posterior: Posterior) -> Floats:
        """Draws in the user's units, where the model was fitted, (..., S); correlations whole."""

    @abstractmethod
    def reported(self, posterior: Posterior) -> Floats:
        """Draws in the user's units, intercepts at x = 0, (..., S)."""

    @abstractmethod
    def moments(self, posterior: Posterior) -> Ints:
        """How many of their mean and sd are finite, (P,), see `Moments`."""


class _Kappa(Block):
    """Population-level coefficients, K."""

    kind = "kappa"

    def names(self, labels: Labels, /) -> Iterator[Name]:
        return (Name(self.kind, coefficient=name) for name in labels.coefficients)

    def drawn(self, draws: Draws) -> Floats:
        return draws.kappa

    def kept(self, posterior: Posterior) -> Floats:
        return posterior.draws.kappa

    def reported(self, posterior: Posterior) -> Floats:
        return at_zero.kappa(posterior)

    def moments(self, posterior: Posterior) -> Ints:
        return at_zero.moments_of_kappa(posterior)


class _Auxiliary(Block):
    """A parameter of the family, one number."""

    def __init__(self, name: str) -> None:
        self.kind = name

    def names(self, _: Labels, /) -> Iterator[Name]:
        yield Name(self.kind)

    def drawn(self, draws: Draws) -> Floats:
        return draws.auxiliary[self.kind][:, :, None]

    def kept(self, posterior: Posterior) -> Floats:
        return posterior.auxiliary[self.kind]

    def reported(self, posterior: Posterior) -> Floats:
        return self.kept(posterior)

    def moments(self, posterior: Posterior) -> Ints:
        return np.array([posterior.finite_moments.auxiliary.get(self.kind, BOTH)])


class _OfFactor(Block):
    """Parameters of factor g."""

    def __init__(self, g: int) -> None:
        self.g = g

    def names(self, labels: Labels, /) -> Iterator[Name]:
        factor = labels.factors[self.g]
        return (Name(self.kind, factor, *place) for place in self._places(labels))

    @abstractmethod
    def _places(self, labels: Labels) -> Iterator[tuple[str | None, str]]:
        """Level, if they have one, and coefficient."""


class _Tau(_OfFactor):
    """Standard deviations of a factor's effects, K_g."""

    kind = "tau"

    def _places(self, labels: Labels) -> Iterator[tuple[None, str]]:
        return ((None, name) for name in labels.varying_names(self.g))

    def drawn(self, draws: Draws) -> Floats:
        return draws.tau[self.g]

    def kept(self, posterior: Posterior) -> Floats:
        return posterior.tau[self.g]

    def reported(self, posterior: Posterior) -> Floats:
        return at_zero.tau(posterior, self.g)

    def moments(self, posterior: Posterior) -> Ints:
        return at_zero.moments_of_tau(posterior, self.g)


class _Omega(_OfFactor):
    """Correlations of a factor's effects, one for each pair of coefficients."""

    kind = "omega"

    def _places(self, labels: Labels) -> Iterator[tuple[None, str]]:
        return ((None, pair) for pair in labels.pair_names(self.g))

    def drawn(self, draws: Draws) -> Floats:
        omega = draws.omega[self.g]
        rows, columns = pairs(omega.shape[-1])
        return omega[:, :, rows, columns]

    def kept(self, posterior: Posterior) -> Floats:
        return posterior.omega[self.g]

    def reported(self, posterior: Posterior) -> Floats:
        omega = at_zero.omega(posterior, self.g)
        return omega[pairs(len(omega))]

    def moments(self, posterior: Posterior) -> Ints:
        return np.full(len(pairs(len(posterior.tau[self.g]))[0]), BOTH)


class _Delta(_OfFactor):
    """Effects of a factor's levels, (J_g, K_g)."""

    kind = "delta"

    def _places(self, labels: Labels) -> Iterator[tuple[str, str]]:
        coefficients = labels.varying_names(self.g)
        return ((level, name) for level in paths(labels.levels[self.g]) for name in coefficients)

    def is_kept(self, posterior: Posterior, /) -> bool:
        return not isinstance(posterior.draws.delta[self.g], OnDemand)

    def drawn(self, draws: Draws) -> Floats:
        return draws.delta[self.g].reshape(*draws.shape, -1)

    def kept(self, posterior: Posterior) -> Floats:
        return posterior.draws.delta[self.g][:-2]

    def reported(self, posterior: Posterior) -> Floats:
        return at_zero.delta(posterior, self.g)

    def moments(self, posterior: Posterior) -> Ints:
        return at_zero.moments_of_effects(posterior, self.g).reshape(-1)
