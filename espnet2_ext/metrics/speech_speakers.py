"""Speaker similarity by models that other papers take: Resemblyzer (SECS) and WavLM-SV.

Each hears two recordings at 16 kHz; the metric is the cosine of their embeddings. Cosines of
different models cannot be compared.
"""

from typing import Any

import numpy as np

from espnet2_ext.errors import UserError
from espnet2_ext.metrics.hub_model import FS, load_pair, not_installed, not_measured
from espnet2_ext.metrics.speaker import SpeakerModel

WAVLM_SV = "microsoft/wavlm-base-plus-sv"
LEAST_SEC = 0.4
"""Less than this has no embedding: Resemblyzer's voice detector may take a tone for no voice."""


def load_resemblyzer(source: str = "", fetch: bool = False) -> SpeakerModel:
    """Resemblyzer's voice encoder (Wan et al. 2018, GE2E), with its weights of the wheel.

    Audio goes through the package's own `preprocess_wav`: level, and a voice detector that cuts out
    what it takes for silence. The embedding is NaN where nothing is left.

    Args:
        source: None but the installed package: to be left empty.
        fetch: Nothing is ever fetched.
    """
    del source, fetch
    try:
        from resemblyzer import VoiceEncoder, preprocess_wav
    except ImportError as error:
        return SpeakerModel(None, not_installed(error))
    encoder = VoiceEncoder("cpu", verbose=False).eval()

    def embed(wav: np.ndarray) -> np.ndarray:
        wav = np.asarray(wav, np.float32)
        voice = preprocess_wav(wav, source_sr=FS) if np.any(wav) else wav[:0]
        if len(voice) < LEAST_SEC * FS:
            return np.full(encoder.linear.out_features, np.nan)
        return encoder.embed_utterance(voice)

    return SpeakerModel(embed, name="resemblyzer")


def load_wavlm(source: str = "", fetch: bool = False) -> SpeakerModel:
    """An x-vector model of WavLM (`WavLMForXVector`), as SoulX-Singer-Eval takes it.

    Args:
        source: Folder, or ``owner/name[@revision]`` on the hub; empty: `WAVLM_SV`.
        fetch: May download.
    """
    source = source or WAVLM_SV
    try:
        extractor, model = load_pair(source, fetch, "Wav2Vec2FeatureExtractor", "WavLMForXVector")
    except UserError as error:
        return SpeakerModel(None, not_measured(error, fetch))

    def embed(wav: np.ndarray) -> np.ndarray:
        import torch

        inputs: Any = extractor(
            np.asarray(wav, np.float32), sampling_rate=FS, return_tensors="pt"
        )  # fmt: skip
        with torch.no_grad():
            return model(**inputs).embeddings[0].numpy()

    return SpeakerModel(embed, name=source)
