"""`python -m training train`: what is refused before a run starts."""

from training.__main__ import main


def test_training_names_what_is_missing(capsys, tmp_path) -> None:
    assert main(["train", "tiny-matte", "--data", str(tmp_path), "--out", str(tmp_path)]) == 1
    assert "tiny-matte needs --sam" in capsys.readouterr().err
    assert main(["train", "huge", "--data", str(tmp_path), "--out", str(tmp_path)]) == 1
    assert "there is no recipe 'huge'; expected one of tiny-segment, tiny-matte" in capsys.readouterr().err
