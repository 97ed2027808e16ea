"""The step of a flow of latents: from tables, as from tensors."""

import numpy as np
import torch

from espnet2_ext.files import ArkWriter, read_scp
from espnet2_ext.flow.latent_inference import LatentInference
from espnet2_ext.flow.sampler import SamplingConfig
from espnet2_ext.inference.latent_flow_step import LatentFlowStep
from espnet2_ext.inference.over_tables import over_tables

from .test_latent import LENGTHS, C, make

MORE = {"instruction_pieces": {"n_symbols": 30, "channels": 8, "n_layers": 1, "n_heads": 2},
        "lyrics": {"channels": 8, "n_layers": 1, "n_heads": 2}}  # fmt: skip


def rows() -> dict[str, list[np.ndarray]]:
    rng = np.random.default_rng(0)
    return {
        "score_frames": [rng.integers(0, 3, (n, 4)).astype(np.int32) for n in LENGTHS],
        "lyrics_ids": [rng.integers(0, 50, n).astype(np.int32) for n in (4, 2, 7)],
        "instruction_ids": [rng.integers(0, 30, n).astype(np.int32) for n in (5, 3, 6)],
    }


def test_tables_of_ids_give_as_many_latents_as_the_score_has_frames(tmp_path):
    step = LatentFlowStep(LatentInference(make(more=MORE)), SamplingConfig(n_steps=2))
    assert step.reads == ("score_frames",)  # its length, though this model does not read it
    assert set(step.may_read) == {"lyrics_ids", "instruction_ids"}
    given, names = rows(), ["a", "b", "c"]
    for name, values in given.items():
        with ArkWriter(tmp_path, name) as ark:
            for utt, value in zip(names, values, strict=True):
                ark[utt] = value.reshape(-1)
    paths = {name: tmp_path / f"{name}.scp" for name in given}
    assert over_tables(step, "test", paths, tmp_path / "out")
    written = read_scp(tmp_path / "out/latents.scp")
    columns = {name: [torch.from_numpy(v).long() for v in values] for name, values in given.items()}
    alone = step(columns, names)["latents"]
    for utt, length, latents in zip(names, LENGTHS, alone, strict=True):
        assert written[utt].shape == (length, C)
        np.testing.assert_allclose(written[utt], latents.numpy(), atol=1e-5)
    other = step.with_seed(1)(columns, names)["latents"]
    assert not torch.equal(other[0], alone[0])
