"""WebGPU on the site, with a fake adapter and a fake backend: none of what may go wrong reaches the visitor."""

from __future__ import annotations

import shutil

import numpy as np
import pytest

from tests.conftest import EXAMPLES
from tests.export.web.test_site import SiteVisitor
from tests.serving import serving_folder

_ADAPTER = "Object.defineProperty(navigator, 'gpu', { value: { requestAdapter: async () => ({ info: {} }) } });\n"
# The worker on WebAssembly sends its answers to the one on WebGPU, whose first run is not looked at.
_FAKE = """
const real = self.onmessage, post = self.postMessage.bind(self), channel = new BroadcastChannel('alphas');
let known = new Promise((resolve) => (channel.onmessage = ({ data }) => resolve(data))), isFake = false, runs = 0;
self.postMessage = (message, ...rest) => {
  if (message.value && message.value.length > 1000) channel.postMessage(message.value.slice());
  post(message, ...rest);
};
self.onmessage = async (event) => {
  const { id, provider, values } = event.data;
  isFake ||= provider === 'webgpu';
  if (!isFake) return real(event);
  if (provider) return post({ id, value: ['original_size'] });
  runs += 1;
  const [h, w] = values.original_size.data;
  const answer = (value) => post({ id, value });
  const right = runs === 1 ? new Float32Array(1) : await known;
  MODE
};
"""
_MODES = {
    "wrong values": "answer(right.map((value) => Math.abs(value - 0.02)));",
    "lost in the middle": "runs < 3 ? answer(right) : post({ id, error: 'the device is lost' });",
    "other values once proven": "answer(runs < 3 ? right : new Float32Array(Number(h * w)).fill(0.5));",
}
_SAID = {
    "wrong values": ["WebGPU is not used: the values differ"],
    "lost in the middle": ["WebGPU is used", "WebGPU is not used: the device is lost"],
    "other values once proven": ["WebGPU is used"],
}


@pytest.fixture(scope="module")
def visit(browser, site, tmp_path_factory):
    """What a visitor gets with a fake backend, None for no adapter: the alpha, and what the console has about it."""

    def run(mode: str | None) -> tuple[np.ndarray, list[str], list[str]]:
        folder = tmp_path_factory.mktemp("fake") / "site"
        shutil.copytree(site, folder)
        if mode:
            for name, text in (("worker.js", _ADAPTER), ("matte_worker.js", _FAKE.replace("MODE", _MODES[mode]))):
                (folder / name).write_text((folder / name).read_text("utf-8") + text, "utf-8")
        lines, requests = [], []
        with serving_folder(folder) as address:
            context = browser.new_context(service_workers="block")
            tab = context.new_page()
            tab.on("console", lambda line: lines.append(line.text) if "WebGPU" in line.text else None)
            context.on("request", lambda request: requests.append(request.url))
            visitor = SiteVisitor(tab, address)
            if mode:
                visitor.wait_until(lambda: len(lines) > 0, timeout=180)
            visitor.open_and_wait(EXAMPLES / "cat.png")
            alpha = visitor.pixels("alpha")
            assert visitor.problems == [] and visitor.outside == []
            context.close()
        return alpha, lines, requests

    return run


@pytest.fixture(scope="module")
def usual(visit) -> np.ndarray:
    """The alpha without an adapter."""
    alpha, lines, requests = visit(None)
    assert lines == [] and not [name for name in requests if "ort.webgpu" in name or "asyncify" in name]
    return alpha


@pytest.mark.parametrize("mode", ["wrong values", "lost in the middle"])
def test_a_failing_gpu_changes_nothing(visit, usual, mode) -> None:
    alpha, lines, _ = visit(mode)
    assert np.array_equal(alpha, usual)
    assert len(lines) == len(_SAID[mode])
    assert all(line.startswith(said) for line, said in zip(lines, _SAID[mode], strict=True)), lines


def test_a_proven_gpu_computes_the_matte(visit, usual) -> None:
    """A control: the values of the fake backend do reach the result."""
    alpha, lines, _ = visit("other values once proven")
    assert len(lines) == 1 and not np.array_equal(alpha, usual)
