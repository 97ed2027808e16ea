"""Packs as a stranger makes them: each is refused in one line, before it has cost anything."""

import json
import shutil

import pytest
import torch
import yaml
from mutations import refusals

from espnet2_ext.archive import extract
from espnet2_ext.bin import hub
from espnet2_ext.checkpoint import load_state, save_safetensors
from espnet2_ext.errors import UserError
from espnet2_ext.files import read_json, read_yaml, write_json
from espnet2_ext.inference.pack import PackedModel

YAMLS = ("speechlm/config.yaml", "flow/config.yaml", "vocoder/config.yaml", "duration/config.yaml",
         "speechlm/inference.yaml", "flow/inference.yaml", "tokenizer/config.yaml",
         "tokenizer/mel.yaml")  # fmt: skip


def refused(folder, match: str) -> None:
    with pytest.raises(UserError, match=match) as caught:
        PackedModel.load(folder)
    assert "\n" not in str(caught.value) and len(str(caught.value)) < 2000


def change(path, *keys, value) -> None:
    """Set an option of a YAML file, which lies behind `keys`."""
    options = read_yaml(path)
    inner = options
    for key in keys[:-1]:
        inner = inner.setdefault(key, {})
    inner[keys[-1]] = value
    path.write_text(yaml.safe_dump(options))


@pytest.mark.parametrize("name", YAMLS)
def test_a_yaml_of_brackets_ends_in_one_line(folder, name):
    (folder / name).write_text("[" * 100_000)
    refused(folder, f"{name}:1: lists too deep")


@pytest.mark.parametrize(
    ("change_manifest", "message"),
    [
        (lambda m: [m], r"manifest.json: a list \(expected a mapping\)"),
        (lambda m: {k: v for k, v in m.items() if k != "singers"}, "singers: None"),
        (lambda m: m | {"singers": ["ann"]}, r"singers: \['ann'\]"),
        (lambda m: m | {"singers": {"ann": {}}}, "manifest.json: ann: midi_range: None"),
        (lambda m: m | {"singers": {"ann": {"midi_range": [70, 60]}}}, "ann: midi_range"),
        (lambda m: m | {"singers": {"ann": {"midi_range": ["a", 60]}}}, "ann: midi_range"),
        (lambda m: m | {"languages": "zh"}, "languages: 'zh'"),
        (lambda m: m | {"format": "1"}, r"format: '1' \(expected an integer\)"),
        (lambda m: m | {"format": 3}, r"manifest.json: format: 3 \(expected 1 or 2\)"),
        (lambda m: m | {"steps": ["flow"]}, r"manifest.json: steps: \['flow'\]"),
        (lambda m: m | {"steps": [*m["steps"][:-1], {"step": "x"}]}, r"steps: 'x' \(expected dur"),
        (lambda m: m | {"steps": m["steps"] * 2}, r"steps: duration twice"),
        (lambda m: m | {"steps": m["steps"][1:2] + m["steps"][3:]}, r"flow reads codec_ssl, which"),
        (
            lambda m: m | {"steps": [m["steps"][0] | {"model": "../x"}]},
            r"manifest.json: duration: model: '../x'",
        ),
    ],
)
def test_a_manifest_of_another_form(folder, change_manifest, message):
    path = folder / "manifest.json"
    write_json(path, change_manifest(read_json(path)))
    refused(folder, message)


def test_a_manifest_of_another_depth_or_size(folder):
    path = folder / "manifest.json"
    path.write_text("[" * 100_000)
    refused(folder, "manifest.json: .*lists too deep")
    path.write_text('{"format": ' + "9" * 5000 + "}")
    refused(folder, "manifest.json: a number too long")
    path.write_text(json.dumps({"name": "x" * 17 * 2**20}))
    refused(folder, "manifest.json: more than 16777216 bytes")


@pytest.mark.parametrize(
    ("name", "keys"),
    [
        ("speechlm/config.yaml", ("corelm_conf", "backbone", "hidden_size")),
        ("speechlm/config.yaml", ("corelm_conf", "backbone", "intermediate_size")),
        ("speechlm/config.yaml", ("corelm_conf", "backbone", "num_hidden_layers")),
        ("speechlm/config.yaml", ("score_encoder_conf", "channels")),
        ("flow/config.yaml", ("velocity_conf", "channels")),
        ("flow/config.yaml", ("condition_conf", "channels")),
        ("flow/config.yaml", ("geometry", "codebook_size")),
        ("flow/config.yaml", ("geometry", "n_codebooks")),
        ("vocoder/config.yaml", ("vocoder_conf", "dim")),
        ("vocoder/config.yaml", ("vocoder_conf", "filter_size")),
        ("vocoder/config.yaml", ("mel_config", "n_fft")),
        ("duration/config.yaml", ("model_conf", "channels")),
        ("tokenizer/config.yaml", ("codec", "codebook_size")),
        ("tokenizer/config.yaml", ("ssl", "hidden")),
        ("tokenizer/mel.yaml", ("n_fft",)),
        ("tokenizer/mel.yaml", ("n_mels",)),
    ],
)
@pytest.mark.parametrize("factor", [4000, 4_000_000_000])
def test_widths_times_thousands_ask_for_no_memory(folder, name, keys, factor, monkeypatch):
    """Every tensor that is made while loading stays within what the pack's files hold."""
    options = read_yaml(folder / name)
    for key in keys:
        options = options.get(key, {}) if isinstance(options, dict) else {}
    change(folder / name, *keys, value=(options or 64) * factor)
    largest = 0
    empty = torch.nn.Parameter.__new__

    def watched(cls, data=None, requires_grad=True):
        nonlocal largest
        if data is not None and data.device.type != "meta":
            largest = max(largest, data.numel())
        return empty(cls, data, requires_grad)

    monkeypatch.setattr(torch.nn.Parameter, "__new__", watched)
    refused(folder, name)
    assert largest < 2**22


