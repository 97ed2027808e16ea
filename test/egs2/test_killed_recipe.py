"""The embedded corpus' recipe, killed in each of its stages."""

import functools
import time

from .kills import has_begun, kill_when, made
from .recipes import finish, start, whole_checkout


def test_killed_in_every_stage_it_ends_with_the_same(tmp_path_factory):
    """Tokens, weights, wavs and results are those of a run that nothing disturbed."""
    recipe = whole_checkout(tmp_path_factory.mktemp("whole"))
    finish(start(recipe))
    killed = whole_checkout(tmp_path_factory.mktemp("killed"))
    for stage in range(1, 17):
        begun = functools.partial(has_begun, killed, stage, time.time())
        # Resumed with other numbers of jobs and shards.
        jobs = ("--nj", str(1 + stage % 3), "--inference_nj", str(1 + stage % 2))
        said = kill_when(begun, start(killed, "--parallel_stages", "false", *jobs), killed)
        assert f"stage {stage}: reads" in said and f"stage {stage}: done" not in said
        for done in range(1, stage):
            assert f"stage {done}: done before" in said or f"stage {done}: done (" in said
    finish(start(killed))
    assert not list(killed.glob("exp/**/.part-*"))
    ours, theirs = made(killed), made(recipe)
    assert len(theirs) > 100
    assert {name for name in {*ours, *theirs} if ours.get(name) != theirs.get(name)} == set()
