"""The turns of a GAN training: what generator and discriminator share belongs to one batch."""

from typing import Any

import pytest
import torch
from torch import nn

from espnet2_ext.audio.mel import MelConfig
from espnet2_ext.errors import UserError
from espnet2_ext.tasks.adversarial import TrainerByTurns
from espnet2_ext.tasks.vocoder import VocoderTask
from espnet2_ext.vocoder.model import VocoderModel
from espnet2_ext.vocoder.source_filter import SourceFilterVocoder

MEL = MelConfig()
FRAMES = 8


class Discriminator(nn.Module):
    """One layer and a verdict."""

    def __init__(self) -> None:
        super().__init__()
        self.layer = nn.Conv1d(1, 2, 9)

    def forward(self, wav: torch.Tensor) -> list[list[torch.Tensor]]:
        hidden = self.layer(wav.unsqueeze(1))
        return [[hidden, hidden.mean(1)]]


@pytest.fixture
def model() -> VocoderModel:
    torch.manual_seed(0)
    vocoder = SourceFilterVocoder(MEL, dim=8, n_layers=1)
    return VocoderModel(vocoder, None, Discriminator(), stft_sizes=(256,))


def batch(level: float) -> dict[str, torch.Tensor]:
    mel = torch.full((1, FRAMES, MEL.n_mels), level)
    return {"mel": mel, "wav": torch.randn(1, FRAMES * MEL.hop_length), "f0": mel[..., 0] * 0 + 200}


def heard_by_losses(model: VocoderModel, monkeypatch: pytest.MonkeyPatch) -> list[torch.Tensor]:
    """The generated waves that the model scores, as it scores them."""
    heard: list[torch.Tensor] = []

    def record(name: str, position: int) -> None:
        original = getattr(model, name)

        def wrapped(*arguments: Any) -> Any:
            heard.append(arguments[position].detach())
            return original(*arguments)

        monkeypatch.setattr(model, name, wrapped)

    record("_generator_loss", 1)
    record("_discriminator_loss", 0)
    return heard


@pytest.mark.parametrize("generator_first", [True, False])
def test_a_skipped_discriminator_leaves_no_wave_to_the_next_batch(
    model: VocoderModel, monkeypatch: pytest.MonkeyPatch, generator_first: bool
) -> None:
    heard = heard_by_losses(model, monkeypatch)
    loud, soft = batch(-2.0), batch(-9.0)
    model(**loud, forward_generator=generator_first)  # the other turn is skipped
    model(**soft, forward_generator=not generator_first)
    assert heard[1].std() < 0.1 * heard[0].std()
    model(**soft, forward_generator=generator_first)
    assert torch.equal(heard[1], heard[2])  # the turns on one batch share the wave
    model(**loud, forward_generator=generator_first)
    model.eval()
    model(**soft, forward_generator=generator_first)
    assert heard[4].std() < 0.1 * heard[3].std()


@pytest.mark.parametrize("generator_first", [True, False])
def test_trainer_may_skip_discriminators(
    model: VocoderModel, monkeypatch: pytest.MonkeyPatch, generator_first: bool
) -> None:
    from espnet2.train.distributed_utils import DistributedOption
    from espnet2.train.reporter import Reporter

    # Tests of DeepSpeed leave a process group behind, which ESPnet's trainer asks for a GPU.
    monkeypatch.setattr(torch.distributed, "is_initialized", lambda: False)
    heard = heard_by_losses(model, monkeypatch)
    levels = [-2.0, -9.0, -2.0, -9.0, -2.0, -9.0]
    optimizers = [torch.optim.SGD(model.generator.parameters(), 0.0)]
    optimizers.append(torch.optim.SGD(model.discriminator.parameters(), 0.0))
    given = ["--skip_discriminator_prob", "0.5", "--generator_first", str(generator_first)]
    args = VocoderTask.get_parser().parse_args([*given, "--output_dir", "unused", "--ngpu", "0"])
    options = TrainerByTurns.build_options(args)
    with Reporter(1).observe("train") as reporter:
        TrainerByTurns.train_one_epoch(
            model=model, iterator=[([], batch(level)) for level in levels], reporter=reporter,
            optimizers=optimizers, schedulers=[None, None], scaler=None, summary_writer=None,
            options=options, distributed_option=DistributedOption(),
        )  # fmt: skip
    assert len(levels) < len(heard) < 2 * len(levels)  # some are skipped, others are not


def test_ranks_that_would_skip_by_themselves_are_refused() -> None:
    given = ["--skip_discriminator_prob", "0.5", "--output_dir", "unused"]
    args = VocoderTask.get_parser().parse_args(given)
    args.distributed = True
    with pytest.raises(UserError, match="skip_discriminator_prob"):
        VocoderTask.build_model(args)
