"""From a data directory to tokens: fit, shards, resuming, joining, prompts, and what is refused."""

import json
import os
import shutil
from pathlib import Path

import numpy as np
import pytest
import soundfile
import torch

from espnet2_ext.bin import fit, tokenize
from espnet2_ext.errors import UserError
from espnet2_ext.files import read_scp, read_table
from espnet2_ext.resumable import Shard
from espnet2_ext.score.phones import PHONES
from espnet2_ext.speechlm.template import Assembler, template_of
from espnet2_ext.tokenizer import dump
from espnet2_ext.tokenizer.merge import merge_chunks
from espnet2_ext.tokenizer.prompts import write_prompts
from espnet2_ext.tokenizer.svs_lb import tokens_to_frames
from espnet2_ext.tokenizer.tokenizers import Tokenizers
from espnet2_ext.tokenizer.vocabulary import Vocabulary


@pytest.fixture(scope="module")
def tokens(corpus, tokenizer_dir, tmp_path_factory):
    root = tmp_path_factory.mktemp("tokens")
    names = ("speech", "train", "dev")
    dump.tokenize_shard([corpus / n for n in names], tokenizer_dir, [root / n for n in names])
    for name in names:
        merge_chunks(corpus / name, tokenizer_dir, root / name)
    for name in names:
        write_prompts(root / name, [root / "speech", root / "train"])
    return root


def test_tokenizers_load_and_separate_the_vowels(corpus, tokenizer_dir, tokens):
    tokenizers = Tokenizers.load(tokenizer_dir)
    assert tokenizers.phones == PHONES  # a song may have what the training split lacks
    assert tokenizers.n_streams == 3 and tokenizers.sizes == [8, 16, 16]
    codes, frames = (
        read_scp(tokens / "dev/codec_ssl.scp"),
        read_scp(tokens / "dev/score_frames.scp"),
    )
    pairs = np.concatenate(
        [np.stack([codes[u].reshape(-1, 3)[:, 0], frames[u].reshape(-1, 4)[:, 0]]) for u in codes],
        axis=1,
    )
    joint = np.zeros((8, len(PHONES)))
    np.add.at(joint, tuple(pairs), 1)
    assert joint.max(1).sum() / joint.sum() > 0.8


def test_every_feature_of_an_utterance_has_its_length(tokens):
    n_frames = {utt: int(n) for utt, n in read_table(tokens / "train/utt2num_frames").items()}
    tables = {
        name: read_scp(tokens / f"train/{name}.scp")
        for name in ("codec_ssl", "score_frames", "mel", "f0")
    }
    for utt, n in n_frames.items():
        shapes = {name: table[utt].shape for name, table in tables.items()}
        assert shapes == {
            "codec_ssl": (3 * n,), "score_frames": (4 * n,), "mel": (2 * n, 80), "f0": (2 * n,),
        }  # fmt: skip
        assert tables["codec_ssl"][utt].dtype == tables["score_frames"][utt].dtype == np.int32
        assert tables["mel"][utt].dtype == tables["f0"][utt].dtype == np.float32


def test_f0_follows_the_score(tokens):
    f0, frames = read_scp(tokens / "dev/f0.scp"), read_scp(tokens / "dev/score_frames.scp")
    for utt in f0:
        midi = np.repeat(frames[utt].reshape(-1, 4)[:, 1], 2)
        both = (midi > 0) & (f0[utt] > 0)
        assert both.sum() > 0.7 * (midi > 0).sum()
        cents = 1200 * np.log2(f0[utt][both] / (440 * 2 ** ((midi[both] - 69) / 12)))
        assert np.median(np.abs(cents)) < 20


def test_svs_lb_reads_back_as_the_score_frames(tokens, tokenizer_dir):
    phones = Tokenizers.load(tokenizer_dir).phones
    frames = read_scp(tokens / "dev/score_frames.scp")
    for utt, line in read_table(tokens / "dev/svs_lb").items():
        back = tokens_to_frames(line.split(), phones)
        assert np.array_equal(back.phone_id, frames[utt].reshape(-1, 4)[:, 0])
        assert np.array_equal(back.midi, frames[utt].reshape(-1, 4)[:, 1])


def test_prompts_are_another_utterance_of_the_same_singer(tokens):
    pointers = {}
    for name in ("train", "speech"):
        pointers |= {p: u for u, p in read_table(tokens / name / "codec_ssl.scp").items()}
    for name in ("train", "dev"):
        for utt, pointer in read_table(tokens / name / "prompt.scp").items():
            assert pointers[pointer] != utt and pointers[pointer][:2] == utt[:2]
    unseen = pointers[read_table(tokens / "dev/prompt.scp")["s2_d1"]]
    assert unseen.startswith("s2_p")


