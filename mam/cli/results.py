"""The options of `mam matte` that decide what is written."""

from __future__ import annotations

import argparse
from collections.abc import Collection
from dataclasses import replace
from pathlib import Path

from mam.compose.composite import is_colour
from mam.compose.composition import Blur, OutputOptions, Style
from mam.compose.layers import require_psd_tools
from mam.compose.presets import PRESETS
from mam.errors import MamError
from mam.images import MAX_PIXELS, Photo, open_photo


def read_output_options(arguments: argparse.Namespace, suffixes: Collection[str]) -> OutputOptions:
    """Return what the options ask for, with the background opened.

    Args:
        arguments: the parsed options of `mam matte`.
        suffixes: the suffixes of the files that will be written, in lower case.

    Raises:
        MamError: options exclude each other, the formats cannot hold the result, or the background is no image.
    """
    _check(arguments, suffixes)
    background, style = _open_background(arguments), PRESETS.get(arguments.preset, Style())
    style = style if background is None else replace(style, background=background)
    return OutputOptions(style, arguments.alpha, arguments.bits, arguments.trim, arguments.keep_metadata)


def _open_background(arguments: argparse.Namespace) -> Photo | Blur | str | None:
    """Check the background before the work, and open it if it is an image."""
    background: str | None = arguments.background
    if background == "blur":
        return Blur()
    if background is None or (is_colour(background) and not Path(background).is_file()):
        return background
    try:
        return open_photo(background, arguments.max_pixels or MAX_PIXELS)
    except FileNotFoundError:
        raise MamError(
            f"--background {background} is neither an image file nor a colour; expected a file, a name like 'white', "
            "a code like '#20a0ff', or blur."
        ) from None


def _check(arguments: argparse.Namespace, suffixes: Collection[str]) -> None:
    if arguments.alpha and arguments.background is not None:
        raise MamError("--alpha and --background exclude each other; choose one.")
    if arguments.bits == 16 and not arguments.alpha:
        raise MamError("--bits 16 is for --alpha; colours have 8 bits.")
    if arguments.bits == 16 and arguments.preset is not None:
        raise MamError("--bits 16 and --preset exclude each other; placed alphas have 8 bits.")
    if arguments.bits == 16 and not set(suffixes) <= {".png", ".tif", ".tiff"}:
        raise MamError("16 bits need PNG or TIFF; choose a .png name or --format png.")
    if ".psd" in suffixes and (arguments.alpha or arguments.trim is not None or arguments.preset is not None):
        raise MamError("PSD keeps the photo's frame; leave out --alpha, --trim and --preset.")
    if ".psd" in suffixes and arguments.keep_metadata:
        raise MamError("PSD files get no metadata; leave out --keep-metadata.")
    if ".psd" in suffixes:
        require_psd_tools()
    if arguments.trim is not None and arguments.trim < 0:
        raise MamError(f"--trim {arguments.trim} is negative; expected a margin in pixels.")
