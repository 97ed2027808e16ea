"""What becomes of real singing at each stage of a pack that was trained on other voices.

    python benchmarks/real_singing.py --recordings FOLDER --pack PACK.zip --judges exp/judges \
        --scores song.musicxml --work exp/real --out real_singing.json --pictures exp/real/pictures

`FOLDER` is described in benchmarks/real_recordings.py. The stages, each with its rows in the JSON:
`recordings` (what lint finds), `refused` (the recordings' own scores, as the pack takes them), `f0`
(F0 by hand, the judge's, that of training), `sung` (scores sung in the voice of a prompt of five
seconds), `level` (the pack's own singers from soft prompts), `copies` (mel and vocoder, codec and
vocoder: those of the pack, and those fitted here on the first two thirds of the recordings). Copies
are measured on the last third, which nothing was fitted on. Singers are compared with the first two
thirds of all recordings, by the judges' embedder and, where it is installed, by Resemblyzer's (Wan
et al. 2018).
"""

import argparse
import functools
import logging
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import soxr
import torch
from real_copies import JUDGE_F0, Copier, Heard, fit_vocoder, level_errors, mcd_of_sound
from real_recordings import read_recordings
from voices import FS as SPEECH_FS
from voices import resemblyzer

from espnet2_ext.audio.mel import LogMel
from espnet2_ext.audio.wav import read_wav, write_wav
from espnet2_ext.errors import UserError, cli
from espnet2_ext.evaluation.plots import plot_mel
from espnet2_ext.files import read_json, write_json
from espnet2_ext.inference.codec_step import CodecStep
from espnet2_ext.inference.synthesizer import SingingSynthesizer
from espnet2_ext.judges.f0 import FPS, compare, frame_times, sample_f0
from espnet2_ext.judges.phone_recognizer import CtcPhoneRecognizer
from espnet2_ext.judges.singer_embedder import ConvSingerEmbedder
from espnet2_ext.judges.store import load_centroids
from espnet2_ext.metrics.musical import musical_scores, sung_finals
from espnet2_ext.metrics.per import phone_errors, sung_phones
from espnet2_ext.metrics.similarity import SingerCentroids, SingerSimilarity
from espnet2_ext.metrics.versa_f0_mcd import mcd_dtw, mcd_f0, world_features
from espnet2_ext.one_thread import one_thread
from espnet2_ext.tokenizer.mel_rvq import MelRVQ, MelRVQConfig

ROOT = Path(__file__).resolve().parents[1]
VOCODER_CONFIG = ROOT / "egs2/mini_singing/speechlm1/conf/train_vocoder.yaml"
PROMPT_SEC = 5.0
PICTURE_SEC = 6.0
SOFT_DB = -20
SOFT_GAIN = 10 ** (SOFT_DB / 20)
STAGES = ("recordings", "refused", "f0", "sung", "level", "copies")
Row = dict[str, Any]


class Singers:
    """Who is heard: embedders, and what they know of the recordings' singers."""

    def __init__(self, heard: Sequence[Heard], judges: Path) -> None:
        self._embed = {"singer": ConvSingerEmbedder.load(judges).embed}
        try:
            encode = resemblyzer()
        except ImportError:
            logging.warning("resemblyzer is not installed: singers by the judge alone")
        else:
            self._embed["secs"] = lambda wav, fs: encode(
                soxr.resample(wav, fs, SPEECH_FS).astype(np.float32)
            )
        singers = {h.recording.name: h.recording.singer for h in heard}
        self._known = {
            name: SingerCentroids(
                {h.recording.name: embed(h.first, h.mel.fs) for h in heard}, singers
            )
            for name, embed in self._embed.items()
        }

    def measure(self, wav: np.ndarray, fs: int, singer: str) -> Row:
        """Similarity to a singer, to the nearest other, and whether the singer comes first."""
        row: Row = {}
        for name, embed in self._embed.items():
            voice = self._known[name].compare(embed(wav, fs), singer)
            row |= {
                f"{name}_sim": voice.cosine,
                f"{name}_other": voice.cosine - voice.margin,
                f"{name}_acc": float(voice.first),
            }
        return row


