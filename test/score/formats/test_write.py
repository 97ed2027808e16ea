"""What writing a score refuses."""

import pytest

from espnet2_ext.errors import UserError
from espnet2_ext.score.formats.write import write_score
from espnet2_ext.score.music_score import MusicScore, Note

SCORE = MusicScore((Note(0.0, 0.5, 60, "a", ("a",)),))


@pytest.mark.parametrize("suffix", [".lab", ".svp", ".ccs"])
def test_a_format_that_is_only_read_is_refused_in_one_line(tmp_path, suffix):
    with pytest.raises(UserError, match="only read") as refused:
        write_score(tmp_path / f"a{suffix}", SCORE)
    assert ".mid" in str(refused.value)
    assert not list(tmp_path.iterdir())
