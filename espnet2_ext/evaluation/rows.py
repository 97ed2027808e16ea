"""Rows of a result table, as ``conf/systems.yaml`` has them: what each is made by."""

import re
from collections.abc import Iterable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from espnet2_ext.errors import UserError
from espnet2_ext.files import parse_config, read_yaml
from espnet2_ext.ids import check_id

RECORDINGS = "ground_truth"
LM, MASKED = "lm", "masked"
FLOW, VAE = "flow", "vae"
NO_WAV = "none"
"""Of a row that is the written note as F0, without audio."""
F0_SOURCES = ("", "feats", "predictor", "score", "model")
TIMINGS = ("label", "model")
_TOKENS = "ground_truth, lm, masked or a folder"


@dataclass(frozen=True)
class Row:
    """How the audio of a row is made. What is left out is the recipe's own.

    Args:
        name: Of the row, in tables and folders.
        tokens: Where codec and SSL tokens come from: ``ground_truth`` (the recordings'), ``lm``
            (the speech LM sings them), ``masked`` (the masked generators do), or a folder with
            another system's ``codec_ssl.scp``.
        codes: ``flow``: the flow turns the tokens into codes, which the codec decodes.
        embedding: ``expected``: the codec, or the flow of another system's tokens, reads the
            embeddings that the token model expected, not those of its codes. Default: codes; the
            flow of the LM's tokens as the LM's decoding says.
        latents: Where a mel-VAE's latents come from: ``ground_truth`` (the recordings'), ``flow``
            (a flow of latents makes them), or a folder with a ``latents.scp``.
        mel: ``ground_truth``, ``codec``, ``flow``, ``vae`` (it decodes the latents), or a folder
            with another system's ``mel.scp``.
        wav: ``vocoder`` (of the mel), ``ground_truth``, a folder with a ``wav.scp``, or ``none``:
            the row is the F0 of the score alone, which metrics of F0 and voicing measure.
        f0: Where the vocoder's F0 comes from: ``feats`` (generated with the mel), ``predictor``
            (from the mel) or ``score``; ``model``: another system's wavs. Default: the recipe's
            ``--vocoder_f0`` of a flow's mel, else ``predictor``.
        timing: Phone times of the ``label``, or of the duration ``model``.
        lm: Tag of the speech LM, exp/speechlm_TAG.
        semantic: Tag of the masked generator of semantic tokens, exp/semantic_TAG, or
            ``ground_truth``: those of the recordings.
        acoustic: Tag of the masked generator of acoustic tokens.
        flow: Tag of the flow.
        vae: Tag of the mel-VAE, exp/mel_vae_TAG; a run that names none has ``default``.
        vocoder: Tag of the vocoder.
        decoding: YAML of the LM's or masked generators' decoding, or a mapping of changes to the
            recipe's (or to that of its key ``base``).
        sampling: The same of the flow's.
    """

    name: str
    tokens: str = ""
    codes: str = ""
    embedding: str = ""
    latents: str = ""
    mel: str = ""
    wav: str = "vocoder"
    f0: str = ""
    timing: str = "label"
    lm: str = ""
    semantic: str = ""
    acoustic: str = ""
    flow: str = ""
    vae: str = ""
    vocoder: str = ""
    decoding: Any = None
    sampling: Any = None

    def wrong(self) -> tuple[str, str, str] | None:
        """What is wrong with it: field, finding, expectation; None where nothing is."""
        if self.f0 not in F0_SOURCES:
            return "f0", repr(self.f0), " or ".join(F0_SOURCES[1:])
        if self.timing not in TIMINGS:
            return "timing", repr(self.timing), " or ".join(TIMINGS)
        if self.codes not in ("", "flow"):
            return "codes", repr(self.codes), "flow, or to be left out"
        if self.embedding not in ("", "expected"):
            return "embedding", repr(self.embedding), "expected, or to be left out"
        if self.embedding and (self.codes or self.tokens in ("", RECORDINGS)):
            return "embedding", self.embedding, "tokens of a model, and no flow to codes"
        if self.wav == NO_WAV:
            if self.f0 != "score":
                return "f0", repr(self.f0), "score, of a row without wavs"
            if self.tokens or self.mel or self.timing != "label":
                return "wav", NO_WAV, "nothing but f0: score, for a row without wavs"
        if self.wav == "vocoder" and not self.mel:
            return "mel", "nothing", "ground_truth, codec, flow, vae or a folder, for the vocoder"
        if (self.mel == VAE) != bool(self.latents):
            return "latents", self.latents or "nothing", "latents and mel: vae, or neither"
        if self.latents and self.tokens:
            return "latents", self.latents, "tokens or latents, not both"
        if self.latents not in ("", RECORDINGS, FLOW) and not _is_folder(self.latents):
            return "latents", repr(self.latents), "ground_truth, flow or a folder"
        if (self.mel in ("codec", "flow") or self.codes) and not self.tokens:
            return "tokens", "nothing", f"{_TOKENS}, for mel: {self.mel}"
        if self.codes and self.mel != "codec":
            return "mel", repr(self.mel), "codec, for the codes that the flow makes"
        if self.timing == "model" and self.tokens == RECORDINGS:
            return "timing", "model", "label, for tokens of recordings"
        if self.tokens not in ("", RECORDINGS, LM, MASKED) and not _is_folder(self.tokens):
            return "tokens", repr(self.tokens), _TOKENS
        for field in ("decoding", "sampling"):
            value = getattr(self, field)
            if value is not None and not isinstance(value, str | dict):
                return field, repr(value), "a YAML file or a mapping of options"
        for field in ("lm", "semantic", "acoustic", "flow", "vae", "vocoder"):
            if "/" in getattr(self, field):
                return field, repr(getattr(self, field)), "a tag"
        return None