def test_shards_give_what_one_job_gives_and_a_second_run_does_nothing(
    corpus, tokenizer_dir, tokens, tmp_path, monkeypatch
):
    monkeypatch.setattr(dump, "CHUNK_UTTS", 3)
    for shard in (2, 1, 3):
        dump.tokenize_shard([corpus / "train"], tokenizer_dir, [tmp_path], Shard(shard, 3))
    merge_chunks(corpus / "train", tokenizer_dir, tmp_path)
    sharded, whole = (read_scp(p / "codec_ssl.scp") for p in (tmp_path, tokens / "train"))
    assert list(sharded) == list(whole)
    assert all(np.array_equal(sharded[utt], whole[utt]) for utt in whole)

    def refuse(*args):
        raise AssertionError("tokenized again")

    monkeypatch.setattr(dump, "tokenize_chunk", refuse)
    dump.tokenize_shard([corpus / "train"], tokenizer_dir, [tmp_path])


def test_analysing_ahead_changes_nothing(corpus, tokenizer_dir, tokens, tmp_path):
    """Threads that keep a GPU fed write what one writes."""
    dump.tokenize_shard([corpus / "dev"], tokenizer_dir, [tmp_path], nj=3)
    merge_chunks(corpus / "dev", tokenizer_dir, tmp_path)
    for name in ("codec_ssl", "score_frames", "mel", "f0"):
        many, one = (read_scp(path / f"{name}.scp") for path in (tmp_path, tokens / "dev"))
        assert list(many) == list(one) and all(np.array_equal(many[u], one[u]) for u in one)
    assert (tmp_path / "svs_lb").read_text() == (tokens / "dev/svs_lb").read_text()


def test_a_dead_run_is_picked_up(corpus, tokenizer_dir, tmp_path, monkeypatch):
    monkeypatch.setattr(dump, "CHUNK_UTTS", 3)
    write, calls = dump.write_table, []

    def dies_in_the_second_chunk(path, table):
        calls.append(path)
        if len(calls) == 4:  # each has two tables
            raise KeyboardInterrupt
        write(path, table)

    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr(dump, "write_table", dies_in_the_second_chunk)
        dump.tokenize_shard([corpus / "train"], tokenizer_dir, [tmp_path])
    with pytest.raises(UserError, match="not tokenized"):
        merge_chunks(corpus / "train", tokenizer_dir, tmp_path)
    (first,) = tmp_path.glob("chunks/*/done")
    written = first.stat().st_mtime_ns
    dump.tokenize_shard([corpus / "train"], tokenizer_dir, [tmp_path])
    assert first.stat().st_mtime_ns == written
    assert merge_chunks(corpus / "train", tokenizer_dir, tmp_path) == 8


def test_audio_is_known_by_its_content_not_its_time(corpus, tokenizer_dir, data_dir, rewrite):
    out_dir, wav = data_dir / "out", data_dir / "s0_d0.wav"
    source = Path(read_table(data_dir / "wav.scp")["s0_d0"])
    wav.write_bytes(source.read_bytes())
    rewrite(data_dir / "wav.scp", "s0_d0", str(wav))
    dump.tokenize_shard([data_dir], tokenizer_dir, [out_dir])
    assert merge_chunks(data_dir, tokenizer_dir, out_dir) == 2
    times = (source.stat().st_atime_ns + 10**9, source.stat().st_mtime_ns + 10**9)
    os.utime(wav, ns=times)  # the same sound, touched
    assert merge_chunks(data_dir, tokenizer_dir, out_dir) == 2
    samples, fs = soundfile.read(wav, dtype="int16")
    soundfile.write(wav, -samples, fs, subtype="PCM_16")
    os.utime(wav, ns=times)  # another sound of the same size and time
    with pytest.raises(UserError, match="not tokenized"):
        merge_chunks(data_dir, tokenizer_dir, out_dir)


def test_tokens_of_another_kind_of_device_are_not_taken(corpus, tokenizer_dir, tmp_path):
    dump.tokenize_shard([corpus / "dev"], tokenizer_dir, [tmp_path])
    assert merge_chunks(corpus / "dev", tokenizer_dir, tmp_path, "cpu:0") == 2
    with pytest.raises(UserError, match="not tokenized"):
        merge_chunks(corpus / "dev", tokenizer_dir, tmp_path, "cuda")