def recording_rows(heard: Sequence[Heard]) -> Iterator[Row]:
    """What lint finds, beside what the recording is."""
    for h in heard:
        r = h.recording
        kinds = sorted({finding.kind for finding in r.findings})
        yield {
            "system": r.name, "stage": "recordings", "seconds": r.seconds, "fs": r.fs,
            "notes": sum(not n.is_rest for n in r.score.notes) if r.score else 0,
            "findings": len(r.findings), "kinds": ", ".join(kinds) or "none",
        }  # fmt: skip


def f0_rows(heard: Sequence[Heard]) -> Iterator[Row]:
    """F0 against F0: the hand's, the judge's and that of training."""
    for h in heard:
        pairs = {"training against judge": (h.training_f0, h.judge_f0)}
        if h.guided_f0 is not None:
            pairs["training with notes against judge"] = (h.guided_f0, h.judge_f0)
        if len(h.recording.f0):
            at = frame_times(len(h.wav), h.mel.fs)
            truth = sample_f0(h.recording.times, h.recording.f0, at)
            pairs["judge against hand"] = (h.judge_f0, truth)
            pairs["training against hand"] = (h.training_f0, truth)
        for name, pair in pairs.items():
            yield {"system": f"{h.recording.name}: {name}", "stage": "f0"} | _f0(*pair)


def _f0(f0: np.ndarray, truth: np.ndarray) -> Row:
    quality = asdict(compare([(f0, truth)]))
    kept = ("corr", "cents_rmse", "within_50_cents", "octave_errors", "vuv_error")
    return {name: quality[name] for name in kept}


def copy_rows(
    heard: Sequence[Heard], synthesizer: SingingSynthesizer, singers: Singers,
    args: argparse.Namespace,
) -> Iterator[Row]:  # fmt: skip
    """Every copy of the last thirds against the recordings."""
    copies = copies_of(heard, synthesizer, args)
    if args.pictures:
        draw(heard, copies, args.pictures)
    for number, h in enumerate(heard):
        truth = JUDGE_F0(h.last, h.mel.fs)
        for name, wavs in copies.items():
            wav, same = wavs[number], wavs[number] is h.last
            world = h.world if same else world_features(wav, h.mel.fs)
            versa = mcd_f0(world, h.world)
            f0 = truth if same else JUDGE_F0(wav, h.mel.fs)
            row = {
                "system": name, "stage": "copies", "split": h.recording.name,
                "mcd_db_nodtw": versa.mcd_db,
                "mcd_db_sound": mcd_of_sound(world, h.world, h.last, h.mel.fs),
                "mcd_db": mcd_dtw(world, h.world), "peak": float(np.abs(wav).max()),
                **level_errors(wav, h.last, h.mel),
            }  # fmt: skip
            yield row | _f0(f0, truth) | singers.measure(wav, h.mel.fs, h.recording.singer)


def sung_rows(
    heard: Sequence[Heard], synthesizer: SingingSynthesizer, singers: Singers,
    args: argparse.Namespace,
) -> Iterator[Row]:  # fmt: skip
    """Scores in the voice of the first seconds of each singer's first recording.

    `..._own` is how near the nearest of the pack's own singers comes, who never heard the prompt.
    """
    recognizer = CtcPhoneRecognizer.load(args.judges)
    fs = synthesizer.fs
    prompts = {}
    for h in heard:
        prompts.setdefault(h.recording.singer, h)
    for score in args.scores:
        own = [synthesizer(score, name).wav for name in synthesizer.singers]
        for singer, h in prompts.items():
            prompt = args.work / "prompts" / f"{singer}.wav"
            start = int(np.argmax(np.abs(h.first) > 0.01 * np.abs(h.first).max()))
            write_wav(prompt, h.first[start : start + round(PROMPT_SEC * fs)], fs)
            singing = synthesizer(score, prompt=prompt)
            singing.save(args.work / "sung" / f"{score.stem}_{singer}.wav")
            f0 = JUDGE_F0(singing.wav, fs)
            musical = musical_scores(f0, f0, sung_finals(singing.score, len(f0), FPS))
            phones = phone_errors(recognizer.recognize(singing.wav, fs), sung_phones(singing.score))
            nearest = [singers.measure(wav, fs, singer) for wav in own]
            yield {
                "system": f"{score.stem} as {singer}", "stage": "sung", "per": phones.rate,
                "note_acc": float(musical.note_acc), "semitone_acc": musical.semitone_acc,
            } | singers.measure(singing.wav, fs, singer) | {
                key.replace("_sim", "_own"): max(row[key] for row in nearest)
                for key in nearest[0] if key.endswith("_sim")
            }  # fmt: skip


