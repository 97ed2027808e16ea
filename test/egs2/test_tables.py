"""utils/tables.sh with stand-ins for the recipe and for every command: what it runs, and when."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from .recipes import REAL_PYTHON, ROOT

LOCAL = ROOT / "egs2/mini_singing/speechlm1/local"
LM_TOKENS = "speechlm/decode_x/eval_test_other"
MODELS = ("speechlm", "flow_default", "vocoder", "duration", "judges", "tokenizer", LM_TOKENS)
RUN = r"""#!/usr/bin/env bash
set -euo pipefail
echo "run.sh $*" >> calls.txt
case "$*" in
  *--print_paths*)
    cat <<'PATHS'
tag=default
tokenizer_dir=exp/tokenizer
tokens=dump/tokens
lm_exp=exp/speechlm
flow_exp=exp/flow_default
duration_exp=exp/duration
vocoder_exp=exp/vocoder
judges_dir=exp/judges
sung_dir=exp/speechlm/decode_x
eval_name=eval_test_other
expdir=exp
dumpdir=dump
datadir=data
device=cpu
nj=1
inference_nj=1
scoring_config=conf/some.yaml
systems_config=utils/../conf/systems.yaml
row=
test_sets=test other
inference_config=conf/some.yaml
inference_args=
inference_tag=x
inference_model=best.pth
flow_inference_config=conf/some.yaml
flow_inference_args=
flow_inference_tag=x
flow_model=best.pth
duration_model=best.pth
duration_inference_config=
vocoder_model=best.pth
vocoder_f0=feats
python=./module.py
PATHS
    ;;
  *--flow_tag*)
    while [ "$1" != --flow_tag ]; do shift; done
    mkdir -p "exp/flow_$2"
    echo "$4" > "exp/flow_$2/.done"
    ;;
esac
"""
LAUNCH = """#!/usr/bin/env bash
# [--num_threads N] [JOB=1:N] LOG COMMAND...
if [ "$1" = --num_threads ]; then shift 2; fi
if [[ $1 == JOB* ]]; then shift; fi
mkdir -p "$(dirname "$1")"
shift
exec "$@"
"""
MODULE = r"""#!{python} -SE
import os
import sys
from pathlib import Path

name, options = sys.argv[2].rsplit(".", 1)[1], sys.argv[3:]
if name == "lock":
    sys.exit()  # nothing that is measured here
if name == "rows":  # what says which commands there are
    os.execv(sys.executable, [sys.executable, *sys.argv[1:]])
if name in ("infer", "report", "data", "train"):
    name += "/" + options.pop(0)
with open("calls.txt", "a") as calls:
    print(name, *options, file=calls)
get = lambda option: Path(options[options.index(option) + 1])
written = {{
    "infer/flow": ("codes",) if "flow1_cd" in " ".join(options) else ("mel", "f0"),
    "infer/codec": ("mel",),
    "infer/vocoder": ("wav",),
    "infer/speechlm": ("codec_ssl",),
    "data/frames": ("score_frames",),
}}.get(name, ())
for table in written:
    out = get("--output_dir")
    out.mkdir(parents=True, exist_ok=True)
    lines = "".join(f"{{utt}} {{out}}/{{utt}}.{{table}}\n" for utt in ("u1", "u2", "other"))
    (out / f"{{table}}.scp").write_text(lines)
if name == "report/compare":
    get("--out").write_text(" ".join(options))
"""


@pytest.fixture
def recipe(tmp_path):
    """A corpus' folder in which run.sh has been run."""
    folder = tmp_path / "egs2/corpus/speechlm1"
    (folder / "local").mkdir(parents=True)
    for name in ("table1.sh", "table2.sh"):
        (folder / "local" / name).symlink_to(LOCAL / name)
    (folder / "utils").symlink_to(ROOT / "egs2/TEMPLATE/speechlm1/utils")
    for name, text in (
        ("run.sh", RUN),
        ("launch.sh", LAUNCH),
        ("module.py", MODULE.format(python=sys.executable)),
    ):
        (folder / name).write_text(text)
        (folder / name).chmod(0o755)
    (folder / "path.sh").write_text("")
    launchers = "train_cmd=./launch.sh cuda_cmd=./launch.sh decode_cmd=./launch.sh\n"
    (folder / "cmd.sh").write_text(launchers)
    (folder / "conf").mkdir()
    (folder / "conf/some.yaml").write_text("a: 1\n")
    for name in MODELS:
        (folder / "exp" / name).mkdir(parents=True)
        (folder / "exp" / name / ".done").write_text("made\n")
    write(folder / "exp" / LM_TOKENS / "codec_ssl.scp", "u1 a\nother b\nu2 c\n")
    write(folder / "dump/raw/test/wav.scp", "u1 a.wav\nu2 b.wav\n")
    for name in ("codec_ssl", "score_frames", "prompt"):
        write(folder / f"dump/tokens/test/{name}.scp", "u1 a\nu2 b\n")
    return folder


