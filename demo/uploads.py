"""Files that visitors have sent to the server."""

from __future__ import annotations

from pathlib import Path

from gradio.processing_utils import get_upload_folder


def uploaded_file(path: object) -> Path | None:
    """Return the path of an upload; None for any other path, which a visitor may have made up and is never opened."""
    if not isinstance(path, str) or "\0" in path:
        return None
    file = Path(path).resolve()
    return file if file.is_relative_to(Path(get_upload_folder()).resolve()) else None
