"""The real page on a mock model: `python -m tests.demo.mock PORT [SECONDS]`; SECONDS makes every answer that slow."""

import sys

from demo.app import LAUNCH, build_demo
from mam import Matting
from tests.mock_graphs import MockGraphs, MockGrounding

if __name__ == "__main__":
    graphs = MockGraphs(float(sys.argv[2]) if len(sys.argv) > 2 else 0.0)
    matting = Matting(graphs, grounding=MockGrounding, proposer=None)
    build_demo(matting).launch(server_port=int(sys.argv[1]), **LAUNCH)
