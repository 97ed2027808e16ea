"""The same words described as a woman's and as a man's."""

import numpy as np

from espnet2_ext.evaluation.contradiction import contradictions


class Judge:
    """Hears a loud voice as a man's."""

    def right(self, heard, attributes):
        return {"gender": float((heard.level > -2) == (attributes["gender"] == "male"))}


def silent_f0(wav, fs, ceiling=0.0):
    return np.zeros(len(wav) * 100 // fs)


def test_what_follows_the_description_is_counted():
    def generate(utt, attributes):
        loud = attributes["gender"] == "male" or utt == "deaf"
        noise = np.random.default_rng(0).standard_normal(16000)
        return (0.5 if loud else 0.01) * noise, 16000

    people = [("a", {"gender": "female"}), ("b", {"gender": "male"}), ("deaf", {"gender": "male"})]
    found = contradictions(people, generate, Judge(), silent_f0)
    assert found["n_utt"] == 3 and found["own"] == 1.0
    assert found["other"] == found["follows"] == 2 / 3
    assert [row["other"] for row in found["utts"]] == [1.0, 1.0, 0.0]
