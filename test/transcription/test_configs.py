"""Every shipped configuration builds."""

from pathlib import Path

import pytest
import torch

from espnet2_ext.files import read_yaml
from espnet2_ext.tasks.transcription import TranscriptionTask
from espnet2_ext.transcription.build import build_net
from espnet2_ext.transcription.inference import load_decoding

REPO = Path(__file__).parents[2]
TRAIN = sorted(REPO.glob("egs2/*/*/conf/**/*train_transcription*.yaml"))
DECODE = sorted(REPO.glob("egs2/*/*/conf/**/*decode_transcription*.yaml"))
GEOMETRY = {"ssl_size": 4, "n_codebooks": 12, "codebook_size": 16, "codec_dim": 24, "fps": 50}


def name(path):
    return str(path.relative_to(REPO))


@pytest.mark.parametrize("path", TRAIN, ids=name)
def test_shipped_trainings_build(path):
    args = TranscriptionTask.get_parser().parse_args(["--config", str(path)])
    options = {**vars(args), "geometry": GEOMETRY}
    with torch.device("meta"):
        net = build_net(options, path)
    assert net.embedding.tables.shape[:2] == (12, 16)


@pytest.mark.parametrize("path", DECODE, ids=name)
def test_shipped_decodings_parse(path):
    assert load_decoding(path).min_note_sec >= read_yaml(path)["min_rest_sec"]


def test_there_are_some():
    assert len(TRAIN) >= 3 and DECODE
