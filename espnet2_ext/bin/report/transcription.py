"""How well a transcription model hears: frames and notes of a token folder, beside two anchors.

Writes JSON, and prints Table VI of CoMelSinger (Zhao et al. 2026) with the note metrics of
mir_eval: COn, COnP, COnPOff. The anchors are notes from the recordings' own F0, where the folder
has it, and the commonest pitch of a training set, where one is named.
"""

import argparse
from pathlib import Path
from typing import Any

from espnet2_ext.device import device_name

AGAINST = {
    "notes_of_frames": "those of the score's frames, which begin with their consonants",
    "sung_notes": "those that are sung, from their vowels on",
}


def add_options(parser: argparse.ArgumentParser) -> None:
    add = parser.add_argument
    add("--train_config", type=Path, required=True, help="EXP/config.yaml")
    add("--model_file", type=Path, required=True, help="EXP/valid.loss.best.pth")
    add("--inference_config", type=Path, help="YAML of how frames become notes")
    add("--token_dir", type=Path, required=True, help="codec_ssl, score_frames, f0 of a set")
    add(
        "--data_dir",
        type=Path,
        help="of the set: for notes from their vowels on, and as written",
    )
    add("--train_token_dir", type=Path, help="of the training set, for the commonest pitch")
    add(
        "--device",
        type=device_name,
        default="cpu",
        help="where models compute: cpu, cuda or cuda:N",
    )
    add("--output", type=Path, required=True, help="JSON to write")


def run(args: argparse.Namespace) -> None:
    from espnet2_ext.bin.infer._common import tables_there
    from espnet2_ext.data.streams import StreamTables
    from espnet2_ext.errors import UserError
    from espnet2_ext.evaluation import transcription as measures
    from espnet2_ext.files import require_writable, write_json
    from espnet2_ext.inference.transcription_step import TranscriptionStep
    from espnet2_ext.score.formats.espnet_format import read_scores
    from espnet2_ext.transcription.inference import TranscriptionInference, load_decoding

    require_writable(args.output)
    decoding = load_decoding(args.inference_config)
    model = TranscriptionInference.load(args.train_config, args.model_file, args.device)
    step, fps = TranscriptionStep(model, decoding), model.geometry.fps
    tables = StreamTables(
        {
            "codec_ssl": args.token_dir / "codec_ssl.scp",
            "score_frames": args.token_dir / "score_frames.scp",
            **tables_there(args.token_dir, "f0"),
        },
        step.sizes,
    )
    rows = {key: tables[key] for key in tables.keys}
    truth = [row["score_frames"] for row in rows.values()]
    sung: list[Any] = []
    if args.data_dir is not None:
        scores = read_scores(args.data_dir)
        missing = next((key for key in rows if key not in scores), None)
        if missing is not None:
            raise UserError(args.data_dir, f"no {missing}", f"every utterance of {args.token_dir}")
        sung = [scores[key] for key in rows]

    heard = [step.segments(row["codec_ssl"]) for row in rows.values()]
    systems = {"model": [measures.Transcribed.of(segments, fps) for segments in heard]}
    if "f0" in tables.paths:
        systems["f0"] = [
            measures.from_f0(row["f0"], len(row["score_frames"]), fps) for row in rows.values()
        ]
    if args.train_token_dir is not None:
        trained = StreamTables(
            {"score_frames": args.train_token_dir / "score_frames.scp"}, step.sizes
        )
        pitch = measures.majority_pitch(trained[key]["score_frames"] for key in trained.keys)
        systems["majority_pitch"] = [
            measures.of_one_pitch(len(row["score_frames"]), pitch, fps) for row in rows.values()
        ]
    result = {
        "token_dir": str(args.token_dir),
        "n_utt": len(rows),
        "n_frames": sum(map(len, truth)),
        "systems": {
            name: measures.measure(found, truth, fps, sung) for name, found in systems.items()
        },
    }
    write_json(args.output, result)
    print(table(result))


def table(result: dict[str, Any]) -> str:
    """Markdown: a row for each system."""
    against = [name for name in AGAINST if name in result["systems"]["model"]]
    lines = [
        f"{result['n_utt']} utterances, {result['n_frames']} frames; notes against "
        + AGAINST[against[-1]],
        "",
        "| system | accuracy | precision | recall | F1 | COn | COnP | COnPOff |",
        "|---|---|---|---|---|---|---|---|",
    ]
    for name, measured in result["systems"].items():
        cells = [f"{value:.3f}" for value in measured["frames"].values()]
        cells += [_cell(measured[against[-1]], match) for match in ("COn", "COnP", "COnPOff")]
        lines.append(f"| {name} | " + " | ".join(cells) + " |")
    return "\n".join(lines)


def _cell(notes: dict[str, float | None], match: str) -> str:
    """F1 and its interval; none where no side has a note."""
    if notes[match] is None:
        return "n/a"
    low, high = notes[f"{match}_low"], notes[f"{match}_high"]
    return f"{notes[match]:.3f} [{low:.3f}, {high:.3f}]"
