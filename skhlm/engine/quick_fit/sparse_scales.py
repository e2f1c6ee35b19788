"""The scales where levels hold few rows: their joint density, by quadrature.

The sweeps take rows as Gaussian ones about one eta. With a few yes or no, or small counts, in a
level that is too rough: where the effects are most likely depends on tau, and their density is
skewed. So here each point of a grid in all log taus has a mode of its own in kappa and effects, by
Newton's steps, and with H minus the curvature there

    log p(tau | y) = log p(y, mode | tau) - log|H| / 2 + sum_l log E exp(r_l(z)) + log p(tau),

r_l the part of the log density of leaf level l that the quadratic about the mode misses at its
effects d + Q'z, z from N(0, I). That is Laplace's method, mended by adaptive quadrature in each
leaf level; what is above those is near enough to normal. Auxiliary parameters stay at their
centre, and follow at the end.

D is the number of points. A tree's factors are in its order, coarse to fine.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from scipy.sparse import csr_array

from skhlm._typing import Floats, Ints
from skhlm.families import Evidence, Family
from skhlm.families.family import Aux
from skhlm.numerics.elimination import (
    Conditional,
    Message,
    condition_root,
    diagonal_precision,
    downward,
    log_root_determinants,
    root_value,
    upward,
)
from skhlm.numerics.forest import Tree, leaf_effects
from skhlm.numerics.grids import joint_tails
from skhlm.numerics.small_matrices import apply_transposed
from skhlm.priors import Priors

_FEW_ROWS = 10  # in a level of the finest factor, on average
_GRIDS = {1: (17,), 2: (9,), 3: (7, 7)}  # points an axis, by the number of scales; 7 are coarse
_NODES = {1: 9, 2: 5, 3: 3}  # of the quadrature an axis, by the effects of a level
_MOST = 7_000_000  # rows x points x nodes: a second or two
_STEPS, _HALVINGS = 12, 12
_LITTLE = 0.01  # of the log posterior: what is left to gain is its square
_ROUNDING = 1e-12  # of the log posterior


def is_sparse(family: Family, rows: Evidence, trees: Sequence[Tree]) -> bool:
    """Whether levels hold so few rows that their scales are worth the work, and it is little.

    Rows are counted as they are merged, so that equal likelihoods have the same map. With crossed
    trees the work gains nothing.
    """
    tree = trees[0]
    n_scales = sum(len(layer.varying) for layer in tree.layers)
    if family.exact_steps or len(trees) > 1 or n_scales not in _GRIDS:
        return False
    n_effects = len(tree.layers[-1].varying)
    n_points = sum(n**n_scales for n in _GRIDS[n_scales])
    n_nodes = _NODES[n_effects] ** n_effects
    n_rows = len(rows.y)
    return n_rows <= _FEW_ROWS * tree.n_leaves and n_rows * n_points * n_nodes <= _MOST


@dataclass(frozen=True)
class _Mode:
    """Kappa and effects at D values of the scales: where they are most likely, or nearly there."""

    log_tau: Sequence[Floats]  # (K_g, D) of each factor
    kappa: Floats  # (K, D)
    delta: Sequence[Floats]  # (K_g, J_g, D) of each factor
    eta: Floats  # (N, D)
    log_posterior: Floats  # (D,) up to a constant


@dataclass(frozen=True)
class SparseScales:
    """The scales of the one tree of a model, its auxiliary parameters known."""

    rows: Evidence
    family: Family
    priors: Priors
    tree: Tree
    aux: Aux

    @np.errstate(all="ignore")  # far out, where nothing counts
    def fit(
        self, log_tau: Sequence[Floats], kappa: Floats, delta: Sequence[Floats]
    ) -> tuple[tuple[Floats, ...], Floats, tuple[Floats, ...]]:
        """5/50/95% points G x (3, K_g) of each log tau; kappa and effects at the medians.

        From guesses of the same shapes as what is returned: kappa (K,), effects G x (K_g, J_g).
        """
        guess = [log_tau[g] for g in self.tree.members]
        ends = np.cumsum([points.shape[1] for points in guess])[:-1]
        total = kappa[:, None] + leaf_effects(self.tree, delta, len(kappa))
        start = self._at(
            [points[1][:, None] for points in guess],
            kappa[:, None],
            [delta[g][..., None] for g in self.tree.members],
            self._eta(total[..., None]),
        )

        def log_density(*axes: Floats) -> Floats:
            points = np.broadcast_arrays(*axes)
            flat = np.stack([axis.ravel() for axis in points])
            return self._log_density(np.split(flat, ends), start).reshape(points[0].shape)

        joint = np.concatenate(guess, axis=1)
        for n in _GRIDS[joint.shape[1]]:
            joint = joint_tails(log_density, joint, n)
        tails = np.split(joint, ends, axis=1)
        mode = self._mode([points[1][:, None] for points in tails], start)
        order = np.argsort(self.tree.members)
        effects = tuple(mode.delta[i][..., 0] for i in order)
        return tuple(tails[i] for i in order), mode.kappa[:, 0], effects

    @cached_property
    def _leaf(self) -> Ints:
        """Leaf level of each row."""
        leaf: Ints = self.tree.leaf[self.rows.cell]
        return leaf

    @cached_property
    def _adding(self) -> csr_array:
        """The matrix (J, N) that sums the rows of each leaf level."""
        n = len(self._leaf)
        shape = (self.tree.n_leaves, n)
        return csr_array((np.ones(n), (self._leaf, np.arange(n))), shape=shape)

    def _log_density(self, log_tau: Sequence[Floats], start: _Mode) -> Floats:
        """Log density (D,) of log scales (K_g, D) of each factor, up to a constant."""
        mode = self._mode(log_tau, start)
        conditionals, root = self._conditionals(mode)
        density = mode.log_posterior + self._log_missed(conditionals[-1], mode)
        for conditional in (*conditionals, root):
            density = density + log_root_determinants(conditional)
        for g, layer, log_tau_g in zip(self.tree.members, self.tree.layers, log_tau, strict=True):
            density = density - len(layer.parents) * log_tau_g.sum(axis=0)
            for k, log_tau_k in enumerate(log_tau_g):
                density = density + self.priors.tau[g].log_density_of_log(log_tau_k, k)
        return density

    def _mode(self, log_tau: Sequence[Floats], start: _Mode) -> _Mode:
        """Where kappa and effects are most likely at these scales, by Newton's steps."""
        D = log_tau[0].shape[1]
        kappa, eta = np.repeat(start.kappa, D, axis=-1), np.repeat(start.eta, D, axis=-1)
        mode = self._at(log_tau, kappa, [np.repeat(d, D, axis=-1) for d in start.delta], eta)
        for _ in range(_STEPS):
            before, mode = mode, self._step(mode)
            if not (mode.log_posterior > before.log_posterior + _LITTLE).any():
                break
        return mode

    def _at(
        self, log_tau: Sequence[Floats], kappa: Floats, delta: Sequence[Floats], eta: Floats
    ) -> _Mode:
        """A point, and its log posterior."""
        precision, score = (each[:, None] for each in self.priors.kappa.normal_stand_in())
        weight = self.rows.weight
        value = weight @ self._row_density(eta)
        value = value + ((score - 0.5 * precision * kappa) * kappa).sum(axis=0)
        for d, log_sd in zip(delta, log_tau, strict=True):
            value = value - 0.5 * np.square(d * np.exp(-log_sd)[:, None]).sum(axis=(0, 1))
        return _Mode(log_tau, kappa, delta, eta, value)

    def _row_density(self, eta: Floats) -> Floats:
        """Log density (N, D) of each row, for one unit of its weight."""
        return self.family.log_density(self.rows.y[:, None], eta, self.aux)

    def _eta(self, total: Floats) -> Floats:
        """Eta (N, D) from totals (K, J, D) of the leaf levels."""
        rows = self.rows
        eta = np.repeat(rows.offset[:, None], total.shape[-1], axis=1)
        for x, B in zip(rows.X, total, strict=True):
            eta += x[:, None] * B[self._leaf]
        return eta

    def _step(self, mode: _Mode) -> _Mode:
        """One step of Newton's, halved where the log posterior would fall."""
        conditionals, root = self._conditionals(mode)
        kappa = root_value(root)
        delta, total = downward(conditionals, kappa)
        after = self._at(mode.log_tau, kappa[:, 0], delta, self._eta(total))
        least = mode.log_posterior - _ROUNDING * np.abs(mode.log_posterior)
        share, part = np.ones_like(least), after
        for _ in range(_HALVINGS):
            fell = ~(part.log_posterior >= least)
            if not fell.any():
                return part
            share = np.where(fell, 0.5 * share, share)
            part = self._between(mode, after, share)
        return self._between(mode, after, np.where(part.log_posterior >= least, share, 0.0))

    def _between(self, start: _Mode, end: _Mode, share: Floats) -> _Mode:
        """Shares (D,) of the way from the start to the end."""

        def move(a: Floats, b: Floats) -> Floats:
            return np.where(share > 0, a + share * (b - a), a)

        delta = [move(a, b) for a, b in zip(start.delta, end.delta, strict=True)]
        kappa, eta = move(start.kappa, end.kappa), move(start.eta, end.eta)
        return self._at(start.log_tau, kappa, delta, eta)

    def _conditionals(self, mode: _Mode) -> tuple[tuple[Conditional, ...], Conditional]:
        """The factors' and the root's conditionals of the quadratic about a mode."""
        precisions = [diagonal_precision(log_sd) for log_sd in mode.log_tau]
        conditionals, top = upward(self._message(mode.eta), self.tree.layers, precisions)
        root = condition_root(top, *self.priors.kappa.normal_stand_in())
        return conditionals, root

    def _message(self, eta: Floats) -> Message:
        """What rows about their eta (N, D) tell of the leaf levels' totals."""
        rows, family = self.rows, self.family
        y, weight = rows.y[:, None], rows.weight[:, None]
        W = weight * family.curvature(y, eta, self.aux) + np.zeros_like(eta)
        score = W * (eta - rows.offset[:, None]) + weight * family.score(y, eta, self.aux)
        s = np.stack([self._sums(x[:, None] * score) for x in rows.X])
        F = np.empty((len(rows.X), *s.shape))
        for j, k in zip(*np.tril_indices(len(rows.X)), strict=True):
            F[j, k] = F[k, j] = self._sums((rows.X[j] * rows.X[k])[:, None] * W)
        return Message(F, s)

    def _sums(self, values: Floats) -> Floats:
        """Sums (J, D) of the rows (N, D) of each leaf level."""
        total: Floats = self._adding @ values
        return total

    def _log_missed(self, leaf: Conditional, mode: _Mode) -> Floats:
        """Sum (D,) over the leaf levels of log E exp(r(z)), what is above them known."""
        rows, a = self.rows, leaf.layer.varying
        d, precision = mode.delta[-1], np.exp(-2 * mode.log_tau[-1])[:, None]
        here = self._row_density(mode.eta)
        total = np.full(d.shape[1:], -np.inf)
        for z, log_weight in zip(*_nodes(len(a)), strict=True):
            step = apply_transposed(leaf.Q, z[:, None, None])
            move = sum(x[:, None] * s[self._leaf] for x, s in zip(rows.X[a], step, strict=True))
            gain = self._sums(rows.weight[:, None] * (self._row_density(mode.eta + move) - here))
            gain -= (precision * (d + 0.5 * step) * step).sum(axis=0)
            total = np.logaddexp(total, gain + log_weight + 0.5 * z @ z)
        missed: Floats = total.sum(axis=0)
        return missed


def _nodes(k: int) -> tuple[Floats, Floats]:
    """Nodes (M, k) of Gauss-Hermite quadrature in k dimensions, and the logs of their weights."""
    z, weight = np.polynomial.hermite_e.hermegauss(_NODES[k])
    log_weight = np.log(weight / weight.sum())
    axes = np.indices((len(z),) * k).reshape(k, -1)
    return z[axes].T, log_weight[axes].sum(axis=0)
