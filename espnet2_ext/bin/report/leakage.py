"""Does a system sing its prompt's prosody? Table I of CoMelSinger (Zhao et al. 2026), any system.

With --wav_scp: outputs that any system has sung, --prompt_scp the recording that prompted each. The
unpaired prompt is another recording of the singer: the outputs of a singer exchange their prompts
(the fairest), or --unpaired_scp, or drawn from the recordings of --prompt_dir. With --control_scp
the test is of what the outputs have beyond the control. Writes leakage.json and LEAKAGE.md.

With --model: a pack sings --data_dir twice, with prompts an octave apart; either side's outputs are
measured against own and other prompts, and against each other (prompt_shift.json).
"""

import argparse
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

from espnet2_ext.device import add_dtype, device_name
from espnet2_ext.errors import UserError
from espnet2_ext.files import read_table, write_json, write_text
from espnet2_ext.lock import hold_to_the_end

if TYPE_CHECKING:
    from espnet2_ext.evaluation.leakage import Sung


def add_options(parser: argparse.ArgumentParser) -> None:
    add = parser.add_argument
    either = parser.add_mutually_exclusive_group(required=True)
    either.add_argument("--wav_scp", type=Path, help="outputs of a system, by utterance")
    either.add_argument("--model", help="pack of stage 16, which sings with prompts made for this")
    add("--prompt_scp", type=Path, help="recording that prompted each output, by utterance")
    add("--unpaired_scp", type=Path, help="another recording of its singer, by utterance")
    add("--prompt_dir", type=Path, help="recordings of the singers, to draw prompts from")
    add("--control_scp", type=Path, help="the same scores, sung without a prompt: the recordings")
    add("--n_unpaired", type=int, default=1, help="unpaired prompts of each output")
    add("--data_dir", type=Path, required=True, help="utt2spk, utt2song; with --model: scores, too")
    add("--by", choices=("song", "singer"), default="song", help="what intervals and tests count")
    add("--utts", type=int, help="utterances (seeded choice); with --model 24 by default")
    add("--f0_extractor", default="swift", help="see judges/f0.py")
    add("--seed", type=int, default=0, help="of the choice, prompts and sampling")
    add("--nj", type=int, default=1, help="processes that analyse recordings")
    add(
        "--device",
        type=device_name,
        default="cpu",
        help="where models compute: cpu, cuda or cuda:N",
    )
    add_dtype(parser)
    add("--out_dir", required=True, type=Path, help="where the report is written")


def run(args: argparse.Namespace) -> None:
    _check(args)
    hold_to_the_end(args.out_dir)
    (_of_pack if args.model else _of_outputs)(args)


def _check(args: argparse.Namespace) -> None:
    """Refuse numbers below 1, and options that do not go together."""
    from espnet2_ext.evaluation.prompted import extractor_name

    extractor_name(args.f0_extractor)
    for name in ("nj", "n_unpaired", "utts"):
        if getattr(args, name) is not None and getattr(args, name) < 1:
            raise UserError(f"--{name}", str(getattr(args, name)), "1 or more")
    chosen, needed, idle = "--wav_scp", "prompt_scp", list[str]()
    if args.model:
        chosen, needed, idle = (
            "--model",
            "prompt_dir",
            ["prompt_scp", "unpaired_scp", "control_scp"],
        )
    elif args.unpaired_scp:
        chosen, idle = "--unpaired_scp", ["prompt_dir"]
    if getattr(args, needed) is None:
        raise UserError(f"--{needed}", f"missing beside {chosen}", "it")
    for name in idle:
        if getattr(args, name) is not None:
            raise UserError(f"--{name}", f"given beside {chosen}", "one of them")


