"""A listener at the page: headless Chromium on file://, from the first sound to the analysis."""

import json
import re
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from espnet2_ext.bin.listening_test import main
from espnet2_ext.listening.answers import expected_trials, read_key
from espnet2_ext.listening.page import MadeTest, TestConfig, make_test

CHROMIUM = next(
    (p for name in ("chromium", "chromium-browser", "google-chrome") if (p := shutil.which(name))),
    None,
)
playwright = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")
pytestmark = pytest.mark.skipif(CHROMIUM is None, reason="no Chromium on this machine")
WAIT_MS = 60_000
FASTER = """const play = HTMLMediaElement.prototype.play;
HTMLMediaElement.prototype.play = function () { this.playbackRate = 8; return play.call(this); };"""


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    with playwright.sync_playwright() as player:
        browser = player.chromium.launch(
            executable_path=CHROMIUM,
            args=["--autoplay-policy=no-user-gesture-required", "--no-sandbox"],
        )
        yield browser
        browser.close()


@pytest.fixture
def page(browser: Any) -> Iterator[Any]:
    """A page that fails the test on any script error, and on any request that is no local file."""
    context = browser.new_context(viewport={"width": 900, "height": 800}, accept_downloads=True)
    context.set_default_timeout(WAIT_MS)
    context.add_init_script(FASTER)
    page = context.new_page()
    wrong: list[str] = []
    page.on("pageerror", lambda error: wrong.append(str(error)))
    page.on("console", lambda m: wrong.append(m.text) if m.type == "error" else None)
    page.on(
        "request", lambda r: None if re.match("file:|data:|blob:", r.url) else wrong.append(r.url)
    )
    yield page
    context.close()
    assert wrong == []


@pytest.fixture
def one_utt(options: dict[str, Any]) -> MadeTest:
    """Two systems, one utterance, every kind: a short session."""
    short = {
        "num_utts": 1,
        "catch": 0,
        "headphones_check": False,
        "systems": options["systems"][:2],
    }
    return make_test(TestConfig(**{**options, **short}))


def kind_of(page: Any) -> str:
    return page.evaluate("steps[state.step].trial ? TEST.trials[steps[state.step].trial].kind : ''")


def heard(page: Any, n: int) -> None:
    page.wait_for_function(f"document.querySelectorAll('.player.heard').length === {n}")


def listen_and_rate(page: Any) -> None:
    """One trial by keyboard alone: play everything to its end, answer, go on."""
    kind = kind_of(page)
    keys = {"mos": " ", "ab": "ab", "abx": "abx", "mushra": "r1234"}[kind]
    before = page.evaluate("state.step")
    page.keyboard.press("Enter")  # refused: nothing was heard
    assert page.evaluate("state.step") == before
    for n, key in enumerate(keys, 1):
        page.keyboard.press("Space" if key == " " else key)
        heard(page, n)
        if kind == "mushra" and key != "r":  # its slider has the focus now
            page.keyboard.press("End" if key == "1" else "ArrowLeft")
    if kind != "mushra":
        page.keyboard.press("Enter")  # refused: no answer yet
        assert page.evaluate("state.step") == before
        page.keyboard.press({"mos": "4", "ab": "1", "abx": "2"}[kind])
    page.keyboard.press("Enter")
    assert page.evaluate("state.step") == before + 1


