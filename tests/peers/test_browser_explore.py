"""``xpnn explore`` in Chromium: the page of a server and the page in a file, driven by clicks in both languages."""

import html
import json
import re
import subprocess
import threading

import numpy as np
import pytest
from border import ONCE
from peers.test_browser_report import FLAGS
from werkzeug.serving import make_server

import xpnn as nn
from xpnn.cli.recipe import Recipe
from xpnn.explore import Pictures, application, frozen

pytestmark = pytest.mark.skipif(not ONCE, reason="a page is the same in every run")

PROBE = """<!DOCTYPE html><meta charset=utf-8><link rel=icon href="data:,">
<iframe width=1280 height=900 src="/token/"></iframe><iframe width=390 height=900 src="/token/"></iframe>
<iframe width=1280 height=900 src="/token/kept"></iframe><iframe width=390 height=900 src="/token/kept"></iframe>
<pre id=found></pre><script>
const pause = () => new Promise(done => setTimeout(done, 20))
async function drive(frame) {
  const page = frame.contentDocument, root = page.documentElement, found = {overflow: []}
  const at = key => page.querySelector(`[data-key="${key}"]`)
  const until = async ready => { for (let i = 0; i < 300 && !ready(); i++) await pause() }
  const of = id => page.getElementById(id)?.textContent
  const press = async (key, ready = () => true) => {
    at(key).dispatchEvent(new MouseEvent("click"))
    await pause()
    await until(ready)
  }
  const measure = () => found.overflow.push(root.scrollWidth - root.clientWidth)
  await until(() => of("sum"))
  const map = at("map-3-2"), before = of("sum")
  const {x, y} = map.getBoundingClientRect()
  map.dispatchEvent(new MouseEvent("click", {clientX: x + 18, clientY: y + 30}))
  await until(() => of("sum") !== before)
  Object.assign(found, {place: page.querySelector(".detail h2").textContent, sum: of("sum")})
  await press("backward")
  await press("steepest", () => of("gradient"))
  found.gradient = of("gradient")
  measure()
  await press("take", () => of("stepped"))
  found.stepped = of("stepped")
  if (at("reset")) await press("reset", () => !of("stepped"))
  for (const lang of ["en", "zh-CN"]) {
    for (const name of ["network", "rnn", "lenet"]) {
      await press("tab-" + name, () => at("tab-" + name).getAttribute("aria-selected") === "true")
      measure()
      if (name === "network") { await press("backward"); await press("W3-0-1"); found.state = of("state"); measure() }
      if (name === "rnn") { await press("t-4"); found.deltas = of("deltas") }
      found[lang + name] = page.querySelector("main > p").textContent
    }
    page.getElementById("language").click()
  }
  const pad = at("pad")
  if (pad) {
    const key = name => pad.dispatchEvent(new KeyboardEvent("keydown", {key: name, bubbles: true}))
    for (let i = 0; i < 6; i++) key("ArrowUp")
    key(" ")
    for (let i = 0; i < 12; i++) key("ArrowDown")
    const before = of("verdict")
    key(" ")
    await until(() => of("verdict") !== before)
    found.verdict = of("verdict")
    measure()
  }
  found.words = [...page.querySelectorAll("canvas, svg, select, input")].every(one => one.closest("[aria-hidden]")
    || one.getAttribute("aria-label") || one.closest("label"))
  return found
}
addEventListener("load", async () => {
  console.error("the probe")
  const seen = []
  for (const frame of document.querySelectorAll("iframe"))
    seen.push(await drive(frame).catch(error => ({error: String(error)})))
  found.textContent = JSON.stringify(seen)
})
</script>"""


@pytest.fixture(scope="module")
def pictures():
    data = nn.load_images("digits", test_only=True)
    recipe = Recipe("lenet5", "digits", (8, 8), 0.3, 0.37, data.classes)
    return Pictures(recipe.build(0), data.x_test, data.y_test, data.classes, recipe.inputs)


