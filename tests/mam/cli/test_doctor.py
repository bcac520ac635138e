"""`mam doctor` on this machine."""

from mam.cli import main


def test_doctor_reports_model_and_device(capsys) -> None:
    assert main(["doctor", "--device", "cpu"]) == 0
    printed = capsys.readouterr().out
    assert "model tiny" in printed and "device cpu, runs on CPUExecutionProvider" in printed
    assert "NVIDIA driver" in printed and "prompt to alpha" in printed
