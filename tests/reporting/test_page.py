"""The listening page in a browser: it loads, plays, switches in place, seeks, without a network."""

import base64
import io
import re
import shutil
from dataclasses import replace

import numpy as np
import pytest
import soundfile
from playwright.sync_api import sync_playwright

from unsung.files import sha256
from unsung.reporting.page import clock, outline, write_page

BROWSER = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
KEEP_GAINS = """
  window.gains = [];
  const Real = window.GainNode;
  window.GainNode = class extends Real { constructor(...all) { super(...all); window.gains.push(this); } };
"""


@pytest.fixture(scope="module")
def page_file(run, tmp_path_factory):
    path = tmp_path_factory.mktemp("reports") / "listen.html"
    write_page(path, run.scores, run.scenes(), run.params)
    return path


@pytest.fixture(scope="module")
def browser():
    if BROWSER is None:
        pytest.skip("there is no Chromium here (Debian: apt install chromium)")
    with sync_playwright() as driver:
        found = driver.chromium.launch(
            executable_path=BROWSER, args=["--no-sandbox", "--disable-gpu", "--disable-background-networking"]
        )
        yield found
        found.close()


@pytest.fixture
def page(browser, page_file):
    """The page, opened from its file without a network. Errors in the console fail the test."""
    context = browser.new_context(offline=True, viewport={"width": 1200, "height": 900})
    opened, errors = context.new_page(), []
    opened.on("console", lambda message: errors.append(message.text) if message.type in {"error", "warning"} else None)
    opened.on("pageerror", lambda error: errors.append(str(error)))
    opened.on("request", lambda request: errors.append(request.url) if request.url.startswith("http") else None)
    opened.add_init_script(KEEP_GAINS)
    opened.goto(page_file.as_uri())
    yield opened
    context.close()
    assert errors == []


def seconds(page, scene=0):
    return float(page.locator(f"#scene-{scene} .time").text_content().split()[0])


def loud(page):
    """Which of the versions that play is heard."""
    gains = page.evaluate("window.gains.slice(-6).map((node) => node.gain.value)")
    return [number for number, gain in enumerate(gains) if gain > 0.9], [number for number, gain in enumerate(gains) if gain < 0.1]


def test_it_plays_and_pauses(page):
    play = page.locator("#scene-0 .play")
    play.click()
    page.wait_for_function("parseFloat(document.querySelector('#scene-0 .time').textContent) > 0.3")
    assert play.get_attribute("aria-label").startswith("Pause ")
    assert float(page.locator("#scene-0 .playhead").evaluate("e => parseFloat(e.style.left)")) > 10
    play.click()
    stopped = seconds(page)
    page.wait_for_timeout(300)
    assert seconds(page) == stopped and play.get_attribute("aria-label").startswith("Play ")


def test_it_switches_in_place_while_it_plays(page):
    page.locator("#scene-0 .play").click()
    page.wait_for_function("parseFloat(document.querySelector('#scene-0 .time').textContent) > 0.2")
    assert loud(page) == ([0], [1, 2, 3, 4, 5])
    before = seconds(page)
    page.locator("#scene-0 .versions label").nth(2).click()
    page.wait_for_timeout(150)
    assert loud(page) == ([2], [0, 1, 3, 4, 5])
    assert before <= seconds(page) < before + 1.5  # it did not begin anew
    assert page.locator("#scene-0 .version:visible").get_attribute("data-version") == "2"
    assert page.evaluate("window.gains.length") == 6  # nothing was started again


def test_the_keyboard_is_enough(page):
    page.keyboard.press("Space")
    page.wait_for_function("parseFloat(document.querySelector('#scene-0 .time').textContent) > 0.1")
    page.keyboard.press("4")
    page.wait_for_timeout(150)
    assert loud(page)[0] == [3]
    page.keyboard.press("Space")
    page.locator("#scene-0 .seek").fill("0.5")
    assert seconds(page) == 0.5
    page.keyboard.press("l")
    assert seconds(page) == 1.5
    page.keyboard.press("j")
    assert seconds(page) == 0.5
    page.keyboard.press("n")
    assert page.evaluate("document.activeElement.id") == "scene-1"
    page.keyboard.press("p")
    assert page.evaluate("document.activeElement.id") == "scene-0"
    page.locator("#scene-0 .versions input").first.focus()
    page.keyboard.press("ArrowDown")
    assert page.locator("#scene-0 .version:visible").get_attribute("data-version") != "3"


