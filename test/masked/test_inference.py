"""Trained masked generators, from a score and a prompt to tokens of all streams."""

import torch
import yaml

from espnet2_ext.inference.masked_step import MaskedStep
from espnet2_ext.masked.inference import MaskedInference, expected, load_decoding
from espnet2_ext.masked.model import ACOUSTIC, SEMANTIC
from espnet2_ext.masked.training import MaskedTraining

from .test_model import LENGTHS, SIZES, decoding, utterances

SMALL = {"network": {"width": 16, "heads": 2, "n_layers": 1}}
CONDITIONS = {SEMANTIC: {"phones": {}}, ACOUSTIC: {"semantic": {}, "melody": {}}}


def trained(folder, target: str, prompt_frames: int = 6) -> MaskedInference:
    """An experiment's folder as training leaves it, with random weights, loaded."""
    from argparse import Namespace

    from espnet2_ext.masked.build import build_model

    torch.manual_seed(0)
    config = {
        "target": target,
        "sizes": {"codes": list(SIZES.codes), "n_phones": SIZES.n_phones},
        "model_conf": SMALL,
        "conditions": CONDITIONS[target],
        "max_prompt_frames": prompt_frames,
    }
    model: MaskedTraining = build_model(Namespace(**config))
    for weight in model.parameters():
        torch.nn.init.normal_(weight, std=0.5)
    folder.mkdir(parents=True)
    (folder / "config.yaml").write_text(yaml.safe_dump(config))
    torch.save(model.state_dict(), folder / "valid.loss.best.pth")
    return MaskedInference.load(folder / "config.yaml", folder / "valid.loss.best.pth")


def prompts_of(lengths) -> list[torch.Tensor]:
    generator = torch.Generator().manual_seed(5)
    return [
        torch.stack([torch.randint(k, (n,), generator=generator) for k in SIZES.codes], 1)
        for n in lengths
    ]


def test_a_score_becomes_tokens_of_its_length_and_a_batch_is_its_utterances_alone(tmp_path):
    acoustic = trained(tmp_path / "acoustic", ACOUSTIC)
    semantic = trained(tmp_path / "semantic", SEMANTIC, prompt_frames=0)
    step = MaskedStep(acoustic, semantic, (decoding(), decoding(guidance=1.0)))
    columns = {"score_frames": utterances()["score_frames"], "prompt": prompts_of([8, 4, 6])}
    found = step(columns, "abc")["codec_ssl"]
    for k, (tokens, n) in enumerate(zip(found, LENGTHS, strict=True)):
        assert tokens.shape == (n, len(SIZES.codes))
        assert (tokens < torch.tensor(SIZES.codes)).all() and (tokens >= 0).all()
        alone = step({name: [values[k]] for name, values in columns.items()}, "x")["codec_ssl"][0]
        assert torch.equal(alone, tokens)
    other = step.with_seed(1)(columns, "abc")["codec_ssl"]
    assert not all(torch.equal(a, b) for a, b in zip(found, other, strict=True))


def test_semantic_tokens_that_are_given_stay_and_the_prompt_steers(tmp_path):
    acoustic = trained(tmp_path / "acoustic", ACOUSTIC)
    step = MaskedStep(acoustic, None, (decoding(), decoding()))
    rows = utterances()
    columns = {"score_frames": rows["score_frames"], "codec_ssl": rows["codec_ssl"]}
    found = step({**columns, "prompt": prompts_of([8, 4, 6])}, "abc")["codec_ssl"]
    others = step({**columns, "prompt": prompts_of([5, 6, 3])}, "abc")["codec_ssl"]
    for tokens, other, given in zip(found, others, rows["codec_ssl"], strict=True):
        assert torch.equal(tokens[:, 0], given[:, 0])
        assert not torch.equal(tokens, other)


def test_bars_that_are_kept_stay_token_for_token(tmp_path):
    acoustic = trained(tmp_path / "acoustic", ACOUSTIC)
    rows = utterances()
    fixed = [torch.ones(n, 2, dtype=torch.bool) for n in LENGTHS]
    for kept in fixed:
        kept[3:7] = False
    found = acoustic.generate(rows["score_frames"], rows["codec_ssl"], prompts_of([4, 4, 4]),
                              decoding(), fixed).tokens  # fmt: skip
    for tokens, take, kept in zip(found, rows["codec_ssl"], fixed, strict=True):
        assert torch.equal(tokens[:, 1:][kept], take[:, 1:][kept])
        assert not torch.equal(tokens[3:7], take[3:7])


def test_expected_embeddings_are_means_by_the_codes_probabilities(tmp_path):
    acoustic = trained(tmp_path / "acoustic", ACOUSTIC)
    rows, prompts = utterances(), prompts_of([8, 4, 6])
    tables = torch.randn(2, max(SIZES.codes[1:]), 3, generator=torch.Generator().manual_seed(0))
    offset = torch.tensor([1.0, -2.0, 0.5])
    given = (rows["score_frames"], rows["codec_ssl"], prompts, decoding())
    plain = acoustic.generate(*given)
    assert plain.soft is None
    found = acoustic.generate(*given, embeddings=(tables, offset))
    for tokens, same, soft in zip(found.tokens, plain.tokens, found.soft, strict=True):
        assert torch.equal(tokens, same) and soft.shape == (len(tokens), 3)
        assert not torch.allclose(soft, offset + tables[0][tokens[:, 1]] + tables[1][tokens[:, 2]])
    # of codes that are given, the embeddings are their own
    kept = [torch.ones(n, 2, dtype=torch.bool) for n in LENGTHS]
    found = acoustic.generate(*given, kept, embeddings=(tables, offset))
    for tokens, soft in zip(rows["codec_ssl"], found.soft, strict=True):
        codes = offset + tables[0][tokens[:, 1]] + tables[1][tokens[:, 2]]
        torch.testing.assert_close(soft, codes)
    step = MaskedStep(acoustic, None, (decoding(), decoding()), (tables, offset))
    columns = {"score_frames": rows["score_frames"], "codec_ssl": rows["codec_ssl"]}
    written = step({**columns, "prompt": prompts}, "abc")
    assert written.keys() == {"codec_ssl", "soft"} and step.sizes.embed_dim == 3


def test_a_mean_embedding_weighs_each_code_by_its_probability():
    probabilities = torch.tensor([[[0.25, 0.75, 0.0], [1.0, 0.0, 0.0]]])
    tables = torch.tensor([[[0.0], [4.0]], [[10.0], [0.0]]])
    assert expected(probabilities, tables, torch.tensor([1.0])).tolist() == [[14.0]]


def test_a_section_of_the_options_is_one_stages(tmp_path):
    path = tmp_path / "decode.yaml"
    path.write_text("semantic: {steps: [3]}\n")
    assert tuple(load_decoding(path, SEMANTIC).steps) == (3,)
    assert load_decoding(path, ACOUSTIC) == load_decoding(None, ACOUSTIC)
