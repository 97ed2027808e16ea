"""The task codec_ssl_tts: all of svs but the template."""

import pytest
import torch

from espnet2_ext.errors import UserError
from espnet2_ext.speechlm.inference import DecodingConfig, SpeechLMInference
from espnet2_ext.speechlm.template import TASKS
from espnet2_ext.tokenizer.vocabulary import Vocabulary

from .conftest import CODEBOOKS, CODES, PHONES, SSL, make_batch, make_model, make_utterance

TTS = Vocabulary.build(SSL, CODEBOOKS, CODES, PHONES, ["codec_ssl_tts"])


def make_tts(conditioning="prefix", vocabulary=TTS, **conf):
    return make_model(
        conditioning,
        token_list=list(vocabulary.tokens),
        token_bias={m: list(span) for m, span in vocabulary.bias.items()},
        model_conf={"task": "codec_ssl_tts", "conditioning": conditioning, **conf},
    )


def test_the_vocabulary_has_the_tasks_tokens_alone():
    assert "g2p_ao" in TTS.index and "svs_ao" not in TTS.index
    assert "g2p_SP" not in TTS.index
    grown = Vocabulary.build(SSL, CODEBOOKS, CODES, PHONES, base=TTS)
    assert grown.tokens[: len(TTS)] == TTS.tokens
    assert "svs_ao" in grown.index and "svs_60" in grown.index


def test_the_text_is_the_phones_and_the_prompt_follows():
    model, utterance = make_tts(), make_utterance(12, 4)
    prefix = model.assembler.prefix(utterance.score_frames, utterance.prompt)[:, 0]
    names = [TTS.tokens[i] for i in prefix]
    indices = utterance.score_frames[:, 2].tolist()
    phones = [PHONES[utterance.score_frames[indices.index(i), 0]] for i in sorted(set(indices))]
    text = [f"g2p_{phone}" for phone in phones if phone != "SP"]
    assert names[:2] == ["<sos/eos>", "<codec_ssl_tts_task>"]
    assert names[2 : 3 + len(text)] == ["<g2p_start/end>", *text]
    assert names[3 + len(text)] == "<spk_start/end>"
    assert names[-1] == "<codec_ssl_start/end>"
    assert len(names) == 2 + 1 + len(text) + 1 + 4 + 1


def test_times_and_notes_are_no_part_of_the_text():
    model, utterance = make_tts(), make_utterance(12, 4)
    other = utterance.score_frames.clone()
    other[:, 1] = 50
    same = [model.assembler.g2p(score) for score in (other, other.repeat_interleave(3, 0))]
    assert torch.equal(same[0], model.assembler.g2p(utterance.score_frames))
    assert torch.equal(same[0], same[1])


def test_tasks_share_all_but_the_template(batch):
    """With one vocabulary, in the synchronous mode, the marker is the only difference."""
    both = Vocabulary.build(SSL, CODEBOOKS, CODES, PHONES, TASKS)
    tts, svs = make_tts("synchronous", both), make_tts("synchronous", both, task="svs")
    svs.load_state_dict(tts.state_dict())
    rows = svs.corelm.emb.weight.data
    rows[both.task("svs")] = rows[both.task("codec_ssl_tts")]
    assert torch.equal(tts.eval()(**batch)[0], svs.eval()(**batch)[0])


def test_without_pitch_the_notes_make_no_difference():
    model = make_tts("synchronous", pitch=False).eval()
    utterance = make_utterance(12, 4)
    before = model(**make_batch(utterance))[0]
    utterance.score_frames[:, 1] = 70
    assert torch.equal(before, model(**make_batch(utterance))[0])


def test_speech_is_decoded_until_its_end():
    model, utterance = make_tts(), make_utterance(12, 4)
    config = DecodingConfig(fixed_length=False, max_frames=9)
    (spoken,) = SpeechLMInference(model).generate(
        [utterance.score_frames], [utterance.prompt], config
    )
    assert 1 <= len(spoken.tokens) <= 9


def test_synchronous_conditioning_needs_a_score_frame_for_every_frame(batch):
    batch["score_frames_lengths"] = batch["score_frames_lengths"] - 1
    with pytest.raises(UserError, match="for synchronous conditioning"):
        make_tts("synchronous")(**batch)
