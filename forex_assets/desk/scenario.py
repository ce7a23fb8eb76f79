"""Distribution of the peso if drivers move by given amounts.

Linear regression on the drivers' own moves, with Student-t errors as of a multivariate t. It answers "what if", and
forecasts no driver.
"""

from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from forex_assets.core.fan import Array
from forex_assets.core.schemas import QUANTILE_LEVELS
from forex_assets.desk.law import PriceLaw

WINDOW: Final = 750
"""Overlapping moves in the regression."""

SPAN: Final = 5
"""Sessions of one move in the regression; daily stamps of markets differ."""

REFIT: Final = 5
"""Sessions between two regressions of the past."""

RIDGE: Final = 0.02
"""Penalty, as a share of the mean diagonal of X'X."""

DECAY: Final = 0.97
DEGREES: Final = 5.0
"""Degrees of freedom ν of the joint t distribution."""

PRIOR: Final = 8
"""Weight of "well calibrated" in the width's correction, in horizons."""

FEWEST: Final = 260
"""Joint sessions without which there is no answer."""


@dataclass(frozen=True, eq=False)
class Conditional:
    """The peso's log move given the drivers' moves.

    Attributes:
        mean: of the log move.
        sd: its standard deviation.
        degrees: of freedom.
        betas: log move of the peso per log move of each driver, shape (p,).
        correction: factor k on the width, from past errors.
        past: past dates behind the correction.
    """

    mean: float
    sd: float
    degrees: float
    betas: Array
    correction: float
    past: int

    def law(self, price: float) -> PriceLaw:
        """Returns the price's distribution."""
        return PriceLaw(price * np.exp(self.mean + self.sd * t_scores(self.degrees)))


@dataclass(frozen=True, eq=False)
class PastErrors:
    """Errors of past answers, given the drivers' true moves.

    Attributes:
        origins: index of each, shape (m,).
        errors: realized less mean log move, shape (m,).
        sds: uncorrected standard deviations, shape (m,).
    """

    origins: NDArray[np.intp]
    errors: Array
    sds: Array


@dataclass(frozen=True, eq=False)
class Regressions:
    """Regressions of the peso on drivers at each past session.

    Attributes:
        peso: log prices, oldest first, shape (n,).
        drivers: log prices on the same sessions, shape (n, p).
        betas: regression in force at each session, shape (n, p).
        variance: of the daily residual, EWMA(.97), shape (n,).
        covariance: of the drivers' daily moves, EWMA(.97), shape (n, p, p).
    """

    peso: Array
    drivers: Array
    betas: Array
    variance: Array
    covariance: Array

    @property
    def count(self) -> int:
        """Number of drivers."""
        return int(self.drivers.shape[1])

    def past(self, sessions: int, at: int) -> PastErrors:
        """Returns errors of all origins whose outcome is known at a session."""
        origins = np.arange(FEWEST - 1, max(at + 1 - sessions, FEWEST - 1))
        moves = self.drivers[origins + sessions] - self.drivers[origins]
        came = self.peso[origins + sessions] - self.peso[origins]
        errors = came - np.einsum("ij,ij->i", self.betas[origins], moves)
        return PastErrors(origins, errors, self._sds(origins, moves, sessions))

    def _sds(self, origins: NDArray[np.intp], moves: Array, sessions: int) -> Array:
        """Returns uncorrected deviations; larger for unusual moves."""
        solved = np.linalg.solve(sessions * self.covariance[origins], moves[:, :, None])[:, :, 0]
        distance = np.einsum("ij,ij->i", moves, solved)
        joint = (DEGREES + distance) / (DEGREES + self.count)
        return np.asarray(np.sqrt(sessions * self.variance[origins] * joint))

    def conditional(self, move: Array, sessions: int, at: int | None = None) -> Conditional:
        """Returns the peso's move given the drivers' moves.

        Args:
            move: log moves of the drivers over the horizon, shape (p,).
            sessions: horizon.
            at: session of the question; the last one by default. Nothing later is read.
        """
        at = len(self.peso) - 1 if at is None else at
        past = self.past(sessions, at)
        correction = width_correction(past.errors / past.sds, sessions)
        sd = float(self._sds(np.array([at]), move[None, :], sessions)[0])
        return Conditional(
            mean=float(self.betas[at] @ move),
            sd=correction * sd,
            degrees=DEGREES + self.count,
            betas=self.betas[at],
            correction=correction,
            past=len(past.errors),
        )


def fit(peso: Array, drivers: Array) -> Regressions:
    """Fits the regressions of all sessions.

    Raises:
        ValueError: too few joint sessions.
    """
    n, p = drivers.shape
    if n < FEWEST:
        raise ValueError(f"{n} sessions have a price of the peso and of each driver; {FEWEST} are needed")
    returns, moves = np.diff(peso, prepend=peso[0]), np.diff(drivers, axis=0, prepend=drivers[:1])
    y, x = peso[SPAN:] - peso[:-SPAN], drivers[SPAN:] - drivers[:-SPAN]
    betas = np.full((n, p), np.nan)
    first = FEWEST // 2
    for at in range(first, n, REFIT):
        window = slice(max(0, at - SPAN + 1 - WINDOW), at - SPAN + 1)
        betas[at : at + REFIT] = _ridge(x[window], y[window])
    betas[:first] = betas[first]
    # Residuals use the regression of the day before, as a user would have.
    residuals = returns - np.einsum("ij,ij->i", np.vstack([betas[:1], betas[:-1]]), moves)
    variance, covariance = np.empty(n), np.empty((n, p, p))
    v, c = float(np.mean(residuals[1:61] ** 2)), moves[1:61].T @ moves[1:61] / 60
    for t in range(n):
        if t > 60:
            v = DECAY * v + (1 - DECAY) * float(residuals[t] ** 2)
            c = DECAY * c + (1 - DECAY) * np.outer(moves[t], moves[t])
        variance[t], covariance[t] = v, c
    return Regressions(peso, drivers, betas, variance, covariance)


def width_correction(z: Array, sessions: int) -> float:
    """Returns the rms of past z, shrunk towards 1 by 8 horizons.

    Args:
        z: past errors over their standard deviations, shape (m,); overlapping.
        sessions: horizon.
    """
    prior = PRIOR * sessions
    return float(np.sqrt((np.sum(z**2) + prior) / (len(z) + prior)))


def t_scores(degrees: float) -> Array:
    """Returns quantiles at `QUANTILE_LEVELS` of a t with variance 1."""
    from scipy.special import stdtrit  # scipy at the top would slow every code server's start

    return np.asarray(((degrees - 2) / degrees) ** 0.5 * stdtrit(degrees, np.array(QUANTILE_LEVELS)))


def _ridge(x: Array, y: Array) -> Array:
    gram = x.T @ x
    return np.asarray(np.linalg.solve(gram + RIDGE * np.mean(np.diag(gram)) * np.eye(len(gram)), x.T @ y))