def test_a_listener_plays_rates_reloads_saves_and_is_analysed(
    page: Any, one_utt: MadeTest, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    page.goto(f"{one_utt.page.as_uri()}?listener=7")
    page.get_by_role("radio", name="Headphones").check(force=True)
    page.get_by_role("button", name="Start").click()
    done = set()
    reloaded = False
    while page.evaluate("steps[state.step].type") != "end":
        if page.evaluate("steps[state.step].type") == "intro":
            page.keyboard.press("Enter")
            continue
        if len(done) == 2 and not reloaded:  # in the middle of a trial half done
            reloaded = True
            page.keyboard.press("a")
            heard(page, 1)
            page.keyboard.press("2")
            step, order = page.evaluate("[state.step, JSON.stringify(steps)]")
            page.reload()
            assert page.evaluate("[state.step, JSON.stringify(steps)]") == [step, order]
            assert page.locator(".player.heard").count() == 1
            assert page.locator("input:checked").count() == 1
            assert page.get_by_role("status").text_content()
            page.keyboard.press("b")
            heard(page, 2)
            page.keyboard.press("Enter")
            done.add("ab practised")
            continue
        done.add(kind_of(page))
        listen_and_rate(page)
    assert reloaded and {"mos", "ab", "abx", "mushra"} <= done
    page.get_by_label("Anything you would like to say").fill("the second was nice")
    with page.expect_download() as download:
        page.get_by_role("button", name="Save the answers").click()
    saved = tmp_path / "sent" / download.value.suggested_filename
    download.value.save_as(saved)

    key, results = read_key(one_utt.key), json.loads(saved.read_text())
    assert results["complete"] and results["listener"] == "7" and results["finished"]
    assert results["comment"] == "the second was nice" and results["headphones"] == "headphones"
    assert {a["trial"] for a in results["answers"]} == expected_trials(key, 7)
    assert {a["kind"] for a in results["answers"]} == {"mos", "ab", "abx", "mushra"}
    mushra = next(a for a in results["answers"] if a["kind"] == "mushra")
    assert sorted(mushra["ratings"].values()) == [49, 49, 49, 100]
    assert all(n >= 1 for n in mushra["plays"].values()) and len(mushra["plays"]) == 5

    out = tmp_path / "analysis"
    with pytest.raises(SystemExit) as stop:
        main(["analyse", str(saved), "--key", str(one_utt.key), "-o", str(out), "--no_screening"])
    assert stop.value.code == 0
    analysis = json.loads((out / "analysis.json").read_text())
    assert set(analysis["kinds"]) == {"mos", "ab", "abx", "mushra"}
    assert [row["mean"] for row in analysis["kinds"]["mos"]["systems"]] == [4, 4]
    assert "zorblax_net" in capsys.readouterr().out


def test_orders_differ_by_listener_and_are_the_ones_the_analysis_expects(
    page: Any, made: MadeTest
) -> None:
    page.goto(made.page.as_uri())
    key = read_key(made.key)
    orders = set()
    for name in ("1", "2", "3", "Ann", "李", "x_1"):
        steps, number = page.evaluate("n => [arrange(n), listenerNumber(n)]", name)
        assert [steps, number] == page.evaluate("n => [arrange(n), listenerNumber(n)]", name)
        trials = [s["trial"] for s in steps if s["type"] == "trial" and not s["practice"]]
        assert len(trials) == len(set(trials)) and set(trials) == expected_trials(key, number)
        for step in steps:
            if step["type"] == "trial":
                assert sorted(step["samples"]) == key["trials"][step["trial"]]["samples"]
        orders.add(json.dumps(steps))
    assert len(orders) == 6


def test_everything_that_is_used_has_a_name_for_screen_readers(page: Any, made: MadeTest) -> None:
    page.goto(made.page.as_uri())
    assert page.get_by_role("textbox", name="Your listener name or number").is_visible()
    page.get_by_role("button", name="Start").click()
    assert "name or number" in page.get_by_role("status").text_content()
    page.get_by_role("textbox").fill("Ann")
    page.keyboard.press("Enter")
    kinds = page.evaluate("steps.map(s => s.type + (s.kind || '') + !!s.practice)")
    shown = {kind: i for i, kind in enumerate(kinds)}
    shown |= {f"trial {i}": i + 1 for i, kind in enumerate(kinds) if kind.startswith("intro")}
    for step in shown.values():
        page.evaluate("i => { state.step = i; state.draft = null; render(); }", step)
        nameless = page.evaluate("""() => [...document.querySelectorAll('button, input, textarea')]
            .filter(n => n.checkVisibility() && !n.ariaLabel && !n.innerText && !n.labels?.length)
            .map(n => n.outerHTML)""")
        assert nameless == []
        assert page.evaluate("document.activeElement.tagName") == "H1"  # what is read first
    page.set_viewport_size({"width": 360, "height": 740})
    assert page.evaluate("document.documentElement.scrollWidth") <= 360


def test_another_listener_starts_afresh_after_a_question(page: Any, one_utt: MadeTest) -> None:
    page.goto(f"{one_utt.page.as_uri()}?listener=1")
    page.get_by_role("button", name="Start").click()
    page.get_by_text("More").click()
    page.once("dialog", lambda dialog: dialog.dismiss())
    page.get_by_role("button", name="Start again").click()
    assert page.evaluate("state.listener") == "1"
    page.once("dialog", lambda dialog: dialog.accept())
    page.get_by_role("button", name="Start again").click()
    assert page.get_by_role("textbox").is_visible() and page.evaluate("state") is None
