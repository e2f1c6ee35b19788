"""Polynomials by their definition, and functions that they have exactly."""

from __future__ import annotations

import numpy as np
import pytest

from skhlm.numerics.chebyshev import of_products, polynomials, products, roots, to_roots

X = np.linspace(-1, 1, 101)


@pytest.mark.parametrize("n", [1, 2, 3, 8, 21])
def test_polynomials_are_cosines(n):
    expected = np.cos(np.arange(n)[:, None] * np.arccos(X))
    np.testing.assert_allclose(polynomials(X, n), expected, atol=1e-13)


@pytest.mark.parametrize("n", [1, 2, 7, 20])
def test_the_last_polynomial_is_zero_at_its_roots(n):
    np.testing.assert_allclose(polynomials(roots(n), n + 1)[n], 0, atol=1e-13)


@pytest.mark.parametrize("n", [1, 4, 9])
def test_values_at_roots_give_a_polynomial_of_that_degree(n):
    coefficients = np.random.default_rng(n).normal(size=n)
    found = np.polyval(coefficients, roots(n)) @ to_roots(n) @ polynomials(X, n)
    np.testing.assert_allclose(found, np.polyval(coefficients, X), atol=1e-12)


@pytest.mark.parametrize("n", [5, 6, 7, 8, 9, 10, 13, 24, 63])
def test_products_have_the_same_sums(n):
    coefficients = np.random.default_rng(n).normal(size=(3, n))
    found = of_products(coefficients) @ products(X, n, np.empty((n, len(X))))
    np.testing.assert_allclose(found, coefficients @ polynomials(X, n), atol=1e-12)
