"""Fréchet audio distance: how far two sets of sounds lie apart, whichever sound is which.

Embeddings of either set are taken for a Gaussian, of mean m and covariance C:

    FAD = |m - m'|^2 + tr(C + C' - 2 (C C')^(1/2))

Source: Kilgour et al. 2019 (arXiv 1812.08466), with VGGish's embeddings. A number is of its
embedder and of the number of sounds, and is compared with no other embedder's.
"""

from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class Moments:
    """What a set's Gaussian is made of; those of two sets add up to those of both.

    Args:
        count: Embeddings.
        total: Their sum (D,).
        squares: The sum of their outer products (D, D).
    """

    count: int
    total: np.ndarray
    squares: np.ndarray

    @classmethod
    def of(cls, embeddings: np.ndarray) -> "Moments":
        """Of embeddings (N, D)."""
        x = np.asarray(embeddings, np.float64)
        return cls(len(x), x.sum(0), x.T @ x)

    def __add__(self, other: "Moments") -> "Moments":
        return Moments(
            self.count + other.count, self.total + other.total, self.squares + other.squares
        )

    @property
    def gaussian(self) -> tuple[np.ndarray, np.ndarray]:
        """Mean (D,) and covariance (D, D)."""
        mean = self.total / self.count
        return mean, self.squares / self.count - np.outer(mean, mean)


def frechet_distance(one: Moments, other: Moments) -> float:
    """FAD of two sets; 0 where their Gaussians are equal."""
    (mean, covariance), (mean_, covariance_) = one.gaussian, other.gaussian
    root = _root(covariance)
    overlap = np.sqrt(np.linalg.eigvalsh(root @ covariance_ @ root).clip(0)).sum()
    apart = np.square(mean - mean_).sum()
    return float(apart + np.trace(covariance) + np.trace(covariance_) - 2 * overlap)


def _root(covariance: np.ndarray) -> np.ndarray:
    """The symmetric square root of a covariance."""
    values, vectors = np.linalg.eigh(covariance)
    return (vectors * np.sqrt(values.clip(0))) @ vectors.T
