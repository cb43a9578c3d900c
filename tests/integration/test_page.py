# SPDX-License-Identifier: Apache-2.0
"""The page in a real browser."""

from __future__ import annotations

import asyncio
import re
from pathlib import Path

import pytest

from streamcodec.container import ScvReader
from tests.integration.browser import Browser, Tab
from tests.integration.shown_page import browse, look, needs_browser, showing
from tests.integration.test_stream import wait_for

pytestmark = pytest.mark.live


@needs_browser
def test_the_picture_moves_the_plots_fill_and_the_buttons_act(tmp_path: Path) -> None:
    with showing(tmp_path) as show:

        async def work(browser: Browser) -> None:
            first = await browser.open(show.page.url)
            await first.size(1280, 800)
            await first.until("document.body?.dataset.pictures > 10")
            await first.until("document.body.dataset.points > 10")
            assert await first.evaluate("document.getElementById('veil').hidden")
            assert "live" in await first.evaluate("document.getElementById('state').textContent")
            inked = """[...document.querySelectorAll('.plots canvas')].map((c) =>
                c.getContext('2d').getImageData(0, 0, c.width, c.height).data.some((v) => v > 0))"""
            assert await first.evaluate(inked) == [True] * 4

            keyframes = show.sender.snapshot().key_frames_encoded
            await first.evaluate("document.getElementById('keyframe').click()")
            await asyncio.to_thread(
                wait_for, lambda: show.sender.snapshot().key_frames_encoded > keyframes
            )
            await first.evaluate("document.getElementById('record').click()")
            await first.until("!document.getElementById('rec').hidden")
            await asyncio.sleep(1.5)
            await first.evaluate("document.getElementById('record').click()")
            await first.until("document.getElementById('rec').hidden")

            await first.evaluate("document.getElementById('pause').click()")
            await asyncio.sleep(0.3)
            drawn = await first.evaluate("Number(document.body.dataset.pictures)")
            await asyncio.sleep(0.5)
            assert await first.evaluate("Number(document.body.dataset.pictures)") == drawn
            await first.evaluate("document.getElementById('pause').click()")
            await first.until(f"document.body.dataset.pictures > {drawn + 2}")

            second = await browser.open(show.page.url)
            await second.until("document.body?.dataset.pictures > 3")
            drawn = await first.evaluate("Number(document.body.dataset.pictures)")
            await first.call("Page.bringToFront")  # it was hidden, and still has its place
            await first.until(f"document.body.dataset.pictures > {drawn + 2}")
            hosts = "performance.getEntriesByType('resource').map((e) => new URL(e.name).host)"
            assert set(await second.evaluate(hosts)) == {show.page.url.split("/")[2]}

        browse(work)
    (recorded,) = tmp_path.glob("*.scv")
    with ScvReader(recorded) as reader:
        assert len(list(reader.records())) > 3


@needs_browser
def test_a_hidden_tab_costs_nothing(tmp_path: Path) -> None:
    with showing(tmp_path) as show:

        async def work(tab: Tab) -> None:
            await tab.until("document.body?.dataset.pictures > 3")
            await tab.evaluate(
                "Object.defineProperty(document, 'hidden', {value: true, configurable: true}),"
                "document.dispatchEvent(new Event('visibilitychange'))"
            )
            await asyncio.sleep(0.5)
            sent = show.page.pictures_sent
            points = await tab.evaluate("document.body.dataset.points")
            await asyncio.sleep(0.8)
            assert show.page.pictures_sent == sent
            assert await tab.evaluate("document.body.dataset.points") == points

        look(show, work)


@needs_browser
def test_nothing_sticks_out_on_a_phone(tmp_path: Path) -> None:
    with showing(tmp_path) as show:

        async def work(tab: Tab) -> None:
            await tab.until("document.body?.dataset.points > 3")
            wide = """[...document.querySelectorAll('main *')].filter((e) =>
                e.getBoundingClientRect().right > innerWidth + 1).map((e) => e.tagName + e.id)"""
            assert await tab.evaluate(wide) == []

        look(show, work, 390, 844, phone=True)


