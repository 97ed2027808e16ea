"""Songs drawn at random, each with all that real scores have at once, are heard as written."""

import pytest

from espnet2_ext.score.formats.read import read_score

from .random_song import Song


def rounded(rows):
    return [(round(start, 4), round(end, 4), midi, lyric) for start, end, midi, lyric in rows]


@pytest.mark.parametrize("seed", range(30))
def test_song_is_heard_as_written(tmp_path, seed):
    song = Song(seed)
    path = tmp_path / "song.musicxml"
    path.write_text(song.xml, encoding="utf-8")
    score = read_score(path)
    assert score.language == song.language
    found = [(n.start_sec, n.end_sec, n.midi, n.lyric) for n in score.notes if n.midi]
    assert rounded(found) == rounded(song.heard)