def _of_outputs(args: argparse.Namespace) -> None:
    from espnet2_ext.evaluation.leakage import Sung
    from espnet2_ext.evaluation.prompted import analyse, groups, read_prompted
    from espnet2_ext.judges.data import require

    wavs, prompts = read_prompted(args.wav_scp, args.prompt_scp, args.utts, args.seed)
    place = args.data_dir / "utt2spk"
    table = read_table(place)
    singers = {utt: require(table, utt, place) for utt in prompts}
    unpaired = _unpaired(args, prompts, singers)
    group = groups(wavs, args.data_dir, args.by)
    others = [path for paths in unpaired.values() for path in paths]
    controls = {}
    if args.control_scp:
        table = read_table(args.control_scp)
        controls = {utt: require(table, utt, args.control_scp) for utt in unpaired}
    paths = [*wavs.values(), *prompts.values(), *others, *controls.values()]
    heard = {
        path: prosody.statistics()
        for path, prosody in analyse(paths, args.f0_extractor, args.nj).items()
    }
    _write(args, [
        Sung(utt, group[utt], singers[utt], heard[wavs[utt]], heard[prompts[utt]],
             [heard[path] for path in unpaired[utt]],
             heard[controls[utt]] if controls else None)
        for utt in wavs if utt in unpaired
    ])  # fmt: skip


def _unpaired(
    args: argparse.Namespace, prompts: dict[str, str], singers: dict[str, str]
) -> dict[str, list[str]]:
    """Paths of the unpaired prompts of each utterance."""
    from espnet2_ext.evaluation.prompted import drawn_prompts, exchanged_prompts
    from espnet2_ext.judges.data import require

    if args.unpaired_scp:
        table = read_table(args.unpaired_scp)
        found = {utt: require(table, utt, args.unpaired_scp) for utt in prompts}
        for utt, own in prompts.items():
            if found[utt] == own:
                raise UserError(args.unpaired_scp, "its own prompt", "another recording", utt)
        return {utt: [path] for utt, path in found.items()}
    if not args.prompt_dir:
        return exchanged_prompts(prompts, singers, args.n_unpaired, args.seed)
    pool, owners = (read_table(args.prompt_dir / name) for name in ("wav.scp", "utt2spk"))
    return drawn_prompts(prompts, singers, pool, owners, args.n_unpaired, args.seed)


def _of_pack(args: argparse.Namespace) -> None:
    from espnet2_ext.bin.report.prompt_shift import write_shift
    from espnet2_ext.evaluation.leakage import Sung
    from espnet2_ext.evaluation.prompt_shift import between_tables
    from espnet2_ext.evaluation.prompted import analyse, groups
    from espnet2_ext.inference.octave_prompts import draw_sources, sing
    from espnet2_ext.inference.synthesizer import SingingSynthesizer
    from espnet2_ext.judges.data import choose, require
    from espnet2_ext.score.formats.espnet_format import read_scores

    synthesizer = SingingSynthesizer.from_pretrained(args.model, args.device, dtype=args.dtype)
    scores = read_scores(args.data_dir)
    utts = choose(sorted(scores), args.utts or 24, args.seed)
    place = args.data_dir / "utt2spk"
    table = read_table(place)
    singers = {utt: require(table, utt, place) for utt in utts}
    sources = draw_sources(utts, singers, args.prompt_dir, args.seed)
    tables = sing(synthesizer, {utt: scores[utt] for utt in utts}, sources, args.out_dir, args.seed)
    paths = [path for pair in tables.values() for table in pair for path in table.values()]
    heard = analyse(paths, args.f0_extractor, args.nj)
    group = groups(utts, args.data_dir, args.by)
    statistics = {path: prosody.statistics() for path, prosody in heard.items()}
    low, high = tables.values()
    _write(args, [
        Sung(f"{utt} {side}", group[utt], utt, statistics[wavs[utt]], statistics[own[utt]],
             [statistics[other[utt]]])
        for side, (wavs, own), (_, other) in zip(tables, (low, high), (high, low), strict=True)
        for utt in utts
    ])  # fmt: skip
    write_shift(args.out_dir, between_tables(low, high, heard, group))


def _write(args: argparse.Namespace, sung: "Sequence[Sung]") -> None:
    from espnet2_ext.evaluation.leakage import markdown, measure

    table = measure(sung, args.by)
    write_json(args.out_dir / "leakage.json", asdict(table))
    text = markdown(table)
    write_text(args.out_dir / "LEAKAGE.md", text + "\n")
    print(text)
