"""A map over utterances in chunks: shards, kills, changed inputs."""

from pathlib import Path

import pytest

from espnet2_ext.files import read_table, write_table
from espnet2_ext.resumable import ResumableMap, Shard

KEYS = [f"u{k}" for k in range(7)]


class Doubling:
    """Doubles numbers; notes which chunks it read and which it worked on."""

    def __init__(self, folder: Path, dies_at: str = "") -> None:
        self.folder, self.dies_at = folder, dies_at
        self.numbers = {key: k for k, key in enumerate(KEYS)}
        self.was_read: list[str] = []
        self.worked_on: list[str] = []

    def read(self, chunk):
        self.was_read.append(chunk[0])
        numbers = [self.numbers[key] for key in chunk]
        return "_".join(map(str, numbers)), numbers

    def work(self, chunk, numbers, folder):
        self.worked_on.append(chunk[0])
        if self.dies_at in chunk:
            (folder / "half").mkdir(parents=True)
            raise KeyboardInterrupt
        rows = zip(chunk, (2 * number for number in numbers), strict=True)
        write_table(folder / "doubled", rows)
        return {"largest": max(numbers)}

    def run(self, shard: int = 1, num_shards: int = 1) -> bool:
        return ResumableMap(KEYS, self.folder, Shard(shard, num_shards), 2).run(
            self.read, self.work
        )

    def result(self) -> dict[str, str]:
        return read_table(self.folder / "doubled")


EXPECTED = {f"u{k}": str(2 * k) for k in range(7)}


def test_everything_is_done_once_and_joined_in_order(tmp_path):
    job = Doubling(tmp_path)
    assert job.run() and job.result() == EXPECTED and list(job.result()) == KEYS
    assert job.worked_on == ["u0", "u2", "u4", "u6"]
    again = Doubling(tmp_path)
    assert again.run() and again.worked_on == []
    assert read_table(tmp_path / "chunks/1-0_1/done") == {"n_utts": "2", "largest": "1"}


@pytest.mark.parametrize("order", [(1, 2, 3), (3, 1, 2)])
def test_shards_read_their_own_chunks_and_the_last_joins(tmp_path, order):
    jobs = {shard: Doubling(tmp_path) for shard in order}
    assert [jobs[shard].run(shard, 3) for shard in order] == [False, False, True]
    own = {1: ["u0", "u6"], 2: ["u2"], 3: ["u4"]}
    assert {shard: job.worked_on for shard, job in jobs.items()} == own
    for shard in order[:2]:
        assert jobs[shard].was_read == own[shard]
    assert jobs[order[2]].result() == EXPECTED


def test_a_killed_run_goes_on_in_the_chunk_that_it_was_in(tmp_path):
    with pytest.raises(KeyboardInterrupt):
        Doubling(tmp_path, dies_at="u4").run()
    assert not (tmp_path / "doubled").exists()
    job = Doubling(tmp_path)
    assert job.run() and job.result() == EXPECTED and job.worked_on == ["u4", "u6"]
    assert not (tmp_path / "chunks/3-4_5/half").exists()


def test_changed_inputs_are_made_anew_and_the_old_are_removed(tmp_path):
    Doubling(tmp_path).run()
    job = Doubling(tmp_path)
    job.numbers["u3"] = 50
    assert job.run() and job.result() == EXPECTED | {"u3": "100"}
    assert job.worked_on == ["u2"]
    assert sorted(p.name for p in (tmp_path / "chunks").iterdir()) == [
        "1-0_1",
        "2-2_50",
        "3-4_5",
        "4-6",
    ]


def test_a_shard_does_not_join_what_others_made_from_other_inputs(tmp_path):
    Doubling(tmp_path).run()
    before = (tmp_path / "doubled").read_bytes()
    job = Doubling(tmp_path)
    job.numbers |= {"u0": 10, "u2": 20}
    assert not job.run(1, 2)  # the second shard has u2
    assert (tmp_path / "doubled").read_bytes() == before
    other = Doubling(tmp_path)
    other.numbers |= {"u0": 10, "u2": 20}
    assert other.run(2, 2) and other.result() == EXPECTED | {"u0": "20", "u2": "40"}


def test_two_maps_in_one_folder_keep_their_chunks_apart(tmp_path):
    Doubling(tmp_path).run()
    job = Doubling(tmp_path)
    other = ResumableMap(KEYS, tmp_path, chunks="other_chunks")
    assert other.run(job.read, job.work)
    assert len(list((tmp_path / "chunks").iterdir())) == 4
    assert len(list((tmp_path / "other_chunks").iterdir())) == 1
