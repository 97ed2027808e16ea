"""Write the notes that a recording sings as a score.

``python -m espnet2_ext.bin.transcribe song.wav --model pack.zip -o song.mid``

The suffix says the format: MIDI, MusicXML, TextGrid or any other that is written (docs/scores.md).
Of several recordings, ``-o`` is a folder. Words are not transcribed: all notes have one lyric.
"""

import argparse
import logging
import math
from pathlib import Path

from espnet2_ext.device import device_name
from espnet2_ext.errors import UserError, cli
from espnet2_ext.files import require_writable


def get_parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    add = parser.add_argument
    add("wav", nargs="+", type=Path, metavar="WAV", help="recording of one voice, of any rate")
    add("--model", required=True, help="pack with a transcription model, or its experiment folder")
    add("-o", "--output", required=True, type=Path, help="score to write; of several WAV a folder")
    add("--format", default="mid", help="suffix of the scores in a folder: mid, musicxml, TextGrid")
    add("--tokenizer_dir", type=Path, help="of an experiment; by default that of its training")
    add("--inference_config", type=Path, help="YAML of how frames become notes")
    add("--tempo", type=float, default=120.0, help="that the score says; it changes no time")
    add("--lyric", help="of every note; a vowel by default")
    add("--lang", default="zh", help="of that lyric: zh, yue, ja, en, de, fr")
    add("--offline", action="store_true", help="models downloaded before alone")
    add("--device", type=device_name, default="cpu")
    return parser


@cli
def main(argv: list[str] | None = None) -> None:
    args = get_parser().parse_args(argv)
    outputs = _outputs(args.wav, args.output, args.format)
    if not (math.isfinite(args.tempo) and args.tempo > 0):
        raise UserError("--tempo", f"{args.tempo}", "beats per minute, above 0")
    from espnet2_ext.audio.wav import audio_info
    from espnet2_ext.score.formats.suffixes import format_of
    from espnet2_ext.score.formats.write import require_writer, write_score
    from espnet2_ext.score.lyrics.languages import language_of

    language_of(args.lang, "--lang")
    for wav, output in outputs.items():
        audio_info(wav)
        require_writer(format_of(output)[0], output)
    from espnet2_ext.inference.transcriber import PLACEHOLDER, Transcriber

    transcriber = Transcriber.from_pretrained(
        args.model, args.tokenizer_dir, args.device, args.offline, args.inference_config
    )
    for wav, output in outputs.items():
        score = transcriber(wav, args.tempo, args.lyric or PLACEHOLDER, args.lang)
        lost = write_score(output, score)
        if lost:
            logging.warning("%s does not hold: %s", output, "; ".join(lost))
        print(output)


def _outputs(wavs: list[Path], output: Path, suffix: str) -> dict[Path, Path]:
    """The score of each recording; raises `UserError` where two would be one."""
    if len(wavs) == 1 and output.suffix and not output.is_dir():
        require_writable(output)
        return {wavs[0]: output}
    if output.suffix and not output.is_dir():
        raise UserError(output, f"one score for {len(wavs)} recordings", "a folder", "-o")
    outputs = {wav: output / f"{wav.stem}.{suffix.lstrip('.')}" for wav in wavs}
    if len(set(outputs.values())) < len(wavs):
        raise UserError("WAV", "two of one name", "recordings with names of their own")
    for path in outputs.values():
        require_writable(path)
    return outputs


if __name__ == "__main__":
    main()
