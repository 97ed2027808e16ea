"""Approximate dynamic time warping as the package fastdtw does it, which published scripts call.

Salvador and Chan 2007: halve both sequences until they are short, align those, and at each finer
level look only at cells within `radius` of the coarser path. With the radius of 1 that the scripts
leave at its default, the path can miss the best one by a lot on long sustained sounds, so a metric
that is to be held against their numbers has to take the same path.
"""

import math

import numpy as np

RADIUS = 1


def fast_warping_path(
    a: np.ndarray, b: np.ndarray, radius: int = RADIUS
) -> tuple[np.ndarray, np.ndarray]:
    """Indices into a (N, D) and b (M, D) of fastdtw's path, Euclidean distance.

    Steps are (1, 0), (0, 1), (1, 1) with weight 1; of equal costs the first in that order wins.
    """
    path = np.array(_path(np.asarray(a, np.float64), np.asarray(b, np.float64), radius))
    return path[:, 0], path[:, 1]


def _path(a: np.ndarray, b: np.ndarray, radius: int) -> list[tuple[int, int]]:
    if min(len(a), len(b)) < radius + 2:
        return _within(a, b, [range(len(b))] * len(a))
    coarse = _path(_halved(a), _halved(b), radius)
    return _within(a, b, _window(coarse, len(a), len(b), radius))


def _halved(x: np.ndarray) -> np.ndarray:
    even = len(x) - len(x) % 2
    return (x[0:even:2] + x[1:even:2]) / 2


def _window(path: list[tuple[int, int]], n: int, m: int, radius: int) -> list[range]:
    """The columns to look at in each of `n` rows, around a path at half the resolution."""
    cells: dict[int, set[int]] = {}
    for i, j in path:
        for row in range(2 * (i - radius), 2 * (i + radius) + 2):
            cells.setdefault(row, set()).update(range(2 * (j - radius), 2 * (j + radius) + 2))
    rows, start = [], 0
    for i in range(n):
        # A run of columns that begins no earlier than that of the row before; a gap ends it.
        inside = [j for j in cells.get(i, ()) if start <= j < m]
        if inside:
            start = stop = min(inside)
            while stop in cells[i] and stop < m:
                stop += 1
            rows.append(range(start, stop))
        else:  # an odd last frame that the coarse path does not reach
            rows.append(range(0))
    return rows


def _within(a: np.ndarray, b: np.ndarray, rows: list[range]) -> list[tuple[int, int]]:
    """The cheapest path through the cells of `rows`, from (0, 0) to the last of both."""
    cost: dict[tuple[int, int], float] = {(-1, -1): 0.0}
    back: dict[tuple[int, int], tuple[int, int]] = {}
    for i, columns in enumerate(rows):
        distances = np.linalg.norm(a[i] - b[columns.start : columns.stop], axis=1)
        for j, distance in zip(columns, distances.tolist(), strict=True):
            before = ((i - 1, j), (i, j - 1), (i - 1, j - 1))
            costs = [cost.get(cell, math.inf) for cell in before]
            best = min(range(3), key=costs.__getitem__)
            cost[i, j] = costs[best] + distance
            back[i, j] = before[best]
    path = [(len(a) - 1, len(b) - 1)]
    while back[path[-1]] != (-1, -1):
        path.append(back[path[-1]])
    return path[::-1]
