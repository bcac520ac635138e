"""Images per second of `mam matte` and of `mam.cluster` with 1 and 2 actors: `python tools/ray_speed.py FOLDER`."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import ray
import ray.data

from mam.cluster import matte_dataset


def main() -> None:
    """Cut out the main object of every image of a folder in each way, one thread per process.

    The rate counts from the first result on, because starting Python, Ray and the graphs costs the same for any number
    of images; the whole time is printed beside it.
    """
    folder = Path(sys.argv[1]).resolve()
    images = sorted(str(path) for path in folder.iterdir())
    with tempfile.TemporaryDirectory() as scratch:
        command = [sys.executable, "-m", "mam", "matte", str(folder), "--threads", "1", "-o", f"{scratch}/plain"]
        start = time.perf_counter()
        process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
        assert process.stdout is not None
        report("mam matte", start, [time.perf_counter() for _ in process.stdout])
        ray.init(num_cpus=os.cpu_count(), include_dashboard=False, log_to_driver=False)
        ray.data.DataContext.get_current().enable_progress_bars = False
        for actors in (1, 2):
            rows = [{"image": path, "result": f"{scratch}/{actors}/{Path(path).stem}.png"} for path in images]
            dataset = ray.data.from_items(rows, override_num_blocks=len(rows))
            start = time.perf_counter()
            times = [time.perf_counter() for _ in matte_dataset(dataset, actors=actors).iter_rows()]
            report(f"{actors} actors", start, times)


def report(what: str, start: float, times: list[float]) -> None:
    """Print the rate of a run and its whole time."""
    rate = (len(times) - 1) / (times[-1] - times[0])
    print(f"{what:<12}{rate:6.2f} images/s; {len(times)} images in {times[-1] - start:.0f} s", flush=True)


if __name__ == "__main__":
    main()
