"""Chebyshev polynomials: a smooth function of an interval from its values at few points.

The polynomial through a function's values at the roots of the n-th polynomial is nearly the best of
its degree, and what it leaves out falls exponentially with n.
"""

from __future__ import annotations

import numpy as np

from skhlm._typing import Floats


def polynomials(x: Floats, n: int) -> Floats:
    """The first n at x in [-1, 1] (...): (n, ...), by T_(m + i) = 2 T_m T_i - T_(m - i)."""
    value, m = np.ones((n, *x.shape)), 1
    value[1:2] = x
    while m < n - 1:
        i = min(m, n - 1 - m)
        following = np.multiply(2 * value[m], value[1 : 1 + i], out=value[m + 1 : m + 1 + i])
        following -= value[m - i : m][::-1]
        m += i
    return value


def products(x: Floats, n: int, out: Floats) -> Floats:
    """T_0, ..., T_3, and their products with T_4, T_8, ...: the first n (at least 5) at x.

    They take little more than half as long as the polynomials, of which they are sums, and lose as
    few digits.
    """
    out[0], out[1] = 1, x
    twice = x + x
    for i in 2, 3:
        np.multiply(twice, out[i - 1], out=out[i])
        out[i] -= out[i - 2]
    np.multiply(out[2], out[2], out=out[4])
    out[4] += out[4]
    out[4] -= 1
    twice = np.add(out[4], out[4], out=twice)
    for k in range(4, n, 4):
        if k > 4:
            np.multiply(twice, out[k - 4], out=out[k])
            out[k] -= out[k - 8]
        np.multiply(out[k], out[1 : min(4, n - k)], out=out[k + 1 : k + 4])
    return out


def of_products(coefficients: Floats) -> Floats:
    """What such products are multiplied with (..., n), where polynomials have coefficients."""
    result = coefficients.copy()
    for k in range(coefficients.shape[-1] - 1, 4, -1):
        if k % 4:
            result[..., k - 2 * (k % 4)] -= result[..., k]
            result[..., k] *= 2
    return result


def roots(n: int) -> Floats:
    """Of the n-th polynomial, (n,)."""
    return np.cos((np.arange(n) + 0.5) * np.pi / n)


def to_roots(n: int) -> Floats:
    """Weights (n, n) of values at the roots, a row each, for a sum of polynomials, a column each.

    sum_m a_m P_m, with P the polynomial through values f of the roots, is f @ to_roots(n) @ a.
    """
    share = 2 * polynomials(roots(n), n).T / n
    share[:, 0] /= 2
    return share
