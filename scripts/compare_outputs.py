"""Check that a change of the code leaves every output as it was, by hashes of the outputs for each example.

    python -m scripts.compare_outputs before.json    # at the old commit: writes the file
    python -m scripts.compare_outputs before.json    # at the new commit: compares; exit status 1 if anything differs

Run it from the repository's root. Hashes depend on the processor and on the versions of onnxruntime, so
compare on one machine.
"""

from __future__ import annotations

import hashlib
import json
import sys
from pathlib import Path

import numpy as np

from mam import Matte, Matting

EXAMPLES = Path(__file__).resolve().parents[1] / "demo" / "examples"


def digest(array: np.ndarray) -> str:
    """Return the first 16 hex digits of an array's SHA-256."""
    return hashlib.sha256(np.ascontiguousarray(array).tobytes()).hexdigest()[:16]


def output_hashes() -> dict[str, str]:
    """Hashes of masks, alphas, cut-outs and composites of all examples, with a box, a click, and a correction each."""
    matting = Matting.load(threads=1)
    hashes = {}
    for name, operations in json.loads((EXAMPLES / "prompts.json").read_text()).items():
        prompt = {"box": next(operation["xy"] for operation in operations if operation["kind"] == "box")}
        scene = matting.open(EXAMPLES / name)
        height, width = scene.photo.size
        first = scene.matte(**prompt)
        second = scene.matte(**prompt | {"points": [(width / 2, height / 2)], "labels": [1]}, previous=first)
        third = scene.matte(points=[(width / 2, height / 2)], guidance="mask")
        for label, matte in {"prompt": first, "corrected": second, "click": third}.items():
            if not isinstance(matte, Matte):
                hashes[f"{name} {label}"] = "nothing found"
                continue
            hashes[f"{name} {label} mask"] = digest(matte.mask)
            hashes[f"{name} {label} alpha"] = digest(matte.alpha)
            hashes[f"{name} {label} cutout"] = digest(matte.cutout())
            hashes[f"{name} {label} over navy"] = digest(matte.over("navy"))
            hashes[f"{name} {label} over blur"] = digest(matte.over_blur())
    return hashes


def main() -> int:
    """Write the hashes, or compare with those of a file that is there."""
    if len(sys.argv) != 2:
        print(__doc__)
        return 2
    file = Path(sys.argv[1])
    hashes = output_hashes()
    if not file.exists():
        file.write_text(json.dumps(hashes, indent=1))
        print(f"{len(hashes)} hashes written to {file}")
        return 0
    before = json.loads(file.read_text())
    different = [key for key in sorted(before | hashes) if before.get(key) != hashes.get(key)]
    for key in different:
        print(f"{key}: {before.get(key)} before, {hashes.get(key)} now")
    print(f"{len(hashes) - len(different)} of {len(before)} outputs are the same")
    return 1 if different else 0


if __name__ == "__main__":
    sys.exit(main())
