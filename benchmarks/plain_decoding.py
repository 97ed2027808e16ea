"""The plain loop: ESPnet-SpeechLM's eager decoding, written from its description.

One utterance at a time; the decoder called as its library offers it, with a cache that grows by
copying; for every stream the head over the whole vocabulary, the tokens of others masked;
a Python loop over streams. Slow and short: what decoding is timed against, and has to equal.
"""

import torch
from torch import LongTensor, Tensor
from transformers.cache_utils import DynamicCache

from espnet2_ext.data.batch import Batch
from espnet2_ext.speechlm.model import SpeechLM
from espnet2_ext.speechlm.sampling import DecodingConfig


@torch.no_grad()
def plain_decode(
    model: SpeechLM,
    score_frames: LongTensor,
    prompt: LongTensor | None,
    config: DecodingConfig,
) -> LongTensor:
    """Sing one score.

    Args:
        model: Speech LM, in evaluation mode.
        score_frames: (F, 4).
        prompt: Local codes of the singer (P, nq).
        config: Of it: method, temperature, top_k, fixed_length, max_frames. Draws are torch's own.

    Returns:
        LongTensor: Local codes (F, nq).
    """
    core, vocabulary, device = model.corelm, model.vocabulary, model.device
    nq, eos = vocabulary.nq, vocabulary.sos_eos
    S = len(score_frames)
    prompts = None if prompt is None else [prompt]
    conditions = model.conditions(Batch.of(device, score_frames=[score_frames], prompt=prompts))
    frames = list(conditions.prefixes[0])  # (nq,) each
    start, end = len(frames), S if config.fixed_length else config.max_frames
    forbidden = _forbidden(model)
    cache, position, fed = DynamicCache(), 0, start
    pad = torch.tensor(vocabulary.pad, device=device)
    step = 0
    while step < end + nq - 1:
        inputs = []
        for p in range(position, fed):
            row = [frames[p - q][q] if 0 <= p - q < len(frames) else pad for q in range(nq)]
            inputs.append(torch.stack(row))
        embedded = core.emb(torch.stack(inputs)).sum(1)
        if conditions.score is not None and step < S:
            embedded[-1] = embedded[-1] + conditions.score[0, step]
        seen = torch.ones(fed - position, fed, dtype=torch.bool, device=device).tril(position)
        output = core.backbone(
            inputs_embeds=embedded[None],
            attention_mask=seen[None, None],
            position_ids=torch.arange(position, fed, device=device)[None],
            past_key_values=cache,
            use_cache=True,
        )
        hidden = output.last_hidden_state[0, -1]
        position, fed = fed, fed + 1
        frames.append(torch.full((nq,), vocabulary.pad, device=device))
        for q in range(nq):
            frame = step - q
            if not 0 <= frame < end:
                continue
            h = hidden + core.head_emb.weight[q]
            if conditions.score is not None:
                at = conditions.score[0, frame] if frame < S else torch.zeros_like(hidden)
                h = h + model.score_head(at).chunk(nq)[q]
            logits = core.lm_head(h).float().masked_fill(forbidden[q], float("-inf"))
            if q == 0 and (config.fixed_length or step == 0):
                logits[eos] = float("-inf")
            token = _choose(logits, config)
            if q == 0 and token == eos:
                end = frame
            frames[start + frame][q] = token
        if step == end:
            frames[start + end][0] = eos
        step += 1
    if not end:
        return torch.empty(0, nq, dtype=torch.long, device=device)
    return torch.stack(frames[start : start + end]) - model.offsets


def _forbidden(model: SpeechLM) -> Tensor:
    """Tokens that a stream does not have (nq, V)."""
    core = model.corelm
    forbidden = torch.ones(core.nq, len(core.emb.weight), dtype=torch.bool, device=model.device)
    for q, (first, last) in enumerate(core.stream_slices):
        forbidden[q, first:last] = False
    forbidden[0, core.eos] = False
    return forbidden


def _choose(logits: Tensor, config: DecodingConfig) -> Tensor:
    if config.method == "greedy":
        return logits.argmax()
    values, tokens = (logits / config.temperature).topk(config.top_k or len(logits))
    return tokens[torch.multinomial(values.softmax(-1), 1)].squeeze()
