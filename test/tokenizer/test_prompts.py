"""Which utterances prompt which: never the target, seldom its phrase, others in each epoch."""

from collections import Counter

import pytest

from espnet2_ext.bin.data import main as data
from espnet2_ext.errors import UserError
from espnet2_ext.files import read_table, write_table
from espnet2_ext.tokenizer.prompts import (
    PHRASES,
    EpochPrompts,
    PromptPool,
    draw_prompts,
    phrases,
    prompt_utts,
    write_prompts,
)


def token_dir(path, sung, singer="s"):
    """A token directory of one singer; `sung` maps utterances to what they sing."""
    write_table(path / "utt2spk", dict.fromkeys(sung, singer))
    write_table(path / PHRASES, sung)
    write_table(path / "codec_ssl.scp", {utt: f"{path.name}/{utt}" for utt in sung})
    return path


def test_prompts_are_drawn_from_all_others(tmp_path):
    """Those of a list without the utterance, each as likely."""
    utt2spk, sung = {f"u{k}": "s" for k in range(4)}, {f"u{k}": f"p{k}" for k in range(4)}
    folders = [token_dir(tmp_path / "a", sung), token_dir(tmp_path / "b", {"u1": "p1"})]
    drawn = {utt: Counter() for utt in utt2spk}
    for seed in range(400):
        for utt, pointer in draw_prompts(utt2spk, sung, folders, seed).items():
            drawn[utt][pointer] += 1
    assert set(drawn["u1"]) == {"a/u0", "a/u2", "a/u3"}
    assert set(drawn["u0"]) == {"a/u1", "a/u2", "a/u3", "b/u1"}
    assert 150 < drawn["u0"]["b/u1"] < 250 and min(drawn["u1"].values()) > 90
    with pytest.raises(UserError, match="no prompt for u1"):
        draw_prompts({"u1": "s"}, sung, [tmp_path / "b"], 0)


def test_another_take_of_the_phrase_prompts_only_where_there_is_nothing_else(tmp_path):
    """Phrases are told by phones or by text: ``u0``, ``u1`` share one digest of two."""
    sung = {"u0": "phones0 text0", "u1": "phones0", "u2": "phones2", "u3": ""}
    folders = [token_dir(tmp_path / "a", sung), token_dir(tmp_path / "b", {"v0": "text0"})]
    pool = PromptPool(folders)
    drawn = Counter(pool.draw("u0", "s", sung["u0"], f"{k}") for k in range(200))
    assert set(drawn) == {"a/u2", "a/u3"} and min(drawn.values()) > 60
    drawn = Counter(pool.draw("u1", "s", sung["u1"], f"{k}") for k in range(200))
    assert set(drawn) == {"a/u2", "a/u3", "b/v0"}
    assert {pool.draw("v0", "s", "text0", f"{k}") for k in range(200)} == {
        "a/u1", "a/u2", "a/u3",
    }  # fmt: skip
    takes = PromptPool([token_dir(tmp_path / "c", {"u0": "p", "u1": "p"})])
    assert takes.draw("u0", "s", "p", "0") == "c/u1"


def test_a_phrase_is_its_phones_or_text_without_rests_and_repeated_vowels(tmp_path):
    write_table(tmp_path / "text", {"a": "你 好", "b": "您 好", "d": "你好 SP"})
    write_table(tmp_path / "label", {
        "a": "0 1 SP 1 2 n 2 3 i 3 4 h 4 5 ao", "b": "0 1 n 1 2 i 2 3 i 3 4 AP 4 5 h 5 6 ao",
        "c": "0 1 SP",
    })  # fmt: skip
    table = {utt: set(value.split()) for utt, value in phrases(tmp_path, "abcd").items()}
    assert table["a"] & table["b"] and not table["c"]
    assert table["d"] < table["a"] and not table["d"] & table["b"]


def test_each_epoch_draws_other_prompts_that_do_not_name_their_targets(tmp_path):
    """Drawn once, 1/e of the targets are the only one with their prompt."""
    sung = {f"u{k:03d}": f"p{k}" for k in range(300)}
    folder = token_dir(tmp_path / "train", sung)
    write_prompts(folder, [folder], seed=3)
    fixed = Counter(read_table(folder / "prompt.scp").values())
    assert sum(n == 1 for n in fixed.values()) > 0.3 * len(sung)
    prompts = EpochPrompts(folder / "prompts.json")
    epochs = [{utt: prompts.pointer(utt, epoch) for utt in sung} for epoch in range(1, 9)]
    for utt in sung:
        own = [epoch[utt] for epoch in epochs]
        assert f"train/{utt}" not in own and len(set(own)) >= 6
    again = EpochPrompts(folder / "prompts.json")  # in another process, after a resume
    assert {utt: again.pointer(utt, 5) for utt in reversed(sung)} == epochs[4]


def test_a_pool_that_is_no_pool_is_one_line(tmp_path):
    (tmp_path / "prompts.json").write_text("[]")
    with pytest.raises(UserError, match="not a pool of prompts"):
        EpochPrompts(tmp_path / "prompts.json")


def test_prompts_are_known_as_recordings(tmp_path):
    sung = {f"u{k}": f"p{k}" for k in range(4)}
    folders = [token_dir(tmp_path / "tokens" / name, sung) for name in ("train", "speech")]
    tested = token_dir(tmp_path / "tokens" / "test", {"t0": "q0", "t1": "q1"})
    write_prompts(tested, folders)
    for name in ("train", "speech"):
        write_table(tmp_path / "raw" / name / "wav.scp", {u: f"{name}/{u}.wav" for u in sung})
    given = ["--token_dir", tested, "--raw_dir", tmp_path / "raw", "--out", tmp_path / "out.scp"]
    with pytest.raises(SystemExit) as end:
        data(["prompts", *map(str, given)])
    assert not end.value.code
    pointers = read_table(tested / "prompt.scp")
    assert read_table(tmp_path / "out.scp") == {u: f"{p}.wav" for u, p in pointers.items()}
    write_table(tested / "prompt.scp", {"t0": "train/u0", "t1": "elsewhere/u0"})
    with pytest.raises(UserError, match="t1: a prompt 'elsewhere/u0'"):
        prompt_utts(tested)
