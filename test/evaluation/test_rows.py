"""Rows of a result table: what a file may say, what is made for them, where systems.tsv has it."""

import subprocess
from pathlib import Path

import pytest
import yaml

from espnet2_ext.errors import UserError
from espnet2_ext.evaluation.rendered import NO_WAVS
from espnet2_ext.evaluation.rendering import Plan
from espnet2_ext.evaluation.rows import Row, read_rows, tag_of, with_baselines
from espnet2_ext.files import read_yaml

from .conftest import RECIPES, SYSTEMS, call


def folders(plan: Plan) -> list[str]:
    """What is made, in order; the numbers of steps that run side by side end with "drain"."""
    records = plan.records(["tokens", "features", "wavs"])
    return [r[r.index("--from") - 1] if len(r) > 1 else r[0] for r in records]


def command(plan: Plan, folder: str) -> str:
    words = plan.steps[Path(folder)][1]
    return " ".join(words[words.index("--") + 1 :])


def test_every_shipped_table_can_be_read():
    assert [row.name for row in read_rows(SYSTEMS, "results")][-1] == "lm+flow2+voc"
    names = ("systems", "ablations", "adaptation")
    paths = [path for name in names for path in RECIPES.glob(f"*/*/conf/{name}.yaml")]
    assert len(paths) >= 3
    for path in paths:
        for table in read_yaml(path):
            assert read_rows(path, table)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("results: [", "systems.yaml:2: "),
        ("other: {a: {wav: ground_truth}}", "no table 'results' (expected one of other)"),
        ("results: {}", "systems.yaml: results: no rows"),
        ("results: {a: {melody: flow}}", "systems.yaml: a: unknown key 'melody'"),
        ("results: {a/b: {wav: ground_truth}}", "one word without '/'"),
        (
            "results: {a: {mel: flow}}",
            "systems.yaml: a: tokens: nothing (expected ground_truth, lm",
        ),
        ("results: {a: {tokens: lm}}", "systems.yaml: a: mel: nothing"),
        ("results: {a: {mel: ground_truth, f0: ears}}", "a: f0: 'ears' (expected feats or"),
        ("results: {a: {mel: ground_truth, timing: own}}", "a: timing: 'own'"),
        ("results: {a: {wav: none}}", "a: f0: '' (expected score, of a row without wavs"),
        ("results: {a: {wav: none, f0: score, mel: flow}}", "a: wav: none (expected nothing but"),
        ("results: {a: {tokens: lm, codes: lm, mel: codec}}", "a: codes: 'lm'"),
        ("results: {a: {tokens: lm, codes: flow, mel: flow}}", "a: mel: 'flow' (expected codec"),
        ("results: {a: {tokens: lm, mel: codec, embedding: soft}}", "a: embedding: 'soft'"),
        (
            "results: {a: {tokens: ground_truth, mel: codec, embedding: expected}}",
            "a: embedding: expected (expected tokens of a model",
        ),
        ("results: {a: {mel: vae}}", "a: latents: nothing (expected latents and mel: vae"),
        ("results: {a: {latents: ground_truth, mel: ground_truth}}", "a: latents: ground_truth"),
        ("results: {a: {latents: lm, mel: vae}}", "a: latents: 'lm' (expected ground_truth, flow"),
        ("results: {a: {tokens: lm, latents: a/b, mel: vae}}", "tokens or latents, not both"),
        ("results: {a: {tokens: lm, mel: flow, decoding: 3}}", "a: decoding: 3"),
        ("results: {a: {tokens: lm, mel: flow, flow: a/b}}", "a: flow: 'a/b' (expected a tag)"),
    ],
)
def test_a_wrong_file_is_one_line_and_status_2(run, tmp_path, capsys, monkeypatch, text, message):
    (tmp_path / "systems.yaml").write_text(text)
    run["systems_config"] = "systems.yaml"
    status, output = call(run, monkeypatch, capsys, "plan", "--set", "eval_test")
    assert status == 2 and len(output.splitlines()) == 1
    assert message in output


