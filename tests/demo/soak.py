"""Load test with several visitors at once: `python -m tests.demo.soak --visitors 8 --minutes 20`. Not run by pytest.

Starts the page and repeats what the page's own script sends (open a photo, box, correct, preview, change the
background, download), compares every matte with the library's for that visitor's own photo, and prints the times per
step and the server's memory. With `--hostile 4`, so many others send what is meant to do harm meanwhile; each visitor
has an address of its own. The honest ones are measured alone first.
"""

from __future__ import annotations

import argparse
import base64
import contextlib
import io
import json
import random
import secrets
import subprocess
import sys
import tempfile
import threading
import time
import traceback
from pathlib import Path

import httpx
import numpy as np
from PIL import Image

from mam import Matting
from tests.conftest import EXAMPLES, ROOT

CROPS = [
    ("flower.jpg", (178, 82, 450, 360)),
    ("cat.png", (0, 0, 390, 299)),
    ("coffee.png", (72, 12, 482, 390)),
    ("astronaut.png", (2, 5, 395, 510)),
]
AGREE = 3 / 255  # the page's threads may sum in another order than ours


class Visitor:
    """One browser, for the server.

    Args:
        address: of the page. config: of the page, as Gradio serves it. number: decides the visitor's photo.
    """

    network = "198.51.100"

    def __init__(self, address: str, config: dict, number: int, folder: Path) -> None:
        self.address = address
        self.http = httpx.Client(timeout=240, headers={"X-Forwarded-For": f"{self.network}.{number}"})
        ids = {c["props"].get("elem_id"): c["id"] for c in config["components"]}
        self.canvas = ids["canvas"]
        targets = [
            (ids["canvas"], "uploaded"),
            (ids["canvas"], "prompt"),
            (ids["softness"], "input"),
            (ids["download"], "click"),
        ]
        self.events = {
            name: next(d for d in config["dependencies"] if list(target) in [list(t) for t in d["targets"]])
            for name, target in zip(("open", "prompt", "style", "save"), targets, strict=True)
        }
        self.defaults = {c["id"]: c["props"].get("value") for c in config["components"]}
        name, box = CROPS[number % len(CROPS)]
        grown = 1 + 0.25 * (number // len(CROPS)) + 0.01 * number  # no two visitors have the same right answer
        image = Image.open(EXAMPLES / name).convert("RGB")
        image = image.resize((round(image.width * grown), round(image.height * grown)), Image.Resampling.BICUBIC)
        self.file = folder / f"visitor_{number}.png"
        image.save(self.file)
        self.box = [v * grown for v in box]
        self.minus = [image.width * 0.02 + 2, image.height * 0.97 - 2]
        self.times: dict[str, list[float]] = {}

    def expect(self, matting: Matting) -> None:
        """What the library gives for this visitor's photo."""
        scene = matting.open(self.file)
        first = scene.matte(box=self.box)
        self.expected = [first, scene.matte(box=self.box, points=[self.minus], labels=[0], previous=first)]

    def visit(self) -> None:
        """One whole visit in a session of its own."""
        self.session = secrets.token_hex(6)
        with self.http.stream("GET", f"{self.address}gradio_api/heartbeat/{self.session}") as alive:
            beats = alive.iter_lines()  # kept: when it goes, the connection goes
            next(beats)
            with open(self.file, "rb") as file:
                path = self.measure(
                    "upload",
                    lambda: self.http.post(f"{self.address}gradio_api/upload", files={"files": file}).json()[0],
                )
            reply = self.measure("open", lambda: self.call("open", {}, {"path": path}))
            token = reply["token"]
            ops = [{"kind": "box", "xy": self.box}]
            self.check("box", token, ops, 0)
            self.measure("preview", lambda: self.preview(token, ops))
            self.check("correct", token, [*ops, {"kind": "point", "xy": self.minus, "label": 0}], 1)
            self.measure("result", lambda: self.call("style", {}))
            self.measure("download", lambda: self.call("save", {}))

    def check(self, step: str, token: str, ops: list, turn: int) -> None:
        """Ask for a matte and compare it."""
        message = {
            "turn": turn,
            "token": token,
            "active": 1,
            "have": [],
            "objects": [{"id": 1, "name": "it", "visible": True, "ops": ops}],
        }
        reply = self.measure(step, lambda: self.call("prompt", {}, message))
        image = reply["mattes"]["1"]["overlay"].split(",")[1]
        alpha = np.asarray(Image.open(io.BytesIO(base64.b64decode(image))).getchannel("A"), np.float32) / 255
        expected = self.expected[turn].alpha
        wrong = (np.abs(alpha - expected) > AGREE).mean()
        if alpha.shape != expected.shape or wrong > 1e-3:
            raise AssertionError(
                f"{self.file.name}, {step}: {alpha.shape} for {expected.shape}, {wrong:.2%} of the pixels differ"
            )

    def preview(self, token: str, ops: list) -> None:
        """A preview may be refused while another is made, but must not fail."""
        x, y = self.box[0] + 5, self.box[1] + 5
        body = {
            "data": {"token": token, "x": x, "y": y, "label": 1, "ops": ops},
            "component_id": self.canvas,
            "fn_name": "preview",
            "session_hash": self.session,
        }
        self.http.post(f"{self.address}gradio_api/component_server/", json=body).raise_for_status()

    def call(self, event: str, values: dict, data: object = None) -> object:
        """Run an event as the page's script does; the canvas's new value, if it has one."""
        dependency = self.events[event]
        inputs = [values.get(i, self.defaults.get(i)) for i in dependency["inputs"]]
        body = {
            "data": inputs,
            "fn_index": dependency["id"],
            "session_hash": self.session,
            "event_data": data,
            "trigger_id": dependency["targets"][0][0],
        }
        self.http.post(f"{self.address}gradio_api/queue/join", json=body).raise_for_status()
        value: object = None
        with self.http.stream(
            "GET", f"{self.address}gradio_api/queue/data", params={"session_hash": self.session}
        ) as events:
            for line in events.iter_lines():
                if not line.startswith("data:"):
                    continue
                message = json.loads(line[5:])
                if message["msg"] == "process_generating" and self.canvas in dependency["outputs"]:
                    latest = message["output"]["data"][dependency["outputs"].index(self.canvas)]
                    value = latest if isinstance(latest, dict) else value
                if message["msg"] == "process_completed":
                    if not message["success"]:
                        raise AssertionError(f"{event}: {message['output']}")
                    outputs = message["output"]["data"]
                    if self.canvas in dependency["outputs"] and isinstance(
                        outputs[dependency["outputs"].index(self.canvas)], dict
                    ):
                        value = outputs[dependency["outputs"].index(self.canvas)]
                    return value
        raise AssertionError(f"{event}: the stream ended")

    def visits(self) -> int:
        """How many visits have ended, at least 1."""
        return max(1, len(self.times.get("download", [])))

    def measure(self, step: str, work):
        """Run and keep the time."""
        start = time.perf_counter()
        result = work()
        self.times.setdefault(step, []).append(time.perf_counter() - start)
        return result


class Hostile(Visitor):
    """A program that sends what is meant to do harm; any answer is right, as long as others notice nothing."""

    network = "203.0.113"

    def __init__(self, address: str, config: dict, number: int, folder: Path) -> None:
        super().__init__(address, config, number, folder)
        self.files = [folder / name for name in ("palette.png", "bomb.webp", "scans.jpg")]
        if not self.files[-1].exists():
            self.make_files(Image.open(self.file))

    def make_files(self, photo: Image.Image) -> None:
        """Write the files that are hard to decode, once for all of them."""
        palette, bomb, scans = self.files
        size = (11_000, 10_800)
        Image.new("P", size).save(palette, transparency=0, compress_level=1)
        Image.new("RGB", size).save(bomb, lossless=True, method=0)
        photo.resize((6000, 4000)).save(scans, progressive=True, quality=20)
        content = scans.read_bytes()
        scan = content.rindex(b"\xff\xda")
        scans.write_bytes(content[:scan] + content[scan:-2] * 50 + content[-2:])

    def visit(self) -> None:
        """One of: a file that is hard to decode, many sessions, a full queue, an address, a long body."""
        self.session = secrets.token_hex(6)
        attack = random.randrange(5)
        if attack < 2:
            with open(random.choice(self.files), "rb") as file:
                (path,) = self.http.post(f"{self.address}gradio_api/upload", files={"files": file}).json()
            self.join("open", {"path": path})
        elif attack == 2:
            for _ in range(40):
                self.session = secrets.token_hex(6)
                self.join(random.choice(["open", "prompt", "style", "save"]), {"path": "/etc/passwd", "token": "?"})
        elif attack == 3:
            self.http.get(f"{self.address}gradio_api/file=http://127.0.0.1:22/")
        else:
            self.http.post(f"{self.address}gradio_api/queue/join", content=b'{"data": [' + b"[" * 30_000_000)
        self.times.setdefault("attack", []).append(0.0)

    def join(self, event: str, data: object) -> None:
        """Enter the queue, and do not wait."""
        dependency = self.events[event]
        body = {
            "data": [self.defaults.get(i) for i in dependency["inputs"]],
            "fn_index": dependency["id"],
            "session_hash": self.session,
            "event_data": data,
            "trigger_id": dependency["targets"][0][0],
        }
        self.http.post(f"{self.address}gradio_api/queue/join", json=body)


def memory_of(pid: int) -> float:
    """MB that a process and its children hold; what several of them share is counted once."""
    processes, total = {str(pid)}, 0.0
    for file in Path(f"/proc/{pid}/task").glob("*/children"):
        with contextlib.suppress(OSError):  # a thread or a process that has ended
            processes |= set(file.read_text().split())
    for one in processes:
        with contextlib.suppress(OSError, StopIteration):
            lines = Path(f"/proc/{one}/smaps_rollup").read_text().splitlines()
            total += int(next(line for line in lines if line.startswith("Pss:")).split()[1]) / 1024
    return total


def main() -> int:
    """Run the visitors; 1 if any of them met an error."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--visitors", type=int, default=8)
    parser.add_argument("--hostile", type=int, default=0)
    parser.add_argument("--minutes", type=float, default=20)
    parser.add_argument("--warm", type=float, default=1, help="minutes before the memory is first measured")
    parser.add_argument("--port", type=int, default=7996)
    parser.add_argument(
        "--rest", type=float, default=30, help="seconds after the visits, before the memory is measured"
    )
    arguments = parser.parse_args()
    address = f"http://127.0.0.1:{arguments.port}/"
    server = subprocess.Popen(
        [sys.executable, "demo/app.py", "--variant", "tiny", "--port", str(arguments.port)],
        cwd=ROOT,
        stdout=subprocess.DEVNULL,
    )
    for _ in range(200):
        try:
            config = httpx.get(f"{address}config").json()
            break
        except httpx.TransportError:
            time.sleep(0.3)
    failures: list[str] = []
    with tempfile.TemporaryDirectory() as folder:
        visitors = [Visitor(address, config, number, Path(folder)) for number in range(arguments.visitors)]
        matting = Matting.load()
        for visitor in visitors:
            visitor.expect(matting)
        hostile = [Hostile(address, config, number, Path(folder)) for number in range(100, 100 + arguments.hostile)]
        del matting
        slowest_page = most = 0.0

        def live(visitor: Visitor, end: float) -> None:
            while time.monotonic() < end:
                try:
                    visitor.visit()
                except Exception:  # whatever it is, it is a finding
                    if not isinstance(visitor, Hostile):
                        failures.append(traceback.format_exc(limit=-2))
                time.sleep(random.uniform(0, 2))

        def crowd(minutes: float, visitors: list[Visitor]) -> float:
            """Visitors for some minutes, and a rest; the memory after it."""
            nonlocal slowest_page, most
            end = time.monotonic() + 60 * minutes
            threads = [threading.Thread(target=live, args=(visitor, end)) for visitor in visitors]
            for thread in threads:
                thread.start()
            while any(thread.is_alive() for thread in threads):
                time.sleep(2)
                asked = time.perf_counter()
                httpx.get(address, timeout=60).raise_for_status()
                slowest_page = max(slowest_page, time.perf_counter() - asked)
                most = max(most, memory_of(server.pid))
            time.sleep(arguments.rest)
            return memory_of(server.pid)

        start = crowd(arguments.warm, visitors)
        alone = np.mean([sum(map(sum, visitor.times.values())) / visitor.visits() for visitor in visitors])
        for visitor in visitors:
            visitor.times.clear()
        slowest_page = most = 0.0
        rest = crowd(arguments.minutes, [*visitors, *hostile])
    visits = sum(visitor.visits() for visitor in visitors)
    if hostile:
        mixed = np.mean([sum(map(sum, visitor.times.values())) / visitor.visits() for visitor in visitors])
        attacks = sum(len(visitor.times.get("attack", [])) for visitor in hostile)
        print(f"{attacks} attacks; a visit takes {mixed:.1f} s, alone {alone:.1f} s: {mixed / alone:.1f} times as long")
    print(f"{arguments.visitors} visitors, {arguments.minutes:g} minutes: {visits} visits, {len(failures)} failures")
    print("step       p50 s   p95 s   count")
    for step in visitors[0].times:
        values = np.concatenate([visitor.times.get(step, []) for visitor in visitors])
        print(f"{step:9} {np.percentile(values, 50):6.2f}  {np.percentile(values, 95):6.2f}  {len(values):6}")
    print(f"the page itself, asked for every 2 s: at most {slowest_page:.2f} s")
    print(f"memory MB: {start:.0f} after warming up, at most {most:.0f}, {rest:.0f} at rest ({rest / start - 1:+.1%})")
    for failure in failures[:5]:
        print(failure)
    server.terminate()
    server.wait(30)
    return int(bool(failures))


if __name__ == "__main__":
    sys.exit(main())