_CONTRASTS = """(() => {
  const parse = (text) => {
    const [r, g, b, a = 1] = text.match(/[\\d.]+/g).map(Number);
    return [r, g, b, a];
  };
  const over = (top, below) => [0, 1, 2].map((i) => top[i] * top[3] + below[i] * (1 - top[3]));
  const luminance = (c) => [0.2126, 0.7152, 0.0722].reduce((sum, weight, i) => {
    const v = c[i] / 255;
    return sum + weight * (v <= 0.04045 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4);
  }, 0);
  const ratio = (a, b) => {
    const [low, high] = [luminance(a), luminance(b)].sort((x, y) => x - y);
    return (high + 0.05) / (low + 0.05);
  };
  // Over the picture the worst that can be below is white.
  const ground = (e) => {
    const layers = [];
    for (let at = e; at; at = at.parentElement) {
      layers.push(parse(getComputedStyle(at).backgroundColor));
      if (at.parentElement?.id === "screen" && at.tagName !== "CANVAS") {
        layers.push([255, 255, 255, 1]);
      }
      if (layers.at(-1)[3] === 1) break;
    }
    return layers.reverse().reduce((below, layer) => over(layer, below), [255, 255, 255]);
  };
  const found = [];
  for (const e of document.querySelectorAll("body *")) {
    const own = [...e.childNodes].some((n) => n.nodeType === 3 && n.data.trim());
    if ((!own && e.tagName !== "BUTTON") || !e.checkVisibility()) continue;
    const below = ground(e);
    found.push([e.tagName + "." + e.className + "#" + e.id,
                ratio(over(parse(getComputedStyle(e).color), below), below)]);
  }
  return found;
})()"""


@needs_browser
@pytest.mark.parametrize("dark", [False, True], ids=["light", "dark"])
def test_every_text_can_be_read_in_both_modes(tmp_path: Path, dark: bool) -> None:
    """WCAG AA, 4.5 to 1, of what the browser computes for each element that shows."""
    with showing(tmp_path) as show:

        async def work(tab: Tab) -> None:
            await tab.dark(dark)
            await tab.until("document.body?.dataset.points > 3")
            await tab.evaluate("document.getElementById('record').click()")
            await tab.until("!document.getElementById('rec').hidden")
            await tab.evaluate("document.getElementById('pause').click()")
            await tab.evaluate("document.getElementById('trouble').hidden = false")
            await tab.evaluate("document.getElementById('trouble').textContent = 'keys'")
            tones = (
                "for (const tone of ['bad', 'warn', 'good']) document.getElementById('events')"
                ".insertAdjacentHTML('beforeend', `<li class=${tone}><b>x</b></li>`);"
            )
            found = await tab.evaluate(tones + _CONTRASTS)
            assert len(found) > 40
            assert not [(name, round(ratio, 2)) for name, ratio in found if ratio < 4.5]

        look(show, work, 1440, 900)


@needs_browser
def test_an_old_picture_is_dimmed_and_named_and_its_figures_go(tmp_path: Path) -> None:
    with showing(tmp_path) as show:

        async def work(tab: Tab) -> None:
            await tab.until("document.body?.dataset.pictures > 10")
            shown = "document.querySelectorAll('#figures dd')"
            figures = """Object.fromEntries([...document.querySelectorAll('#figures div')].map(
                (e) => [e.children[0].textContent, e.children[1].textContent]))"""
            assert not (await tab.evaluate(figures))["Quality"].startswith("\u2013")
            named = "document.getElementById('picture').getAttribute('aria-label')"
            assert await tab.evaluate(named) == "Live picture of main"

            show.sender.stop()
            await tab.until("document.getElementById('screen').classList.contains('old')")
            opacity = "getComputedStyle(document.getElementById('picture')).opacity"
            assert float(await tab.evaluate(opacity)) < 0.5
            age = "document.getElementById('age').textContent"
            since, name = await tab.evaluate(f"[{age}, {named}]")  # at once: they count seconds
            assert re.fullmatch(r"last picture \d+:\d\d:\d\d( [AP]M)?, \d+ s ago", since)
            assert since in name
            await tab.until(f"{shown}[1].textContent === '\u2013 ms'")
            quality = (await tab.evaluate(figures))["Quality"]
            assert quality.startswith("\u2013 of 63")  # and ", fast" on a busy machine

            show.stop()
            show.page.close()
            await tab.until(f"{shown}[0].textContent[0] === '\u2013'")
            assert "the process is not there" in await tab.evaluate(
                "document.getElementById('state').textContent"
            )

        look(show, work, 1280, 800)


