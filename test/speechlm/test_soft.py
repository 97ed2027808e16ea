"""Soft tokens: expectations under the LM's own distributions."""

import contextlib

import pytest
import torch

from espnet2_ext.data.batch import Batch
from espnet2_ext.errors import UserError
from espnet2_ext.files import ArkWriter, read_scp
from espnet2_ext.inference.over_tables import over_tables
from espnet2_ext.inference.speechlm_steps import SoftStep
from espnet2_ext.resumable import Shard
from espnet2_ext.speechlm import soft as soft_tokens
from espnet2_ext.speechlm.inference import DecodingConfig, SpeechLMInference

from .conftest import CODEBOOKS, CODES, make_batch, make_model, make_utterance

# one row for every code of every codebook: an expectation is then the distribution itself
ONE_HOT = torch.eye(CODEBOOKS * CODES).view(CODEBOOKS, CODES, -1)
ZERO = torch.zeros(CODEBOOKS * CODES)


def expect(model, utterances, **decoding):
    return SpeechLMInference(model).expect(
        [u.codec_ssl for u in utterances],
        [u.score_frames for u in utterances],
        [u.prompt for u in utterances],
        ONE_HOT,
        ZERO,
        DecodingConfig(**decoding),
    )


@pytest.mark.parametrize("conditioning", ["synchronous", "prefix"])
def test_expectation_of_one_hots_is_the_models_probability(conditioning):
    model = make_model(conditioning).eval()
    utterances = [make_utterance(9, 4, seed=1), make_utterance(6, 5, seed=2)]
    soft = expect(model, utterances)
    scored = model.score(Batch(make_batch(*utterances)))
    for b, (utterance, p) in enumerate(zip(utterances, soft, strict=True)):
        F = len(utterance.codec_ssl)
        p = p.view(F, CODEBOOKS, CODES)
        torch.testing.assert_close(p.sum(-1), torch.ones(F, CODEBOOKS))
        chosen = p.gather(-1, utterance.codec_ssl[:, 1:, None])[..., 0]
        torch.testing.assert_close(chosen, scored.log_prob[b, :F, 1:].exp(), rtol=1e-4, atol=1e-6)


def test_batched_equals_single_and_low_temperature_names_the_likeliest_code():
    model = make_model().eval()
    utterances = [make_utterance(9, 4, seed=1), make_utterance(6, 5, seed=2)]
    together = expect(model, utterances, score_weight=0.5)
    for utterance, soft in zip(utterances, together, strict=True):
        torch.testing.assert_close(soft, expect(model, [utterance], score_weight=0.5)[0])
        cold = expect(model, [utterance], score_weight=0.5, soft_temperature=1e-6)[0]
        likeliest = soft.view(-1, CODEBOOKS, CODES).argmax(-1)
        assert torch.equal(cold.view(-1, CODEBOOKS, CODES).argmax(-1), likeliest)
        torch.testing.assert_close(
            cold.view(-1, CODEBOOKS, CODES).amax(-1).min(), torch.tensor(1.0)
        )


def test_guidance_goes_away_from_what_is_sung_without_a_prompt():
    model = make_model().eval()
    torch.nn.init.normal_(model.prompt_encoder.nobody)
    utterance = make_utterance(7, 4, seed=3)
    plain, guided = (
        expect(model, [utterance], prompt_guidance=w)[0].view(-1, CODEBOOKS, CODES).log()
        for w in (0.0, 0.5)
    )
    utterance.prompt = utterance.prompt[:0]
    nobody = expect(model, [utterance])[0].view(-1, CODEBOOKS, CODES).log()
    torch.testing.assert_close(guided, (1.5 * plain - 0.5 * nobody).log_softmax(-1))
    assert (guided - plain).abs().max() > 1e-3


def test_the_unprompted_branch_of_guidance_is_free_of_the_prompt(monkeypatch):
    """Guidance leads away from it; what it knew of the prompt's singer would be led away from."""
    model = make_model().eval()
    torch.nn.init.normal_(model.prompt_encoder.nobody)
    branches = []
    plain = soft_tokens.code_log_probs

    def spy(*args):
        branches.append(plain(*args))
        return branches[-1]

    monkeypatch.setattr(soft_tokens, "code_log_probs", spy)
    utterance = make_utterance(7, 4, seed=3)
    for other in range(2):
        utterance.prompt = make_utterance(9, 5, seed=8 + other).prompt
        expect(model, [utterance], prompt_guidance=0.5)
    (prompted, nobody), (changed, still_nobody) = branches[:2], branches[2:]
    assert (prompted[0] - changed[0]).abs().max() > 1e-3
    assert torch.equal(nobody[0], still_nobody[0])


@pytest.mark.parametrize("conditioning", ["synchronous", "prefix"])
def test_guidance_of_a_model_that_always_had_a_prompt_is_refused(conditioning):
    model = make_model(conditioning).eval()
    if model.prompt_encoder is not None:
        model.prompt_encoder.dropout = 0.0
    with pytest.raises(UserError, match="never trained without prompts"):
        expect(model, [make_utterance(7, 4)], prompt_guidance=0.5)


