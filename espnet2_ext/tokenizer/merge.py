"""Joining tokenized chunks into one token directory."""

from pathlib import Path

from espnet2_ext.data.utterances import Utterances
from espnet2_ext.errors import UserError
from espnet2_ext.files import read_table, write_json, write_table
from espnet2_ext.ids import check_id
from espnet2_ext.tokenizer.dump import (
    SVS_FRAMES,
    SVS_LB,
    TokenizeMap,
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
    out_dir, data = Path(out_dir), Utterances.read(data_dir)
    job = TokenizeMap(data, out_dir, tokenizer_fingerprint(tokenizer_dir, out_dir, device))
    if not job.chunks.join(job.read):
        raise UserError(out_dir, "utterances that are not tokenized", "all shards done")
    config = read_label_config(Path(tokenizer_dir) / "config.yaml")
    if SVS_FRAMES not in score_arks(config):  # of a tokenizer that wrote them
        (out_dir / f"{SVS_FRAMES}.scp").unlink(missing_ok=True)
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
