"""Lyrics: tags and phones as ids, and the three ways in which phones and frames are aligned."""

import pytest
import torch

from espnet2_ext.conditions.condition import FRAMES, SEQUENCE, Sizes
from espnet2_ext.conditions.lyrics import LyricsCondition, spread
from espnet2_ext.conditions.score import ScoreCondition
from espnet2_ext.data.batch import Batch
from espnet2_ext.data.lyric_symbols import LYRIC_SYMBOLS, lyric_ids, lyric_symbols
from espnet2_ext.errors import UserError

SIZES = Sizes(width=8, n_phones=3)
SMALL = {"channels": 8, "n_layers": 1, "n_heads": 2}


def test_tags_stand_before_the_phones_of_their_speaker():
    assert lyric_symbols("[S1] 你好") == ["[S1]", "n", "i", "h", "ao"]
    assert lyric_symbols("你 好") == ["[S0]", "n", "i", "h", "ao"]
    ids = lyric_ids(["[S0]", "[S1]", "ZH"])
    assert ids == [0, 1, len(LYRIC_SYMBOLS) - 1]
    assert len(set(LYRIC_SYMBOLS)) == len(LYRIC_SYMBOLS)


def test_both_languages_in_one_line():
    pytest.importorskip("espeakng_loader")
    found = " ".join(lyric_symbols("[S0] hello [S1] 你好, world"))
    assert found == "[S0] HH AH L OW [S1] n i h ao W ER L D"


def test_lyrics_that_are_none_are_refused():
    for text, message in (("[S2] 你", r"a: tag: \[S2\]"), ("[S0] ,", "a: lyrics: .*something")):
        with pytest.raises(UserError, match=message):
            lyric_symbols(text, "a")
    with pytest.raises(UserError, match="a: phone: 'xx'"):
        lyric_ids(["xx"], "a")


def test_phones_are_spread_evenly():
    x = torch.arange(1.0, 7).view(2, 3, 1)
    frames = torch.arange(7) < torch.tensor([7, 4])[:, None]
    found = spread(x, torch.tensor([3, 2]), frames)[..., 0]
    assert found.tolist() == [[1, 1, 1, 2, 2, 3, 3], [4, 4, 5, 5, 0, 0, 0]]
    more = spread(x, torch.tensor([3, 3]), frames[:, :2])[..., 0]  # fewer frames than phones
    assert more.tolist() == [[1, 2], [4, 5]]


def test_average_is_of_kind_frames_and_a_batch_equals_its_utterances():
    torch.manual_seed(0)
    encoder = LyricsCondition(SIZES, "average", **SMALL).eval()
    ids, latents = [torch.randint(99, (n,)) for n in (5, 2)], [torch.zeros(n, 4) for n in (9, 6)]
    whole = encoder(Batch.of(lyrics_ids=ids, latents=latents))
    assert whole.kind == FRAMES and whole.mask.sum(1).tolist() == [9, 6]
    for b, n in enumerate((9, 6)):
        one = encoder(Batch.of(lyrics_ids=ids[b : b + 1], latents=latents[b : b + 1]))
        torch.testing.assert_close(whole.value[b, :n], one.value[0], atol=1e-5, rtol=1e-5)
    left_out = encoder(Batch.of(latents=latents))
    assert left_out.kind == FRAMES and (left_out.value == encoder.null).all()


def test_by_score_it_is_the_condition_score():
    torch.manual_seed(0)
    encoder = LyricsCondition(SIZES, "score", **SMALL).eval()
    score = torch.stack([torch.randint(3, (6,)), *torch.arange(6).expand(3, 6)], 1)
    batch = Batch.of(score_frames=[score])
    assert isinstance(encoder.encoder, ScoreCondition) and encoder.kind == FRAMES
    assert torch.equal(encoder(batch).value, encoder.encoder(batch).value)
    assert LyricsCondition(SIZES, **SMALL).kind == LyricsCondition.kind == SEQUENCE


def test_an_unknown_alignment_is_refused():
    with pytest.raises(ValueError, match="alignment 'mas' is none of none, average, score"):
        LyricsCondition(SIZES, "mas")
