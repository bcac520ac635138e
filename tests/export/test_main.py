"""The command line: refused arguments, and the message for a missing file."""

import pytest

from export.__main__ import main


def test_graphs_need_weights_or_a_seed(capsys) -> None:
    for wrong in ([], ["--seed", "1", "--checkpoint", "a"]):
        with pytest.raises(SystemExit) as stop:
            main(["graphs", "--variant", "tiny", "--out", "x", *wrong])
        assert stop.value.code == 2
    assert "either --checkpoint, or --seed" in capsys.readouterr().err


def test_a_missing_checkpoint_is_one_line(tmp_path, capsys) -> None:
    arguments = ["graphs", "--variant", "tiny", "--out", str(tmp_path), "--checkpoint", "no.pt"]
    assert main(arguments) == 1
    assert capsys.readouterr().err.startswith("export: no checkpoint at no.pt")