def test_the_recipes_rows_lie_under_the_models_names(run):
    plan = Plan(run, "eval_test")
    audio = {row.name: plan.render(row) for row in read_rows(SYSTEMS, "results")}
    lm, flow = (
        "exp/speechlm_default/decode_default/eval_test",
        "exp/flow_default/decode_default_seed_1",
    )
    by_lm = f"{flow}/lm_default_default/eval_test"
    assert folders(plan) == [
        lm, f"{lm}/soft", "drain",
        "exp/codec_resynthesis/eval_test", f"{flow}/gt_tokens/eval_test", by_lm, "drain", "drain",
        "exp/vocoder_default/vocoder_gt_mel/eval_test",
        "exp/vocoder_default/codec_resynthesis/eval_test",
        f"{flow}/gt_tokens/eval_test/wav_vocoder_default", f"{by_lm}/wav_vocoder_default", "drain",
    ]  # fmt: skip
    assert audio["score_f0"].wavs == NO_WAVS and not audio["score_f0"].models
    assert [a.f0_source for a in audio.values()] == [
        "recording",
        "score",
        *["predictor"] * 2,
        *["feats"] * 2,
    ]
    assert audio["ground_truth"].wavs is None
    assert list(map(str, audio["lm+flow2+voc"].models)) == [
        "exp/speechlm_default", "exp/flow_default", "exp/vocoder_default"
    ]  # fmt: skip
    flow_call = command(plan, by_lm)
    assert f"--codec_ssl {lm}/codec_ssl.scp --soft {lm}/soft/soft.scp" in flow_call
    assert flow_call.endswith("--device cpu --seed 1")
    assert "--codec_ssl" not in command(plan, f"{flow}/gt_tokens/eval_test")
    run["inference_config"] = "none.yaml"  # whether there are soft tokens is for the step to miss
    assert Plan(run, "dev").sing().soft is None


def test_a_row_of_other_models_shares_what_is_the_same(run):
    plan = Plan(run, "eval_test")
    plan.render(Row("a", tokens="lm", mel="flow"))
    Path("hot.yaml").write_text("method: sampling\n")
    plan.render(Row("b", tokens="lm", mel="flow", flow="big", vocoder="hifigan", f0="score"))
    plan.render(
        Row("c", tokens="lm", mel="flow", decoding="hot.yaml", lm="tts", sampling="flow.yaml")
    )
    made = [folder for folder in folders(plan) if folder != "drain"]
    assert len(made) == len(set(made)) == 9
    to = "exp/flow_big/decode_default_seed_1/lm_default_default/eval_test"
    assert "--score_scp dump/tokens/eval_test/score_frames.scp" in command(
        plan, f"{to}/wav_vocoder_hifigan"
    )
    assert "exp/speechlm_tts/decode_hot/eval_test" in made
    assert "exp/flow_default/decode_default_seed_1/lm_tts_hot/eval_test" in made
    with pytest.raises(UserError, match="made in two ways"):
        plan.render(Row("a", tokens="lm", mel="flow", f0="predictor"))


def test_in_a_folder_of_its_own_a_table_takes_the_runs_tokens(run):
    plan = Plan(run, "test", Path("exp/tables"))
    for row in read_rows(SYSTEMS, "table2"):
        plan.render(row)
    assert folders(plan) == [
        "exp/tables/lm", "drain",
        "exp/tables/codec_resynthesis", "exp/tables/lm+cd", "exp/tables/lm(soft)+cd",
        "exp/tables/lm+flow1+cd.codes", "exp/tables/lm+flow1+voc", "exp/tables/lm+flow2+voc",
        "drain", "exp/tables/lm+flow1+cd",
        "drain", *(f"exp/tables/{name}/wav_vocoder_default" for name in (
            "codec_resynthesis", "lm+cd", "lm(soft)+cd", "lm+flow1+cd", "lm+flow1+voc",
            "lm+flow2+voc")), "drain",
    ]  # fmt: skip
    sung = "exp/speechlm_default/decode_default/eval_test"
    assert command(plan, "exp/tables/lm") == (
        f"collect dump/tokens/test/score_frames.scp {sung}/codec_ssl.scp {sung}/soft/soft.scp"
    )


def test_latents_of_recordings_are_encoded_and_decoded_for_the_vocoder(run):
    plan = Plan(run, "test")
    audio = [plan.render(row) for row in read_rows(SYSTEMS, "resynthesis")]
    own = "exp/rows/vae_resynthesis/test"
    assert folders(plan) == [
        f"{own}.latents", "drain", own, "drain", "drain",
        "exp/vocoder_default/vocoder_gt_mel/test", f"{own}/wav_vocoder_default", "drain",
    ]  # fmt: skip
    assert audio[2].models == (Path("exp/mel_vae_default"), Path("exp/vocoder_default"))
    assert audio[2].f0_source == "predictor"
    assert "infer/latents --mel_scp dump/tokens/test/mel.scp" in command(plan, f"{own}.latents")
    to_mel = command(plan, own)
    assert f"infer/mel_vae --latents_scp {own}.latents/latents.scp" in to_mel
    assert "--model_dir exp/mel_vae_default" in to_mel
    plan = Plan(run, "test")
    plan.render(Row("b", latents="exp/song/latents", mel="vae", vae="wide", vocoder="vocos"))
    to_mel = command(plan, "exp/rows/b/test")
    assert "--latents_scp exp/song/latents/latents.scp --model_dir exp/mel_vae_wide" in to_mel
    assert "exp/rows/b/test/wav_vocoder_vocos" in folders(plan)


