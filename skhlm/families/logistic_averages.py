"""Means over draws of the logistic function at eta + N(0, variance), from few of its values.

With y = 1 / sqrt(variance + 8 / pi) and x = eta y the mean over the normal distribution is a
distribution function of x near the normal one, which hardly depends on y: between the ends of the
draws it is a sum of few Chebyshev polynomials of x and y, and its mean over draws follows from
theirs. The coefficients belong to the ends, which are whole numbers of steps: many rows share them.
"""

from __future__ import annotations

from functools import lru_cache

import numpy as np

from skhlm._typing import Floats, Ints
from skhlm.families.logistic_normal import mean_of_logistic
from skhlm.numerics.blocks import blocks
from skhlm.numerics.chebyshev import of_products, products, roots, to_roots

_HIGH = 8 / np.pi  # variance of the normal density that is as high as the logistic one
_OF_X, _OF_Y = 0.5, _HIGH**-0.5 / 20  # steps, of which y has 20 at most
_FARTHEST = 200.0  # steps of x; there nothing is left but zeros and ones
_ANY = 0.0, 1.0, 0.0, 1.0  # ends, of no use
_ERROR, _POLE = 18.5, 2.0  # minus the logarithm of what x leaves out; how far its poles are
_FEWEST, _MORE = 5.0, 28.0  # polynomials of y: so many, and for a unit of half a width
_LEAST = 1e-3  # mean over the largest value, whose errors it has
_DRAWS = 2**10  # at a time: these stay near the processor, and BLAS has no threads for them


class AverageOfLogistic:
    """Mean over draws of the expected share at eta + N(0, variance), to 1e-8 and to four digits.

    A row's bits are its own, whatever the other rows have. Memory is kept between calls.
    """

    def __init__(self) -> None:
        self._memory: dict[str, Floats] = {}

    def __call__(self, eta: Floats, variance: Floats) -> Floats:
        """(b,) for eta and variance (b, S)."""
        y = np.add(variance, _HIGH, out=self._array("y", *eta.shape))
        y = np.divide(1, np.sqrt(y, out=y), out=y)
        x = np.multiply(eta, y, out=self._array("x", *eta.shape))
        ends = np.column_stack([*_ends(x, _OF_X), *_ends(y, _OF_Y)])
        is_near = np.abs(ends).max(axis=1) < _FARTHEST
        ends[~is_near] = _ANY
        n_x, n_y = _n_polynomials(ends)
        average = np.zeros(len(eta))
        is_few = (n_x * n_y <= eta.shape[1]) & is_near
        for n, m in {*zip(n_x[is_few].tolist(), n_y[is_few].tolist(), strict=True)}:
            rows = np.flatnonzero(is_few & (n_x == n) & (n_y == m))
            found = [_between(*row, n, m) for row in ends[rows].tolist()]
            coefficients, least = zip(*found, strict=True)
            terms = np.array(coefficients) * self._means(x, y, ends, rows, n, m)
            total = terms.reshape(len(rows), -1).sum(axis=1)
            average[rows] = np.where(total > least, total, 0.0)
        for i in np.flatnonzero(average == 0):
            average[i] = mean_of_logistic(eta[i], variance[i]).mean()
        return average

    def _means(self, x: Floats, y: Floats, ends: Floats, rows: Ints, n: int, m: int) -> Floats:
        """Of what n polynomials of x and m of y make together, for some rows: (r, n, m)."""
        total = np.zeros((len(rows), n, m))
        for some in blocks(x.shape[1], _DRAWS):
            shape = len(rows), some.stop - some.start
            of_x = products(
                _to_unit(x[rows, some], ends[rows, :2], _OF_X), n, self._array("of x", n, *shape)
            )
            of_y = products(
                _to_unit(y[rows, some], ends[rows, 2:], _OF_Y), m, self._array("of y", m, *shape)
            )
            total += of_x.swapaxes(0, 1) @ of_y.transpose(1, 2, 0)
        total /= x.shape[1]
        return total

    def _array(self, name: str, *shape: int) -> Floats:
        """Memory that was used before, if there is enough: to get some takes its time."""
        size = int(np.prod(shape))
        if self._memory.setdefault(name, np.empty(0)).size < size:
            self._memory[name] = np.empty(size)
        return self._memory[name][:size].reshape(shape)


def _ends(values: Floats, step: float) -> tuple[Floats, Floats]:
    """What each row lies between, in steps, (b,) each; one step apart at least."""
    low, high = np.floor(values.min(axis=1) / step), np.ceil(values.max(axis=1) / step)
    return low, np.maximum(high, low + 1)


def _n_polynomials(ends: Floats) -> tuple[Ints, Ints]:
    """Of x and of y; even numbers, which more rows have in common."""
    half_x, half_y = (
        0.5 * _OF_X * (ends[:, 1] - ends[:, 0]),
        0.5 * _OF_Y * (ends[:, 3] - ends[:, 2]),
    )
    numbers = _ERROR / np.arcsinh(_POLE / half_x), _FEWEST + _MORE * half_y
    n_x, n_y = (2 * np.ceil(n / 2).astype(np.int64) for n in numbers)
    return n_x, n_y


def _to_unit(values: Floats, ends: Floats, step: float) -> Floats:
    """Where in [-1, 1] from end to end each value lies; these are overwritten."""
    width = (ends[:, 1] - ends[:, 0])[:, None]
    values *= 2 / (step * width)
    values -= (ends[:, 0] + ends[:, 1])[:, None] / width
    return values


@lru_cache(maxsize=2**12)
def _between(
    left: float, right: float, low: float, high: float, n: int, m: int
) -> tuple[Floats, float]:
    """For x between left and right and y between low and high, coefficients (n, m) of products.

    And the least mean that has its digits: few of its draws' values are far above it.
    """
    x = _OF_X * (0.5 * (left + right) + 0.5 * (right - left) * roots(n))
    y = _OF_Y * (0.5 * (low + high) + 0.5 * (high - low) * roots(m))
    values = mean_of_logistic(x[:, None] / y, np.maximum(y**-2 - _HIGH, 0.0))
    coefficients: Floats = of_products(to_roots(n)).T @ values @ of_products(to_roots(m))
    return coefficients, _LEAST * float(values.max())