def test_a_click_on_the_picture_seeks_and_shows_the_scores_there(page, run):
    frames = run.scenes()[0].frames
    stage = page.locator("#scene-0 .stage")
    box = stage.bounding_box()
    for start, x in ((0.0, 0.2), (1.0, 0.8)):
        stage.click(position={"x": box["width"] * x, "y": 60})
        assert seconds(page) == pytest.approx(2.0 * x, abs=0.1)
        for source in ("vocals", "accompaniment"):
            row = frames[(frames["source"] == source) & (frames["start"] == start)].iloc[0]
            cells = page.locator(f"#scene-0 .readout tr[data-source={source}] td").all_text_contents()
            assert cells == [f"{row[measure]:.2f}" for measure in ("sdr", "isr", "sir", "sar")]


def test_a_worst_moment_is_a_link_that_plays_it(page, run):
    moment = run.scenes()[1].moment
    link = page.locator("nav a[data-time]")
    assert f"at {clock(moment.worst)}" in link.text_content()
    link.click()
    page.wait_for_function(f"parseFloat(document.querySelector('#scene-1 .time').textContent) > {moment.worst - moment.start}")
    assert seconds(page, 1) >= moment.worst - moment.start
    page.wait_for_timeout(100)
    assert loud(page)[0] == [1]  # the estimate


def test_one_scene_plays_at_a_time_and_without_the_loop_it_ends(page):
    page.locator("#scene-0 .play").click()
    page.wait_for_function("parseFloat(document.querySelector('#scene-0 .time').textContent) > 0.1")
    page.locator("#scene-1 .loop").uncheck()
    page.locator("#scene-1 .play").click()
    page.wait_for_function("document.querySelector('#scene-0 .play').textContent.includes('Play')")
    page.wait_for_function("document.querySelector('#scene-1 .play').textContent.includes('Pause')")
    page.wait_for_function("document.querySelector('#scene-1 .play').textContent.includes('Play')")
    assert seconds(page, 1) == 0.0


def test_the_last_wish_counts(page):
    """Clicks that come before anything is decoded."""
    page.evaluate("document.querySelector('#scene-0 .play').click(); document.querySelector('#scene-1 .play').click()")
    page.wait_for_function("parseFloat(document.querySelector('#scene-1 .time').textContent) > 0.2")
    assert seconds(page, 0) == 0 and "Play" in page.locator("#scene-0 .play").text_content()
    page.keyboard.press("Space")
    page.evaluate("for (let i = 0; i < 2; i += 1) document.querySelector('#scene-0 .play').click()")
    page.wait_for_timeout(300)
    assert seconds(page, 0) == 0 and "Play" in page.locator("#scene-0 .play").text_content()


def test_the_keys_can_be_switched_off(page):
    page.locator("#keys").uncheck()
    page.keyboard.press("3")
    page.keyboard.press("l")
    assert page.locator("#scene-0 .version:visible").get_attribute("data-version") == "0" and seconds(page) == 0


def test_beyond_the_last_frame_there_are_no_scores(run, browser, tmp_path):
    scene = run.scenes()[0]
    short = scene.frames[scene.frames["start"] < 1]
    write_page(tmp_path / "a.html", run.scores, [replace(scene, frames=short)], run.params)
    page = browser.new_page()
    page.goto((tmp_path / "a.html").as_uri())
    for at, there in (("0.5", True), ("1.5", False)):
        page.locator("#scene-0 .seek").fill(at)
        cells = page.locator("#scene-0 .readout td").all_text_contents()
        assert (set(cells) == {"-"}) != there
    page.close()