def level_rows(synthesizer: SingingSynthesizer, args: argparse.Namespace) -> Iterator[Row]:
    """The pack's own singers from prompts that are softer than the corpus, as means.

    The prompts are those of the pack, made audible; 16-bit files hold them.
    """
    embedder, known = ConvSingerEmbedder.load(args.judges), load_centroids(args.judges)
    tokenizers, fs, score = synthesizer.tokenizers, synthesizer.fs, args.scores[0]
    vocoder, prompts = synthesizer.model.pipeline.steps["vocoder"].model, synthesizer.model.prompts
    found: dict[str, list[SingerSimilarity]] = {}
    for singer, tokens in sorted(prompts.items()):
        (wav,) = vocoder.generate(CodecStep(tokenizers)({"codec_ssl": [tokens]}, [singer])["mel"])
        soft = args.work / "prompts" / f"{singer}_soft.wav"
        write_wav(soft, SOFT_GAIN * wav.numpy() / max(1.0, wav.abs().max()), fs)
        unchanged = tokenizers.encode(read_wav(soft)[0])
        for name, encoded in (
            ("the pack's own", tokens), (f"{SOFT_DB} dB", unchanged),
            (f"{SOFT_DB} dB, made as loud as the pack's", synthesizer.encode_prompt(soft)),
        ):  # fmt: skip
            prompts[singer] = encoded
            voice = embedder.embed(synthesizer(score, singer).wav, fs)
            found.setdefault(name, []).append(known.compare(voice, singer))
        prompts[singer] = tokens
    for name, voices in found.items():
        yield {
            "system": name, "stage": "level", "singers": len(voices),
            "singer_sim": float(np.mean([voice.cosine for voice in voices])),
            "singer_acc": float(np.mean([voice.first for voice in voices])),
        }  # fmt: skip


def refusals(heard: Sequence[Heard], synthesizer: SingingSynthesizer) -> Iterator[Row]:
    """What the pack says of the recordings' own scores."""
    about = synthesizer.model.about
    for h in heard:
        score, name = h.recording.score, h.recording.name
        if score is None:
            continue
        try:
            ready = about.prepare(score, name, timing="model")
        except UserError as error:
            yield {"system": name, "stage": "refused", "sung": False, "said": str(error)}
        else:
            remarks = "; ".join(about.remarks(ready, None))
            yield {"system": name, "stage": "refused", "sung": True, "said": remarks}


