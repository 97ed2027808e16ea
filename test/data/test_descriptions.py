"""An utterance for each description, or one drawn."""

import pytest

from espnet2_ext.bin import data
from espnet2_ext.data.described import Described, read_described, write_described
from espnet2_ext.errors import UserError
from espnet2_ext.files import read_table, write_table

SONG = Described({"kind": "song", "lyrics": "你好"}, [{"text": "soft"}, {"text": "loud"}])
TALK = Described({"kind": "speech"}, [{"text": "a man"}])


def run(*argv) -> int:
    with pytest.raises(SystemExit) as exit_:
        data.main(["descriptions", *(str(a) for a in argv)])
    return exit_.value.code


@pytest.fixture
def folders(tmp_path):
    raw, tables = tmp_path / "raw", tmp_path / "tables"
    write_described(raw, {"a": SONG, "b": TALK})
    write_table(raw / "text", {"a": "SP n i h ao", "b": "[S0] l a SP"})
    write_table(tables / "latents.scp", {"a": "x.ark:1", "b": "x.ark:9"})
    write_table(tables / "utt2num_frames", {"a": 5, "b": 3})
    return raw, tables, tmp_path / "out"


def test_what_is_written_is_read_again(folders):
    found = read_described(folders[0])
    assert found["a"].attributes == SONG.attributes
    assert [one["text"] for one in found["a"].instructions] == ["soft", "loud"]
    assert read_described(folders[1]) == {}


def test_each_description_is_an_utterance_whose_tables_point_to_the_same_arrays(folders):
    raw, tables, out = folders
    assert run("--data_dir", raw, "--tables_dir", tables, "--output_dir", out) == 0
    assert read_table(out / "instruction.txt") == {"a.1": "soft", "a.2": "loud", "b.1": "a man"}
    assert read_table(out / "lyrics.txt") == {"a.1": "你好", "a.2": "你好", "b.1": "[S0] l a"}
    assert read_table(out / "latents.scp") == {"a.1": "x.ark:1", "a.2": "x.ark:1", "b.1": "x.ark:9"}
    assert read_table(out / "utt2num_frames")["a.2"] == "5"
    assert read_table(out / "described2utt")["a.2"] == "a"
    assert list(read_table(out / "latents.scp")) == ["a.1", "b.1", "a.2"]  # neighbours differ


def test_one_drawn_description_keeps_the_id_and_kinds_are_chosen(folders):
    raw, _tables, out = folders
    drawn = set()
    for seed in range(8):
        assert run("--data_dir", raw, "--output_dir", out, "--draw", seed, "--kinds", "song") == 0
        table = read_table(out / "instruction.txt")
        assert list(table) == ["a"]
        drawn.add(table["a"])
    assert drawn == {"soft", "loud"}


def test_mistakes_are_one_line(folders, capsys):
    raw, tables, out = folders
    assert run("--data_dir", raw, "--output_dir", out, "--kinds", "opera") == 2
    assert "--kinds: opera" in capsys.readouterr().err
    assert run("--data_dir", tables, "--output_dir", out) == 2
    assert "no attributes.jsonl" in capsys.readouterr().err
    write_table(tables / "latents.scp", {"a": "x.ark:1"})
    assert run("--data_dir", raw, "--tables_dir", tables, "--output_dir", out) == 2
    assert "latents.scp: no b" in capsys.readouterr().err
    write_described(raw, {"a": Described({"kind": "song"})})
    with pytest.raises(UserError):
        from espnet2_ext.data.descriptions import describe

        describe(read_described(raw), {"a": "l a"})
