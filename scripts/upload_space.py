"""Upload the page to a Hugging Face Space: `python -m scripts.upload_space OWNER/NAME`.

A Space refuses binary files over 1 MB in a plain `git push`; huggingface_hub stores them as the Space expects. Only
committed files are sent that the page needs, and other files of the Space are deleted. Needs `hf auth login` or the
environment variable HF_TOKEN.
"""

from __future__ import annotations

import argparse
import subprocess
from fnmatch import fnmatch
from pathlib import Path

from huggingface_hub import HfApi

ROOT = Path(__file__).parents[1]
NEEDED = ("README.md", "LICENSE*", "requirements.txt", "docs/strip.jpg", "docs/page.webp", "demo/*", "mam/*")
UNUSED = ("*.pt", "mam/nets/*", "training/*", "training/evaluation/*", "mam/cluster/*")


def list_files() -> list[str]:
    """Return the committed files that the page needs, relative to the repository."""
    command = ["git", "ls-files", "-z", "--cached"]
    listed = subprocess.run(command, cwd=ROOT, check=True, capture_output=True, text=True).stdout.split("\0")
    return [
        name
        for name in filter(None, listed)
        if any(fnmatch(name, pattern) for pattern in NEEDED) and not any(fnmatch(name, pattern) for pattern in UNUSED)
    ]


def upload(space: str, private: bool = False) -> str:
    """Create the Space if there is none, and upload the files in one commit.

    Args:
        space: OWNER/NAME.
        private: whether a new Space is visible to its owner only.

    Returns:
        The address of the commit.
    """
    api = HfApi()
    api.create_repo(space, repo_type="space", space_sdk="gradio", private=private, exist_ok=True)
    commit = api.upload_folder(
        repo_id=space,
        repo_type="space",
        folder_path=ROOT,
        allow_patterns=list_files(),
        delete_patterns="*",
        commit_message="Upload the page",
    )
    return str(commit.commit_url)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("space", help="OWNER/NAME")
    parser.add_argument("--private", action="store_true", help="a new Space is visible to its owner only")
    arguments = parser.parse_args()
    print(upload(arguments.space, arguments.private))
