"""Lloyd's k-means in torch: seeded, with k-means++ seeding and empty clusters refilled."""

import torch
from torch import Tensor

_ROWS_PER_BLOCK = 16384


def nearest(x: Tensor, centroids: Tensor) -> Tensor:
    """Index of the nearest centroid (L2).

    Args:
        x (Tensor): (..., D).
        centroids (Tensor): (K, D).

    Returns:
        Tensor: int64 (...).
    """
    flat = x.reshape(-1, x.size(-1))
    bias = -0.5 * centroids.square().sum(-1)
    blocks = [
        torch.addmm(bias, block, centroids.T).argmax(-1) for block in flat.split(_ROWS_PER_BLOCK)
    ]
    return torch.cat(blocks).view(x.shape[:-1]) if blocks else flat.new_zeros(0, dtype=torch.long)


def fit_kmeans(
    x: Tensor, n_clusters: int, n_iter: int = 25, seed: int = 0, n_init: int = 8192
) -> Tensor:
    """Fit centroids to rows.

    Args:
        x (Tensor): (N, D).
        n_clusters: K.
        n_iter: Lloyd iterations.
        seed: Of the seeding; the same rows and seed give the same centroids.
        n_init: Rows that the k-means++ seeding looks at.

    Returns:
        Tensor: (K, D).

    Raises:
        ValueError: fewer distinct rows than clusters cannot be told apart: N < K.
    """
    if len(x) < n_clusters:
        raise ValueError(f"{len(x)} frames are too few for {n_clusters} clusters")
    generator = torch.Generator().manual_seed(seed)
    centroids = _plus_plus(x, n_clusters, n_init, generator)
    for _ in range(n_iter):
        labels = nearest(x, centroids)
        counts = torch.bincount(labels, minlength=n_clusters)
        sums = torch.zeros_like(centroids).index_add_(0, labels, x)
        updated = sums / counts.clamp_min(1).unsqueeze(1)
        empty = (counts == 0).nonzero().flatten()
        if len(empty):
            updated[empty] = x[torch.randint(len(x), (len(empty),), generator=generator)]
        if torch.allclose(updated, centroids, atol=1e-5):
            break
        centroids = updated
    return centroids


def _plus_plus(x: Tensor, n_clusters: int, n_init: int, generator: torch.Generator) -> Tensor:
    rows = x[torch.randperm(len(x), generator=generator)[: max(n_init, n_clusters)]]
    chosen = [rows[0]]
    distance = (rows - chosen[0]).square().sum(-1)
    for _ in range(n_clusters - 1):
        total = distance.sum()
        # all rows stand on a centroid already: the rest is drawn alike
        weights = distance if total > 0 else torch.ones_like(distance)
        index = torch.multinomial(weights, 1, generator=generator).item()
        chosen.append(rows[index])
        distance = torch.minimum(distance, (rows - rows[index]).square().sum(-1))
    return torch.stack(chosen)
