"""Whether a corpus says that nobody recorded it."""

from espnet2_ext.data.licence import is_synthetic
from espnet2_ext.files import LICENCE_FILE, write_text


def test_a_licence_that_says_so_and_none_that_does_not(tmp_path):
    assert not is_synthetic(tmp_path)
    write_text(tmp_path / LICENCE_FILE, "CC0. Synthetic: nobody sang.")
    assert is_synthetic(tmp_path)
    write_text(tmp_path / LICENCE_FILE, "CC BY-NC 4.0")
    assert not is_synthetic(tmp_path)
