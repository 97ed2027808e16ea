"""The likeliest codes of each frame."""

from torch import LongTensor, Tensor

_PER_GROUP = 8


def likeliest(logits: Tensor, k: int) -> tuple[Tensor, LongTensor]:
    """The k largest of logits (M, K), falling, and their codes (M, k).

    As `topk`, but several times faster on a CPU where k is some hundredths of K: the k largest lie
    in the k groups whose largest are the largest, so all other groups are left aside first.
    """
    M, K = logits.shape
    n_groups = K // _PER_GROUP
    if K % _PER_GROUP or 2 * k > n_groups:
        return logits.topk(k, dim=-1)
    groups = logits.view(M, _PER_GROUP, n_groups)
    best = groups.amax(1).topk(k, dim=-1, sorted=False).indices
    inside = groups.gather(2, best[:, None].expand(M, _PER_GROUP, k)).flatten(1)
    values, place = inside.topk(k, dim=-1)
    codes = best.gather(1, place % k) + place.div(k, rounding_mode="floor") * n_groups
    return values, codes
