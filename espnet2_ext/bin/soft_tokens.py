"""Soft tokens: the codec embeddings that a speech LM expected when it chose its tokens.

Reads tokens (by default the ground truth of --token_dir: teacher forcing), scores and prompts; one
parallel pass a batch; writes OUT/soft.scp, matrices (frames, embedding size). They train a flow
(stream ``soft`` beside ``sampled``) and are rendered by it (``flow_inference --soft``).
"""

import argparse
import logging
from collections.abc import Sequence
from pathlib import Path

from espnet2_ext.device import add_dtype, device_name
from espnet2_ext.errors import UserError, cli


def get_parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    add = parser.add_argument
    add("--train_config", type=Path, required=True, help="config.yaml of the speech LM")
    add("--model_file", type=Path, required=True, help="its weights")
    add("--token_dir", type=Path, required=True, help="dump/tokens/SET: scores and prompts")
    add("--codec_ssl", type=Path, help="codec_ssl.scp sampled by the LM")
    add("--tokenizer_dir", type=Path, required=True)
    add(
        "--decode_config",
        type=Path,
        help="score_weight, prompt_guidance, soft_temperature hold",
    )
    add("--batch_size", type=int, default=16)
    add("--output_dir", type=Path, required=True)
    add("--device", type=device_name, default="cpu", help="cpu, cuda, cuda:1 ...")
    add_dtype(parser)
    return parser


@cli
def main(argv: Sequence[str] | None = None) -> None:
    args = get_parser().parse_args(argv)
    from espnet2_ext.files import ArkWriter, read_scp
    from espnet2_ext.flow.token_embedding import probe_tables
    from espnet2_ext.speechlm.decode_dir import SCORE_COLUMNS, read_rows
    from espnet2_ext.speechlm.inference import SpeechLMInference, load_decoding
    from espnet2_ext.tokenizer.tokenizers import Tokenizers

    decoding = load_decoding(args.decode_config)
    inference = SpeechLMInference.load(
        args.train_config, args.model_file, args.device, args.dtype or "float32"
    )
    codec = Tokenizers.load(args.tokenizer_dir).codec
    tables, offset = probe_tables(
        codec.embed, codec.n_codebooks, codec.codebook_size, str(args.tokenizer_dir)
    )
    paths = {name: args.token_dir / f"{name}.scp" for name in ("score_frames", "prompt")}
    if (args.token_dir / "svs_frames.scp").is_file():
        paths["svs_frames"] = args.token_dir / "svs_frames.scp"
    paths["codec_ssl"] = args.codec_ssl or args.token_dir / "codec_ssl.scp"
    streams = {name: read_scp(path) for name, path in paths.items()}
    nq = inference.model.vocabulary.nq
    columns = dict.fromkeys(("score_frames", "svs_frames"), SCORE_COLUMNS)
    keys = sorted(streams["codec_ssl"], key=lambda k: (len(streams["codec_ssl"][k]), k))
    for name, stream in streams.items():
        for key in keys:
            if key not in stream:
                raise UserError(paths[name], f"no {key}", "every utterance of codec_ssl")
    with ArkWriter(args.output_dir, "soft") as writer:
        for first in range(0, len(keys), args.batch_size):
            batch = keys[first : first + args.batch_size]
            rows = {
                name: [
                    read_rows(paths[name], k, streams[name][k], columns.get(name, nq))
                    for k in batch
                ]
                for name in streams
            }
            expected = inference.expect(
                rows["codec_ssl"], rows["score_frames"], rows["prompt"],
                tables, offset, decoding, rows.get("svs_frames"),
            )  # fmt: skip
            for key, embedding in zip(batch, expected, strict=True):
                writer[key] = embedding.cpu().numpy()
    logging.info("%s: %d utterances", args.output_dir, len(keys))


if __name__ == "__main__":
    main()
