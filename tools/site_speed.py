"""Seconds of a visit to sites in Chromium, for docs/benchmarks.md: `python tools/site_speed.py SITE [SITE ...]`.

Each round opens every site twice (the second visit counts), drops the photo, clicks on two places, and downloads. The
lines give seconds from the step to the message that brings the result, and CPU-seconds of all of Chromium's processes,
of "open" and "click" up to the matte.
"""

from __future__ import annotations

import argparse
import contextlib
import functools
import http.server
import os
import shutil
import statistics
import tempfile
import threading
import time
from collections import defaultdict
from collections.abc import Callable, Iterator
from pathlib import Path

from PIL import Image
from playwright.sync_api import Page, sync_playwright

PHOTO = Path(__file__).parents[1] / "demo" / "examples" / "cat.png"
SIZE = (4243, 2828)
CLICKS = ((0.45, 0.45), (0.55, 0.6))  # of the photo's width and height
REST = 8  # seconds after a page is ready, in which a visitor chooses a photo
TICKS = os.sysconf("SC_CLK_TCK")
# Keeps the time of each kind of message; masks are replies without a text, a draft is a result made from them.
RECORD = """window.times = {};
const post = Worker.prototype.postMessage;
Worker.prototype.postMessage = function (...args) {
  if (!this.isHeard) this.addEventListener('message', ({ data }) => {
    let kind = data.kind === 'reply' ? data.reply.kind : data.kind;
    if (kind === 'mattes' && !data.reply.text) kind = 'masks';
    if (kind === 'result' && !window.times.mattes) kind = 'draft';
    window.times[kind] = performance.now();
  });
  this.isHeard = true;
  return post.apply(this, args);
};"""


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("sites", nargs="+", type=Path)
    parser.add_argument("--rounds", type=int, default=2)
    parser.add_argument("--threads", type=int, default=1, help="at most, of onnxruntime")
    parser.add_argument("--photo", type=Path, default=PHOTO)
    options = parser.parse_args()
    found: dict[tuple[str, str], list[tuple[float, float]]] = defaultdict(list)
    with tempfile.TemporaryDirectory() as folder:
        photo = Path(folder) / "photo.jpg"
        Image.open(options.photo).convert("RGB").resize(SIZE, Image.Resampling.LANCZOS).save(photo, quality=92)
        for _ in range(options.rounds):
            for i, site in enumerate(options.sites):
                copy = Path(folder) / f"site{i}"
                if not copy.exists():
                    shutil.copytree(site, copy)
                    script = copy / "onnx.js"
                    text = script.read_text("utf-8").replace("MOST_THREADS = 4", f"MOST_THREADS = {options.threads}")
                    script.write_text(text, "utf-8")
                for step, values in visit(copy, photo):
                    found[step, str(site)].append(values)
    for (step, name), values in sorted(found.items()):
        seconds, spent = zip(*values, strict=True)
        print(f"{step:24} {name:32} {statistics.mean(seconds):6.2f} ({statistics.mean(spent):5.2f})  ", end="")
        print(" ".join(f"{one:.2f} ({cpu:.2f})" for one, cpu in values))


def visit(site: Path, photo: Path) -> Iterator[tuple[str, tuple[float, float]]]:
    """Yield steps of a visit with their seconds and CPU-seconds."""
    with serve(site) as address, tempfile.TemporaryDirectory() as profile, sync_playwright() as playwright:
        browser = playwright.chromium.launch_persistent_context(
            profile, executable_path="/usr/bin/chromium", viewport={"width": 1280, "height": 720}
        )
        browser.add_init_script(RECORD)
        tab = browser.new_page()
        tab.set_default_timeout(300_000)
        tab.goto(address)
        wait(tab, "ready")
        tab.evaluate("() => navigator.serviceWorker.ready.then(() => {})")
        time.sleep(REST)
        begun = spent(profile)
        tab.goto(address)
        wait(tab, "ready")
        yield "ready", (tab.evaluate("times.ready / 1000"), spent(profile) - begun)
        time.sleep(REST)
        yield from step(tab, profile, "open", lambda: tab.locator("#canvas input[type=file]").set_input_files(photo))
        canvas = tab.locator("#canvas canvas.photo")
        box = canvas.bounding_box()
        assert box
        scale = min(box["width"] / SIZE[0], box["height"] / SIZE[1])
        left, top = (box["width"] - scale * SIZE[0]) / 2, (box["height"] - scale * SIZE[1]) / 2
        for x, y in CLICKS:
            position = {"x": left + x * scale * SIZE[0], "y": top + y * scale * SIZE[1]}
            yield from step(tab, profile, "click", functools.partial(canvas.click, position=position))
        begun, start = spent(profile), time.monotonic()
        with tab.expect_download():
            tab.locator("#download").click()
        yield "download", (time.monotonic() - start, spent(profile) - begun)
        browser.close()


def step(tab: Page, profile: str, name: str, act: Callable[[], object]) -> Iterator[tuple[str, tuple[float, float]]]:
    """Do something and yield the seconds until the masks, the draft, the mattes and the previews."""
    tab.evaluate("window.times = {}; window.begun = performance.now()")
    begun = spent(profile)
    act()
    wait(tab, "mattes")
    used = spent(profile) - begun
    wait(tab, "result")
    time.sleep(1)
    for kind, seconds in tab.evaluate("Object.entries(times).map(([kind, at]) => [kind, (at - begun) / 1000])"):
        if kind in ("photo", "masks", "draft", "mattes", "result"):
            yield f"{name}, {kind}", (seconds, used)


def wait(tab: Page, kind: str) -> None:
    """Wait for a message of the worker."""
    tab.wait_for_function("(kind) => window.times && window.times[kind]", arg=kind, polling=20)


def spent(profile: str) -> float:
    """CPU-seconds of the browser with this profile and of all processes below it."""
    parents, seconds, roots = {}, {}, set()
    for path in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):
            fields = (path / "stat").read_text().rpartition(")")[2].split()
            parents[path.name] = fields[1]
            seconds[path.name] = (int(fields[11]) + int(fields[12])) / TICKS
            if profile in (path / "cmdline").read_text() and "--type=" not in (path / "cmdline").read_text():
                roots.add(path.name)

    def is_below(process: str) -> bool:
        return process in roots or (process in parents and is_below(parents[process]))

    return sum(used for process, used in seconds.items() if is_below(process))


@contextlib.contextmanager
def serve(folder: Path) -> Iterator[str]:
    """Serve a folder without any header of its own."""

    class Handler(http.server.SimpleHTTPRequestHandler):
        def log_message(self, *arguments: object) -> None:
            """Print nothing."""

    handler = functools.partial(Handler, directory=str(folder))
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}/"
        server.shutdown()


if __name__ == "__main__":
    main()
