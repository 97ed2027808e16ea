"""ESPnet's DeepSpeedTrainer made to run anywhere: ZeRO-2, 1..N processes, CPU or GPU, resumable."""

import argparse
import logging
import math
import os
import sys
from collections import defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import deepspeed
import torch
import torch.distributed as dist
from espnet2.torch_utils.device_funcs import to_device
from espnet2.torch_utils.recursive_op import recursive_average
from espnet2.train.deepspeed_trainer import DeepSpeedTrainer, DeepSpeedTrainerOptions
from espnet2.train.reporter import Reporter, SubReporter
from espnet2.utils.build_dataclass import build_dataclass
from tqdm import tqdm

from espnet2_ext.checkpoint import save_torch
from espnet2_ext.errors import UserError
from espnet2_ext.files import write_json
from espnet2_ext.train.average import average_nbest
from espnet2_ext.train.epoch_files import keep_best
from espnet2_ext.train.epoch_seed import seed_epoch
from espnet2_ext.train.partial import holds_rows, plain_state, trainable
from espnet2_ext.train.zero_config import zero_config
from espnet2_ext.train.zero_state import (
    ResumePoint,
    load_state,
    restore_random_state,
    save_state,
)

RESUME_DIR = "resume"


@dataclass
class ZeroTrainerOptions(DeepSpeedTrainerOptions):
    """ESPnet's options, and ours.

    Args:
        ngpu: 0 for the CPU.
        accum_grad: Batches per optimizer step.
        deepspeed_conf: `ZeroOverrides` of the training YAML.
        checkpoint_interval: Fewest batches between resume states within an epoch, which follow a
            step; 0: only at its end.
        patience: Epochs without improvement before training stops.
        early_stopping_criterion: Phase, statistic and ``min`` or ``max``.
        use_matplotlib: Plot the training curves at the end.
        unsafe_resume: Unpickle a resume state whatever it holds.
    """

    ngpu: int = 0
    accum_grad: int = 1
    deepspeed_conf: dict[str, Any] | None = None
    checkpoint_interval: int = 0
    patience: int | None = None
    early_stopping_criterion: Any = ("valid", "loss", "min")
    use_matplotlib: bool = True
    unsafe_resume: bool = False


