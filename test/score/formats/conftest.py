import pytest

from espnet2_ext.score.formats.musicxml import read_musicxml

from .xml_document import document


@pytest.fixture
def read(tmp_path):
    def run(*parts, names=("Voice", "Piano"), **options):
        path = tmp_path / "a.musicxml"
        path.write_text(document(*parts, names=names), encoding="utf-8")
        return read_musicxml(path, **options)

    return run