def _is_folder(value: str) -> bool:
    return "/" in value


def read_rows(path: str | Path, table: str) -> list[Row]:
    """The rows of one table of a file, in order.

    Raises:
        UserError: no such table, an unknown key, a value that is none of the expected, or a row
            that lacks what its parts are made from.
    """
    tables = read_yaml(path)
    if table not in tables:
        raise UserError(path, f"no table {table!r}", f"one of {', '.join(tables)}")
    if not isinstance(tables[table], dict) or not tables[table]:
        raise UserError(path, "no rows", "a mapping of rows", table)
    rows = []
    for name, options in tables[table].items():
        place = f"{path}: {name}"
        check_id(str(name), f"{path}: {table}", "row")
        row = parse_config(Row, options, place, name=str(name))
        if wrong := row.wrong():
            field, found, expected = wrong
            raise UserError(place, found, expected, field)
        rows.append(row)
    return rows


def of_run(rows: list[Row], name: str) -> list[Row]:
    """The rows that a run makes.

    Args:
        rows: All rows of the table.
        name: Of ``--row``: the one row that the run makes, beside those of earlier runs; if the
            table has no such row it is the table's last one, by the run's models. Empty: all rows.
    """
    if not name:
        return rows
    check_id(name, "--row")
    named = [row for row in rows if row.name == name]
    return named or [replace(rows[-1], name=name)]


def with_baselines(rows: list[Row], baselines: Iterable[tuple[str, Path]], f0: str) -> list[Row]:
    """The rows, with what other systems decoded after the recordings and the score alone.

    Tokens are two rows, by our flow and by the codec, and two more with expected embeddings where
    the system wrote them (soft.scp); a mel is sung by our vocoder; wavs stay.

    Args:
        rows: Of the table; others have the timing of its last row.
        baselines: Names, and folders with codec_ssl.scp, mel.scp or wav.scp.
        f0: Source of the F0 of another system's mel, then those of systems that have another, as
            words NAME=SOURCE; NAME#SEED is as NAME.

    Raises:
        UserError: a folder has none of these, or there is no such source of F0.
    """
    sources = _f0_sources(f0)
    others: list[Row] = []
    timing = rows[-1].timing
    for name, folder in baselines:
        check_id(name, "--baseline")
        if (folder / "codec_ssl.scp").is_file():
            codes = Row(name, tokens=f"{folder}", mel="flow", timing=timing)
            kinds = [codes]
            if (folder / "soft.scp").is_file():
                kinds.append(replace(codes, name=f"{name}(soft)", embedding="expected"))
            others += kinds
            others += [replace(row, name=f"{row.name}+cd", mel="codec") for row in kinds]
        elif (folder / "mel.scp").is_file():
            source = sources.get(name.partition("#")[0], sources[""])
            others.append(Row(name, mel=f"{folder}", f0=source, timing=timing))
        elif (folder / "wav.scp").is_file():
            others.append(Row(name, wav=f"{folder}", f0="model", timing=timing))
        else:
            raise UserError(folder, "neither codec_ssl.scp, mel.scp nor wav.scp")
    real = [row for row in rows if row.wav in (RECORDINGS, NO_WAV)]
    return [*real, *others, *(row for row in rows if row not in real)]


def _f0_sources(words: str) -> dict[str, str]:
    """Of each system that is named, and of all others under the empty name."""
    sources = {"": "predictor"}
    for word in words.split():
        name, _, source = word.rpartition("=")
        if source not in F0_SOURCES[1:]:
            raise UserError("--baseline_f0", repr(source), " or ".join(F0_SOURCES[1:]), name)
        sources[name] = source
    return sources


def tag_of(kind: str, config: str | Path, args: str) -> str:
    """Tag of a configuration with more options, as utils/steps.sh names it."""
    name = Path(config).name.removesuffix(".yaml").removeprefix("train_").removeprefix("decode_")
    name = name.removeprefix(kind).removeprefix("_") or "default"
    words = " ".join([name, *args.split()])
    return re.sub(r"[^A-Za-z0-9.=\n-]+", "_", words).replace("_--", "_").rstrip("_")