def copies_of(
    heard: Sequence[Heard], synthesizer: SingingSynthesizer, args: argparse.Namespace
) -> dict[str, Sequence[np.ndarray]]:
    """Copies of the measured thirds, by name: those of the pack, then those that are fitted."""
    vocoder = synthesizer.model.pipeline.steps["vocoder"].model
    mel, copier = synthesizer.tokenizers.mel, Copier(heard, args.work)
    given = [torch.from_numpy(h.training_f0[h.split // mel.hop_length :]) for h in heard]
    copies: dict[str, Sequence[np.ndarray]] = {
        "recording": [h.last for h in heard],
        "vocoder": copier.through("vocoder", vocoder),
        "vocoder with F0": copier.through("vocoder with F0", vocoder, f0s=given),
        "codec": copier.through("codec", vocoder, synthesizer.tokenizers.codec),
    }
    fitted = fit_vocoder(heard, args.vocoder_config, args.steps, args.work)
    mels = torch.cat([copier.mel(h.first) for h in heard])
    codec = MelRVQ(mel, MelRVQConfig(codebook_size=args.codebook_size)).fit(mels)
    copies["fitted vocoder"] = copier.through("fitted vocoder", fitted)
    copies["fitted codec"] = copier.through("fitted codec", fitted, codec)
    return copies


def draw(heard: Sequence[Heard], copies: Mapping[str, Sequence[np.ndarray]], folder: Path) -> None:
    """Pictures of mel and F0 of the first seconds of the measured thirds, one a copy."""
    folder.mkdir(parents=True, exist_ok=True)
    for number, h in enumerate(heard):
        n = round(PICTURE_SEC * h.mel.fs)
        for name, wavs in copies.items():
            wav = wavs[number][:n]
            mel = LogMel(h.mel)(torch.from_numpy(wav)[None])[0].numpy()
            frame_sec = h.mel.hop_length / h.mel.fs
            picture = plot_mel(mel, JUDGE_F0(wav, h.mel.fs), None, frame_sec, PICTURE_SEC)
            path = folder / f"{h.recording.name}.{name.replace(' ', '_')}.webp"
            path.write_bytes(picture)


def get_parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n")[0])
    parser.add_argument("--recordings", type=Path, required=True, help="folder of real singing")
    parser.add_argument("--pack", type=Path, required=True, help="whose models are tried")
    parser.add_argument("--judges", type=Path, required=True, help="folder of fitted judges")
    parser.add_argument("--scores", type=Path, nargs="*", default=[], help="to be sung")
    parser.add_argument("--work", type=Path, required=True, help="where wavs and the fit go")
    parser.add_argument("--vocoder_config", type=Path, default=VOCODER_CONFIG)
    parser.add_argument("--steps", type=int, default=400, help="of fitting the vocoder")
    parser.add_argument("--codebook_size", type=int, default=256, help="of the fitted codec")
    parser.add_argument("--max_sec", type=float, help="of each recording; default: all of it")
    parser.add_argument(
        "--stages",
        nargs="+",
        choices=STAGES,
        default=STAGES,
        help="of which rows are made anew; the others' are kept as --out has them",
    )
    parser.add_argument("--out", type=Path, required=True, help="JSON file")
    parser.add_argument("--pictures", type=Path, help="folder of pictures of every copy")
    return parser


@cli
@one_thread()
def main(argv: list[str] | None = None) -> None:
    args = get_parser().parse_args(argv)
    synthesizer = SingingSynthesizer.from_pretrained(args.pack, offline=True)
    mel = synthesizer.tokenizers.mel
    heard = []
    for recording in read_recordings(args.recordings, args.work):
        wav = recording.at(mel.fs, mel.samples_per_token)
        if args.max_sec is not None:
            wav = wav[: round(args.max_sec * mel.fps) * mel.samples_per_token]
        heard.append(Heard(recording, wav, mel))
    singers = functools.cache(lambda: Singers(heard, args.judges))
    make: dict[str, Callable[[], Iterable[Row]]] = {
        "recordings": lambda: recording_rows(heard),
        "refused": lambda: refusals(heard, synthesizer),
        "f0": lambda: f0_rows(heard),
        "sung": lambda: sung_rows(heard, synthesizer, singers(), args),
        "level": lambda: level_rows(synthesizer, args),
        "copies": lambda: copy_rows(heard, synthesizer, singers(), args),
    }
    for stage in args.stages:
        kept = read_json(args.out) if args.out.is_file() else []
        rows = list(make[stage]())
        for row in rows:
            print(row, flush=True)
        write_json(args.out, [row for row in kept if row["stage"] != stage] + rows)


if __name__ == "__main__":
    main()
