"""How the rows of a table are rendered: an ordered plan of inference commands, each folder once.

A step is a call of ``step`` in utils/steps.sh, which skips what is done, locks and launches; here
is only what is made from what, and where it lies.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

from espnet2_ext.errors import UserError
from espnet2_ext.evaluation.rendered import NO_WAVS, Audio, Tokens
from espnet2_ext.evaluation.rows import FLOW, LM, MASKED, NO_WAV, RECORDINGS, VAE, Row, tag_of
from espnet2_ext.evaluation.settings import Settings
from espnet2_ext.files import read_text, read_yaml, write_text

TOKENS, FEATURES, DECODED_CODES, WAVS = range(4)
PARTS = {"tokens": (TOKENS,), "features": (FEATURES, DECODED_CODES), "wavs": (WAVS,)}
"""Levels of the steps that make each part. Those of a level need each other only in TOKENS."""


@dataclass
class Plan:
    """Steps that make rows of one set of utterances.

    Args:
        run: Settings of the recipe's run.
        set_name: Of dump/tokens/SET.
        out: Where everything goes, under the rows' names, with the run's tokens cut down to the
            set's; None: where the recipe has it, under the models' names.
    """

    run: Settings
    set_name: str
    out: Path | None = None
    steps: dict[Path, tuple[int, list[str]]] = field(default_factory=dict)

    def records(self, parts: Sequence[str]) -> list[list[str]]:
        """The steps that make these parts, in order, each a call of `step` or `drain`."""
        records: list[list[str]] = []
        for level in (level for part in parts for level in PARTS[part]):
            records += [words for its, words in self.steps.values() if its == level]
            records.append(["drain"])
        return records

    def sing(self) -> Tokens:
        """What the run's speech LM sings of the set."""
        return self._lm_tokens(Row("lm", tokens="lm", mel="flow"))

    def render(self, row: Row) -> Audio:
        """Plan all that a row needs; returns where its audio will be."""
        if row.wav == RECORDINGS:
            return Audio(None, "recording")
        if row.wav == NO_WAV:
            return Audio(NO_WAVS, row.f0)
        if row.wav != "vocoder":
            return Audio(Path(row.wav), row.f0 or "model")
        tokens = self._tokens(row) if row.tokens else None
        features, made_from, files = self._mel(row, tokens)
        by_flow = row.mel == "flow"
        source = row.f0 or (self.run["vocoder_f0"] if by_flow else "predictor")
        vocoder = self._exp("vocoder", row.vocoder)
        if self.out is not None or (row.mel not in (RECORDINGS, "codec", "flow", VAE)):
            to = self._own(row) / f"wav_{vocoder.name}"
        elif row.mel == RECORDINGS or (row.mel == "codec" and row.tokens == RECORDINGS):
            to = vocoder / row.name / self.set_name
        else:
            to = features / f"wav_{vocoder.name}"
        options = ["--model_dir", vocoder, "--model_file", self.run["vocoder_model"]]
        options += ["--mel_scp", features / "mel.scp", "--f0_source", source]
        options += ["--output_dir", to, "--device", self.run["device"]]
        if source == "feats":
            options += ["--f0_scp", features / "f0.scp"]
        if source == "score":
            frames = tokens.frames if tokens else self._recorded.frames
            options += ["--score_scp", frames / "score_frames.scp"]
        codec = features if row.mel == "codec" else "-"
        words = (source, self.run["vocoder_model"], self.run["device"])
        self._step(WAVS, "13", to, (vocoder, *made_from), files, words,
                   ["to_wavs", codec, *options], ("--beside",))  # fmt: skip
        models = [vocoder]
        if by_flow or row.codes or row.latents == FLOW:
            models.insert(0, self._exp("flow", row.flow))
        if row.mel == VAE:
            models.insert(0, self._vae(row))
        if row.tokens == LM:
            models.insert(0, self._exp("lm", row.lm))
        if row.tokens == MASKED:
            models[:0] = self._masked_models(row)
        return Audio(to, source, tuple(models))

    def _step(
        self, level: int, name: str, to: Path, made_from: Iterable[Path], files: Iterable[Path],
        words: Iterable[str], command: Iterable[Any], options: Iterable[str] = (),
    ) -> None:  # fmt: skip
        call = ["step", *options, name, to, "--from", *made_from]
        files = list(files)
        call += ["--files", *files] if files else []
        call += ["--with", *words, "--", *command]
        planned = (level, [str(word) for word in call])
        if self.steps.setdefault(to, planned) != planned:
            raise UserError(to, "made in two ways by rows of the table", "one way for each folder")

    def _exp(self, kind: str, tag: str) -> Path:
        if not tag:
            return Path(self.run[f"{kind}_exp"])
        return Path(self.run["expdir"]) / f"{kind.replace('lm', 'speechlm')}_{tag}"

    def _vae(self, row: Row) -> Path:
        """Of the run, or of one that a script trained beside it."""
        own = self.run.get("mel_vae_exp")
        return Path(own) if own and not row.vae else self._exp("mel_vae", row.vae or "default")

    def _own(self, row: Row, ending: str = "") -> Path:
        if self.out is not None:
            return self.out / f"{row.name}{ending}"
        return Path(self.run["expdir"]) / "rows" / row.name / f"{self.set_name}{ending}"

    @property
    def _recorded(self) -> Tokens:
        folder = Path(self.run["tokens"]) / self.set_name
        return Tokens(folder, (folder,), folder / "codec_ssl.scp")

    def _config(self, row: Row, value: Any, kind: str) -> Path:
        """The YAML of decoding or sampling; that of a mapping is written beside the row."""
        default = self.run["flow_inference_config" if kind == "flow" else "inference_config"]
        if not isinstance(value, dict):
            return Path(value or default)
        changes = dict(value)
        path = self._own(row, f".decode_{kind}.yaml")
        base = changes.pop("base", default)
        options = (read_yaml(base) if base else {}) | changes
        text = yaml.safe_dump(options, sort_keys=False)
        if not path.is_file() or read_text(path) != text:
            write_text(path, text)
        return path

    def _tokens(self, row: Row) -> Tokens:
        if row.tokens == RECORDINGS:
            return self._recorded
        if row.tokens == LM:
            return self._lm_tokens(row)
        if row.tokens == MASKED:
            return self._masked_tokens(row)
        # Another system's, with the frames of its own score where it has its own durations.
        folder, real = Path(row.tokens), self._recorded.frames
        own = folder / "score_frames.scp"
        tables = [folder / "codec_ssl.scp", real / "prompt.scp"]
        tables.append(own if own.is_file() else real / "score_frames.scp")
        if row.embedding:
            tables.append(folder / "soft.scp")
        to = self._own(row, ".tokens")
        self._collect(to, (*_decoded_in(folder), real), tables)
        soft = to / "soft.scp" if row.embedding else None
        return Tokens(to, (to,), to / "codec_ssl.scp", soft, own=True)

    def _collect(self, to: Path, made_from: Iterable[Path], tables: list[Path]) -> None:
        wanted = self._recorded.frames / "score_frames.scp"
        self._step(TOKENS, "collect", to, made_from, tables, (), ["collect", wanted, *tables])

    def _lm_tokens(self, row: Row) -> Tokens:
        """By the speech LM: cut from what the recipe had it sing, or sung for the set."""
        run, exp = self.run, self._exp("lm", row.lm)
        config = self._config(row, row.decoding, "speechlm")
        by_run = config.is_file() and read_yaml(config).get("soft") is True
        soft = by_run or bool(row.embedding)
        recorded = self._recorded.frames
        if row.timing == "model":
            to = self._own(row, ".tokens")
            return self._sing(exp, self._own_times(row), config, soft, to, own=True)
        if self.out is not None and row.decoding is None and soft == by_run:
            sung = exp / f"decode_{run['inference_tag']}" / run["eval_name"]
            to = self.out / (f"lm_{row.lm}" if row.lm else "lm")
            folders = (sung, sung / "soft") if soft else (sung,)
            tables = [sung / "codec_ssl.scp", sung / "soft/soft.scp"][: len(folders)]
            self._collect(to, folders, tables)
            return Tokens(recorded, (to,), to / "codec_ssl.scp", to / "soft.scp" if soft else None)
        if self.out is not None or isinstance(row.decoding, dict):
            return self._sing(exp, recorded, config, soft, self._own(row, ".tokens"), own=True)
        tag = run["inference_tag"]
        if row.decoding:
            tag = tag_of("speechlm", config, run["inference_args"])
        return self._sing(exp, recorded, config, soft, exp / f"decode_{tag}" / self.set_name)

    def _sing(
        self, exp: Path, frames: Path, config: Path, soft: bool, to: Path, own: bool = False
    ) -> Tokens:
        """Tokens into a folder, and the embeddings that the LM expected into `soft` within it."""
        run, expected, tokenizer = self.run, to / "soft", Path(self.run["tokenizer_dir"])
        jobs = ("on", "infer", "--jobs", run["inference_nj"])
        model = ("--train_config", exp / "config.yaml",
                 "--model_file", exp / run["inference_model"])  # fmt: skip
        words = (run["inference_args"], run["inference_model"], run["device"])
        self._step(
            TOKENS, "9", to, (exp, frames), (config,), words,
            [*jobs, "infer/speechlm", *model,
             "--score_frames_scp", frames / "score_frames.scp",
             "--prompt_scp", frames / "prompt.scp",
             "--decode_config", config, "--output_dir", to,
             "--device", run["device"], *run["inference_args"].split()],
            ("--tell", "lengths of"),
        )  # fmt: skip
        if not soft:
            return Tokens(frames, (to,), to / "codec_ssl.scp", None, own)
        self._step(
            TOKENS, "9s", expected, (to, tokenizer), (), (run["device"],),
            [*jobs, "infer/soft", *model, "--token_dir", frames,
             "--codec_ssl", to / "codec_ssl.scp", "--tokenizer_dir", tokenizer,
             "--decode_config", config, "--output_dir", expected, "--device", run["device"]],
        )  # fmt: skip
        return Tokens(frames, (to, expected), to / "codec_ssl.scp", expected / "soft.scp", own)

    def _masked_models(self, row: Row) -> list[Path]:
        """Experiments of a row's masked generators, in the order in which they run."""
        acoustic = self._exp("acoustic", row.acoustic)
        return [*self._semantic(row), acoustic]

    def _semantic(self, row: Row) -> list[Path]:
        return [] if row.semantic == RECORDINGS else [self._exp("semantic", row.semantic)]

    def _masked_tokens(self, row: Row) -> Tokens:
        """By the masked generators, where their own models have it, or in a folder of the row."""
        run, config = self.run, self._config(row, row.decoding, "masked")
        tokenizer = Path(run["tokenizer_dir"])
        models, recorded = self._masked_models(row), self._recorded.frames
        frames = self._own_times(row) if row.timing == "model" else recorded
        own = self.out is not None or isinstance(row.decoding, dict) or frames != recorded
        own = own or bool(row.semantic)
        tag = tag_of("masked", config, "") if row.decoding else run["inference_tag"]
        to = self._own(row, ".tokens") if own else models[-1] / f"decode_{tag}" / self.set_name
        acoustic = (read_yaml(config) if config.is_file() else {}).get("acoustic") or {}
        soft = to / "soft.scp" if acoustic.get("soft") is True else None
        if row.embedding and soft is None:
            raise UserError(config, "nothing", f"true, for row {row.name}", "acoustic: soft")
        options = ["--acoustic_dir", models[-1], "--acoustic_file", run["inference_model"]]
        for semantic in self._semantic(row):
            options += ["--semantic_dir", semantic, "--semantic_file", run["inference_model"]]
        made_from, words = [*models, frames, tokenizer], [run["inference_model"], run["device"]]
        if acoustic.get("nbest", 1) != 1:
            heard_by, file = Path(run["transcription_exp"]), run["transcription_model"]
            options += ["--transcription_dir", heard_by, "--transcription_file", file]
            made_from.append(heard_by)
            words.append(file)
        self._step(
            TOKENS, "9m", to, made_from, (config,), words,
            ["on", "infer", "--jobs", run["inference_nj"], "infer/masked", *options,
             "--token_dir", frames, "--decode_config", config, "--output_dir", to,
             "--tokenizer_dir", tokenizer, "--device", run["device"]],
        )  # fmt: skip
        return Tokens(frames, (to,), to / "codec_ssl.scp", soft, own=own)

    def _own_times(self, row: Row) -> Path:
        """Folder of the score's frames with phone times by our duration model."""
        run, prompts = self.run, self._recorded.frames
        real = Path(run["dumpdir"]) / "raw" / self.set_name
        data, frames = self._own(row, ".data"), self._own(row, ".frames")
        exp, tokenizer = Path(run["duration_exp"]), Path(run["tokenizer_dir"])
        config = run["duration_inference_config"]
        options = ("--inference_config", config) if config else ()
        self._step(
            TOKENS, "durations", data, (exp, real), options[1:], (run["duration_model"],),
            ["on", "decode", "infer/duration", "--data_dir", real,
             "--config", exp / "config.yaml", "--checkpoint", exp / run["duration_model"],
             *options, "--output_dir", data],
        )  # fmt: skip
        self._step(
            TOKENS, "frames", frames, (data, tokenizer, prompts), (), (),
            ["own_frames", prompts / "prompt.scp", "--data_dir", data,
             "--tokenizer_dir", tokenizer, "--output_dir", frames],
        )  # fmt: skip
        return frames

    def _mel(
        self, row: Row, tokens: Tokens | None
    ) -> tuple[Path, tuple[Path, ...], tuple[Path, ...]]:
        """Folder of a row's mel, and what its wavs are made from: folders of steps, and files."""
        if row.mel == RECORDINGS:
            return self._recorded.frames, self._recorded.made_from, ()
        if row.mel == VAE:
            to = self._of_vae(row)
            return to, (to,), ()
        if tokens is None:  # another system's mel
            folder = Path(row.mel)
            tables = [folder / "mel.scp", *([folder / "f0.scp"] if row.f0 == "feats" else [])]
            return folder, _decoded_in(folder), tuple(tables)
        if row.mel == "flow":
            to = self._of_flow(row, tokens)
        elif row.codes:
            codes = self._of_flow(row, tokens)
            to = self._own(row)
            self._decode(DECODED_CODES, to, (codes,), ["--codes", codes / "codes.scp"])
        else:
            resynthesis = self.out is None and row.tokens == RECORDINGS
            shared = Path(self.run["expdir"]) / "codec_resynthesis" / self.set_name
            to = shared if resynthesis else self._own(row)
            read = ("--soft", tokens.soft) if row.embedding else ("--codec_ssl", tokens.codec_ssl)
            self._decode(FEATURES, to, tokens.made_from, [*read])
        return to, (to,), ()

    def _of_vae(self, row: Row) -> Path:
        """Folder of the mel that a mel-VAE makes of latents."""
        exp, to = self._vae(row), self._own(row)
        latents, made_from = self._latents(row, exp)
        table = ["--latents_scp", latents / "latents.scp"]
        self._vae_step(FEATURES, "vae", exp, to, made_from, ["infer/mel_vae", *table])
        return to

    def _latents(self, row: Row, exp: Path) -> tuple[Path, tuple[Path, ...]]:
        """Folder of a row's latents, and what it was made in; those of recordings are encoded."""
        if row.latents == FLOW:
            to = self._of_latent_flow(row)
            return to, (to,)
        if row.latents != RECORDINGS:
            return Path(row.latents), _decoded_in(Path(row.latents))
        to, recorded = self._own(row, ".latents"), self._recorded
        mel = ["--mel_scp", recorded.frames / "mel.scp"]
        self._vae_step(TOKENS, "latents", exp, to, recorded.made_from, ["infer/latents", *mel])
        return to, (to,)

    def _of_latent_flow(self, row: Row) -> Path:
        """Folder of the latents that a flow makes of what is said of the set."""
        run, exp = self.run, self._exp("flow", row.flow)
        config, described = self._config(row, row.sampling, "flow"), Path(run["described"])
        if self.out is not None or isinstance(row.sampling, dict):
            to = self._own(row, ".latents")
        else:
            tag = tag_of("flow", config, "") if row.sampling else run["flow_inference_tag"]
            to = exp / f"decode_{tag}" / self.set_name
        streams = described / self.set_name
        self._step(
            TOKENS, "8", to, (exp, streams), (config,), (run["flow_model"], run["device"]),
            ["on", "infer", "--jobs", run["inference_nj"], "infer/latent_flow",
             "--train_config", exp / "config.yaml", "--model_file", exp / run["flow_model"],
             "--inference_config", config, "--stream_dir", streams, "--output_dir", to,
             "--device", run["device"]],
            ("--beside",),
        )  # fmt: skip
        return to

    def _vae_step(
        self, level: int, name: str, exp: Path, to: Path, made_from: tuple[Path, ...],
        command: list[Any],
    ) -> None:  # fmt: skip
        run = self.run
        self._step(level, name, to, (exp, *made_from), (), (run["device"],),
                   ["on", "infer", "--jobs", run["inference_nj"], *command, "--model_dir", exp,
                    "--output_dir", to, "--device", run["device"]], ("--beside",))  # fmt: skip

    def _decode(self, level: int, to: Path, made_from: Iterable[Path], tokens: list[Any]) -> None:
        tokenizer = Path(self.run["tokenizer_dir"])
        self._step(level, "11c", to, (*made_from, tokenizer), (), (),
                   ["on", "decode", "infer/codec", "--tokenizer_dir", tokenizer, *tokens,
                    "--output_dir", to], ("--beside",))  # fmt: skip

    def _of_flow(self, row: Row, tokens: Tokens) -> Path:
        """Folder of what the flow makes of tokens: mel and F0, or codes."""
        run, exp = self.run, self._exp("flow", row.flow)
        config = self._config(row, row.sampling, "flow")
        args = run["flow_inference_args"]
        if self.out is not None or tokens.own or isinstance(row.sampling, dict):
            to = self._own(row, ".codes" if row.codes else "")
        else:
            tag = tag_of("flow", config, args) if row.sampling else run["flow_inference_tag"]
            by = "gt_tokens"
            if row.tokens in (LM, MASKED):
                made = tokens.codec_ssl.parents[1]
                decoding = made.name.removeprefix("decode_")
                by = made.parent.name if row.tokens == MASKED else f"lm_{row.lm or run['tag']}"
                by = f"{by}_{decoding}"
            to = exp / f"decode_{tag}" / by / self.set_name
        sampled: list[Any] = []
        if row.tokens != RECORDINGS:
            sampled = ["--codec_ssl", tokens.codec_ssl]
            sampled += ["--soft", tokens.soft] if tokens.soft else []
        self._step(
            FEATURES, "11", to, (exp, *tokens.made_from), (config,),
            (args, run["flow_model"], run["device"]),
            ["on", "infer", "--jobs", run["inference_nj"], "infer/flow",
             "--train_config", exp / "config.yaml", "--model_file", exp / run["flow_model"],
             "--inference_config", config, "--token_dir", tokens.frames, *sampled,
             "--tokenizer_dir", run["tokenizer_dir"], "--output_dir", to,
             "--device", run["device"], *args.split()],
            ("--beside",),
        )  # fmt: skip
        return to


def _decoded_in(folder: Path) -> tuple[Path, ...]:
    """The folder of the step that made another system's DECODE/TIMING/SPLIT."""
    home = folder.parents[1] if len(folder.parents) > 1 else folder
    return (home if (home / ".done").is_file() else folder,)