def test_shards_look_at_their_own_chunks_alone(corpus, tokenizer_dir, tmp_path, monkeypatch):
    monkeypatch.setattr(dump, "CHUNK_UTTS", 1)
    read: list[str] = []
    digest = dump.digest_files
    monkeypatch.setattr(dump, "digest_files", lambda *paths: read.extend(paths) or digest(*paths))
    sets = [corpus / "train", corpus / "dev"]
    for shard in (1, 2, 3):
        dump.tokenize_shard(sets, tokenizer_dir, [tmp_path / s.name for s in sets], Shard(shard, 3))
    audio = sorted(path for path in map(str, read) if path.endswith(".wav"))
    assert audio == sorted(wav for s in sets for wav in read_table(s / "wav.scp").values())


def test_changed_scores_are_tokenized_again(corpus, tokenizer_dir, data_dir, rewrite):
    out_dir = data_dir / "out"
    dump.tokenize_shard([data_dir], tokenizer_dir, [out_dir])
    line = read_table(data_dir / "label")["s0_d0"].split()
    line[1] = line[3] = str(float(line[1]) + 0.02)
    rewrite(data_dir / "label", "s0_d0", " ".join(line))
    with pytest.raises(UserError, match="not tokenized"):
        merge_chunks(data_dir, tokenizer_dir, out_dir)


def test_data_json_and_vocabulary(corpus, tokenizer_dir, tokens, tmp_path):
    data = json.loads((tokens / "train/data.json").read_text())
    assert data["task"] == "svs" and data["num_examples"] == len(data["examples"]) == 8
    assert [entry.split(",")[1] for entry in data["data_files"]] == ["svs_lb", "spk", "codec_ssl"]
    with pytest.raises(SystemExit) as exit_:
        fit.main(
            f"vocabulary --tokenizer_dir {tokenizer_dir} --out_dir {tmp_path} "
            f"--data_json {tokens / 'train/data.json'}".split()
        )
    assert exit_.value.code == 0
    vocabulary = Vocabulary.load(tmp_path)
    codes = torch.from_numpy(next(iter(read_scp(tokens / "train/codec_ssl.scp").values())))
    vocabulary.to_global(codes.reshape(-1, 3))


@pytest.mark.parametrize(
    ("table", "value", "message"),
    [
        ("label", None, "no line for 's0_d0'"),
        ("wav.scp", "nowhere.wav", "nowhere.wav: s0_d0: no such file"),
        ("label", "0 0.1", "label: s0_d0: label: 2 items"),
        ("label", "0 0.1 zz", "score"),
    ],
)
def test_broken_data_ends_in_one_line(
    tokenizer_dir, data_dir, rewrite, capsys, table, value, message
):
    rewrite(data_dir / table, "s0_d0", value)
    with pytest.raises(SystemExit) as exit_:
        tokenize.main(
            f"--data_dir {data_dir} --tokenizer_dir {tokenizer_dir} "
            f"--out_dir {data_dir / 'out'}".split()
        )
    assert exit_.value.code == 2
    error = capsys.readouterr().err.strip()
    assert error.count("\n") == 0 and message in error
    assert not (data_dir / "out/codec_ssl.scp").exists()


def test_svs_lb_as_configured_is_what_the_prefix_of_the_lm_says(corpus, tokenizer_dir, tmp_path):
    """Rounding phone by phone and placeholders; the models' own frames stay those of the audio."""
    own = tmp_path / "tokenizer"
    shutil.copytree(tokenizer_dir, own)
    with open(own / "config.yaml", "a") as file:
        file.write("svs_lb: {placeholder: true, rounding: per_phone}\n")
    dump.tokenize_shard([corpus / "dev"], own, [tmp_path / "dev"])
    merge_chunks(corpus / "dev", own, tmp_path / "dev")
    tokenizers = Tokenizers.load(own)
    vocabulary = tokenizers.vocabulary()
    template = template_of("svs", "prefix")
    assembler = Assembler(vocabulary, template, tokenizers.phones, tokenizers.svs_lb.placeholder)
    counts = {utt: int(n) for utt, n in read_table(tmp_path / "dev/utt2num_frames").items()}
    frames = read_scp(tmp_path / "dev/score_frames.scp")
    labels = read_scp(tmp_path / "dev/svs_frames.scp")
    drifts = 0
    for utt, line in read_table(tmp_path / "dev/svs_lb").items():
        label = torch.from_numpy(labels[utt].reshape(-1, 4)).long()
        ids = assembler.svs_lb(label)[:, 0].tolist()
        assert [vocabulary.tokens[i] for i in ids] == line.split()
        assert len(frames[utt]) == 4 * counts[utt]
        drifts += len(labels[utt]) != len(frames[utt])
    assert drifts
    # tokenized again with boundaries rounded, nothing of it stays
    dump.tokenize_shard([corpus / "dev"], tokenizer_dir, [tmp_path / "dev"])
    merge_chunks(corpus / "dev", tokenizer_dir, tmp_path / "dev")
    assert not (tmp_path / "dev/svs_frames.scp").exists()