@pytest.mark.parametrize("value", ["!!set {a}", "2020-01-01", "3", "no", "[a]", ".nan"])
@pytest.mark.parametrize(
    ("name", "key"),
    [("tokenizer/config.yaml", "codec"), ("speechlm/config.yaml", "phone_list"),
     ("speechlm/config.yaml", "corelm"), ("flow/config.yaml", "velocity"),
     ("vocoder/config.yaml", "vocoder"), ("duration/config.yaml", "phone_list")],
)  # fmt: skip
def test_values_of_other_types(folder, name, key, value):
    path = folder / name
    options = read_yaml(path)
    options.pop(key)
    path.write_text(yaml.safe_dump(options) + f"{key}: {value}\n")
    refused(folder, r"config\.yaml|phone set|shape|2020-01-01: No such file")


@pytest.mark.parametrize("part", ["speechlm", "duration"])
@pytest.mark.parametrize("odd", [{"a": "b"}, ["a"], 3, None, True])
def test_a_phone_that_is_no_text(folder, part, odd):
    path = folder / part / "config.yaml"
    change(path, "phone_list", value=[odd, *read_yaml(path)["phone_list"][1:]])
    refused(folder, "phone_list: ")


@pytest.mark.parametrize("name", ["prompts", "speechlm/model", "tokenizer/codec", "tokenizer/ssl"])
@pytest.mark.parametrize("share", [0.0, 0.01, 0.5, 0.99])
def test_weights_cut_short(folder, name, share):
    path = folder / f"{name}.safetensors"
    data = path.read_bytes()
    path.write_bytes(data[: int(len(data) * share)])
    refused(folder, rf"{name}\.safetensors: not readable")


def test_prompts_of_other_codes(folder):
    path = folder / "prompts.safetensors"
    prompts = load_state(path)
    for changed, message in (
        ({"ann": prompts["ann"][:0]}, "prompt of ann: tokens of shape"),
        ({"ann": prompts["ann"] + 1000}, "prompt of ann: codec_ssl: a code outside its stream"),
        ({"ann": prompts["ann"] - 1000}, "prompt of ann: codec_ssl: a code outside its stream"),
        ({"ann": prompts["ann"].float()}, "prompt of ann: torch.float32"),
    ):
        save_safetensors(changed, path)
        refused(folder, message)


def test_a_checkpoint_of_another_vocabulary(folder):
    """One code less in every stream than its list of tokens says, and weights to match it."""
    path = folder / "speechlm/model.safetensors"
    state = load_state(path)
    rows = len(state["corelm.emb.weight"])
    cut = {n: t[:-1] if t.dim() == 2 and len(t) == rows else t for n, t in state.items()}
    save_safetensors(cut, path)
    refused(folder, r"speechlm/model\.safetensors: corelm\.emb\.weight: shape")


def test_unpacking_leaves_a_whole_folder_or_none(folder, pack, tmp_path, capsys):
    for archive, status in ((tmp_path / "cut.zip", 2), (pack, 0)):
        (tmp_path / "cut.zip").write_bytes(pack.read_bytes()[:-4000])
        with pytest.raises(SystemExit) as ended:
            hub.main(["unpack", str(archive), str(tmp_path / "out")])
        assert ended.value.code == status
        assert (tmp_path / "out").exists() == (status == 0)
    assert (tmp_path / "out/manifest.json").is_file()
    assert not list(tmp_path.glob(".part-*"))
    assert capsys.readouterr().err.count("\n") == 1


def test_an_archive_that_breaks_within_a_member_leaves_nothing(pack, tmp_path):
    data = bytearray(pack.read_bytes())
    middle = len(data) // 2
    data[middle : middle + 200] = bytes(200)
    (tmp_path / "broken.zip").write_bytes(data)
    with pytest.raises(UserError, match=r"broken\.zip: damaged"):
        extract(tmp_path / "broken.zip", tmp_path / "out")
    assert [p.name for p in tmp_path.iterdir()] == ["broken.zip"]


@pytest.mark.slow
def test_damaged_packs(folder):
    """A small share of the mutation run: every file of a pack, one mistake at a time."""
    names = [p for p in sorted(folder.rglob("*")) if p.suffix in (".yaml", ".json", ".safetensors")]
    names = [p for p in names if p.name not in ("results.json", "meta.yaml")]
    read = dict.fromkeys(
        [*names, folder / "tokenizer/phones.txt"], lambda _: PackedModel.load(folder)
    )
    assert refusals(read, 60) > 20


def test_a_pack_made_on_windows_is_read(folder, pack):
    """Byte order marks and carriage returns, as a text editor there leaves them."""
    for path in [*folder.rglob("*.yaml"), *folder.rglob("*.json"), *folder.rglob("phones.txt")]:
        path.write_bytes(b"\xef\xbb\xbf" + path.read_bytes().replace(b"\n", b"\r\n"))
    assert PackedModel.load(folder).tokenizers.phones == PackedModel.load(pack).tokenizers.phones


def test_errors_name_the_archive_not_where_it_was_unpacked(folder, tmp_path):
    (folder / "flow/config.yaml").write_text("[")
    archive = shutil.make_archive(str(tmp_path / "other"), "zip", folder)
    refused(archive, rf"^{archive}: flow/config\.yaml:\d: ")