class ZeroTrainer(DeepSpeedTrainer):
    """Train under DeepSpeed ZeRO. A task sets it as `trainer`; ``--use_deepspeed`` stays off."""

    @classmethod
    def build_options(cls, args: argparse.Namespace) -> ZeroTrainerOptions:
        return build_dataclass(ZeroTrainerOptions, args)

    @classmethod
    def run(
        cls,
        model: torch.nn.Module,
        train_iter_factory: Any,
        valid_iter_factory: Any,
        trainer_options: ZeroTrainerOptions,
        **_: Any,
    ) -> None:
        """Train to `max_epoch`, or go on where an earlier run of the same folder stood."""
        options = trainer_options
        output_dir = Path(options.output_dir)
        start_process_group(options.ngpu)
        engine = cls._initialise(model, train_iter_factory, options)
        reporter = Reporter()
        point = None
        if options.resume:
            point = load_state(engine, output_dir / RESUME_DIR, options.unsafe_resume)
        if point is not None:
            reporter.load_state_dict(point.reporter)
            logging.info("resumed at epoch %d, batch %s", point.epoch, point.batches or "end")
        done = 0 if point is None else point.epoch - (point.batches is not None)
        if point is not None and point.batches is None:
            point = None  # nothing of the next epoch is done
        if done >= options.max_epoch:
            logging.info("training had already reached epoch %d", done)

        for epoch in range(done + 1, options.max_epoch + 1):
            if point is None and epoch > 1 and _patience_is_out(reporter, options):
                break
            seed_epoch(options.seed, epoch)
            reporter.set_epoch(epoch)
            cls._train_epoch(engine, epoch, train_iter_factory, reporter, options, point)
            point = None
            with reporter.observe("valid") as sub_reporter:
                cls.valid_one_epoch(
                    engine, valid_iter_factory.build_iter(epoch), sub_reporter, options
                )
            cls._end_epoch(engine, epoch, reporter, options)
        if dist.get_rank() == 0 and reporter.get_epoch() > 0:
            cls._finish(reporter, options)
        dist.barrier()

    @classmethod
    def _initialise(
        cls, model: torch.nn.Module, train_iter_factory: Any, options: ZeroTrainerOptions
    ) -> Any:
        batches = len(train_iter_factory.build_iter(1))
        config = zero_config(
            options.deepspeed_config,
            options.deepspeed_conf or {},
            options.ngpu > 0,
            math.ceil(batches / options.accum_grad) * options.max_epoch,
            options.accum_grad,
        )
        decay = config["optimizer"]["params"].get("weight_decay")
        if decay and holds_rows(model):
            raise UserError("deepspeed_conf", f"{decay}", "0 where old rows stay", "weight_decay")
        if dist.get_rank() == 0:
            counts = trainable(model)
            write_json(Path(options.output_dir) / "parameters.json", counts)
            for part, (trained, total) in counts.items():
                logging.info("%s: %d of %d parameters train", part, trained, total)
        engine, *_ = deepspeed.initialize(
            model=model,
            model_parameters=[p for p in model.parameters() if p.requires_grad],
            config=config,
        )
        return engine

    @classmethod
    def _train_epoch(
        cls,
        engine: Any,
        epoch: int,
        train_iter_factory: Any,
        reporter: Reporter,
        options: ZeroTrainerOptions,
        point: ResumePoint | None,
    ) -> None:
        batches = iter(train_iter_factory.build_iter(epoch))
        total = len(batches)
        with reporter.observe("train") as sub_reporter:
            done = 0
            if point is not None:
                # Loading and dropping what was done leaves a loader's workers as they were.
                for _ in range(point.batches):
                    next(batches)
                restore_random_state(Path(options.output_dir) / RESUME_DIR, options.unsafe_resume)
                _load_observed(sub_reporter, point.observed)
                done = point.batches
            cls.train_one_epoch(engine, batches, sub_reporter, options, reporter, done, total)

    @classmethod
    def train_one_epoch(
        cls,
        model: Any,
        iterator: Iterable,
        reporter: SubReporter,
        options: ZeroTrainerOptions,
        epochs: Reporter | None = None,
        done: int = 0,
        total: int | None = None,
    ) -> None:
        """Train on the rest of an epoch.

        Gradients are never carried over into another epoch: the last step is made with as many
        batches as are left. Resume states are saved after steps, so that no gradient is lost.

        Args:
            model: DeepSpeed engine.
            iterator: Batches still to do.
            reporter: Takes the statistics.
            options: Of the trainer.
            epochs: Earlier epochs' statistics, for resume states; None saves none.
            done: Batches done before.
            total: Batches of the whole epoch.
        """
        model.train()
        accum, saved = options.accum_grad, done
        log_interval = options.log_interval or max((total or 200) // 10, 10)
        epoch, world = reporter.get_epoch(), dist.get_world_size()
        bar = _Bar(f"epoch {epoch}/{options.max_epoch}", total, done)
        for utt_id, batch in _in_step(reporter.measure_iter_time(iterator, "iter_time"), model):
            group = accum if total is None else min(accum, total - done + done % accum)
            steps = done % accum == group - 1
            model.set_gradient_accumulation_boundary(steps)
            with reporter.measure_time("step_time"):
                batch = to_device(batch, model.device, dtype=options.train_dtype)
                loss, stats, local_weight = model(utt_id=utt_id, **batch)
                stats = {k: v for k, v in stats.items() if v is not None}
                stats, weight = recursive_average(stats, local_weight, True)
                reporter.register(stats, weight)
                # The gradient of the mean over all ranks' samples: DeepSpeed averages over ranks.
                loss = (loss * local_weight).sum() / weight * world
                model.backward(loss / group, scale_wrt_gas=False)
                model.step()
                if steps:
                    reporter.register(
                        {
                            "grad_norm": float(model.get_global_grad_norm() or 0.0),
                            "loss_scale": float(model.loss_scale() or 1.0),
                            "learning_rate": float(model.get_lr()[0]),
                        }
                    )
            reporter.next()
            done += 1
            bar.advance(float(stats["loss"]) if "loss" in stats else None)
            if done % log_interval == 0 and dist.get_rank() == 0 and not bar.shown:
                logging.info(reporter.log_message(-min(log_interval, reporter.count)))
            if (
                epochs is not None
                and 0 < options.checkpoint_interval <= done - saved
                and done != total
                and steps
            ):
                saved = done
                point = ResumePoint(epoch, done, epochs.state_dict(), _observed(reporter))
                save_state(model, Path(options.output_dir) / RESUME_DIR, point)
        bar.close()

    @classmethod
    @torch.no_grad()
    def valid_one_epoch(
        cls, model: Any, iterator: Iterable, reporter: SubReporter, options: ZeroTrainerOptions
    ) -> None:
        """Evaluate on the validation set."""
        model.eval()
        for utt_id, batch in _in_step(iter(iterator), model):
            batch = to_device(batch, model.device, dtype=options.train_dtype)
            _, stats, weight = model(utt_id=utt_id, **batch)
            stats = {k: v for k, v in stats.items() if v is not None}
            stats, weight = recursive_average(stats, weight, True)
            reporter.register(stats, weight)
            reporter.next()

    @classmethod
    def _end_epoch(
        cls, engine: Any, epoch: int, reporter: Reporter, options: ZeroTrainerOptions
    ) -> None:
        output_dir = Path(options.output_dir)
        if dist.get_rank() == 0:
            logging.info(reporter.log_message())
            save_torch(plain_state(engine.module), output_dir / f"{epoch}epoch.pth")
            write_json(output_dir / "history.json", _history(reporter))
        save_state(
            engine, output_dir / RESUME_DIR, ResumePoint(epoch, None, reporter.state_dict(), {})
        )
        if dist.get_rank() == 0:
            _keep_best(reporter, options)

    @classmethod
    def _finish(cls, reporter: Reporter, options: ZeroTrainerOptions) -> None:
        output_dir = Path(options.output_dir)
        _keep_best(reporter, options)  # not yet, where a kill followed the last epoch's state
        average_nbest(output_dir, reporter, options.best_model_criterion, _nbest(options))
        if options.use_matplotlib:
            reporter.matplotlib_plot(output_dir / "images")


def start_process_group(ngpu: int) -> None:
    """Make sure that there is a process group; it stays, for DeepSpeed keeps the first it saw."""
    backend = "nccl" if ngpu > 0 else "gloo"
    if not dist.is_initialized():
        dist.init_process_group(backend, store=dist.HashStore(), rank=0, world_size=1)
    os.environ.setdefault("LOCAL_RANK", str(dist.get_rank()))
    os.environ.setdefault("RANK", str(dist.get_rank()))
    os.environ.setdefault("WORLD_SIZE", str(dist.get_world_size()))
    if ngpu == 0:
        # Its shared-memory reduction would be compiled at every first start; gloo's serves.
        # (deepspeed.comm.torch as an attribute is PyTorch itself.)
        sys.modules["deepspeed.comm.torch"].build_shm_op = lambda: None
    deepspeed.init_distributed(backend, auto_mpi_discovery=False)


def _in_step(iterator: Iterator, model: Any) -> Iterator:
    """Yield batches until the first rank has none left, on all ranks alike."""
    if dist.get_world_size() == 1:
        yield from iterator
        return
    while True:
        item = next(iterator, None)
        ended = torch.tensor(int(item is None), device=model.device)
        dist.all_reduce(ended)
        if ended > 0:
            return
        yield item


class _Bar:
    """A progress bar on a terminal; silent in a log, where plain lines stand instead."""

    def __init__(self, title: str, total: int | None, done: int) -> None:
        self.shown = sys.stderr.isatty() and dist.get_rank() == 0
        self._bar = tqdm(desc=title, total=total, initial=done, disable=not self.shown)

    def advance(self, loss: float | None) -> None:
        if self.shown and loss is not None:
            self._bar.set_postfix_str(f"loss {loss:.3f}", refresh=False)
        self._bar.update()

    def close(self) -> None:
        self._bar.close()


def _patience_is_out(reporter: Reporter, options: ZeroTrainerOptions) -> bool:
    """Whether training ends with the last epoch: also of a run that is started again."""
    if options.patience is None:
        return False
    return reporter.check_early_stopping(options.patience, *options.early_stopping_criterion)


def _keep_best(reporter: Reporter, options: ZeroTrainerOptions) -> None:
    criteria, nbest = options.best_model_criterion, _nbest(options)
    keep_best(Path(options.output_dir), reporter, criteria, max(nbest))


def _nbest(options: ZeroTrainerOptions) -> list[int]:
    nbest = options.keep_nbest_models
    return [nbest] if isinstance(nbest, int) else list(nbest) or [1]


def _history(reporter: Reporter) -> list[dict[str, Any]]:
    return [
        {"epoch": epoch}
        | {
            phase: {
                k: v.total_seconds() if k == "time" else v
                for k, v in values.items()
                if v is not None
            }
            for phase, values in phases.items()
        }
        for epoch, phases in sorted(reporter.stats.items())
    ]


def _observed(reporter: SubReporter) -> dict[str, Any]:
    names = ("stats", "count", "total_count")
    return {name: getattr(reporter, name) for name in names} | {"stats": dict(reporter.stats)}


def _load_observed(reporter: SubReporter, state: dict[str, Any]) -> None:
    reporter.stats = defaultdict(list, state["stats"])
    reporter.count, reporter.total_count = state["count"], state["total_count"]
