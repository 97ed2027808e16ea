"""A training that patience ended stays ended when it is started again."""

from .conftest import history, train_command
from .test_zero_trainer import run

STILL = {"lr": 0.0, "warmup_num_steps": 1, "total_num_steps": 100}


def test_a_speech_lm_that_patience_ended_does_not_train_on(corpus, tmp_path):
    """Its loss never changes: the first epoch stays the best."""
    output = tmp_path / "exp"
    options = {"patience": 1, "max_epoch": 9, "deepspeed_conf": STILL}
    run(train_command(corpus, output, **options))
    assert len(history(output)) == 3
    before = (output / "latest.pth").stat().st_mtime_ns
    for _ in range(2):
        run(train_command(corpus, output, **options))
    assert len(history(output)) == 3 and (output / "latest.pth").stat().st_mtime_ns == before
    assert (output / "valid.loss.ave.pth").exists()
    run(train_command(corpus, output, **{**options, "patience": 2}))  # asked for more
    assert len(history(output)) == 4
