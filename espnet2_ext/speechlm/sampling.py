"""Choose codes from logits, all streams of a step at once."""

from dataclasses import dataclass

from torch import LongTensor, Tensor

METHODS = ("sampling", "greedy")
MAX_CANDIDATES = 1000


@dataclass
class DecodingConfig:
    """How tokens are drawn.

    Args:
        method: ``sampling`` or ``greedy``.
        temperature: Logits are divided by it.
        top_k: Likeliest codes to draw from; 0: all.
        top_p: Smallest set of likeliest codes with this much probability; 1: all.
        nbest: Candidates per utterance; the one of the highest likelihood is kept.
        score_weight: Share (0 to below 1) of the prediction from the score alone, mixed in
            geometrically; for models trained with `history_dropout`.
        soft: The flow is given the codec embedding that the LM expects, not that of its codes
            (`speechlm.soft`; not in the paper).
        soft_temperature: Of those distributions.
        prompt_guidance: w in l + w (l - l without a prompt), for the soft tokens' log-probabilities
            l: guidance towards the prompt's singer, of models trained with prompt dropout.
        max_prompt_frames: Longer prompts are cut; 0: as the model was trained.
        fixed_length: Exactly the score's frames; else until the end token: what needs the score's
            length then joins the two by its own ``length_policy`` (`score.length`).
        max_frames: Most frames when the length is free; of a score with times, also no more than
            four times its frames and 100 (a length that runs away is not sung to its end).
        batch_size: Candidates decoded together.
        seed: Of the sampling; an utterance's draw depends on it and on its score alone.
        use_cache: Keep keys and values (off: recompute all, to check).
    """

    method: str = "sampling"
    temperature: float = 0.8
    top_k: int = 30
    top_p: float = 1.0
    nbest: int = 1
    score_weight: float = 0.0
    soft: bool = False
    soft_temperature: float = 1.0
    prompt_guidance: float = 0.0
    max_prompt_frames: int = 0
    fixed_length: bool = True
    max_frames: int = 2048
    batch_size: int = 32
    seed: int = 0
    use_cache: bool = True

    def __post_init__(self) -> None:
        if self.method not in METHODS:
            raise ValueError(f"method {self.method!r} is not one of {', '.join(METHODS)}")
        for name, low in (
            ("top_k", 0),
            ("max_prompt_frames", 0),
            ("nbest", 1),
            ("max_frames", 1),
            ("batch_size", 1),
            ("seed", 0),
        ):
            if getattr(self, name) < low:
                raise ValueError(f"{name} {getattr(self, name)} is below {low}")
        if self.nbest > MAX_CANDIDATES:
            raise ValueError(f"nbest {self.nbest} is above {MAX_CANDIDATES}")
        if not 0 <= self.score_weight < 1:
            raise ValueError(f"score_weight {self.score_weight} is not in [0, 1)")
        if self.prompt_guidance < 0:
            raise ValueError(f"prompt_guidance {self.prompt_guidance} is below 0")
        if self.soft_temperature <= 0:
            raise ValueError(f"soft_temperature {self.soft_temperature} is not above 0")
        if self.temperature <= 0 or not 0 < self.top_p <= 1:
            raise ValueError("temperature must be above 0, top_p above 0 and at most 1")


def choose(logits: Tensor, uniform: Tensor, config: DecodingConfig) -> LongTensor:
    """Choose a code for every row.

    Args:
        logits: (B, nq, K); -inf on codes that a stream does not have.
        uniform: A number of [0, 1) for every choice (B, nq), so that a row's draw does not depend
            on the other rows.
        config: Sampling options.

    Returns:
        LongTensor: (B, nq).
    """
    if config.method == "greedy":
        return logits.argmax(-1)
    K = logits.size(-1)
    values, codes = logits.topk(min(config.top_k or K, K), dim=-1)
    cdf = (values / config.temperature).softmax(-1).cumsum(-1)
    if config.top_p < 1:
        # the last code kept is the first to reach top_p
        kept = ((cdf < config.top_p).sum(-1, keepdim=True)).clamp(max=cdf.size(-1) - 1)
        total = cdf.gather(-1, kept)
    else:
        total = cdf[..., -1:]
    place = (cdf <= uniform[..., None] * total).sum(-1, keepdim=True)
    return codes.gather(-1, place.clamp(max=cdf.size(-1) - 1)).squeeze(-1)
