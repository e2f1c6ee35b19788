"""Gaussian elimination up and down one chain of nested factors.

The total of a level is B = B_parent + A'd, with d ~ N(0, P^-1) the effects of its factor and A the
selector of the coefficients that vary by it. Information about totals, exp(s'B - B'F B/2), goes
up:

    A F A' + P = R R',  Q = R^-1,  V = Q'Q
    d given B_parent ~ N(V A (s - F B_parent), V)
    message to the parent  M F, M s  with  M = I - F A'V A

and effects come down, d = V A (s - F B_parent) + Q'z. Axes: coefficients, levels, and last whatever
the precision is evaluated at (draws of it, or a grid); an axis of length one broadcasts.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from skhlm._typing import Floats, Ints
from skhlm.numerics.blocks import blocks
from skhlm.numerics.small_matrices import (
    apply,
    apply_transposed,
    cholesky,
    diagonal,
    gram,
    inverse_lower,
    product,
    symmetric,
)

_CACHED = 2**15  # numbers of a working array that stays near the processor


@dataclass(frozen=True)
class Layer:
    """One factor of a chain, as far as elimination goes."""

    varying: Ints  # (K_g,) the coefficients that vary by it
    parents: Ints  # (J,) level of the next coarser factor, or zeros: the root


@dataclass(frozen=True)
class Message:
    """Information about the totals of J levels."""

    F: Floats  # (K, K, J, D)
    s: Floats  # (K, J, D)


@dataclass(frozen=True)
class Conditional:
    """Effects of a factor's levels given the totals of their parents."""

    layer: Layer
    below: Message  # what the data say about the levels' totals
    P: Floats  # (K_g, K_g, 1, D) prior precision of an effect
    Q: Floats  # (K_g, K_g, J, D)
    V: Floats  # (K_g, K_g, J, D)


def diagonal_precision(log_sd: Floats) -> Floats:
    """P = diag(sd^-2), (K_g, K_g, 1, 1) from log sds (K_g,), or (K_g, K_g, 1, D) from (K_g, D)."""
    columns = log_sd[:, None] if log_sd.ndim == 1 else log_sd
    return diagonal(np.exp(-2 * columns))[:, :, None]


def condition(layer: Layer, below: Message, P: Floats) -> Conditional:
    """Posterior of the factor's effects when the parents' totals are known."""
    a = layer.varying
    Q = inverse_lower(cholesky(below.F[np.ix_(a, a)] + P))
    return Conditional(layer, below, P, Q, gram(Q))


def integrate(conditional: Conditional) -> Message:
    """Message to the parents: the factor's effects integrated out, children summed.

    In the varying coefficients, a row or a column, I - F V is written P V, which does not cancel.
    """
    a, F, s = conditional.layer.varying, conditional.below.F, conditional.below.s
    rest = np.setdiff1d(np.arange(len(F)), a)
    VF, Vs = product(conditional.V, F[a]), apply(conditional.V, s[a])
    MF = np.empty((len(F), *VF.shape[1:]))
    Ms = np.empty((len(F), *Vs.shape[1:]))
    MF[a], Ms[a] = product(conditional.P, VF), apply(conditional.P, Vs)
    MF[np.ix_(rest, a)] = MF[np.ix_(a, rest)].swapaxes(0, 1)
    MF[np.ix_(rest, rest)] = F[np.ix_(rest, rest)] - product(F[np.ix_(rest, a)], VF[:, rest])
    Ms[rest] = s[rest] - apply(F[np.ix_(rest, a)], Vs)
    parents = conditional.layer.parents
    return Message(_sum_children(symmetric(MF), parents), _sum_children(Ms, parents))


