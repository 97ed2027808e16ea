"""Several takes of an utterance, of which a transcription keeps the one that sings the score."""

import argparse

import numpy as np
import pytest
import torch
import yaml

from espnet2_ext.bin.infer import masked as cli
from espnet2_ext.errors import UserError
from espnet2_ext.inference.masked_step import MaskedStep
from espnet2_ext.masked.inference import MaskedInference, load_decoding
from espnet2_ext.masked.model import ACOUSTIC, SEMANTIC
from espnet2_ext.score.frames import MIDI_COLUMN
from espnet2_ext.transcription.agreement import agreement
from espnet2_ext.transcription.build import CodeGeometry
from espnet2_ext.transcription.inference import TranscriptionInference

from .test_inference import prompts_of, trained
from .test_model import LENGTHS, SIZES, decoding, utterances

LOWEST_MIDI, SURE = 60, 4.0
TABLES = torch.randn(2, SIZES.codes[1], 3, generator=torch.Generator().manual_seed(0))
EMBEDDINGS = (TABLES, torch.zeros(3))


class KnownCodes(torch.nn.Module):
    """Hears MIDI number 60 + k where the first codebook's code is k."""

    def with_onsets(self, codes, lengths):
        if codes.dim() == 3:
            codes = torch.nn.functional.one_hot(codes, SIZES.codes[1]).float()
        logits = torch.zeros(*codes.shape[:2], 128)
        logits[..., LOWEST_MIDI : LOWEST_MIDI + SIZES.codes[1]] = SURE * codes[:, :, 0]
        return logits, None


def listener(codebook_size: int = SIZES.codes[1]) -> TranscriptionInference:
    return TranscriptionInference(KnownCodes(), CodeGeometry(15, 2, codebook_size, 4, 50))


@pytest.fixture(scope="module")
def acoustic(tmp_path_factory) -> MaskedInference:
    return trained(tmp_path_factory.mktemp("takes") / "acoustic", ACOUSTIC)


def step_of(acoustic, embeddings=None, **options) -> MaskedStep:
    made = decoding(temperature=3.0, **options)
    return MaskedStep(acoustic, None, (decoding(), made), embeddings, listener())


def columns() -> dict[str, list]:
    rows = utterances()
    names = ("score_frames", "codec_ssl")
    return {name: rows[name] for name in names} | {"prompt": prompts_of([8, 4, 6])}


def hits(tokens: torch.Tensor, score: torch.Tensor) -> int:
    return int((tokens[:, 1] + LOWEST_MIDI == score[:, MIDI_COLUMN]).sum())


def test_agreement_is_the_mean_log_probability_of_the_scores_pitches_over_its_notes():
    heard = np.log([[0.5, 0.3, 0.2], [0.1, 0.8, 0.1], [0.6, 0.2, 0.2], [0.25, 0.25, 0.5]])
    midi = np.array([0, 1, 0, 2])
    assert agreement(heard, midi) == pytest.approx((np.log(0.8) + np.log(0.5)) / 2)
    assert agreement(heard, np.zeros(4, np.int64)) == 0.0


def test_the_take_that_agrees_best_is_kept(acoustic):
    rows = columns()
    takes = []

    def hear(codes: torch.Tensor, midi: torch.Tensor) -> float:
        takes.append((codes, midi))
        return listener().agreement(codes, midi)

    given = (rows["score_frames"], rows["codec_ssl"], rows["prompt"])
    options = decoding(temperature=3.0, nbest=8)
    kept = acoustic.generate(*given, options, hearing=hear).tokens
    assert len(takes) == 8 * len(LENGTHS)
    one = step_of(acoustic)(rows, "abc")["codec_ssl"]
    better = []
    for tokens, first, score in zip(kept, one, rows["score_frames"], strict=True):
        own = [codes for codes, midi in takes if torch.equal(midi, score[:, MIDI_COLUMN])]
        assert len(own) == 8 and torch.equal(own[0], first[:, 1:])
        found = [hits(torch.cat([codes[:, :1], codes], 1), score) for codes in own]
        assert torch.equal(tokens[:, 1:], own[found.index(max(found))]), "the first of the best"
        better.append(hits(tokens, score) - hits(first, score))
    assert min(better) >= 0 and max(better) > 0