def test_a_flow_makes_latents_of_what_is_said_of_the_set(run):
    run |= {"described": "dump/described_default", "mel_vae_exp": "exp/mel_vae_songs"}
    plan = Plan(run, "eval_test")
    audio = plan.render(Row("instructaudio", latents="flow", mel="vae"))
    latents = "exp/flow_default/decode_default_seed_1/eval_test"
    assert folders(plan)[:3] == [latents, "drain", "exp/rows/instructaudio/eval_test"]
    call = command(plan, latents)
    assert "infer/latent_flow --train_config exp/flow_default/config.yaml" in call
    assert "--stream_dir dump/described_default/eval_test" in call
    to_mel = command(plan, "exp/rows/instructaudio/eval_test")
    assert f"--latents_scp {latents}/latents.scp --model_dir exp/mel_vae_songs" in to_mel
    assert [path.name for path in audio.models] == [
        "mel_vae_songs", "flow_default", "vocoder_default"
    ]  # fmt: skip
    changed = Plan(run, "eval_test")
    changed.render(Row("more", latents="flow", mel="vae", sampling={"guidance": 3}, vae="wide"))
    assert folders(changed)[0] == "exp/rows/more/eval_test.latents"
    to_mel = command(changed, "exp/rows/more/eval_test")
    assert "--model_dir exp/mel_vae_wide" in to_mel


def test_embeddings_that_the_run_does_not_expect_are_sung_for_the_row(run):
    Path("lm.yaml").write_text("method: greedy\n")
    plan = Plan(run, "test", Path("exp/tables"))
    plan.render(Row("lm(soft)+cd", tokens="lm", mel="codec", embedding="expected"))
    soft = "exp/tables/lm(soft)+cd.tokens/soft"
    assert folders(plan)[:2] == ["exp/tables/lm(soft)+cd.tokens", soft]
    assert f"--soft {soft}/soft.scp" in command(plan, "exp/tables/lm(soft)+cd")


def test_expected_embeddings_of_masked_tokens_are_read_where_their_decoding_makes_them(run):
    run |= {"inference_config": "masked.yaml", "acoustic_exp": "exp/acoustic_default",
            "semantic_exp": "exp/semantic_default"}  # fmt: skip
    codes = Row("codes", tokens="masked", mel="codec")
    soft = Row("soft", tokens="masked", mel="codec", embedding="expected")
    Path("masked.yaml").write_text("acoustic: {soft: true}\n")
    plan = Plan(run, "test")
    for row in (codes, soft):
        plan.render(row)
    made = "exp/acoustic_default/decode_default/test"
    assert folders(plan).count(made) == 1
    assert f"--codec_ssl {made}/codec_ssl.scp" in command(plan, "exp/rows/codes/test")
    assert f"--soft {made}/soft.scp" in command(plan, "exp/rows/soft/test")
    Path("masked.yaml").write_text("acoustic: {guidance: 0}\n")
    with pytest.raises(UserError, match="masked.yaml: acoustic: soft: nothing .expected true"):
        Plan(run, "test").render(soft)


def test_takes_of_masked_tokens_are_chosen_by_the_runs_transcription(run):
    run |= {"inference_config": "masked.yaml", "acoustic_exp": "exp/acoustic_default",
            "semantic_exp": "exp/semantic_default", "transcription_exp": "exp/transcription_big",
            "transcription_model": "5epoch.pth"}  # fmt: skip
    row, made = Row("masked", tokens="masked", mel="codec"), "exp/acoustic_default/decode_default"
    for text, chosen in (("acoustic: {nbest: 4}\n", True), ("acoustic: {guidance: 0}\n", False)):
        Path("masked.yaml").write_text(text)
        plan = Plan(run, "test")
        plan.render(row)
        words = plan.steps[Path(made) / "test"][1]
        options = "--transcription_dir exp/transcription_big --transcription_file 5epoch.pth"
        assert (options in " ".join(words)) == chosen
        inputs = words[words.index("--from") : words.index("--files")]
        assert ("exp/transcription_big" in inputs) == chosen, "trained anew, takes are chosen anew"


def test_changes_of_a_decoding_are_sung_for_the_row(run):
    plan = Plan(run, "dev", Path("exp/ablations"))
    plan.render(Row("no_soft", tokens="lm", mel="flow", decoding={"soft": False},
                    sampling={"base": "", "noise_temperature": 0.2}))  # fmt: skip
    assert [f for f in folders(plan) if f != "drain"] == [
        "exp/ablations/no_soft.tokens", "exp/ablations/no_soft",
        "exp/ablations/no_soft/wav_vocoder_default",
    ]  # fmt: skip
    decoding = Path("exp/ablations/no_soft.decode_speechlm.yaml").read_text()
    assert yaml.safe_load(decoding) == {"method": "greedy", "soft": False}
    sampling = Path("exp/ablations/no_soft.decode_flow.yaml").read_text()
    assert yaml.safe_load(sampling) == {"noise_temperature": 0.2}


