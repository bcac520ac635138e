"""Mattes on a real Ray cluster of two nodes on this machine, with a worker killed in the middle."""

import os
import secrets
import shutil
import signal
import threading
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from mam.cli import main
from mam.cluster import matte_dataset
from tests.conftest import EXAMPLES, FLOWER_BOX, ROOT

ray = pytest.importorskip("ray", reason='needs Ray: pip install "ray[data]"')
pytestmark = pytest.mark.slow

MARK = secrets.token_hex(8)  # in the environment of the cluster's processes


@pytest.fixture(scope="module")
def cluster() -> Iterator[None]:
    """Two nodes with one core each."""
    import ray.data
    from ray.cluster_utils import Cluster

    with pytest.MonkeyPatch.context() as patch:
        # Workers find `mam` where the tests found it, and one thread each leaves the machine to the others.
        for name, value in {"PYTHONPATH": str(ROOT), "MAM_TEST": MARK, "RAY_AUTH_MODE": "disabled"}.items():
            patch.setenv(name, value)
        nodes = Cluster(initialize_head=True, head_node_args={"num_cpus": 1, "include_dashboard": False})
        nodes.add_node(num_cpus=1)
        ray.init(address=nodes.address, log_to_driver=False)
        ray.data.DataContext.get_current().enable_progress_bars = False
        yield
        ray.shutdown()
        nodes.shutdown()


def actors() -> list[int]:
    """Process ids of this cluster's actors that compute mattes."""
    found = []
    for process in Path("/proc").glob("[0-9]*"):
        try:
            is_actor = (process / "cmdline").read_bytes().startswith(b"ray::MapWorker")
            if is_actor and MARK.encode() in (process / "environ").read_bytes():
                found.append(int(process.name))
        except OSError:  # it has ended
            continue
    return found


@pytest.mark.skipif(not Path("/proc").is_dir(), reason="finds the actors in /proc")
def test_a_killed_worker_loses_no_image(cluster, tmp_path) -> None:
    small = Image.open(EXAMPLES / "flower.jpg").resize((320, 214))
    for number in range(24):
        small.save(tmp_path / f"{number}.jpg")
    out = tmp_path / "out"
    rows = [
        {"image": str(tmp_path / f"{n}.jpg"), "result": f"file://{out}/{n}.png", "box": [89.0, 41.0, 225.0, 180.0]}
        for n in range(24)
    ]
    (tmp_path / "7.jpg").write_bytes(b"not an image")
    killed = []

    def kill_one() -> None:
        while len(list(out.glob("*.png"))) < 2 or len(actors()) < 2:
            time.sleep(0.05)
        killed.append(actors()[0])
        os.kill(killed[0], signal.SIGKILL)

    killer = threading.Thread(target=kill_one, daemon=True)
    killer.start()
    dataset = ray.data.from_items(rows, override_num_blocks=6)
    answers = matte_dataset(dataset, actors=2).take_all()
    killer.join(1)
    assert killed, "no worker was killed"
    assert Counter(row["image"] for row in answers) == Counter(row["image"] for row in rows)
    failed = [row for row in answers if row["status"] == "failed"]
    assert [Path(row["image"]).name for row in failed] == ["7.jpg"] and "not an image" in failed[0]["reason"]
    assert len(list(out.iterdir())) == 23  # and no partial files
    for file in out.glob("*.png"):
        alpha = np.asarray(Image.open(file))[..., 3]
        assert alpha[107, 155] > 240 and alpha[2, 2] < 10

    again = matte_dataset(dataset, actors=1).take_all()
    assert Counter(row["status"] for row in again) == {"exists": 23, "failed": 1}


def test_the_command_writes_what_the_local_engine_writes(cluster, tmp_path, capsys) -> None:
    folder = tmp_path / "in"
    folder.mkdir()
    shutil.copy(EXAMPLES / "flower.jpg", folder / "a b.jpg")
    (folder / "c.jpg").write_bytes(b"not an image")
    box = ",".join(map(str, FLOWER_BOX))
    command = ["matte", f"file://{folder}/*.jpg", "--engine", "ray", "--box", box, "--alpha", "--device", "cpu"]
    assert main([*command, "-o", f"file://{tmp_path}/ray"]) == 1
    printed = capsys.readouterr()
    assert "a b_matte.png" in printed.out and "1 of 2 images done" in printed.err
    assert main(["matte", str(folder), "--box", box, "--alpha", "--device", "cpu", "-o", str(tmp_path / "here")]) == 1
    name = "a b_matte.png"
    one, other = (np.asarray(Image.open(tmp_path / side / name), np.int16) for side in ("ray", "here"))
    assert np.abs(one - other).max() <= 1  # rounding differs with the number of threads
