"""How the notes of an MEI sound where the file does not say it: key signature and accidentals."""

from xml.etree.ElementTree import Element

_SHARPS, _FLATS = "fcgdaeb", "beadgcf"


def key_of(element: Element) -> dict[str, str] | None:
    """Accidental by pitch name of a scoreDef or staffDef; None where it states no key."""
    inner = element.find("keySig")
    sig = element.get("key.sig") or element.get("keysig")
    if sig is None and inner is not None:
        sig = inner.get("sig")
    if sig is None:
        return None
    kind, names = ("f", _FLATS) if sig.endswith("f") else ("s", _SHARPS)
    digits = sig[:-1]
    return dict.fromkeys(names[: int(digits)], kind) if digits in tuple("1234567") else {}


def lacks_sounding(body: Element) -> bool:
    """Whether a key is stated and no note says how it sounds (accid.ges)."""
    keyed = any(key_of(e) for e in body.iter() if e.tag in ("scoreDef", "staffDef"))
    return keyed and not any("accid.ges" in element.attrib for element in body.iter())


def state_sounding(body: Element) -> None:
    """Give each note the accidental that holds for it: of its measure, its tie, or its key."""
    keys: dict[str, dict[str, str]] = {}
    tied: dict[tuple[str, ...], str] = {}
    for element in body.iter():
        if element.tag == "scoreDef" and key_of(element) not in (None, keys.get("")):
            keys = {"": key_of(element) or {}}  # said again, staves keep keys of their own
        elif element.tag == "staffDef" and key_of(element) is not None:
            keys[element.get("n", "")] = key_of(element) or {}
        elif element.tag == "measure":
            for staff in element.findall("staff"):
                number = staff.get("n", "")
                key = keys.get(number, keys.get("", {}))
                for layer in staff.findall("layer"):
                    _state_layer(layer, key, (number, layer.get("n", "")), tied)


def _state_layer(
    layer: Element, key: dict[str, str], place: tuple[str, str], tied: dict[tuple[str, ...], str]
) -> None:
    written: dict[tuple[str, str], str] = {}
    for note in layer.iter("note"):
        pitch = (note.get("pname", ""), note.get("oct", ""))
        inner = note.find("accid")
        accidental = note.get("accid") or (inner.get("accid") if inner is not None else None)
        if accidental:
            written[pitch] = accidental
        elif note.get("tie") in ("m", "t") and (*place, *pitch) in tied:
            accidental = tied[(*place, *pitch)]
            note.set("accid.ges", accidental)
        else:
            accidental = written.get(pitch) or key.get(pitch[0], "n")
            note.set("accid.ges", accidental)
        tied[(*place, *pitch)] = accidental
