"""Options of the speech LM that are not of one of its parts."""

from dataclasses import dataclass, field

from espnet2_ext.device import AUTOCAST
from espnet2_ext.speechlm.template import CONDITIONING, SYNCHRONOUS, TASKS, LossWeights


@dataclass
class SpeechLMConfig:
    """``model_conf``.

    Args:
        task: ``svs``, or ``codec_ssl_tts`` to learn from speech; what differs is the template.
        conditioning: ``prefix`` (score and prompt before the target, as the paper) or
            ``synchronous`` (the score encoder's output joins where a frame is predicted).
        loss_weights: Weight of ssl, codec, text and special tokens (default: ESPnet-SpeechLM's).
        svs_placeholder: Put ``<svs_placeholder>`` between phones of the prefix, as the tokenizer
            does in svs_lb; a recipe's training takes it from there.
        condition_pad: Put nq - 1 positions of padding after each condition of the prefix.
        max_prompt_frames: Longer prompts are cut: at random in training, else at the start.
        token_noise: Share of input frames whose codes are replaced at random in training.
        history_dropout: Share of target frames that, in training, are predicted from the score
            alone: the hidden state, which knows the tokens before, is left out.
        codec_start: Vectors of the codec's codes start from the codec's own embeddings (see
            `codec_start`); training needs --tokenizer_dir for it.
        pitch: Of the notes is given; without it (synchronous mode) the phones and their times are.
        autocast: Matrix products over float32 weights in ``bfloat16`` or ``float16``; ``auto``:
            bfloat16 on a CPU that computes it faster, else none.
        packing: Lay a batch's sequences end to end in place of padding them (see `packing`).
        loss_chunk: Target frames whose logits exist at once, recomputed in the backward pass; 0:
            those of the whole batch, kept.
        extract_feats_in_collect_stats: Build the model to collect statistics (it has none).
    """

    task: str = "svs"
    conditioning: str = SYNCHRONOUS
    loss_weights: dict[str, float] = field(default_factory=dict)
    svs_placeholder: bool = False
    condition_pad: bool = False
    max_prompt_frames: int = 500
    token_noise: float = 0.0
    history_dropout: float = 0.0
    codec_start: bool = False
    pitch: bool = True
    autocast: str = "none"
    packing: bool = False
    loss_chunk: int = 0
    extract_feats_in_collect_stats: bool = False

    def __post_init__(self) -> None:
        if self.task not in TASKS:
            raise ValueError(f"task {self.task!r} is not one of {', '.join(TASKS)}")
        if self.conditioning not in CONDITIONING:
            raise ValueError(f"conditioning {self.conditioning!r} is not of {CONDITIONING}")
        if self.autocast not in AUTOCAST:
            raise ValueError(f"autocast {self.autocast!r} is not one of {', '.join(AUTOCAST)}")
        if self.loss_chunk < 0:
            raise ValueError(f"loss_chunk {self.loss_chunk} is below 0")
        self.weights = LossWeights(**self.loss_weights)
