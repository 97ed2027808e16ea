"""Files of MusicXML: compressed, damaged, hostile."""

import contextlib
import zipfile

import pytest

from espnet2_ext.errors import UserError
from espnet2_ext.score.formats.musicxml import read_musicxml

from .xml_document import HEAD, document, first, note, rows


def test_mxl(tmp_path):
    path = tmp_path / "a.mxl"
    container = '<container><rootfiles><rootfile full-path="s.xml"/></rootfiles></container>'
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("META-INF/container.xml", container)
        archive.writestr("s.xml", document([first(note("C4", 2, "a"))]))
    assert rows(read_musicxml(path)) == [(0, 1, 60, "a")]
    data = path.read_bytes()
    for size in (0, 10, len(data) // 2, len(data) - 5):
        path.write_bytes(data[:size])
        with pytest.raises(UserError, match="a.mxl"):
            read_musicxml(path)
    for position in range(30, len(data), 7):
        path.write_bytes(data[:position] + bytes([data[position] ^ 255]) + data[position + 1 :])
        with contextlib.suppress(UserError):
            read_musicxml(path)


def test_zip_bomb(tmp_path):
    path = tmp_path / "a.mxl"
    container = '<container><rootfiles><rootfile full-path="s.xml"/></rootfiles></container>'
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("META-INF/container.xml", container)
        archive.writestr("s.xml", b" " * 30_000_000)
    with pytest.raises(UserError, match="unpacks to 30000000 bytes"):
        read_musicxml(path)


@pytest.mark.parametrize(
    "entity",
    [
        '<!DOCTYPE s [<!ENTITY x SYSTEM "file:///etc/passwd">]>',
        '<!DOCTYPE s [<!ENTITY a "aa"><!ENTITY b "&a;&a;">]>',
        '<!DOCTYPE s [<!ENTITY % p SYSTEM "http://example.com/x.dtd"> %p;]>',
    ],
)
def test_entities_are_refused(tmp_path, entity):
    path = tmp_path / "a.xml"
    text = document([first(note("C4", 2, "&x;"))])
    path.write_text(entity + text.removeprefix(HEAD), encoding="utf-8")
    with pytest.raises(UserError, match="declares entities"):
        read_musicxml(path)


def test_truncated_and_foreign_files(tmp_path):
    path = tmp_path / "a.musicxml"
    data = document([first(note("C4", 2, "我"))]).encode()
    for size in range(0, len(data) - 1, 11):
        path.write_bytes(data[:size])
        with pytest.raises(UserError, match=r"a\.musicxml"):
            read_musicxml(path)
    for data, message in [
        (b"<score-timewise/>", "'score-timewise'"),
        (b"<score-partwise/>", "no parts"),
        (b"<?xml version='1.0' encoding='klingon'?><a/>", "broken XML"),
        (b"<a>\xff</a>", "broken XML"),
        (b"\x00\x01garbage", "broken XML"),
    ]:
        path.write_bytes(data)
        with pytest.raises(UserError, match=message):
            read_musicxml(path)
    with pytest.raises(UserError, match="No such file"):
        read_musicxml(tmp_path / "none.xml")
