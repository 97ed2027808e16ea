"""How well a melody that was heard agrees with a score."""

import numpy as np

from espnet2_ext.transcription.decode import REST


def agreement(log_probability: np.ndarray, midi: np.ndarray) -> float:
    """Mean log probability of the score's pitch tokens over its voiced frames, in nats; at most 0.

    Voiced are the frames of notes, consonants included: of rests any breath may sound. Of a score
    without notes, 0: there is no melody to miss.

    Args:
        log_probability: Of pitch tokens, as the transcription heard them (L, 128).
        midi: The score's pitch tokens (L,); 0 for a rest.
    """
    (voiced,) = np.nonzero(midi != REST)
    return float(log_probability[voiced, midi[voiced]].mean()) if len(voiced) else 0.0
