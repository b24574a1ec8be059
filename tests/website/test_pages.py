"""Chromium opens every page of the built site: console, requests, width, colours, search."""

import functools
import http.server
import json
import os
import re
import subprocess
import threading
from pathlib import Path
from urllib.parse import quote

import pytest

SITE = Path(os.environ["XPNN_SITE"])
PAGES = [path.relative_to(SITE).as_posix() for path in sorted(SITE.rglob("*.html")) if "_static" not in path.parts]
FLAGS = ("--headless", "--no-sandbox", "--disable-gpu", "--enable-logging=stderr", "--disable-background-networking",
         "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1")  # fmt: skip
PROBE = """<!DOCTYPE html><meta charset=utf-8><link rel=icon href="data:,"><script>
console.error("the probe")
const luminance = colour => { const [r, g, b] = colour.match(/\\d+/g).map(Number); return (r + g + b) / 765 }
async function opened(path) {
    const frame = document.createElement("iframe")
    frame.style = "width:390px;height:800px;border:0"
    const loaded = new Promise(done => frame.onload = done)
    frame.src = path; document.body.append(frame); await loaded
    return frame
}
async function look(path) {
    const frame = await opened(path), page = frame.contentDocument, root = page.documentElement
    const found = {path, overflow: [], paper: [], broken: [...page.images].filter(i => i.src && !i.complete).length}
    for (const width of [390, 1280]) {
        frame.style.width = width + "px"
        for (const theme of ["light", "dark"]) {
            root.dataset.theme = theme
            found.overflow.push(root.scrollWidth - root.clientWidth)
            found.paper.push(luminance(getComputedStyle(page.body).backgroundColor))
        }
    }
    frame.remove()
    return found
}
addEventListener("load", async () => {
    const pages = []
    for (const path of PATHS) pages.push(await look(path))
    await fetch("/found", {method: "POST", body: JSON.stringify({pages})})
})
</script><body>"""


@pytest.fixture(scope="module")
def seen(tmp_path_factory):
    """What the probe found, and what the console said."""
    folder, found, told = tmp_path_factory.mktemp("browser"), {}, threading.Event()
    probe = PROBE.replace("PATHS", json.dumps(PAGES))

    class Handler(http.server.SimpleHTTPRequestHandler):
        def do_GET(self):
            if self.path != "/probe":
                return super().do_GET()
            self.send_response(200)
            self.end_headers()
            self.wfile.write(probe.encode())
            return None

        def do_POST(self):
            found.update(json.loads(self.rfile.read(int(self.headers["Content-Length"]))))
            self.send_response(200)
            self.end_headers()
            told.set()

        def log_message(self, *_):
            pass

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), functools.partial(Handler, directory=str(SITE))) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        command = ["chromium", *FLAGS, f"--user-data-dir={folder}/profile", f"--log-net-log={folder}/net.json"]
        address = f"http://127.0.0.1:{server.server_port}"
        with (folder / "console").open("wb") as console:
            browser = subprocess.Popen([*command, f"{address}/probe"], stderr=console)
            told.wait(280)
            browser.terminate()
            browser.wait(20)
        server.shutdown()
    said = (folder / "console").read_text(errors="replace")
    assert found, said[-3000:]
    lines = (folder / "net.json").read_text().splitlines()  # one event each; the last may be cut off
    ours = [line for line in lines if f'"initiator":"{address}"' in line]
    asked = {url for line in ours for url in re.findall(r'"url":"([^"]+)"', line)}
    return found, re.findall(r"CONSOLE.*?\] (.*)", said), asked, address


def test_the_console_is_silent_and_nothing_is_asked_of_others(seen):
    _, console, asked, address = seen
    assert [line for line in console if not line.startswith(('"the probe"', '"[PST]: '))] == []
    assert any('"the probe"' in line for line in console)
    assert asked
    assert [url for url in asked if not url.startswith(address)] == []


def test_no_page_scrolls_sideways_narrow_or_wide(seen):
    assert [(page["path"], page["overflow"]) for page in seen[0]["pages"] if any(page["overflow"])] == []
    assert len(seen[0]["pages"]) == len(PAGES)


def test_every_page_has_a_light_and_a_dark_face_and_all_its_pictures(seen):
    for page in seen[0]["pages"]:
        narrow_light, narrow_dark, wide_light, wide_dark = page["paper"]
        assert min(narrow_light, wide_light) > 0.9 > 0.2 > max(narrow_dark, wide_dark), page["path"]
        assert page["broken"] == 0, page["path"]


@pytest.mark.parametrize(("language", "word"), [("en", "convolution"), ("zh_CN", "卷积"), ("zh_CN", "im2col")])
def test_search_finds_words_in_both_languages_without_a_server(language, word, tmp_path):
    address = f"{(SITE / language / 'search.html').as_uri()}?q={quote(word)}"
    command = ["chromium", *FLAGS, "--virtual-time-budget=30000", f"--user-data-dir={tmp_path}", "--dump-dom", address]
    page = subprocess.run(command, capture_output=True, text=True, timeout=100).stdout
    assert page.partition('id="search-results"')[2].count("<li") > 5
