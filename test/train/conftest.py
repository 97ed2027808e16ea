"""A tiny corpus of tokens on disk, and training on it."""

import json
from pathlib import Path

import numpy as np
import pytest
import yaml

from espnet2_ext.files import ArkWriter, write_text
from espnet2_ext.tokenizer.vocabulary import Vocabulary

REPO = Path(__file__).parents[2]
PHONES = ["SP", "AP", "n", "i", "h", "ao"]
SIZES = np.array([12, 8, 8])

CONFIG = {
    "model_conf": {"conditioning": "synchronous", "max_prompt_frames": 8},
    "corelm_conf": {
        "dropout": 0.1,
        "backbone": {
            "model_type": "llama",
            "hidden_size": 16,
            "intermediate_size": 16,
            "num_hidden_layers": 1,
            "num_attention_heads": 1,
        },
    },
    "score_encoder": "conv",
    "score_encoder_conf": {"channels": 8, "layers": 1, "kernel_size": 3},
    "prompt_encoder": "pooled",
    "prompt_encoder_conf": {"channels": 8},
    "deepspeed_conf": {"lr": 1e-2, "warmup_num_steps": 2, "total_num_steps": 100},
    "max_epoch": 2,
    "keep_nbest_models": 2,
    "best_model_criterion": [["valid", "loss", "min"]],
    "batch_type": "unsorted",
    "batch_size": 2,
    "num_att_plot": 0,
    "num_workers": 0,
    "log_interval": 1000,
    "use_matplotlib": False,
    "checkpoint_interval": 2,
}


@pytest.fixture(scope="session")
def corpus(tmp_path_factory) -> Path:
    """Twelve utterances for training, four to validate; vocabulary, phones and shape files."""
    root = tmp_path_factory.mktemp("corpus")
    vocabulary = Vocabulary.build(SIZES[0], len(SIZES) - 1, SIZES[1], PHONES)
    vocabulary.save(root)
    write_text(root / "phones.txt", "\n".join(PHONES) + "\n")
    rng = np.random.default_rng(0)
    for name, n_utt in (("train", 12), ("dev", 4)):
        shapes = []
        with (
            ArkWriter(root / name, "codec_ssl") as codec,
            ArkWriter(root / name, "prompt") as prompt,
            ArkWriter(root / name, "score_frames") as score,
        ):
            for u in range(n_utt):
                F = int(rng.integers(8, 14))
                frame = np.arange(F)
                codec[f"utt{u}"] = (rng.random((F, 3)) * SIZES).astype(int).reshape(-1)
                prompt[f"utt{u}"] = (rng.random((9, 3)) * SIZES).astype(int).reshape(-1)
                score[f"utt{u}"] = np.stack(
                    [2 + frame // 3 % 4, 60 + frame // 6, frame // 3, frame // 6], 1
                ).reshape(-1)
                shapes.append(f"utt{u} {F},3\n")
        write_text(root / name / "codec_ssl_shape", "".join(shapes))
    (root / "train.yaml").write_text(yaml.safe_dump(CONFIG))
    return root


def train_command(corpus: Path, output_dir: Path, **changes) -> list[str]:
    """Arguments of ``speechlm_train`` on the tiny corpus; `changes` are further options."""
    config = output_dir.with_suffix(".yaml")
    config.parent.mkdir(parents=True, exist_ok=True)
    config.write_text(yaml.safe_dump({**CONFIG, **changes}))
    command = [
        "--config", config, "--output_dir", output_dir, "--ngpu", "0", "--resume", "true",
        "--token_list", corpus / "token_list.json", "--phone_list", corpus / "phones.txt",
        "--deepspeed_config", REPO / "conf" / "ds_zero2.json",
        "--multiprocessing_distributed", "false", "--dist_backend", "gloo",
    ]  # fmt: skip
    for phase, name in (("train", "train"), ("valid", "dev")):
        for data in ("codec_ssl", "score_frames", "prompt"):
            entry = f"{corpus / name / data}.scp,{data},kaldi_ark"
            command += [f"--{phase}_data_path_and_name_and_type", entry]
        command += [f"--{phase}_shape_file", corpus / name / "codec_ssl_shape"]
    return [str(part) for part in command]


def history(output_dir: Path) -> list[dict]:
    return json.loads((output_dir / "history.json").read_text())