def integrate_leaves(leaf: Message, c: Floats, layer: Layer, P: Floats) -> Message:
    """Message to the parents of leaves whose information is c (D,) times that of ``leaf``.

    `integrate` of `condition`, for one block of levels after another, so that memory and the
    length of the innermost loops do not depend on the number of levels.
    """
    n_parents = int(layer.parents.max()) + 1
    shape = (n_parents, len(c))
    total = Message(np.zeros((*leaf.F.shape[:2], *shape)), np.zeros((len(leaf.s), *shape)))
    for block in blocks(len(layer.parents), _CACHED // len(c)):
        present, parents = np.unique(layer.parents[block], return_inverse=True)
        below = Message(c * leaf.F[:, :, block], c * leaf.s[:, block])
        message = integrate(condition(Layer(layer.varying, parents), below, P))
        total.F[:, :, present] += message.F
        total.s[:, present] += message.s
    return total


def raised(conditional: Conditional, k: int, by: Floats) -> tuple[Floats, Message]:
    """`log_integral` and `integrate` with more prior precision of the k-th effect: by (D,) >= 0.

    With u = V e_k, w = F A'u and gain = by / (1 + by u_k) of each level: V - gain u u' is the
    covariance, M F + gain w w' and M s + gain w (u'A s) go to the parents. Nothing cancels, and
    the levels' matrices are inverted once, not for each of D precisions.
    """
    F, s = conditional.below.F[conditional.layer.varying], conditional.below.s
    u = conditional.V[:, k]
    told = (u * s[conditional.layer.varying]).sum(axis=0)  # (J, 1)
    w = np.einsum("mij,mj->ij", F[..., 0], u[..., 0])[..., None]
    gain = by / (1 + by * u[k])
    lost = 0.5 * (np.log1p(by * u[k]) + gain * told**2).sum(axis=0)
    message, parents = integrate(conditional), conditional.layer.parents
    more = Message(
        message.F + _sum_children(gain * w[:, None] * w, parents),
        message.s + _sum_children(gain * w * told, parents),
    )
    return log_integral(conditional) - lost, more


def condition_root(message: Message, precision: Floats, score: Floats) -> Conditional:
    """Posterior of a root, a level without a parent, from its tree's message and a prior (K,)."""
    K = len(precision)
    layer = Layer(np.arange(K), np.zeros(1, dtype=np.int64))
    told = Message(message.F, message.s + score[:, None, None])
    return condition(layer, told, diagonal(precision)[:, :, None, None])


def root_value(root: Conditional, z: Floats | None = None) -> Floats:
    """Value q (K, 1, D) of a root; without z (K, 1, D) its mean."""
    return effects(root, np.zeros((len(root.V), 1, 1)), z)


def upward(
    leaf: Message, chain: Sequence[Layer], P: Sequence[Floats]
) -> tuple[tuple[Conditional, ...], Message]:
    """Conditionals of a chain's factors, coarse to fine, and the message that reaches the root."""
    conditionals: list[Conditional] = []
    message = leaf
    for layer, precision in zip(reversed(chain), reversed(P), strict=True):
        conditionals.append(condition(layer, message, precision))
        message = integrate(conditionals[-1])
    return tuple(reversed(conditionals)), message


def effects(conditional: Conditional, B_parent: Floats, z: Floats | None = None) -> Floats:
    """Effects d (K_g, J, D) at their parents' totals (K, J, D); without z the conditional mean."""
    below, a = conditional.below, conditional.layer.varying
    mean = apply(conditional.V, below.s[a] - apply(below.F[a], B_parent))
    return mean if z is None else mean + apply_transposed(conditional.Q, z)


def downward(
    conditionals: Sequence[Conditional], root: Floats, z: Sequence[Floats] | None = None
) -> tuple[list[Floats], Floats]:
    """Effects (K_g, J, D) of a chain's factors, coarse to fine, and the leaf totals B (K, J, D).

    From the root's value (K, 1, D); without z (K_g, J, D) of each the conditional means.
    """
    delta, B = [], root
    for i, conditional in enumerate(conditionals):
        B = B[:, conditional.layer.parents]
        delta.append(effects(conditional, B, None if z is None else z[i]))
        B[conditional.layer.varying] += delta[-1]
    return delta, B


def standardised(conditional: Conditional, B_parent: Floats, d: Floats) -> Floats:
    """Coordinates z (K_g, J, D) of effects d, those that `effects` takes to d."""
    R = inverse_lower(conditional.Q)
    return apply_transposed(R, d - effects(conditional, B_parent))


def log_integral(conditional: Conditional) -> Floats:
    """Log integral over the effects (D,), the prior's own constant J/2 log|P| aside.

    Over the levels, sum [(A s)'V A s - log|A F A' + P|] / 2.
    """
    Q, s = conditional.Q, conditional.below.s[conditional.layer.varying]
    fit = 0.5 * np.square(apply(Q, s)).sum(axis=(0, 1))
    total: Floats = fit + log_root_determinants(conditional)
    return total


def log_root_determinants(conditional: Conditional) -> Floats:
    """Sum over the levels of log|Q| (D,), minus half the log determinants of precisions."""
    total: Floats = np.log(np.einsum("ii...->i...", conditional.Q)).sum(axis=(0, 1))
    return total


def _sum_children(values: Floats, parents: Ints) -> Floats:
    """Sum (..., J, D) over the children of each parent, (..., J_parent, D)."""
    by_parent = np.argsort(parents, kind="stable")
    first = np.searchsorted(parents[by_parent], np.arange(parents.max() + 1))
    total: Floats = np.add.reduceat(values[..., by_parent, :], first, axis=-2)
    return total