def test_of_takes_that_agree_alike_the_first_is_kept_which_is_the_only_one_of_nbest_1(acoustic):
    rows = columns()
    given = (rows["score_frames"], rows["codec_ssl"], rows["prompt"])
    one = acoustic.generate(*given, decoding()).tokens
    same = acoustic.generate(*given, decoding(nbest=3), hearing=lambda codes, midi: 0.0).tokens
    assert all(torch.equal(a, b) for a, b in zip(one, same, strict=True))

    def never(codes, midi):
        raise AssertionError("one take needs no hearing")

    heard = acoustic.generate(*given, decoding(), hearing=never).tokens
    assert all(torch.equal(a, b) for a, b in zip(one, heard, strict=True))


@pytest.mark.parametrize("embeddings", [None, EMBEDDINGS])
def test_what_is_kept_depends_neither_on_the_batch_nor_on_the_order(acoustic, embeddings):
    rows = columns()
    step = step_of(acoustic, embeddings, nbest=4)
    together = step(rows, "abc")
    for k in range(len(LENGTHS)):
        alone = step({name: [values[k]] for name, values in rows.items()}, "x")
        assert torch.equal(alone["codec_ssl"][0], together["codec_ssl"][k])
        if embeddings:
            torch.testing.assert_close(alone["soft"][0], together["soft"][k])
    backwards = step({name: values[::-1] for name, values in rows.items()}, "cba")["codec_ssl"]
    assert all(map(torch.equal, backwards[::-1], together["codec_ssl"]))
    other = step.with_seed(1)(rows, "abc")["codec_ssl"]
    assert not all(map(torch.equal, other, together["codec_ssl"]))


def test_of_expected_embeddings_the_distributions_are_heard(acoustic):
    rows = columns()
    heard: dict[int, list[tuple[float, torch.Tensor]]] = {n: [] for n in LENGTHS}

    def hear(codes: torch.Tensor, midi: torch.Tensor) -> float:
        assert codes.shape == (len(midi), 2, SIZES.codes[1])
        torch.testing.assert_close(codes.sum(-1), torch.ones(len(midi), 2))
        heard[len(midi)].append((listener().agreement(codes, midi), codes))
        return heard[len(midi)][-1][0]

    given = (rows["score_frames"], rows["codec_ssl"], rows["prompt"])
    options = decoding(temperature=3.0, nbest=5)
    found = acoustic.generate(*given, options, embeddings=EMBEDDINGS, hearing=hear)
    for soft, n in zip(found.soft, LENGTHS, strict=True):
        _, codes = max(heard[n], key=lambda take: take[0])
        torch.testing.assert_close(soft, torch.einsum("lnk,nkd->ld", codes, TABLES))


def test_several_takes_want_a_transcription_of_their_codes(acoustic, tmp_path):
    rows = columns()
    deaf = MaskedStep(acoustic, None, (decoding(), decoding(nbest=2)))
    with pytest.raises(UserError, match="nbest: 2 without a transcription"):
        deaf(rows, "abc")
    with pytest.raises(UserError, match=r"transcription: codes of \[9, 9\] .expected \[12, 12\]"):
        MaskedStep(acoustic, None, (decoding(), decoding()), None, listener(9))
    with pytest.raises(UserError, match="nbest 0 is not 1 to"):
        decoding(nbest=0)
    path = tmp_path / "decode.yaml"
    path.write_text(yaml.safe_dump({SEMANTIC: {"nbest": 2}, ACOUSTIC: {"nbest": 3}}))
    assert load_decoding(path, ACOUSTIC).nbest == 3
    with pytest.raises(UserError, match="decode.yaml: semantic: nbest: 2 .expected 1"):
        load_decoding(path, SEMANTIC)
    path.write_text(yaml.safe_dump({ACOUSTIC: {"nbest": 3}}))
    parser = argparse.ArgumentParser()
    cli.add_options(parser)
    words = ["--acoustic_dir", "a", "--token_dir", "t", "--output_dir", "o"]
    args = parser.parse_args([*words, "--decode_config", str(path)])
    with pytest.raises(UserError, match="acoustic: nbest: 3 .expected --transcription_dir"):
        cli.run(args)
