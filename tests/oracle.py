"""An independent posterior of the model, dense and plain: what the estimator is tested against.

It shares no code with the package: numpy and scipy on raw arrays, in the model's own units.

    y_i ~ normal(eta_i, sigma) or student_t(nu, eta_i, sigma),    eta = D theta
    theta = (kappa, every delta),   kappa ~ normal(loc, scale),   delta_gl ~ MVN(0, Sigma_g)
    Sigma_g = diag(tau_g) Omega_g diag(tau_g),   Omega_g = I or ~ LKJ(shape)

Given the scales phi = (log sigma, log tau, correlations), theta is Gaussian under normal noise, of
precision A = Q(phi) + D'WD/sigma^2 and mean A^-1 b, b = D'Wy/sigma^2 + Q loc. Integrated out:

    log p(y | phi) = -n/2 log sigma^2 - y'Wy/(2 sigma^2)
                     + 1/2 log|Q| - 1/2 loc'Q loc - 1/2 log|A| + 1/2 b'A^-1 b

:func:`normal_posterior` samples phi (at most some eight numbers) by importance sampling from
kernels around pilot draws and adds theta's exact conditional moments. :func:`student_posterior` is
a Gibbs sampler on the scale mixture y_i | lambda_i ~ normal(eta_i, sigma / sqrt(lambda_i)).

Every number comes with its Monte Carlo error.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from functools import cached_property, partial
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import spatial, special
from scipy.linalg import lapack

Array = NDArray[Any]
TPrior = tuple[float, float, float]
"""df, location, scale; df = inf is normal."""

HALF_CAUCHY: TPrior = (1.0, 0.0, 2.5)

LEAST_ESS = 1000.0
"""Of importance samples that tests rely on."""


@dataclass(frozen=True)
class Factor:
    """Each row's level (0-based), the columns of X whose coefficients vary, and priors of tau."""

    codes: NDArray[np.int64]
    n_levels: int
    varying: tuple[int, ...]
    tau_priors: tuple[TPrior, ...] = ()

    @property
    def size(self) -> int:
        """K_g, the number of coefficients that vary."""
        return len(self.varying)

    def prior(self, k: int) -> TPrior:
        """Prior of tau_gk."""
        return self.tau_priors[k] if self.tau_priors else HALF_CAUCHY