@needs_browser
def test_plots_leave_gaps_mark_peaks_and_explain_only_what_they_draw(tmp_path: Path) -> None:
    with showing(tmp_path) as show:

        async def work(tab: Tab) -> None:
            await tab.until("document.body?.dataset.points > 0")
            plot = "(await import('/plot.js'))"
            # 99 values of 10 and one of 5000: the axis ends at 10, not at 5000.
            values = "[...Array(99).fill(10), 5000]"
            assert await tab.evaluate(f"(async () => {plot}.axisTop({values}, 1))()") == 10
            assert await tab.evaluate(f"(async () => {plot}.axisTop([3, 700], 1))()") == 1000
            parted = await tab.evaluate(
                f"(async () => {plot}.runs([[0, 5], [1, null], [1.5, 6], [4, 7], [9, null]], 1))()"
            )
            assert parted == [[[0, 5], [1.5, 6]], [[4, 7]]]
            drawn = await tab.evaluate(
                f"""(async () => {{
                  const {{ Plot }} = {plot};
                  const made = new Plot(document.getElementById('plots'), {{ title: 'x', series: [
                    {{ name: 'here', column: 1, color: '--blue' }},
                    {{ name: 'nowhere', column: 2, color: '--red' }}] }});
                  const points = Array.from({{ length: 200 }}, (_, i) => [i / 5, 10, null]);
                  points[100][1] = 5000;
                  made.draw(points.filter(([t]) => t < 10 || t > 15));
                  const c = made.canvas, ratio = devicePixelRatio || 1;
                  const data = c.getContext('2d').getImageData(0, 0, c.width, c.height).data;
                  const blue = getComputedStyle(document.documentElement)
                    .getPropertyValue('--blue').trim().slice(1).match(/../g)
                    .map((h) => parseInt(h, 16));
                  const columns = [];
                  for (let x = 0; x < c.width; x++) {{
                    let found = false;
                    for (let y = 0; y < c.height && !found; y++) {{
                      const at = 4 * (y * c.width + x);
                      found = data[at + 3] > 200 &&
                        blue.every((v, i) => Math.abs(v - data[at + i]) < 30);
                    }}
                    columns.push(found);
                  }}
                  const t = (s) => Math.round(
                    ratio * (38 + (s / (199 / 5)) * (c.clientWidth - 42)));
                  return {{
                    peaks: c.dataset.peaks,
                    keys: [...made.card.querySelectorAll('li')].filter(
                      (e) => e.checkVisibility()).map((e) => e.textContent),
                    before: columns[t(5)], gap: columns[t(12)], after: columns[t(30)],
                  }};
                }})()"""
            )
            assert drawn == {
                "peaks": "1",
                "keys": ["here"],
                "before": True,
                "gap": False,
                "after": True,
            }

        look(show, work, 1280, 800)


@needs_browser
def test_a_phone_fills_its_screen_and_reads_whole_events(tmp_path: Path) -> None:
    with showing(tmp_path) as show:

        async def work(tab: Tab) -> None:
            await tab.until("document.body?.dataset.points > 3")
            await tab.until("document.body?.dataset.pictures > 0")
            button = "document.getElementById('full')"
            sides = f"(() => {{ const r = {button}.getBoundingClientRect(); "
            assert min(await tab.evaluate(sides + "return [r.width, r.height]; })()")) >= 44
            # As on an iPhone, where no element may have the screen.
            await tab.evaluate("delete Element.prototype.requestFullscreen")
            await tab.evaluate(f"{button}.click()")
            box = "(() => { const r = document.getElementById('screen').getBoundingClientRect();"
            await tab.until("document.getElementById('screen').classList.contains('filled')")
            assert await tab.evaluate(box + "return [r.width, r.height]; })()") == [390, 844]
            await tab.evaluate(f"{button}.click()")
            assert (await tab.evaluate(box + "return r.height; })()")) < 400
            sentence = "a long sentence without an end " * 8 + "x" * 80
            whole = await tab.evaluate(
                f"""(() => {{  // at once: the next numbers write the list anew
                  document.getElementById('events').innerHTML = '<li><time>1 s ago</time>' +
                    '<b>refused</b><span>{sentence}</span></li>';
                  const e = document.querySelector('#events span');
                  return [e.scrollWidth <= e.clientWidth + 1, e.clientHeight > 60];
                }})()"""
            )
            assert whole == [True, True]

        look(show, work, 390, 844, phone=True)
