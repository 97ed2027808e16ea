"""Codec resynthesis: what is lost between audio and its codec tokens (stage 11).

A codec that decodes to a mel (mel_rvq) writes mel.scp for the vocoder; any other decodes to audio
itself and writes wav/ and wav.scp beside its mel.
"""

import argparse
from pathlib import Path

from espnet2_ext.bin.infer._common import add_common, check_common, run_step
from espnet2_ext.errors import UserError


def add_options(parser: argparse.ArgumentParser) -> None:
    add = parser.add_argument
    add("--tokenizer_dir", type=Path, required=True)
    add("--codec_ssl", type=Path, help="codec_ssl.scp")
    add("--codes", type=Path, help="instead: the codec's codes alone, as a CD flow writes")
    add_common(parser)


def run(args: argparse.Namespace) -> None:
    check_common(args)
    from espnet2_ext.inference.codec_step import CodecStep
    from espnet2_ext.tokenizer.dump import tokenizer_fingerprint
    from espnet2_ext.tokenizer.tokenizers import Tokenizers

    if (args.codec_ssl is None) == (args.codes is None):
        raise UserError("command line", "not one input", "either --codec_ssl or --codes")
    stream = "codec_ssl" if args.codec_ssl else "codes"
    step = CodecStep(Tokenizers.load(args.tokenizer_dir, args.device), args.device, stream)
    made_by = tokenizer_fingerprint(args.tokenizer_dir, args.output_dir)
    run_step(args, step, made_by, {stream: getattr(args, stream)})