def test_a_clip_that_cannot_be_decoded_says_so(run, browser, page_file, tmp_path):
    broken = re.sub(r"audio/mpeg;base64,[^\"]{99}", "audio/mpeg;base64,", page_file.read_text(), count=1)
    (tmp_path / "a.html").write_text(re.sub(r"(audio/mpeg;base64,)[^\"]+", r"\1AAAA", broken, count=1))
    page = browser.new_page()
    page.goto((tmp_path / "a.html").as_uri())
    page.locator("#scene-0 .play").click()
    page.wait_for_function("document.querySelector('#scene-0 .time').textContent === 'cannot be played here'")
    assert "Play" in page.locator("#scene-0 .play").text_content()
    page.close()


def test_a_phone_need_not_scroll_sideways_and_can_press_everything(browser, page_file):
    page = browser.new_page(viewport={"width": 360, "height": 740}, has_touch=True, is_mobile=True)
    page.goto(page_file.as_uri())
    assert page.evaluate("document.documentElement.scrollWidth") <= 360
    for control in page.locator(".play, .versions label").all():
        assert control.bounding_box()["height"] >= 38
    page.close()


def test_everything_has_a_name_for_a_screen_reader(page):
    assert page.evaluate("document.documentElement.lang") == "en"
    unnamed = page.evaluate(
        """[...document.querySelectorAll('button, input, img, section, svg, a')].filter((one) => !(one.getAttribute('aria-label')
        || one.getAttribute('alt') || one.getAttribute('aria-labelledby') || one.closest('label')
        || one.textContent.trim())).length"""
    )
    assert unnamed == 0
    assert page.locator("h1").count() == 1 and page.locator("#scene-0 legend").text_content() == "What is heard"
    assert "of 2.0 seconds" in page.locator("#scene-0 .seek").get_attribute("aria-valuetext")


def test_without_javascript_the_clips_can_be_played(browser, page_file):
    context = browser.new_context(java_script_enabled=False)
    page = context.new_page()
    page.goto(page_file.as_uri())
    assert page.locator("#scene-0 audio:visible").count() == 6 and page.locator(".play:visible").count() == 0
    context.close()


def test_the_clips_are_the_sounds_and_all_begin_together(page_file, run):
    scene = run.scenes()[0]
    expected = [scene.mixture, scene.estimates["vocals"], scene.references["vocals"], scene.estimates["accompaniment"]]
    clips = re.findall(r'src="data:audio/mpeg;base64,([^"]+)"', page_file.read_text())
    assert len(clips) == 2 * 6
    for clip, samples in zip(clips, expected, strict=False):
        found, rate = soundfile.read(io.BytesIO(base64.b64decode(clip)), always_2d=True)
        assert rate == 8000 and abs(len(found) - len(samples)) < 1200
        found = found[: len(samples)]
        assert np.corrcoef(found[:, 0], samples[: len(found), 0])[0, 1] > 0.98


def test_the_page_is_small_and_the_same_bytes_again(page_file, run, tmp_path):
    write_page(tmp_path / "again.html", run.scores, run.scenes(), run.params)
    assert sha256(tmp_path / "again.html") == sha256(page_file)
    assert page_file.stat().st_size < 700_000


def test_the_uncertainty_map_is_there_where_there_is_one(run, tmp_path):
    for scenes, count in ((run.scenes(), 2), ([replace(scene, uncertainty={}) for scene in run.scenes()], 0)):
        write_page(tmp_path / "a.html", run.scores, scenes, run.params)
        assert (tmp_path / "a.html").read_text().count('class="uncertainty"') == count


def test_names_cannot_break_the_page(run, browser, tmp_path):
    scene = run.scenes()[0]
    name = "</script><b onclick='x'>\"Me & You\""
    write_page(tmp_path / "a.html", run.scores, [replace(scene, moment=replace(scene.moment, track=name))], run.params)
    page = browser.new_page()
    page.goto((tmp_path / "a.html").as_uri())
    assert page.locator("#title-0").text_content() == name
    assert name in page.locator("#scene-0 .play").get_attribute("aria-label")
    page.close()


def test_an_outline_has_the_loudest_and_the_lowest():
    samples = np.zeros((1000, 2), np.float32)
    samples[500], samples[10] = 1.0, -0.5
    path = outline(samples)
    assert path.startswith("M") and path.endswith("Z") and " -100" in path and " 50" in path
    assert len(outline(np.ones((3, 1), np.float32)).split("L")) == 6


def test_the_clock():
    assert clock(187.9) == "3:07"
