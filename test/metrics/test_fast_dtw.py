"""fastdtw's path: on short sequences the best one, on long ones what the package itself gives."""

import numpy as np
import pytest

from espnet2_ext.metrics.fast_dtw import fast_warping_path
from espnet2_ext.metrics.versa_f0_mcd import warping_path


def walk(seed: int, n: int, m: int) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    return np.cumsum(rng.normal(size=(n, 4)), 0), np.cumsum(rng.normal(size=(m, 4)), 0)


def cost(a: np.ndarray, b: np.ndarray, path: tuple[np.ndarray, np.ndarray]) -> float:
    return float(np.linalg.norm(a[path[0]] - b[path[1]], axis=1).sum())


@pytest.mark.parametrize(("n", "m"), [(1, 1), (2, 7), (7, 2), (1, 30), (40, 55), (61, 33)])
def test_a_wide_radius_is_exact_and_a_narrow_one_a_whole_path(n, m):
    a, b = walk(n * m, n, m)
    exact = cost(a, b, warping_path(a, b))
    assert cost(a, b, fast_warping_path(a, b, radius=100)) == pytest.approx(exact)
    i, j = fast_warping_path(a, b)
    assert cost(a, b, (i, j)) >= exact - 1e-9
    assert (i[0], j[0], i[-1], j[-1]) == (0, 0, n - 1, m - 1)
    steps = set(zip(np.diff(i).tolist(), np.diff(j).tolist(), strict=True))
    assert steps <= {(0, 1), (1, 0), (1, 1)}


def test_equal_sequences_go_along_the_diagonal():
    a, _ = walk(0, 50, 2)
    i, j = fast_warping_path(a, a)
    assert (i == j).all()


def test_the_packages_own_path():
    """fastdtw 0.3.4, dist=euclidean: length of the path, and how it goes, of two random walks."""
    for (seed, n, m), expected in FASTDTW.items():
        i, j = fast_warping_path(*walk(seed, n, m))
        assert (len(i), int(i @ np.arange(len(i))), int(j @ np.arange(len(j)))) == expected


FASTDTW = {
    (1, 60, 75): (75, 109243, 137825),
    (2, 120, 97): (120, 568820, 425927),
}
