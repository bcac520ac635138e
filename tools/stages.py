"""Core-seconds of each stage of a cut-out, for docs/scale.md: `python tools/stages.py --megapixels 12`."""

from __future__ import annotations

import argparse
import io
import resource
import time
from collections import defaultdict
from collections.abc import Callable
from pathlib import Path
from typing import Any

from PIL import Image

from mam import Matting
from mam.images import open_photo
from mam.images.encode import encode_image
from mam.matte import Matte

EXAMPLES = Path(__file__).parents[1] / "demo" / "examples"
BOXES = {"flower.jpg": (178, 82, 450, 360), "cat.png": (0, 0, 390, 299), "coffee.png": (140, 60, 480, 330)}
ALPHA = "PNG of the alpha"
GRAPHS = {"encode": "image encoder", "decode": "mask decoder", "matte": "matte graph"}


def main() -> None:
    """Print the mean over the examples, on one thread: processor time of this process, not of a GPU."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--megapixels", type=float, default=12)
    parser.add_argument("--repeats", type=int, default=2)
    parser.add_argument("--device", choices=("cpu", "cuda"), default="cpu")
    arguments = parser.parse_args()
    matting = Matting.load(device=arguments.device, threads=1)
    spent: dict[str, list[float]] = defaultdict(list)
    for name, box in BOXES.items():
        content, scale = enlarge(EXAMPLES / name, arguments.megapixels)
        for _ in range(arguments.repeats + 1):
            for stage, seconds in measure(matting, content, tuple(scale * side for side in box)).items():
                spent[stage].append(seconds)
        for seconds in spent.values():
            del seconds[-arguments.repeats - 1]  # the first run of a size is slower
    means = {stage: sum(seconds) / len(seconds) for stage, seconds in spent.items()}
    for stage, mean in means.items():
        print(f"{stage:<18}{mean:7.3f} s")
    print(f"{'cut-out':<18}{sum(means.values()) - means[ALPHA]:7.3f} s")
    print(f"{'alpha alone':<18}{sum(means.values()) - means['colours'] - means['PNG']:7.3f} s")
    print(f"peak memory {resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e6:.1f} GB")


def enlarge(path: Path, megapixels: float) -> tuple[bytes, float]:
    """Return a JPEG of an example in another size, and how many times longer its sides are."""
    image = Image.open(path).convert("RGB")
    scale = (megapixels * 1e6 / (image.width * image.height)) ** 0.5
    stream = io.BytesIO()
    size = (round(image.width * scale), round(image.height * scale))
    image.resize(size, Image.Resampling.BICUBIC).save(stream, "JPEG", quality=90)
    return stream.getvalue(), scale


def measure(matting: Matting, content: bytes, box: tuple[float, ...]) -> dict[str, float]:
    """Return the core-seconds of each stage of one cut-out with a box."""
    clock = Clock(matting.graphs)
    photo = clock.time("JPEG decoding", lambda: open_photo(content))
    graphs: Any = clock
    matte = clock.time("resizing, rest", lambda: Matting(graphs).open(photo).matte(box=box))
    assert isinstance(matte, Matte)
    cutout = clock.time("colours", matte.cutout)
    clock.time("PNG", lambda: encode_image(cutout, "PNG", photo.icc_profile))
    clock.time(ALPHA, lambda: encode_image(matte.alpha_uint8(), "PNG"))
    clock.spent["resizing, rest"] -= sum(clock.spent[stage] for stage in GRAPHS.values())
    return clock.spent


class Clock:
    """Graphs that measure their calls."""

    def __init__(self, graphs: Any) -> None:
        self.graphs = graphs
        self.spent: dict[str, float] = defaultdict(float)

    def time(self, stage: str, call: Callable[[], Any]) -> Any:
        """Add the core-seconds of a call to a stage; return its result."""
        start = time.process_time()
        result = call()
        self.spent[stage] += time.process_time() - start
        return result

    def __getattr__(self, name: str) -> Any:
        found = getattr(self.graphs, name)
        if name not in GRAPHS:
            return found
        return lambda *arguments: self.time(GRAPHS[name], lambda: found(*arguments))


if __name__ == "__main__":
    main()
