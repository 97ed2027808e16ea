"""A masked generator as ESPnet trains it."""

from collections.abc import Callable, Mapping
from dataclasses import replace

import torch
from espnet2.torch_utils.device_funcs import force_gatherable
from espnet2.train.abs_espnet_model import AbsESPnetModel
from torch import Tensor

from espnet2_ext.data.batch import Batch
from espnet2_ext.device import autocast_as
from espnet2_ext.masked.draw import Draw, draw
from espnet2_ext.masked.joined import Joined, draw_stretches, join
from espnet2_ext.masked.model import MaskedModel
from espnet2_ext.masked.singing import SingingLoss


class MaskedTraining(AbsESPnetModel):
    """The loss of `MaskedModel` on a batch of ESPnet's.

    Validation draws prompts, times, layers and masks from a seed that each batch's tokens give:
    draws differ from batch to batch, and are the same in all epochs, which can be compared.

    Args:
        model: Conditions and generator.
        singing: Contrasts and transcription beside the token loss; None: that alone.
        begin: Called with the number of each epoch, from 1, before it (`adaptation.begin_epoch`).
    """

    def __init__(
        self,
        model: MaskedModel,
        singing: SingingLoss | None = None,
        begin: Callable[[int], None] | None = None,
    ) -> None:
        super().__init__()
        self.model, self.singing, self.begin = model, singing, begin

    def begin_epoch(self, epoch: int) -> None:
        """What the trainer calls before an epoch."""
        if self.begin is not None:
            self.begin(epoch)

    def forward(self, **streams: Tensor) -> tuple[Tensor, dict[str, Tensor], Tensor]:
        """Cross entropy of the masked codes.

        Args:
            streams: A batch as ESPnet gives it: ``codec_ssl`` (B, L, nq), what the conditions read,
                and ``prompt`` (B, P, nq): tokens of the singer from another utterance, which stand
                before the target. Without it the first frames of the target are its prompt.

        Returns:
            Loss, statistics, batch size.
        """
        batch = Batch(streams)
        if self.training:
            return self._loss(batch)
        devices = [batch["codec_ssl"].device] if batch["codec_ssl"].is_cuda else []
        with torch.random.fork_rng(devices):
            torch.manual_seed(int(batch["codec_ssl"].sum()))
            return self._loss(batch)

    def _loss(self, batch: Batch) -> tuple[Tensor, dict[str, Tensor], Tensor]:
        B, config = batch.size, self.model.generator.config
        autocast = autocast_as(config.autocast, batch["codec_ssl"].device)
        if self.singing is not None:
            with autocast:
                sung = self.singing(self.model, batch)
            return force_gatherable((sung.loss, sung.statistics, B), sung.loss.device)
        drawn = None
        if "prompt" in batch:
            nothing = torch.rand(B, device=batch["codec_ssl"].device) < config.nothing_dropout
            there = batch.lengths("prompt").masked_fill(nothing, 0)
            whole = join(batch, draw_stretches(there, batch.lengths("codec_ssl"), config.prompt))
            batch, drawn = whole.batch, self._draw(whole)
            drawn = replace(drawn, no_prefix=drawn.no_prefix | nothing)
        with autocast:
            predicted = self.model.loss(batch, drawn)
        stats = {"loss": predicted.loss.detach(), "acc": predicted.accuracy.detach()}
        return force_gatherable((predicted.loss, stats, B), predicted.loss.device)

    def _draw(self, whole: Joined) -> Draw:
        """A draw whose prompts are those of other utterances."""
        generator, lengths = self.model.generator, whole.batch.lengths("codec_ssl")
        config = replace(generator.config, nothing_dropout=0.0)  # has taken the prompts already
        return draw(lengths, whole.n_frames, len(generator.codes), config, whole.prompts)

    def collect_feats(
        self, codec_ssl: Tensor, codec_ssl_lengths: Tensor, **_: Tensor
    ) -> Mapping[str, Tensor]:
        """For ESPnet's statistics stage: the tokens and their lengths."""
        return {"codec_ssl": codec_ssl.float(), "codec_ssl_lengths": codec_ssl_lengths}
