"""The real page on a mock model: `python -m tests.demo.mock PORT [SECONDS] [VITMATTE]`.

SECONDS makes every answer that slow; VITMATTE is the file of a network in its place, for the best edges.
"""

import sys
from pathlib import Path

from demo import app
from demo.app import LAUNCH, build_demo
from mam import Matting
from mam.model.vitmatte import ViTMatte
from tests.mock_graphs import MockGraphs, MockGrounding

if __name__ == "__main__":
    if len(sys.argv) > 3:
        network = ViTMatte.load(Path(sys.argv[3]), "cpu")
        app.find_best_edges = lambda matting: lambda: network
    graphs = MockGraphs(float(sys.argv[2]) if len(sys.argv) > 2 else 0.0)
    matting = Matting(graphs, grounding=MockGrounding, proposer=None)
    build_demo(matting).launch(server_port=int(sys.argv[1]), **LAUNCH)
