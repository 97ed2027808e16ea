"""Codec resynthesis (a row of the table): what is lost between audio and its codec tokens.

A codec that decodes to a mel (mel_rvq) writes mel.{ark,scp} for the vocoder; any other decodes to
audio itself and writes wav/ and wav.scp beside its mel.
"""

import argparse
from pathlib import Path

from espnet2_ext.device import device_name
from espnet2_ext.errors import UserError, cli
from espnet2_ext.lock import hold_to_the_end


def get_parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--tokenizer_dir", type=Path, required=True)
    parser.add_argument("--codec_ssl", type=Path, help="codec_ssl.scp")
    parser.add_argument(
        "--codes", type=Path, help="instead: the codec's codes alone, as a CD flow writes"
    )
    parser.add_argument("--output_dir", type=Path, required=True)
    parser.add_argument("--device", type=device_name, default="cpu")
    return parser


@cli
def main(argv: list[str] | None = None) -> None:
    args = get_parser().parse_args(argv)
    import torch

    from espnet2_ext.audio.mel import LogMel
    from espnet2_ext.audio.wav import write_wav
    from espnet2_ext.files import ArkWriter, read_scp, write_table
    from espnet2_ext.tokenizer.tokenizers import Tokenizers

    if (args.codec_ssl is None) == (args.codes is None):
        raise UserError("command line", "not one input", "either --codec_ssl or --codes")
    hold_to_the_end(args.output_dir)
    tokenizers = Tokenizers.load(args.tokenizer_dir)
    codec = tokenizers.codec.to(args.device).eval()
    source, n_ssl = (args.codec_ssl, 1) if args.codec_ssl else (args.codes, 0)
    nq = n_ssl + codec.n_codebooks
    wavs: dict[str, str] = {}
    with torch.inference_mode(), ArkWriter(args.output_dir, "mel") as mels:
        for utt, tokens in read_scp(source).items():
            if len(tokens) == 0 or len(tokens) % nq:
                raise UserError(f"{source}: {utt}", f"{len(tokens)} tokens", f"rows of {nq}")
            codes = torch.from_numpy(tokens.reshape(1, -1, nq)[..., n_ssl:].astype("int64"))
            codes = codes.to(args.device)
            if hasattr(codec, "decode_mel"):
                mels[utt] = codec.decode_mel(codes)[0].cpu().numpy()
                continue
            wav = codec.decode(codes)[0].float().cpu()
            path = (args.output_dir / "wav" / f"{utt}.wav").resolve()
            write_wav(path, wav.numpy(), codec.fs)
            mels[utt] = LogMel(tokenizers.mel)(wav[None])[0].numpy()
            wavs[utt] = str(path)
    if wavs:
        write_table(args.output_dir / "wav.scp", wavs)


if __name__ == "__main__":
    main()