def test_what_other_systems_decoded_decides_what_is_done_with_it(run, tmp_path):
    for name in ("codec_ssl", "mel", "wav"):
        (tmp_path / name).mkdir()
        (tmp_path / name / f"{name}.scp").touch()
    given = [("a", Path("codec_ssl")), ("b", Path("mel")), ("c", Path("wav"))]
    rows = with_baselines(read_rows(SYSTEMS, "table1"), given, "predictor")
    assert [row.name for row in rows] == ["ground_truth", "score_f0", "a", "a+cd", "b", "c",
                                          "lm+flow1+voc", "lm+flow2+voc"]  # fmt: skip
    assert [row.f0 for row in rows[4:6]] == ["predictor", "model"]
    own = with_baselines(read_rows(SYSTEMS, "table1_own_durations"), given, "feats")
    assert {row.timing for row in own} == {"model"}
    plan = Plan(run, "test", Path("exp/own"))
    audio = [plan.render(row) for row in own]
    assert audio[3].wavs == Path("wav") and audio[3].f0_source == "model"
    assert "--f0_scp mel/f0.scp" in command(plan, "exp/own/b/wav_vocoder_default")
    assert folders(plan)[:6] == [
        "exp/own/a.tokens", "exp/own/a+cd.tokens", "exp/own/lm+flow2+voc.data",
        "exp/own/lm+flow2+voc.frames", "exp/own/lm+flow2+voc.tokens",
        "exp/own/lm+flow2+voc.tokens/soft",
    ]  # fmt: skip
    assert "--soft" not in command(plan, "exp/own/a")
    (tmp_path / "codec_ssl/soft.scp").touch()  # a model of tokens that says what it expected
    rows = with_baselines(read_rows(SYSTEMS, "table1"), given[:1], "predictor")
    assert [row.name for row in rows[2:6]] == ["a", "a(soft)", "a+cd", "a(soft)+cd"]
    plan = Plan(run, "test", Path("exp/soft"))
    for row in rows[2:6]:
        plan.render(row)
    assert "--soft exp/soft/a(soft).tokens/soft.scp" in command(plan, "exp/soft/a(soft)")
    assert "codec_ssl/soft.scp" in command(plan, "exp/soft/a(soft).tokens")
    to_mel = command(plan, "exp/soft/a(soft)+cd")
    assert "--soft exp/soft/a(soft)+cd.tokens/soft.scp" in to_mel and "--codec_ssl" not in to_mel
    assert "soft" not in command(plan, "exp/soft/a+cd").replace("exp/soft", "")
    (tmp_path / "wav/wav.scp").unlink()
    with pytest.raises(UserError, match="wav: neither codec_ssl.scp, mel.scp nor wav.scp"):
        with_baselines(own, given, "feats")


def test_f0_of_other_systems_mels_by_name(tmp_path):
    (tmp_path / "mel.scp").touch()
    rows = read_rows(SYSTEMS, "table1")
    given = [(name, tmp_path) for name in ("a", "a#1", "b")]
    for words, expected in (
        ("predictor a=feats", ["feats", "feats", "predictor"]),
        ("a=feats", ["feats", "feats", "predictor"]),
        ("feats b=score", ["feats", "feats", "score"]),
    ):
        assert [row.f0 for row in with_baselines(rows, given, words)[2:5]] == expected
    with pytest.raises(UserError, match="--baseline_f0: a: 'ours' .expected feats or predictor"):
        with_baselines(rows, given, "a=ours")


@pytest.mark.parametrize(
    ("kind", "config", "args"),
    [
        ("flow", "conf/train_flow.yaml", ""),
        ("flow", "conf/tuning/decode_flow_hot.yaml", "--a  1.5 --b_c x=/y"),
        ("speechlm", "conf/my decoding.yaml", "--top_k 5"),
        ("speechlm", "decode_speechlm_v2_.yaml", "--x '_'"),
    ],
)
def test_tags_are_those_of_the_scripts(kind, config, args):
    done = subprocess.run(
        ["bash", "-c", '. utils/steps.sh; tag_of "$@"', "_", kind, config, args],
        cwd=SYSTEMS.parents[1], capture_output=True, text=True, check=True,
    )  # fmt: skip
    assert tag_of(kind, config, args) == done.stdout.rstrip("\n")
