"""Soft tokens: the codec embedding that a speech LM expects, where a code would name one draw.

At each frame the LM gives a distribution over the codes of every codebook. Its mean embedding keeps
what one sampled code throws away. The distributions are those that decoding met, found again in one
parallel pass over the tokens that it chose; given ground-truth tokens, they are teacher-forced.
"""

import torch
from torch import LongTensor, Tensor

from espnet2_ext.speechlm.model import Conditions, SpeechLM
from espnet2_ext.speechlm.sampling import DecodingConfig
from espnet2_ext.speechlm.template import Assembled


@torch.no_grad()
def expected_embeddings(
    model: SpeechLM,
    conditions: Conditions,
    unprompted: Conditions | None,
    tokens: list[LongTensor],
    tables: Tensor,
    offset: Tensor,
    config: DecodingConfig,
) -> list[Tensor]:
    """Mean codec embedding of every frame.

    Args:
        model: Speech LM, in evaluation mode.
        conditions: Score and prompt of the batch.
        unprompted: The same without prompts; for `prompt_guidance` alone.
        tokens: Local codes, one (F, nq) per utterance.
        tables: Codec embeddings by codebook and code (n_codebooks, K, D).
        offset: Added to their sum (D,).
        config: Its `score_weight`, `prompt_guidance` and `soft_temperature` hold.

    Returns:
        One (F, D) per utterance.
    """
    log_p = code_log_probs(model, conditions, tokens, config.score_weight)
    if config.prompt_guidance:
        w = config.prompt_guidance
        others = code_log_probs(model, unprompted, tokens, config.score_weight)
        # classifier-free guidance (Ho and Salimans 2022) of log-probabilities
        log_p = [(1 + w) * own - w * nobody for own, nobody in zip(log_p, others, strict=True)]
    tables, offset = tables.to(model.device), offset.to(model.device)
    return [
        offset + torch.einsum("fqk,qkd->fd", (x / config.soft_temperature).softmax(-1), tables)
        for x in log_p
    ]


@torch.no_grad()
def code_log_probs(
    model: SpeechLM, conditions: Conditions, tokens: list[LongTensor], score_weight: float = 0.0
) -> list[Tensor]:
    """Log-probabilities of all codec codes where `tokens` stand.

    Args:
        model: Speech LM, in evaluation mode.
        conditions: Of the batch.
        tokens: Local codes, one (F, nq) per utterance: what each frame's streams know of the past.
        score_weight: Share of the prediction from the score alone, mixed in as in decoding; then
            they are not normalised.

    Returns:
        One (F, n_codebooks, K) per utterance.
    """
    nq, device = model.vocabulary.nq, model.device
    eos = model.assembler.eos.to(device)
    # the end stands after the last frame, as in training and decoding: later streams see it
    sequences = [
        Assembled(torch.cat([prefix, codes.to(device) + model.offsets, eos]), len(prefix))
        for prefix, codes in zip(conditions.prefixes, tokens, strict=True)
    ]
    start = torch.tensor([s.start for s in sequences], device=device)
    hidden, begin = model._hidden(sequences, conditions.score, start)
    at_frame = None
    if conditions.score is not None:
        # frames after the score's end are predicted as in decoding: from an encoding of zeros
        after = max(0, max(map(len, tokens)) - conditions.score.size(1))
        score = torch.nn.functional.pad(conditions.score, (0, 0, 0, after))
        at_frame = model.score_head(score).unflatten(-1, (nq, -1))
    results = []
    for b, codes in enumerate(tokens):
        F, first = len(codes), int(begin[b] + start[b]) - 1
        streams = []
        for q in range(1, nq):
            h = hidden[first + q : first + q + F]
            seen = None if at_frame is None else at_frame[b, :F, q]
            logits = model.corelm.stream_logits(h if seen is None else h + seen, q)
            log_p = logits.float().log_softmax(-1)
            if score_weight > 0 and seen is not None:
                alone = model.corelm.stream_logits(seen, q).float().log_softmax(-1)
                log_p = (1 - score_weight) * log_p + score_weight * alone
            streams.append(log_p)
        results.append(torch.stack(streams, 1))
    return results
