"""The command line of the page, whose options may also come from the environment."""

from __future__ import annotations

import argparse
import os
import re
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from demo.models import FOLLOWING
from mam.cli.values import parse_device, parse_port, parse_positive
from mam.model.providers import PROVIDERS
from mam.model.variants import VARIANTS

AUTO = "auto"
TEXT_MODEL = ("offer", "get", "none")


def parse(argv: Sequence[str] | None) -> argparse.Namespace:
    """Read the command line; each option's default may also come from the environment, MAM_HOST and so on."""
    parser = argparse.ArgumentParser(
        description="Web page that cuts anything out of a photo: `python demo/app.py`.",
        epilog="Every option can be set by an environment variable too: MAM_HOST, MAM_PORT, MAM_MAX_PIXELS ...",
    )

    def add_option(name: str, default: object = None, **settings: Any) -> None:
        variable = "MAM_" + name.upper().replace("-", "_")
        given = os.environ.get(variable, "").strip()
        if name == "port" and re.match(r"(tcp|udp|sctp)://", given):
            print(f"demo: {variable}={given} is Kubernetes' address of a service; it is ignored.", file=sys.stderr)
            given = ""
        option = parser.add_argument(f"--{name}", default=default, **settings)
        if given:  # argparse names the option in errors about defaults, and does not check choices
            try:
                option.default = option.type(given) if callable(option.type) else given
            except (argparse.ArgumentTypeError, ValueError) as error:
                parser.error(f"{variable}={given}: {error}")
            if option.choices is not None and given not in option.choices:
                parser.error(f"{variable}={given}: expected one of {', '.join(option.choices)}")

    def add_switch(name: str, help_text: str) -> None:
        given = os.environ.get(f"MAM_{name.upper()}", "").strip().lower()
        if given not in ("", "1", "true", "yes", "on", "0", "false", "no", "off"):
            parser.error(f"MAM_{name.upper()}={given}: expected 1 or 0")
        is_on = given in ("1", "true", "yes", "on")
        parser.add_argument(f"--{name}", action="store_true", default=is_on, help=help_text)

    add_option("host", help="0.0.0.0 to be reached from other machines; default: this machine only")
    add_option("port", type=parse_port, help="default: the first free one from 7860")
    add_option(
        "variant",
        AUTO,
        choices=[AUTO, *VARIANTS],
        help=f"all but tiny are downloaded on first use; {AUTO}: tiny at once, {FOLLOWING} "
        "when it is downloaded and was found to be better here, and visitors may choose others",
    )
    add_option("graphs", type=_parse_folder, help="a folder of exported graphs; default: the embedded model")
    add_option(
        "grounding",
        type=_parse_folder,
        help="the folder of a text model for any phrase; default: where `mam weights get grounding-dino-tiny` puts it, "
        "or the embedded one, which knows some words",
    )
    add_option(
        "text-model",
        "offer",
        choices=TEXT_MODEL,
        help="the text model for any phrase, where it is missing: offer visitors to get it for this server (690 MB), "
        "get it at once, or none",
    )
    add_option("device", "auto", type=parse_device, help=f"auto, {', '.join(PROVIDERS)}, or cuda:1 for the second GPU")
    add_option("threads", type=parse_positive, help="CPU threads per graph; default: all, within a container's quota")
    add_option(
        "root-path", type=_parse_root_path, help="the path under which a proxy serves the page, such as /matting"
    )
    add_option(
        "allowed-host",
        help="names by which visitors know the page, with commas, such as matting.example.org; localhost, IP addresses "
        "and this machine's name are allowed always; * for any",
    )
    add_option("frame-ancestors", help="sites that may show the page in a frame, such as https://example.org")
    add_option("max-pixels", 24_000_000, type=parse_positive, help="larger photos are made smaller; refused by the API")
    add_switch("share", "a public address through Gradio's servers")
    add_switch("mcp", "offer the API to language models too, through the Model Context Protocol")
    return parser.parse_args(argv)


def _parse_folder(text: str) -> Path:
    folder = Path(text).expanduser()
    if not folder.is_dir():
        raise argparse.ArgumentTypeError(f"{text!r} is not a folder")
    return folder


def _parse_root_path(text: str) -> str:
    if not text.startswith(("/", "http://", "https://")):
        raise argparse.ArgumentTypeError(f"{text!r} is not a path from the root; expected one such as /matting")
    return text
