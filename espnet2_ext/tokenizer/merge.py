"""Joining tokenized chunks into one token directory."""

import shutil
from pathlib import Path

from espnet2_ext.data.utterances import Utterances
from espnet2_ext.errors import UserError
from espnet2_ext.files import read_table, write_json, write_table
from espnet2_ext.ids import check_id
from espnet2_ext.tokenizer.dump import (
    ARKS,
    NUM_FRAMES,
    SVS_FRAMES,
    SVS_LB,
    chunks_of,
    score_arks,
    tokenizer_fingerprint,
)
from espnet2_ext.tokenizer.prompts import CODEC_SSL, PHRASES, by_speaker, phrases
from espnet2_ext.tokenizer.svs_lb import read_label_config


def merge_chunks(
    data_dir: str | Path, tokenizer_dir: str | Path, out_dir: str | Path, device: str = "cpu"
) -> int:
    """Write a token directory's tables over its finished chunks.

    Args:
        data_dir: Formatted data directory that was tokenized.
        tokenizer_dir: With which tokenizers.
        out_dir: Token directory: codec_ssl, mel, f0 (.scp), score_frames.scp, svs_lb,
            utt2num_frames, utt2spk, spk2utt, utt2phrase, data.json.
        device: Where they were tokenized.

    Returns:
        The number of utterances.

    Raises:
        UserError: a chunk is not done.
    """
    out_dir = Path(out_dir)
    chunks = chunks_of(data_dir, out_dir)
    data, folders = chunks[0].data, [chunk.folder for chunk in chunks]
    tokenizer = tokenizer_fingerprint(tokenizer_dir, device)
    for chunk in chunks:
        if not chunk.is_done(chunk.fingerprint(tokenizer)):
            found = f"{chunk.utts[0]} .. {chunk.utts[-1]} not tokenized"
            raise UserError(chunk.folder, found, "all shards done")
    (out_dir / f"{SVS_FRAMES}.scp").unlink(missing_ok=True)  # of a tokenizer that wrote others
    _remove_stale(out_dir / "chunks", folders)
    names = [f"{name}.scp" for name in ARKS] + [NUM_FRAMES]
    if data.scores:
        config = read_label_config(Path(tokenizer_dir) / "config.yaml")
        names += [SVS_LB, *(f"{name}.scp" for name in score_arks(config))]
    for name in names:
        table: dict[str, str] = {}
        for folder in folders:
            table |= read_table(folder / name)
        write_table(out_dir / name, table)
    utt2spk = _utt2spk(data)
    write_table(out_dir / "utt2spk", utt2spk)
    write_table(out_dir / "spk2utt", {s: " ".join(u) for s, u in by_speaker(utt2spk).items()})
    write_table(out_dir / PHRASES, phrases(data_dir, data.wavs))
    if data.scores:
        _write_data_json(out_dir, list(data.wavs))
    return len(data.wavs)


def _utt2spk(data: Utterances) -> dict[str, str]:
    utt2spk = read_table(data.path / "utt2spk")
    for utt in data.wavs:
        if not utt2spk.get(utt):
            raise UserError(data.path / "utt2spk", f"no speaker of {utt!r}", "each id of wav.scp")
        check_id(utt2spk[utt], f"{data.path / 'utt2spk'}: {utt}", "speaker")
    return {utt: utt2spk[utt] for utt in data.wavs}


def _remove_stale(chunks: Path, folders: list[Path]) -> None:
    keep = {folder.name for folder in folders}
    for folder in chunks.iterdir():
        if folder.name not in keep:
            shutil.rmtree(folder)


def _write_data_json(out_dir: Path, utts: list[str]) -> None:
    """The data set in ESPnet-SpeechLM's form."""
    entries = ((SVS_LB, "svs_lb", "text"), ("utt2spk", "spk", "text"))
    target = (CODEC_SSL, "codec_ssl", "kaldi_ark")
    write_json(
        out_dir / "data.json",
        {
            "task": "svs",
            "vocabularies": ["codec_ssl", "svs_lb"],
            "data_files": [
                f"{out_dir / name},{modality},{kind}" for name, modality, kind in (*entries, target)
            ],
            "num_examples": len(utts),
            "examples": utts,
        },
    )
