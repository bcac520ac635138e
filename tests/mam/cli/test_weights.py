"""`mam weights`, on servers on this machine."""

import os
import subprocess

from mam.cli import main
from tests.conftest import ROOT
from tests.mam.file_server import NAME
from tests.mam.hub_server import FILES


def test_listing_getting_and_verifying(server, tmp_path, capsys) -> None:
    assert main(["models"]) == 0
    assert "sam_vit_h_4b8939.pth" in (printed := capsys.readouterr().out) and f"{NAME:34} to get" in printed
    assert main(["weights", "path", NAME]) == 1
    assert "mam weights get" in capsys.readouterr().err
    assert main(["weights", "get", NAME]) == 0 and str(tmp_path / NAME) in capsys.readouterr().out
    assert main(["weights", "verify"]) == 0 and "verified" in capsys.readouterr().out
    (tmp_path / NAME).write_bytes(b"x")
    assert main(["weights", "verify"]) == 1
    assert main(["weights", "get"]) == 1


def test_the_command_shows_progress_and_an_error_of_one_line(hub, python, tmp_path) -> None:
    command = [python, "-m", "mam", "weights", "get", "mam_sam_vitb.pth"]  # the real entry, so the SHA-256 differs
    done = subprocess.run(command, capture_output=True, text=True, cwd=ROOT, env=os.environ)
    assert done.returncode == 1 and "Traceback" not in done.stderr
    assert "mam_sam_vitb.pth: 100%" in done.stderr and "3.07M/3.07M" in done.stderr
    assert done.stderr.splitlines()[-1].startswith("mam: ") and "it is damaged or another file" in done.stderr
    assert hub.seen[0][1] == FILES[1]
