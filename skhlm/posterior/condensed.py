"""Means over draws of a smooth function, from its values at few points instead of all draws.

    mean_s f(x_s, z_s) = sum_m w_m f(x_m, z_m)

The points are a Chebyshev grid over the box that the draws are in, and the weights those with which
the mean of the polynomial through f at the points is a sum over these: they follow from the draws'
mean Chebyshev polynomials. Functions are distribution functions of a family with a logarithmic
link. With x the scale on which outcomes have a standard deviation of one, and z the logarithm of
the family's parameter, these are as smooth as that of a normal distribution: the error falls faster
than exponentially with the number of points.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from skhlm._typing import Floats
from skhlm.families import LinkFamily
from skhlm.numerics.blocks import blocks
from skhlm.numerics.chebyshev import polynomials, roots, to_roots

_NEGLIGIBLE = 1e-3  # coefficient of variation beside that of chance
_TINY = float(np.finfo(np.float64).tiny)
_NUMBERS = 2**16  # of a working array
_CACHED = 2**15  # polynomials that a cache holds
_PRODUCTS = 2**18  # at a time: BLAS has threads for more, and these cost more than they save
_MOST = 0.2  # points over draws
_OF_PRODUCT, _EFFORT = 0.25, 30.0  # of a product beside a polynomial; what pays for one look
_OF_X, _OF_Z = (12.0, 5.5), (8.0, 20.0)  # points: so many, and for a unit of half a box's width


@dataclass(frozen=True)
class Components:
    """A mixture of C members of a family, with ``eta``, parameters and ``weight`` (C,) each."""

    family: LinkFamily
    eta: Floats
    auxiliary: dict[str, Floats]
    weight: Floats

    @classmethod
    def even(cls, family: LinkFamily, eta: Floats, auxiliary: Mapping[str, Floats]) -> Components:
        """With the same weight each."""
        return cls(family, eta, dict(auxiliary), np.full(len(eta), 1 / len(eta)))

    def cdf(self, y: float) -> float:
        """Probability of at most y."""
        return float(self.cdf_at(np.array([y]))[0])

    def cdf_at(self, y: Floats) -> Floats:
        """The same at several y (m,)."""
        result = np.empty(len(y))
        for some in blocks(len(y), _NUMBERS // len(self.eta)):
            cdf = self.family.cdf(y[some, None], self.eta, self.auxiliary)
            result[some] = (cdf * self.weight).sum(axis=1)
        return result

    def density(self, y: float) -> float:
        """Density, or probability, at y."""
        log_density = self.family.log_density(np.array([y]), self.eta, self.auxiliary)
        return float((np.exp(log_density) * self.weight).sum())

    def thinned(self, n: int) -> Components:
        """About so many evenly spaced ones of an even mixture."""
        some = slice(None, None, max(len(self.eta) // n, 1))
        auxiliary = {name: values[some] for name, values in self.auxiliary.items()}
        return Components.even(self.family, self.eta[some], auxiliary)

    def condensed(self, n_looks: int) -> Components:
        """Few with the distribution function of an even mixture, to 1e-11.

        To 1e-8, as doubles have it, where counts are in the millions. The same where there is
        little to gain if the function is looked at so many times.
        """
        size = np.maximum(next(iter(self.auxiliary.values()), np.zeros(1)), _TINY)
        scale = _Scale.of_outcomes(self.family, self.eta, float(size.min()))
        with np.errstate(over="ignore", invalid="ignore"):
            first, second = _Axis(scale.of(self.eta), *_OF_X), _Axis(np.log(size), *_OF_Z)
            n_points = first.n_points * second.n_points
            effort = first.n_points + second.n_points + _OF_PRODUCT * n_points
            if not (n_points <= _MOST * len(self.eta) and effort <= _EFFORT * n_looks):
                return self
        products = _mean_products(first, second, len(self.eta))
        weight = to_roots(int(first.n_points)) @ products @ to_roots(int(second.n_points)).T
        x, z = np.meshgrid(first.points, second.points, indexing="ij")
        auxiliary = {name: np.exp(z.ravel()) for name in self.auxiliary}  # one at most
        return Components(self.family, scale.to_eta(x.ravel()), auxiliary, weight.ravel())


@dataclass(frozen=True)
class _Scale:
    """x of eta where outcomes have this coefficient of variation, and counts chance's, too."""

    variation: float
    counts: bool

    @classmethod
    def of_outcomes(cls, family: LinkFamily, eta: Floats, size: float) -> _Scale:
        """With counts, a variation far below that of chance makes no difference."""
        if not family.is_discrete:
            return cls(size, counts=False)
        with np.errstate(over="ignore"):
            return cls(max(size, float(_NEGLIGIBLE * np.exp(-0.5 * eta.max()))), counts=True)

    def of(self, eta: Floats) -> Floats:
        """The integral of one over the coefficient of variation."""
        if not self.counts:
            return eta / self.variation
        x: Floats = 2 / self.variation * np.arcsinh(self.variation * np.exp(0.5 * eta))
        return x

    def to_eta(self, x: Floats) -> Floats:
        """Its inverse."""
        if not self.counts:
            return x * self.variation
        eta: Floats = 2 * np.log(np.sinh(0.5 * self.variation * x) / self.variation)
        return eta


@dataclass(frozen=True)
class _Axis:
    """Chebyshev polynomials between the ends of some values (C,)."""

    values: Floats
    fewest: float
    more: float

    @cached_property
    def half_width(self) -> float:
        """Half the distance of the ends."""
        return 0.5 * float(self.values.max() - self.values.min())

    @cached_property
    def middle(self) -> float:
        """Between the ends."""
        return 0.5 * float(self.values.max() + self.values.min())

    @property
    def n_points(self) -> float:
        """One where all values are the same; not a number where they are none."""
        return float(np.ceil(self.fewest + self.more * self.half_width)) if self.half_width else 1.0

    def polynomials(self, some: slice) -> Floats:
        """Of some values (c,): (n, c)."""
        values = self.values if self.values.size == 1 else self.values[some]
        values = np.broadcast_to(values, (some.stop - some.start,))
        return polynomials((values - self.middle) / (self.half_width or 1.0), int(self.n_points))

    @property
    def points(self) -> Floats:
        """(n,)."""
        return self.middle + self.half_width * roots(int(self.n_points))


def _mean_products(first: _Axis, second: _Axis, n_draws: int) -> Floats:
    """Means over draws of the products of both axes' polynomials, (n, n')."""
    total = np.zeros((int(first.n_points), int(second.n_points)))
    for some in blocks(n_draws, min(_PRODUCTS // total.size, _CACHED // len(total))):
        polynomials = first.polynomials(some)
        if second.n_points == 1:
            total[:, 0] += polynomials.sum(axis=1)
        else:
            total += polynomials @ second.polynomials(some).T
    return total / n_draws