def write(path, text):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)


def run(folder, script, *options):
    """Exit status, output and the calls of the stand-ins, in order."""
    (folder / "calls.txt").unlink(missing_ok=True)
    done = subprocess.run(
        [f"local/{script}", *options],
        cwd=folder, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, timeout=600,
        env={**os.environ, "LC_ALL": "C", "PYTHONPATH": str(ROOT)},
    )  # fmt: skip
    calls = folder / "calls.txt"
    lines = calls.read_text().splitlines() if calls.is_file() else []
    return done.returncode, done.stdout, [line for line in lines if "--print_paths" not in line]


def systems(table):
    """System to its wav table's utterances, and where its F0 came from."""
    rows = [line.split("\t") for line in table.read_text().splitlines()[1:]]
    folder = table.parents[0]
    while not (folder / "run.sh").is_file():
        folder = folder.parent
    return {
        name: (
            [] if scp == "-" else [x.split()[0] for x in (folder / scp).read_text().splitlines()],
            timing,
            source,
        )
        for name, _, _, scp, timing, source in rows
    }


def test_table_2_trains_renders_and_scores_every_row_once(recipe):
    status, output, calls = run(recipe, "table2.sh")
    assert status == 0, output
    trained = [call for call in calls if call.startswith("run.sh")]
    assert [call.split("--flow_tag ")[1].split()[0] for call in trained] == [
        "flow1_voc",
        "flow1_cd",
    ]
    rows = systems(recipe / "exp/tables/systems2.tsv")
    assert list(rows) == ["ground_truth", "codec_resynthesis", "lm+cd", "lm(soft)+cd",
                          "lm+flow1+cd", "lm+flow1+voc", "lm+flow2+voc"]  # fmt: skip
    assert all(utts == ["u1", "u2"] and timing == "label" for utts, timing, _ in rows.values())
    assert [source for *_, source in rows.values()] == [
        "recording", "predictor", "predictor", "predictor", "predictor", "feats", "feats"
    ]  # fmt: skip
    of_flow1_cd = [call for call in calls if "exp/flow_flow1_cd" in call]
    assert len(of_flow1_cd) == 1 and "--codec_ssl exp/tables/lm/codec_ssl.scp" in of_flow1_cd[0]
    assert any("--codes exp/tables/lm+flow1+cd.codes/codes.scp" in call for call in calls)
    assert calls[-1].startswith("report/compare ") and "--ours lm+flow2+voc" in calls[-1]
    assert "--baselines lm+cd lm(soft)+cd lm+flow1+cd lm+flow1+voc" in calls[-1]

    status, output, calls = run(recipe, "table2.sh")
    assert status == 0, output
    assert {call.split()[0] for call in calls} == {"run.sh", "score", "report/compare"}


def test_what_was_made_from_another_model_is_made_anew(recipe):
    assert run(recipe, "table2.sh")[0] == 0
    (recipe / "exp/flow_default/.done").write_text("another\n")
    calls = run(recipe, "table2.sh")[2]
    names = [call.split()[0] for call in calls if not call.startswith("run.sh")]
    assert names == ["infer/flow", "infer/vocoder", "score", "report/compare"]


def baselines(recipe):
    made = recipe.parent / "svs2/exp"
    for timing in ("label", "own"):
        for system, tables in (
            ("tokens", ("codec_ssl",)),
            ("mels", ("mel", "f0")),
            ("wavs", ("wav",)),
        ):
            write(recipe.parent / f"svs2/conf/train_{system}.yaml", "")
            own = ("score_frames",) if timing == "own" and system == "tokens" else ()
            for table in (*tables, *own):
                write(made / system / "decode" / timing / "test" / f"{table}.scp", "u1 x\nu2 y\n")
    text = '#!/usr/bin/env bash\necho "svs2 $*" >> ../speechlm1/calls.txt\n'
    write(recipe.parent / "svs2/run.sh", text)
    (recipe.parent / "svs2/run.sh").chmod(0o755)