def test_soft_tokens_are_those_that_greedy_decoding_met():
    inference = SpeechLMInference(make_model().eval())
    u = make_utterance(12, 4)
    decoding = DecodingConfig(method="greedy", score_weight=0.3)
    (sung,) = inference.generate([u.score_frames], [u.prompt], decoding)
    u.codec_ssl = sung.tokens
    (soft,) = expect(inference.model, [u], score_weight=0.3)
    assert torch.equal(soft.view(-1, CODEBOOKS, CODES).argmax(-1), sung.tokens[:, 1:])


@pytest.mark.parametrize("conditioning", ["synchronous", "prefix"])
@pytest.mark.parametrize("n_frames", [5, 12])
def test_soft_tokens_of_a_free_length_are_those_that_decoding_met(
    conditioning, n_frames, monkeypatch
):
    """A free length may end before its score or run on after it; greedy choices tell on both."""
    inference = SpeechLMInference(make_model(conditioning).eval())
    u, other = make_utterance(8, 4), make_utterance(9, 3, seed=5)
    decoding = DecodingConfig(method="greedy", fixed_length=False, max_frames=n_frames)
    sung = inference.generate(
        [u.score_frames, other.score_frames], [u.prompt, other.prompt], decoding
    )
    u.codec_ssl, other.codec_ssl = (s.tokens for s in sung)
    assert len(u.codec_ssl) == n_frames  # and not the score's 8
    soft = expect(inference.model, [u, other], fixed_length=False)
    for made, embedding in zip(sung, soft, strict=True):
        assert len(made.tokens) == len(embedding)
        likeliest = embedding.view(-1, CODEBOOKS, CODES).argmax(-1)
        assert torch.equal(likeliest, made.tokens[:, 1:])


def test_tokens_of_another_length_than_the_score_are_refused():
    u = make_utterance(8, 4)
    u.codec_ssl = u.codec_ssl[:5]
    with pytest.raises(UserError, match="5 frames"):
        expect(make_model().eval(), [u])


@pytest.fixture
def sung(tmp_path):
    """Folder of seven utterances' tokens, scores and prompts, of unequal lengths."""
    names = ("codec_ssl", "score_frames", "prompt")
    with contextlib.ExitStack() as stack:
        arks = [stack.enter_context(ArkWriter(tmp_path, name)) for name in names]
        for k in range(7):
            utterance = make_utterance(5 + 3 * (k % 4), 4, seed=k)
            for name, ark in zip(names, arks, strict=True):
                ark[f"u{k}"] = getattr(utterance, name).reshape(-1).numpy()
    return tmp_path


def soft_of(folder, output_dir, shard=1, num_shards=1, model_id="m", **decoding) -> bool:
    paths = {name: folder / f"{name}.scp" for name in ("codec_ssl", "score_frames", "prompt")}
    inference = SpeechLMInference(make_model().eval())
    step = SoftStep(inference, DecodingConfig(**decoding), ONE_HOT, ZERO, batch_size=2)
    return over_tables(step, model_id, paths, output_dir, Shard(shard, num_shards), chunk_utts=3)


def arks_of(folder) -> dict[str, bytes]:
    arks = sorted(folder.glob("soft_chunks/*/soft.ark"))
    return {str(path.relative_to(folder)): path.read_bytes() for path in arks}


def test_shards_make_the_same_soft_tokens_as_one_job(sung, tmp_path):
    assert soft_of(sung, tmp_path / "one", score_weight=0.5)
    done = [soft_of(sung, tmp_path / "two", k, 2, score_weight=0.5) for k in (2, 1)]
    assert done == [False, True]
    assert arks_of(tmp_path / "one") == arks_of(tmp_path / "two")
    assert len(arks_of(tmp_path / "one")) == 3
    soft = read_scp(tmp_path / "one/soft.scp")
    assert list(soft) == [f"u{k}" for k in range(7)]
    for k in range(7):
        alone = expect(make_model().eval(), [make_utterance(5 + 3 * (k % 4), 4, seed=k)],
                       score_weight=0.5)  # fmt: skip
        torch.testing.assert_close(torch.from_numpy(soft[f"u{k}"].copy()), alone[0])


def test_soft_tokens_are_kept_while_model_options_and_tokens_are_the_same(sung, tmp_path):
    out = tmp_path / "out"
    assert soft_of(sung, out)
    (out / "soft.scp").unlink()
    times = {path: path.stat().st_mtime_ns for path in out.glob("soft_chunks/*/soft.ark")}
    assert soft_of(sung, out)  # killed before it was joined
    assert {p: p.stat().st_mtime_ns for p in out.glob("soft_chunks/*/soft.ark")} == times
    first = arks_of(out)
    for change in ({"model_id": "n"}, {"soft_temperature": 0.5}):
        assert soft_of(sung, out, **change)
        assert arks_of(out).keys().isdisjoint(first)


def test_an_utterance_without_a_prompt_is_named(sung, tmp_path):
    lines = (sung / "prompt.scp").read_text().splitlines(keepends=True)
    (sung / "prompt.scp").write_text("".join(lines[:4]))
    with pytest.raises(UserError, match="prompt.scp: no u4"):
        soft_of(sung, tmp_path / "out")
