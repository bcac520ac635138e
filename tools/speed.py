"""Compare the speed and memory of two checkouts at 12 megapixels: a table of CPU-seconds for docs/benchmarks.md.

    git worktree add /tmp/v0.10.0 6bff596
    python tools/speed.py /tmp/v0.10.0 .

Each run is a fresh process on one thread, and runs of the checkouts alternate. The stages are those of one photograph
and one box; each is measured the second time, because caches are filled and code is compiled at first use. A cell is
the smallest of all runs, as other load only adds. Peak memory is that of the process.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from PIL import Image

EXAMPLES = Path(__file__).resolve().parents[1] / "demo" / "examples"
BOXES = {
    "flower.jpg": (178, 82, 450, 360),
    "cat.png": (0, 0, 390, 299),
}  # with a crop of its own, and filling the frame
MEGAPIXELS = 12
STEPS = ("open", "segment", "matte", "colours", "PNG")  # from a file with a box to a PNG file


def main() -> None:
    """Run both checkouts and print the table; `--stage` is what each process runs."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("before", type=Path)
    parser.add_argument("after", type=Path)
    parser.add_argument("--runs", type=int, default=3)
    parser.add_argument("--stage", nargs=3, metavar=("PHOTO", "BOX", "PNG"), help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.stage:
        photo, box, png = arguments.stage
        print(json.dumps(measure(photo, json.loads(box), png)))
        return
    columns: dict[str, dict[str, float]] = {}
    with tempfile.TemporaryDirectory() as folder:
        for name, box in BOXES.items():
            photo, scale = enlarge(EXAMPLES / name, Path(folder))
            for _ in range(arguments.runs):
                for title, checkout in (("before", arguments.before), ("after", arguments.after)):
                    found = run(checkout, photo, [side * scale for side in box])
                    column = columns.setdefault(f"{photo.stem}, {title}", found)
                    column.update({row: min(value, column[row]) for row, value in found.items()})
    for name in BOXES:
        stem = Path(name).stem
        before, after = columns[f"{stem}, before"], columns[f"{stem}, after"]
        columns[f"{stem}, ratio"] = {row: after[row] / before[row] for row in before}
    titles = sorted(columns, key=lambda title: (title.split(",")[0] != "flower", "ratio" in title, "after" in title))
    print("| | " + " | ".join(titles) + " |\n|---|" + "---|" * len(titles))
    for row in columns[titles[0]]:
        print(f"| {row} | " + " | ".join(f"{columns[title][row]:.2f}" for title in titles) + " |")


def enlarge(path: Path, folder: Path) -> tuple[Path, float]:
    """Write an example in another size as JPEG; return its path, and how many times longer its sides are."""
    image = Image.open(path).convert("RGB")
    scale = (MEGAPIXELS * 1e6 / (image.width * image.height)) ** 0.5
    size = (round(image.width * scale), round(image.height * scale))
    target = folder / f"{path.stem}.jpg"
    image.resize(size, Image.Resampling.LANCZOS).save(target, "JPEG", quality=92)
    return target, scale


def run(checkout: Path, photo: Path, box: list[float]) -> dict[str, float]:
    """Measure one checkout in a fresh process."""
    png = str(photo.with_suffix(".png"))
    command = [sys.executable, __file__, str(checkout), str(checkout), "--stage", str(photo), json.dumps(box), png]
    environment = {**os.environ, "PYTHONPATH": str(checkout.resolve()), "OMP_NUM_THREADS": "1"}
    output = subprocess.run(command, check=True, env=environment, cwd=checkout, stdout=subprocess.PIPE, text=True)
    measured: dict[str, float] = json.loads(output.stdout)
    return measured


def measure(photo: str, box: list[float], png: str) -> dict[str, float]:
    """Measure each stage with whichever `mam` is on the path; seconds of this process, megabytes."""
    import onnxruntime  # noqa: F401 - before the clock starts, as one version imports it later than the other

    from mam import Matting, Prompt

    spent: dict[str, float] = {}

    def clock(stage: str, call: Callable[..., Any], *arguments: Any) -> Any:
        start = time.process_time()
        result = call(*arguments)
        spent[f"{stage}, s"] = time.process_time() - start
        return result

    matting = clock("load", lambda: Matting.load(device="cpu", threads=1))
    for _ in range(2):
        scene = clock("open", matting.open, photo)
        (segment,) = clock("segment", scene.segment, [Prompt(box=box)])
        matte = clock("matte", scene.refine, segment)
        clock("colours", lambda matte: matte.foreground, matte)
        clock("PNG", matte.save, png)
    spent["box to PNG, s"] = sum(spent[f"{step}, s"] for step in STEPS)
    spent["peak memory, MB"] = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e3
    spent["PNG, MB"] = Path(png).stat().st_size / 1e6
    return spent


if __name__ == "__main__":
    main()
