"""The tables of README.md and docs/ are what their JSON files say."""

import importlib.util
import json
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
PAGES = [
    page
    for page in (ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md")))
    if "<!-- table " in page.read_text(encoding="utf-8")
]


@pytest.fixture(scope="module")
def fill_tables():
    spec = importlib.util.spec_from_file_location("fill_tables", ROOT / "tools/fill_tables.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_every_table_is_what_its_json_says(fill_tables, page: Path) -> None:
    text = page.read_text(encoding="utf-8")
    assert fill_tables.filled(text, ROOT / "docs") == text, "run tools/fill_tables.py"


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_every_line_of_a_table_has_as_many_cells_as_its_head(page: Path) -> None:
    lines = page.read_text(encoding="utf-8").splitlines()
    for before, line in zip(["", *lines], lines, strict=False):
        if before.startswith("| ") and line.startswith("|"):
            assert line.count("|") == before.count("|") or "`" in line + before, line


def test_results_are_json() -> None:
    """Which has no NaN, though Python writes it."""

    def refuse(constant: str) -> None:
        raise ValueError(constant)

    for path in sorted((ROOT / "docs/results").glob("*.json")):
        json.loads(path.read_text(encoding="utf-8"), parse_constant=refuse)


def test_the_pages_with_results_have_tables() -> None:
    assert {p.name for p in PAGES} >= {"README.md", "results.md", "ablations.md"}


def test_a_table_of_rows_differences_and_a_paired_test(fill_tables, tmp_path: Path) -> None:
    test = {"difference": -0.125, "ci95": [-0.2, -0.05], "verdict": "better", "p_holm": 0.0312,
            "ours": 0.125, "theirs": 0.25, "baseline": "b"}  # fmt: skip
    rows = [
        {"system": "b", "split": "test",
         "metrics": {"per": 0.25, "mcd_db": None, "singer_sim": 0.9},
         "ci95": {"per": [0.2, 0.3], "mcd_db": None}},
        {"system": "a", "split": "test", "metrics": {"per": 0.125, "mcd_db": 7.0},
         "ci95": {"per": [0.1, 0.15], "mcd_db": [6.5, 7.5]},
         "difference": {"per": test}, "paired": {"per": test}},
        {"system": "a", "split": "dev", "metrics": {"per": 0.5, "mcd_db": 1.0},
         "ci95": {"per": [0.4, 0.6], "mcd_db": [1.0, 1.0]}},
    ]  # fmt: skip
    (tmp_path / "r.json").write_text(json.dumps(rows))

    def table(options: str) -> list[str]:
        return fill_tables.table(f"r.json {options}", tmp_path).splitlines()

    assert table("split=test columns=per,mcd_db bold=a") == [
        "| system | PER | MCD dB, DTW |",
        "|---|---|---|",
        "| b | 0.250 | n/a |",
        "| **a** | 0.125 | 7.00 |",
    ]
    assert table('split=test columns=per intervals=true systems="a=ours"')[2:] == [
        "| ours | 0.125 [0.100, 0.150] |"
    ]
    assert table("view=differences columns=per first=row")[0] == "| row | PER |"
    assert table("view=differences columns=per")[2:] == ["| a | **-0.125 [-0.200, -0.050]** |"]
    assert table("view=paired columns=per")[2:] == [
        "| PER | 0.125 | 0.250 b | -0.125 [-0.200, -0.050] | .031 | better |"
    ]
    assert table("split=test columns=per,singer_sim")[2:] == [
        "| b | 0.250 | 0.900 |", "| a | 0.125 | n/a |",
    ]  # fmt: skip
    with pytest.raises(KeyError):
        table("split=test columns=per,singer_acc")
    with pytest.raises(KeyError):
        table("columns=per systems=c")
