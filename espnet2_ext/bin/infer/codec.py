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
    add("--tokenizer_dir", type=Path, required=True, help="tokenizers that made the tokens")
    add("--codec_ssl", type=Path, help="codec_ssl.scp")
    add("--codes", type=Path, help="instead: the codec's codes alone, as a CD flow writes")
    add("--soft", type=Path, help="instead: expected embeddings, as `infer soft` writes")
    add("--codebooks", type=int, help="decode the first so many alone; default: all")
    add_common(parser, dtype=False)


def run(args: argparse.Namespace) -> None:
    check_common(args)
    from espnet2_ext.inference.codec_step import CodecStep
    from espnet2_ext.tokenizer.dump import tokenizer_fingerprint
    from espnet2_ext.tokenizer.tokenizers import Tokenizers

    given = [name for name in ("codec_ssl", "codes", "soft") if getattr(args, name) is not None]
    if len(given) != 1:
        raise UserError("command line", "not one input", "one of --codec_ssl, --codes and --soft")
    (stream,) = given
    tokenizers = Tokenizers.load(args.tokenizer_dir, args.device)
    N = tokenizers.codec.n_codebooks
    if args.codebooks is not None and (stream == "soft" or not 1 <= args.codebooks <= N):
        raise UserError("--codebooks", str(args.codebooks), f"1 to {N}, and codes to decode")
    step = CodecStep(tokenizers, args.device, stream, args.codebooks)
    step.check(tokenizers, None, f"--{stream}")
    made_by = tokenizer_fingerprint(args.tokenizer_dir, args.output_dir)
    run_step(args, step, made_by, {stream: getattr(args, stream)})
