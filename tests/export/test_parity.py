"""The comparison of torch with onnxruntime: the shipped graphs pass, and other graphs fail."""

from export import parity
from export.__main__ import main
from export.parity import LIMITS, Difference, all_prompts
from mam.model.folders import BUNDLE
from mam.model.runtime import load_graphs
from tests.conftest import EXAMPLES


def test_embedded_graphs_equal_torch_on_a_photograph(tiny) -> None:
    graphs = load_graphs(BUNDLE, "cpu")
    # `python -m export check` compares three sizes.
    rows = list(parity.compare(tiny, graphs, [EXAMPLES / "coffee.png"], sizes=lambda pixels: iter([pixels])))
    assert len(rows) == 1 + 4 * (1 + 2 * 6)
    assert {row.what for row in rows} == LIMITS.keys()
    assert all(row.ok for row in rows), parity.summary(rows)


def test_graphs_of_another_model_exceed_the_limits(tiny, graphs_folder) -> None:
    rows = list(
        parity.compare(
            tiny,
            load_graphs(graphs_folder, "cpu"),
            [EXAMPLES / "coffee.png"],
            sizes=lambda pixels: iter([pixels[::2, ::2]]),
            prompts=lambda h, w: {"box": all_prompts(h, w)["box"]},
        )
    )
    exceeded = {row.what for row in rows if not row.ok}
    assert exceeded >= {"image_encoder", "mask_decoder", "chain: share beyond 1/255"}


def test_the_command_prints_what_exceeds_its_limit(monkeypatch, capsys) -> None:
    rows = [
        Difference("matte", "good", 0.1, 0.2, ""),
        Difference("matte", "bad", 0.3, 0.2, ""),
        Difference("matte", "ugly", float("nan"), 1, ""),
    ]
    monkeypatch.setattr(parity, "compare", lambda *_: iter(rows))
    arguments = ["check", "--variant", "tiny", "--seed", "0", "--graphs", str(BUNDLE)]
    assert main(arguments) == 1
    output = capsys.readouterr()
    assert "FAIL" in output.out and "EXCEEDED matte: bad" in output.err and "EXCEEDED matte: ugly" in output.err
    monkeypatch.setattr(parity, "compare", lambda *_: iter(rows[:1]))
    assert main(arguments) == 0