@dataclass(frozen=True)
class Model:
    """The data and the priors; X (n, K) holds its column of ones, if there is one."""

    X: Array
    y: Array
    factors: tuple[Factor, ...]
    weight: Array | None = None
    kappa_loc: float | Array = 0.0
    kappa_scale: float | Array = 10.0
    sigma_prior: TPrior = HALF_CAUCHY
    nu_prior: tuple[float, float] = (2.0, 0.1)
    has_sigma: bool = True
    full: bool = False
    lkj: float = 2.0

    @cached_property
    def w(self) -> Array:
        """Frequency weights (n,)."""
        return np.ones(len(self.y)) if self.weight is None else self.weight

    @cached_property
    def D(self) -> Array:
        """Dense design (n, P): X, then factor by factor, level by level, coefficient fastest."""
        blocks = [self.X]
        for factor in self.factors:
            of_level = factor.codes[:, None] == np.arange(factor.n_levels)
            product = of_level[:, :, None] * self.X[:, None, list(factor.varying)]
            blocks.append(product.reshape(len(self.y), -1))
        return np.concatenate(blocks, axis=1)

    @cached_property
    def starts(self) -> list[int]:
        """First column of D of kappa, of each factor, and the end."""
        sizes = [self.X.shape[1], *(f.n_levels * f.size for f in self.factors)]
        return [0, *np.cumsum(sizes).tolist()]

    @cached_property
    def n_correlations(self) -> list[int]:
        """Free correlations of each factor."""
        return [f.size * (f.size - 1) // 2 if self.full else 0 for f in self.factors]

    @property
    def n_scales(self) -> int:
        """Length of phi."""
        return self.has_sigma + sum(f.size for f in self.factors) + sum(self.n_correlations)


@dataclass(frozen=True)
class Scales:
    """S points of phi: sigma (S,), each factor's tau (S, K_g) and L (S, K_g, K_g), Omega = LL'.

    Where the model has no sigma, this is 1.
    """

    sigma: Array
    tau: list[Array]
    L: list[Array]

    @property
    def omega(self) -> list[Array]:
        """Correlation matrices (S, K_g, K_g)."""
        return [L @ L.transpose(0, 2, 1) for L in self.L]


def unpack(model: Model, phi: Array) -> tuple[Scales, Array]:
    """Scales at phi (S, n_scales), and their log prior density in phi's coordinates (S,).

    Rows of L are (u_i1, ..., u_i,i-1, 1) / norm with free u: the gnomonic map, whose Jacobian is
    norm^-(i+1); LKJ's density in L is prod L_ii^(K - i + 2 shape - 2).
    """
    log_sigma = phi[:, 0] if model.has_sigma else np.zeros(len(phi))
    sigma = np.exp(log_sigma)
    log_prior = _log_t(sigma, model.sigma_prior) + log_sigma
    taus, Ls, at = [], [], int(model.has_sigma)
    for factor, n_free in zip(model.factors, model.n_correlations, strict=True):
        K = factor.size
        log_tau, u = phi[:, at : at + K], phi[:, at + K : at + K + n_free]
        at += K + n_free
        tau = np.exp(log_tau)
        for k in range(K):
            log_prior = log_prior + _log_t(tau[:, k], factor.prior(k)) + log_tau[:, k]
        L = np.tile(np.eye(K), (len(phi), 1, 1))
        if n_free:
            row, column = np.tril_indices(K, -1)
            L[:, row, column] = u
        norm = np.linalg.norm(L, axis=2)
        L /= norm[:, :, None]
        if n_free:
            i = np.arange(1, K + 1)
            log_prior = log_prior - np.log(norm) @ (K - i + 2 * model.lkj - 2 + (i + 1))
        taus.append(tau)
        Ls.append(L)
    return Scales(sigma, taus, Ls), log_prior


def _log_t(x: Array, prior: TPrior) -> Array:
    """Log density of student_t(df, loc, scale) up to a constant."""
    df, loc, scale = prior
    z2 = ((x - loc) / scale) ** 2
    return -z2 / 2 if np.isinf(df) else -(df + 1) / 2 * np.log1p(z2 / df)


@dataclass(frozen=True)
class Conditional:
    """theta given S points of phi: its precision's factor (A = CC'), its mean, log p(y | phi)."""

    C: Array
    mean: Array
    log_marginal: Array

    @property
    def variance(self) -> Array:
        """Diagonal of A^-1 = C'^-1 C^-1 (S, P)."""
        inverse = np.stack([lapack.dtrtri(factor.T, lower=0)[0] for factor in self.C])
        return np.asarray((inverse**2).sum(axis=2))

    def draw(self, rng: np.random.Generator) -> Array:
        """One theta for each phi (S, P)."""
        return self.mean + solve_transposed(self.C, rng.normal(size=self.mean.shape))


def solve(C: Array, b: Array) -> Array:
    """C^-1 b for lower triangular C (S, P, P) and b (S, P)."""
    return np.stack([lapack.dtrtrs(c.T, x, lower=0, trans=1)[0] for c, x in zip(C, b, strict=True)])


def solve_transposed(C: Array, b: Array) -> Array:
    """C'^-1 b."""
    return np.stack([lapack.dtrtrs(c.T, x, lower=0, trans=0)[0] for c, x in zip(C, b, strict=True)])


@dataclass(frozen=True)
class Moments:
    """Weighted moments of the data: D'WD (..., P, P), D'Wy (..., P), y'Wy (...), n."""

    DD: Array
    Dy: Array
    yy: Array | float
    n: float


def cholesky(A: Array) -> Array:
    """Cholesky factors (S, P, P); NaN where scales are so far apart that rounding leaves none."""
    try:
        return np.asarray(np.linalg.cholesky(A))
    except np.linalg.LinAlgError:
        if len(A) == 1:
            return np.full_like(A, np.nan)
        return np.concatenate([cholesky(A[i : i + 1]) for i in range(len(A))])


def condition(model: Model, data: Moments, scales: Scales) -> Conditional:
    """theta | phi, y under normal noise, and the marginal likelihood of phi."""
    Q, half_log_det_Q, loc = prior_precision(model, scales)
    s2 = scales.sigma**2
    b = data.Dy / s2[:, None] + np.einsum("sij,j->si", Q, loc)
    C = cholesky(Q + data.DD / s2[:, None, None])
    half = solve(C, b)
    log_marginal: Array = (
        -data.n / 2 * np.log(s2)
        - data.yy / (2 * s2)
        + half_log_det_Q
        - np.einsum("i,sij,j->s", loc, Q, loc) / 2
        - np.log(np.diagonal(C, axis1=1, axis2=2)).sum(axis=1)
        + (half**2).sum(axis=1) / 2
    )
    return Conditional(C, solve_transposed(C, half), log_marginal)


def prior_precision(model: Model, scales: Scales) -> tuple[Array, Array, Array]:
    """Q (S, P, P) of theta, log|Q|/2 up to kappa's constant (S,), and theta's prior mean (P,)."""
    K, P = model.X.shape[1], model.starts[-1]
    Q = np.zeros((len(scales.sigma), P, P))
    Q[:, range(K), range(K)] = 1 / np.broadcast_to(model.kappa_scale, K) ** 2
    half_log_det = np.zeros(len(Q))
    for factor, start, tau, L in zip(
        model.factors, model.starts[1:-1], scales.tau, scales.L, strict=True
    ):
        root = np.linalg.inv(tau[:, :, None] * L)
        block = root.transpose(0, 2, 1) @ root
        index = start + np.arange(factor.n_levels * factor.size).reshape(factor.n_levels, -1)
        Q[:, index[:, :, None], index[:, None, :]] = block[:, None]
        log_root = np.log(np.diagonal(root, axis1=1, axis2=2)).sum(axis=1)
        half_log_det += factor.n_levels * log_root
    loc = np.zeros(P)
    loc[:K] = model.kappa_loc
    return Q, half_log_det, loc


@dataclass(frozen=True)
class Estimate:
    """Posterior mean and sd of an array of parameters, with their Monte Carlo errors."""

    mean: Array
    sd: Array
    mean_error: Array
    sd_error: Array


@dataclass(frozen=True)
class Posterior:
    """Estimates by parameter; ``tau``, ``omega`` and ``delta`` have one entry for each factor."""

    kappa: Estimate
    sigma: Estimate
    tau: list[Estimate]
    omega: list[Estimate]
    delta: list[Estimate]
    nu: Estimate | None = None
    ess: float = np.nan
    largest_weight: float = np.nan


Average = Callable[[Array], tuple[Array, Array]]
"""Mean over draws (axis 0) and its Monte Carlo error."""


def estimate_from(average: Average, mean: Array, variance: Array | float = 0.0) -> Estimate:
    """Of a parameter whose conditional mean and variance are given draw by draw."""
    m, m_error = average(mean)
    v, v_error = average((mean - m) ** 2 + variance)
    sd = np.sqrt(v)
    return Estimate(m, sd, m_error, v_error / np.maximum(2 * sd, 1e-300))


def _posterior(
    model: Model, average: Average, scales: Scales, mean: Array, variance: Array | float
) -> Posterior:
    """All estimates from draws of the scales and theta's conditional moments (S, P)."""
    theta = estimate_from(average, mean, variance)
    shapes = [(-1,), *((f.n_levels, f.size) for f in model.factors)]
    blocks = [
        Estimate(*(getattr(theta, name)[a:b].reshape(shape) for name in Estimate.__annotations__))
        for a, b, shape in zip(model.starts, model.starts[1:], shapes, strict=False)
    ]
    return Posterior(
        kappa=blocks[0],
        sigma=estimate_from(average, scales.sigma),
        tau=[estimate_from(average, tau) for tau in scales.tau],
        omega=[estimate_from(average, omega) for omega in scales.omega] if model.full else [],
        delta=blocks[1:],
    )


def log_density(model: Model, phi: Array) -> Array:
    """log p(phi | y) up to a constant (S,), normal family."""
    data = moments(model)
    return np.concatenate([_log_scales(model, data, part) for part in batches(phi)])


def _log_scales(model: Model, data: Moments, phi: Array) -> Array:
    """log p(phi) p(y | phi), theta integrated out (S,)."""
    scales, log_prior = unpack(model, phi)
    return log_prior + condition(model, data, scales).log_marginal


def moments(model: Model) -> Moments:
    """The data's moments under the frequency weights."""
    WD = model.w[:, None] * model.D
    yy = float(model.y @ (model.w * model.y))
    return Moments(model.D.T @ WD, WD.T @ model.y, yy, float(model.w.sum()))


def batches(phi: Array, size: int = 250) -> Iterator[Array]:
    """Parts small enough for dense matrices."""
    return (phi[i : i + size] for i in range(0, len(phi), size))


def normal_posterior(model: Model, n_draws: int = 10_000, seed: int = 0) -> Posterior:
    """The posterior under normal noise: phi by importance sampling, theta exactly given phi."""
    phi, weight = _importance_sample(model, n_draws, np.random.default_rng(seed))
    data, means, variances = moments(model), [], []
    for part in batches(phi):
        theta = condition(model, data, unpack(model, part)[0])
        means.append(theta.mean)
        variances.append(theta.variance)
    scales = unpack(model, phi)[0]
    return weighted_posterior(
        model, weight, scales, np.concatenate(means), np.concatenate(variances)
    )


def weighted_posterior(
    model: Model, weight: Array, scales: Scales, mean: Array, variance: Array | float = 0.0
) -> Posterior:
    """All estimates from weighted draws of the scales and theta's conditional moments (S, P)."""
    result = _posterior(model, partial(weighted_average, weight), scales, mean, variance)
    return replace(result, ess=float(1 / (weight @ weight)), largest_weight=float(weight.max()))


def weighted_estimate(weight: Array, x: Array) -> Estimate:
    """Of draws x (S, ...) of a parameter."""
    return estimate_from(partial(weighted_average, weight), x)


def weighted_average(weight: Array, x: Array) -> tuple[Array, Array]:
    """Mean of x (S, ...) under weights (S,) whose sum is 1, and its Monte Carlo error."""
    mean = np.tensordot(weight, x, axes=1)
    return mean, np.sqrt(np.tensordot(weight**2, (x - mean) ** 2, axes=1))


def normal_draws(model: Model, n_draws: int = 20_000, seed: int = 0) -> tuple[Scales, Array]:
    """Equally weighted draws of phi and theta (S, P), for functions of several parameters."""
    rng = np.random.default_rng(seed)
    phi, weight = _importance_sample(model, n_draws, rng)
    assert 1 / (weight @ weight) > 1.25 * LEAST_ESS  # ties cost some of them
    phi = phi[rng.choice(n_draws, size=n_draws, p=weight)]
    data = moments(model)
    theta = [condition(model, data, unpack(model, p)[0]).draw(rng) for p in batches(phi)]
    return unpack(model, phi)[0], np.concatenate(theta)


def _importance_sample(model: Model, n: int, rng: np.random.Generator) -> tuple[Array, Array]:
    """Draws of phi and their weights, from kernels around pilot draws."""
    centre = np.full(model.n_scales, -0.5)
    centre[0] += np.log(np.std(model.y))
    centres, covariance = pilot(partial(log_density, model), centre, n, rng)
    phi, log_q = kernel_draws(centres, covariance, n, rng)
    return phi, special.softmax(log_density(model, phi) - log_q)


def pilot(
    log_p: Callable[[Array], Array], centre: Array, n: int, rng: np.random.Generator
) -> tuple[Array, Array]:
    """Centres and covariance of the kernels from which n draws of phi are to be proposed.

    A round proposes from kernels around the last's draws. It clips the weights to their fiftieth
    largest, so that a proposal far too wide still shrinks towards the posterior.
    """
    centres, covariance, size = centre[None], np.eye(len(centre)) / 4, 2000
    while size < n:
        phi, log_q = kernel_draws(centres, covariance, size, rng)
        log_weight = log_p(phi) - log_q
        ess = 1 / np.sum(special.softmax(log_weight) ** 2)
        size = 2 * size if ess > size / 8 else size
        clipped = special.softmax(np.minimum(log_weight, np.sort(log_weight)[-50]))
        centres = phi[rng.choice(len(phi), size=500, p=clipped)]
        covariance = np.cov(phi.T, aweights=clipped).reshape(len(centre), -1)
    return centres, covariance


def kernel_draws(
    centres: Array, covariance: Array, n: int, rng: np.random.Generator, df: float = 5.0
) -> tuple[Array, Array]:
    """Draws from a mixture of multivariate t, and their log densities.

    Four fifths have narrow kernels, 0.4 times the covariance; wide ones, 3 times, bound the weights
    in the tails.
    """
    C = np.linalg.cholesky(covariance)
    dim, scales, shares = len(C), np.sqrt([0.4, 3.0]), np.array([0.8, 0.2])
    scale = rng.choice(scales, size=(n, 1), p=shares)
    steps = scale * rng.normal(size=(n, dim)) / np.sqrt(rng.chisquare(df, size=(n, 1)) / df)
    phi = centres[rng.integers(len(centres), size=n)] + steps @ C.T
    white, white_centres = (np.linalg.solve(C, x.T).T for x in (phi, centres))
    log_q = [
        special.logsumexp(
            -(df + dim) / 2 * np.log1p(distance[..., None] / (df * scales**2)),
            b=shares / scales**dim,
            axis=(1, 2),
        )
        for distance in (
            spatial.distance.cdist(p, white_centres, "sqeuclidean") for p in batches(white)
        )
    ]
    return phi, np.concatenate(log_q)


def student_posterior(
    model: Model, n_chains: int = 48, n_draws: int = 1500, n_warmup: int = 500, seed: int = 0
) -> Posterior:
    """The posterior under Student-t noise, by many Gibbs chains side by side.

    A sweep: (sigma, nu) given theta by Metropolis steps on the Student-t likelihood; lambda given
    theta, sigma, nu; all scales given lambda, theta integrated out, by Metropolis steps; theta
    given all of them.
    """
    rng = np.random.default_rng(seed)
    phi = rng.normal(-0.5, 0.3, size=(n_chains, model.n_scales))
    log_nu = rng.normal(1.5, 0.5, size=(n_chains, 1))
    theta = np.zeros((n_chains, model.starts[-1]))
    theta[:, 0] = np.median(model.y)
    noise_steps, scale_steps = _Steps(2, rng), _Steps(model.n_scales, rng)
    kept: list[tuple[Array, ...]] = []
    for sweep in range(n_warmup + n_draws):
        residual = model.y - theta @ model.D.T
        noise = np.c_[phi[:, :1], log_nu]
        noise = noise_steps.move(noise, partial(_log_noise, model, residual), times=3)
        phi[:, :1], log_nu = noise[:, :1], noise[:, 1:]
        nu = 1 + np.exp(log_nu)
        shape = (nu + 1) / 2
        rate = (nu + (residual / np.exp(phi[:, :1])) ** 2) / 2
        data = _mixture_moments(model, rng.gamma(shape, 1 / rate, size=residual.shape))
        phi = scale_steps.move(phi, partial(_log_scales, model, data), times=2)
        given = condition(model, data, unpack(model, phi)[0])
        theta = given.draw(rng)
        if sweep < n_warmup:
            noise_steps.adapt(noise)
            scale_steps.adapt(phi)
        else:
            kept.append((phi.copy(), nu[:, 0], given.mean, given.variance))
    return _from_chains(model, kept)


def _from_chains(model: Model, kept: list[tuple[Array, ...]]) -> Posterior:
    """Estimates with errors from the spread of the independent chains' means.

    So few means leave the error uncertain: it is as much wider as far quantiles of Student-t are.
    """
    phi, nu, mean, variance = (np.concatenate(part) for part in zip(*kept, strict=True))
    n_draws = len(kept)
    wider = special.stdtrit(len(phi) / n_draws - 1, 1 - 1e-6) / special.ndtri(1 - 1e-6)

    def average(x: Array) -> tuple[Array, Array]:
        by_chain = x.reshape(n_draws, -1, *x.shape[1:]).mean(axis=0)
        return by_chain.mean(axis=0), wider * by_chain.std(axis=0, ddof=1) / np.sqrt(len(by_chain))

    result = _posterior(model, average, unpack(model, phi)[0], mean, variance)
    return replace(result, nu=estimate_from(average, nu))


def _log_noise(model: Model, residual: Array, noise: Array) -> Array:
    """log p(y | theta, sigma, nu) p(sigma) p(nu) in (log sigma, log(nu - 1))  (S,)."""
    log_sigma, nu = noise[:, 0], 1 + np.exp(noise[:, 1])
    shape, rate = model.nu_prior
    z2 = (residual / np.exp(log_sigma)[:, None]) ** 2 / nu[:, None]
    log_norm = special.gammaln((nu + 1) / 2) - special.gammaln(nu / 2) - np.log(nu) / 2 - log_sigma
    log_p: Array = (
        model.w.sum() * log_norm
        - (nu + 1) / 2 * (np.log1p(z2) @ model.w)
        + _log_t(np.exp(log_sigma), model.sigma_prior)
        + log_sigma
        + (shape - 1) * np.log(nu)
        - rate * nu
        + noise[:, 1]
    )
    return log_p


def _mixture_moments(model: Model, mixing: Array) -> Moments:
    """The data's moments under each chain's lambda (S, n); for unit frequency weights."""
    D, y = model.D, model.y
    outer = (D[:, :, None] * D[:, None, :]).reshape(len(y), -1)
    DD = (mixing @ outer).reshape(len(mixing), D.shape[1], D.shape[1])
    return Moments(DD, (mixing * y) @ D, mixing @ y**2, float(len(y)))


class _Steps:
    """Random-walk Metropolis for many chains at once, shaped by their common covariance."""

    def __init__(self, dim: int, rng: np.random.Generator) -> None:
        self.rng = rng
        self.factor = 0.1 * np.eye(dim)
        self.history: list[Array] = []

    def adapt(self, x: Array) -> None:
        """Learn the covariance from the last hundred sweeps; warmup only."""
        self.history = [*self.history[-99:], x.copy()]
        if len(self.history) == 100:
            covariance = np.cov(np.concatenate(self.history).T).reshape(len(self.factor), -1)
            self.factor = 2.4 / np.sqrt(len(covariance)) * np.linalg.cholesky(covariance)

    def move(self, x: Array, log_p: Callable[[Array], Array], times: int) -> Array:
        """Steps of each chain; small and large ones mixed. None is to where log p is NaN."""
        current = log_p(x)
        for _ in range(times):
            size = np.exp(self.rng.normal(scale=0.7, size=(len(x), 1)))
            proposal = x + size * (self.rng.normal(size=x.shape) @ self.factor.T)
            proposed = log_p(proposal)
            accept = np.log(self.rng.uniform(size=len(x))) < proposed - current
            x = np.where(accept[:, None], proposal, x)
            current = np.where(accept, proposed, current)
        return x
