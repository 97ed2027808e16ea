"""A plain loop of an MM-DiT's sampling: what `mmdit.py` compares the flow with.

One utterance at a time; at every step its text is encoded anew, and guidance is one pass for each
set of conditions.
"""

from collections.abc import Mapping

import torch
from torch import Tensor

from espnet2_ext.data.batch import Batch
from espnet2_ext.flow.model import MelFlow


@torch.no_grad()
def plain_sample(
    model: MelFlow,
    x_0: Tensor,
    streams: Mapping[str, Tensor],
    n_steps: int,
    guidance_by: Mapping[str, float],
) -> Tensor:
    """Latents (L, C) of an utterance from noise x_0 (L, C), by Euler's method.

    Args:
        model: A flow of latents.
        x_0: Noise.
        streams: What its conditions read, of this utterance.
        n_steps: Of equal length.
        guidance_by: Weights of the nested sum, by condition.
    """
    batch = Batch.of(x_0.device, latents=[x_0], **{name: [row] for name, row in streams.items()})
    names, x = list(guidance_by), x_0[None]
    for step in range(n_steps):
        t = torch.full((1,), step / n_steps, device=x.device)
        slope = previous = None
        for k in range(len(names) + 1):
            v = model.velocity(x, t, model.condition(batch, tuple(names[k:]))).float()
            slope = v if k == 0 else slope + guidance_by[names[k - 1]] * (v - previous)
            previous = v
        x = x + slope / n_steps
    return x[0]