@pytest.fixture(scope="module")
def seen(pictures, tmp_path_factory):
    """What each window found, the console's messages, the URLs that were asked for, the drawn pixels."""
    folder, drawn = tmp_path_factory.mktemp("explore"), []
    server = make_server("127.0.0.1", 0, lambda *request: app(*request), threaded=True)
    app, kept = application(pictures, "token", server.port), frozen(pictures, (0,))
    home, loose = f"http://127.0.0.1:{server.port}/token/", {"Content-Security-Policy": "frame-src 'self'"}
    app.add_url_rule("/token/probe", "probe", lambda: (PROBE, loose))
    app.add_url_rule("/token/kept", "kept", lambda: kept)

    @app.before_request
    def remember():
        from flask import request

        if request.is_json and isinstance(request.get_json()[1:2], list):
            drawn.extend(one["pixels"] for one in request.get_json() if isinstance(one, dict) and "pixels" in one)

    threading.Thread(target=server.serve_forever, daemon=True).start()
    flags = [flag.replace("NOTFOUND", "NOTFOUND, EXCLUDE 127.0.0.1") for flag in FLAGS]
    command = ["chromium", *flags, "--virtual-time-budget=60000", f"--user-data-dir={folder}/profile",
               f"--log-net-log={folder}/net.json", "--dump-dom", f"{home}probe"]  # fmt: skip
    shown = subprocess.run(command, capture_output=True, text=True, timeout=100)
    server.shutdown()
    found = re.search(r'<pre id="found">(.*?)</pre>', shown.stdout, re.DOTALL)
    events = json.loads((folder / "net.json").read_text())["events"]
    params = [event.get("params", {}) for event in events]
    asked = {one["url"] for one in params if one.get("initiator", "not an origin") != "not an origin"}
    return json.loads(html.unescape(found[1])), re.findall(r"CONSOLE.*?\] (.*)", shown.stderr), asked, home, drawn


def numbers(text):
    return [float(one.replace("−", "-")) for one in re.findall(r"−?\d+(?:\.\d+)?(?:e[+-]?\d+)?", text)]


def test_the_console_is_silent_and_nothing_goes_elsewhere(seen):
    found, console, asked, home, _ = seen
    assert not [one["error"] for one in found if "error" in one]
    assert len(console) == 1
    assert '"the probe"' in console[0]
    assert asked
    assert {url for url in asked if not url.startswith((home, "data:"))} == set()


def test_nothing_overflows_and_everything_has_words(seen):
    for one in seen[0]:
        assert set(one["overflow"]) == {0}
        assert one["words"]
        for name in ("network", "rnn", "lenet"):
            assert re.search(r"[\u4e00-\u9fff]", one["zh-CN" + name])
            assert not re.search(r"[\u4e00-\u9fff]", one["en" + name])


def test_what_is_shown_is_the_librarys(seen, pictures):
    for live, one in zip((True, True, False, False), seen[0], strict=True):
        layer = pictures.passed(0)["layers"][4]
        d, i, j = (2, 5, 3) if live else layer["strongest"]
        assert numbers(one["place"])[1:] == [d, i, j]
        unit, weight = pictures.unit(0, 3, d, i, j), pictures.weight(0, 3, *layer["steepest"])
        assert numbers(one["sum"]) == [150, unit["bias"], unit["sum"], unit["x"]]
        assert numbers(one["gradient"]) == [weight["sum"], weight["gradient"], weight["difference"]]
        step = pictures.step(0, 0.1, 3, *layer["steepest"])
        pictures.reset()
        assert numbers(one["stepped"])[:2] == step["loss"]
        assert numbers(one["stepped"])[-2:] == step["weight"]


def test_a_drawn_digit_is_classified_as_predict_does(seen, pictures):
    drawn = seen[4]
    assert len(drawn) >= 2
    x = pictures.inputs(np.array(drawn[-1], np.uint8)[None, None])
    assert np.array(drawn[-1])[:, 3:5].min() > 60  # a stroke from top to bottom
    expected = nn.predict(pictures.model, x.astype(np.float64))[0].argmax()
    assert [int(numbers(one["verdict"])[0]) for one in seen[0][:2]] == [expected] * 2