def test_table_1_renders_baselines_by_what_they_write(recipe):
    baselines(recipe)
    status, output, calls = run(recipe, "table1.sh", "--baselines", "tokens mels wavs")
    assert status == 0, output
    assert [call.split()[2] for call in calls if call.startswith("svs2")] == [
        "tokens",
        "mels",
        "wavs",
    ]
    rows = systems(recipe / "exp/tables/systems1.tsv")
    assert {name: source for name, (_, _, source) in rows.items()} == {
        "ground_truth": "recording", "score_f0": "score", "tokens": "feats",
        "tokens+cd": "predictor",
        "mels": "predictor", "wavs": "model", "lm+flow1+voc": "feats", "lm+flow2+voc": "feats",
    }  # fmt: skip
    own = systems(recipe / "exp/tables/own/systems1.tsv")
    assert list(own) == ["tokens", "tokens+cd", "mels", "wavs", "lm+flow2+voc"]
    assert {timing for _, timing, _ in own.values()} == {"model"}
    compared = [call for call in calls if call.startswith("report/compare")]
    assert [Path(call.split("--out ")[1]).name for call in compared] == [
        "table1.json", "table1_own_durations.json"
    ]  # fmt: skip
    assert all("--baselines tokens tokens+cd mels wavs --out" in call for call in compared)
    order = [call.split()[0] for call in calls]
    assert order.index("infer/duration") < order.index("data/frames")
    assert order.index("data/frames") < order.index("infer/speechlm")
    flows = [call for call in calls if call.startswith("infer/flow")]
    assert any("--token_dir exp/tables/own/tokens.tokens" in call for call in flows)


def test_a_baseline_with_another_seed_is_a_row_beside_it(recipe):
    baselines(recipe)
    made = recipe.parent / "svs2/exp"
    (made / "mels_seed_7").symlink_to(made / "mels")
    options = ("--baselines", "mels mels#7", "--timings", "label")
    status, output, calls = run(recipe, "table1.sh", *options)
    assert status == 0, output
    assert [call.split()[1:] for call in calls if call.startswith("svs2")] == [
        ["--system", "mels"], ["--system", "mels", "--seed", "7"]
    ]  # fmt: skip
    rows = systems(recipe / "exp/tables/systems1.tsv")
    assert list(rows) == [
        "ground_truth", "score_f0", "mels", "mels#7", "lm+flow1+voc", "lm+flow2+voc"
    ]  # fmt: skip
    assert "--baselines mels mels#7 --out" in calls[-1]
    assert any("exp/mels_seed_7/decode/label/test/mel.scp" in call for call in calls)


def test_a_configuration_of_the_corpus_is_taken(recipe):
    baselines(recipe)
    write(recipe / "conf/tables.conf", 'baselines="mels"\ntimings="label"\nsplit=test\n')
    status, output, calls = run(recipe, "table1.sh")
    assert status == 0, output
    assert [call for call in calls if call.startswith("report/compare")] == [calls[-1]]
    assert "--baselines mels --out" in calls[-1]


@pytest.mark.parametrize(
    ("undo", "message"),
    [
        ("../svs2/conf/train_mels.yaml", "mels: neither ../svs1 nor ../svs2 has"),
        ("exp/flow_default/.done", "no exp/flow_default: run ./run.sh"),
        (
            "../svs2/exp/mels/decode/label/test/mel.scp",
            "neither codec_ssl.scp, mel.scp nor wav.scp",
        ),
    ],
)
def test_what_is_missing_is_named(recipe, undo, message):
    baselines(recipe)
    (recipe / undo).unlink()
    status, output, _ = run(recipe, "table1.sh", "--baselines", "mels")
    assert status == 2 and message in output.splitlines()[-1]


def test_the_recipe_says_where_its_models_are():
    script = (
        "set -euo pipefail; . utils/steps.sh; read_settings < <(./run.sh --print_paths true "
        """--inference_args '--a $(touch made) --b=1 "x')\n"""
        'printf "%s\\n" "${flow_exp}" "${inference_args}" ${test_sets}'
    )
    done = subprocess.run(
        ["bash", "-c", script], cwd=LOCAL.parent, capture_output=True, text=True, check=True,
        env={**os.environ, **REAL_PYTHON},
    )  # fmt: skip
    assert done.stdout.splitlines() == [
        "exp/flow_default", '--a $(touch made) --b=1 "x', "test", "test_words", "test_singer"
    ]  # fmt: skip
    assert not (LOCAL.parent / "made").exists()


def test_published_tables_have_the_form_of_results():
    for path in (ROOT / "docs/results").glob("table*.json"):
        for row in json.loads(path.read_text()):
            assert {"system", "split", "n_utt", "metrics", "ci95"} <= row.keys()
            assert row["split"] == "test"
            for name, value in row["metrics"].items():
                assert (value is None) == (row["ci95"][name] is None)
