"""The page of a run in Chromium, as it is installed: what it shows, what it asks for, what the console says."""

import html
import json
import re
import subprocess

import numpy as np
import pytest
from border import ONCE

import xpnn as nn
from xpnn.cli.figures import Run
from xpnn.cli.recipe import Recipe
from xpnn.cli.report import write_report
from xpnn.data import ImageData

pytestmark = pytest.mark.skipif(not ONCE, reason="a page is the same in every run")

EVIL = '"><img src=http://127.0.0.1:9/evil onerror=console.log(1)><script>console.log(2)</script>'
FLAGS = ("--headless", "--no-sandbox", "--disable-gpu", "--virtual-time-budget=3000", "--enable-logging=stderr",
         "--disable-background-networking", "--host-resolver-rules=MAP * ~NOTFOUND")  # fmt: skip
PROBE = """<!DOCTYPE html><meta charset=utf-8>{frames}<pre id=found></pre><script>
console.error("the probe"); new Image().src = "http://127.0.0.1:9/probe"
addEventListener("load", () => {{ 
    const windows = [...document.querySelectorAll("iframe")]
    found.textContent = JSON.stringify(windows.map(f => {{
    const page = f.contentDocument, root = page.documentElement
    return {{
        overflow: root.scrollWidth - root.clientWidth, paper: getComputedStyle(page.body).backgroundColor,
        text: page.body.innerText, figures: [...page.querySelectorAll("svg")].map(s => s.getAttribute("aria-label")),
        ink: getComputedStyle(page.querySelector("svg text")).fill,
        pictures: [...page.images].map(i => [i.alt, i.naturalWidth]) }} }})) }})
</script>"""
"""The page twice: in a narrow, light window and in a wide, dark one; and a message and a request of the probe's own,
without which the test would not know that it hears any."""


@pytest.fixture(scope="module")
def seen(tmp_path_factory):
    """What the probe found of each window, the console's messages and the URLs that were asked for."""
    folder, rng = tmp_path_factory.mktemp("page"), np.random.default_rng(0)
    x, y = rng.integers(0, 256, (6, 1, 8, 8), dtype=np.uint8), np.arange(6) % 3
    recipe = Recipe("lenet5", EVIL, (8, 8), 0.5, 0.25, ("<b>zero</b>", EVIL, "two"), options=EVIL)
    history = nn.History({"epoch": i, "loss": 1 / i, "val_loss": 2 / i, EVIL: 0.5} for i in range(1, 4))
    run = Run(recipe, recipe.build(0), history, ImageData(EVIL, x, y, x, y, recipe.classes))
    page = html.escape(write_report(run, folder, "accuracy 12%" + EVIL).read_text("utf-8"))
    frames = [f'<iframe width={width} height=800 style="color-scheme:{scheme}" srcdoc="{page}"></iframe>'
              for width, scheme in ((390, "light"), (1280, "dark"))]  # fmt: skip
    (folder / "probe.html").write_text(PROBE.format(frames="".join(frames)), "utf-8")
    command = [
        "chromium",
        *FLAGS,
        f"--user-data-dir={folder}/profile",
        f"--log-net-log={folder}/net.json",
        "--dump-dom",
    ]
    shown = subprocess.run([*command, f"file://{folder}/probe.html"], capture_output=True, text=True, timeout=100)
    found = re.search(r'<pre id="found">(.*?)</pre>', shown.stdout, re.DOTALL)
    events = json.loads((folder / "net.json").read_text())["events"]
    asked = {
        e["params"]["url"] for e in events if e.get("params", {}).get("initiator", "not an origin") != "not an origin"
    }
    return json.loads(html.unescape(found[1])), re.findall(r"CONSOLE.*?\] (.*)", shown.stderr), asked


def test_nothing_leaves_the_page_and_the_console_is_silent(seen):
    _, console, asked = seen
    assert asked == {"http://127.0.0.1:9/probe"}
    assert len(console) == 1
    assert '"the probe"' in console[0]


def test_it_shows_the_run(seen):
    for page in seen[0]:
        assert page["figures"] == [
            "Loss and accuracy over the epochs",
            "How many samples of each class were taken for which class",
            "One picture on its way through the network",
            "How much each pixel moves the largest logit",
            "The weights by which the first layer sees its input",
            "Histograms of the parameters",
        ]
        assert "accuracy 12%" + EVIL in page["text"]
        assert "held out" in page["text"]
        wrong = int(re.search(r"Wrong: (\d) of 6 pictures", page["text"])[1])
        assert len(page["pictures"]) == wrong > 0
        assert all(
            width == 8 and re.fullmatch(r".+ \(\d+%\), but it is .+; picture \d", alt)
            for alt, width in page["pictures"]
        )


def test_it_fits_narrow_and_wide_windows_light_and_dark(seen):
    narrow, wide = seen[0]
    assert narrow["overflow"] == wide["overflow"] == 0
    assert (narrow["paper"], narrow["ink"]) == ("rgb(255, 255, 255)", "rgb(26, 26, 26)")
    assert (wide["paper"], wide["ink"]) == ("rgb(22, 22, 22)", "rgb(230, 230, 230)")
