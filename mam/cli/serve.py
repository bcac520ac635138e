"""`mam serve`: rembg's and remove.bg's HTTP interfaces, for programs that speak them."""

from __future__ import annotations

import argparse
import contextlib
import socket
import sys

from mam.cli.model import add_model_options, load_model
from mam.cli.values import parse_port
from mam.errors import MamError

_ENDING = 5  # seconds for which running requests are waited for after Ctrl-C


def add_parser(commands: argparse._SubParsersAction) -> None:
    """Add the command to the parser of `mam`."""
    parser = commands.add_parser(
        "serve",
        help="answer rembg's and remove.bg's HTTP requests",
        description="Answer HTTP requests as rembg's server (/api/remove) and remove.bg (/v1.0/removebg) do. With "
        "MAM_API_KEY in the environment, requests have to state it as X-Api-Key.",
    )
    parser.set_defaults(run=run)
    parser.add_argument("--host", default="127.0.0.1", help="0.0.0.0 to be reached from other machines")
    parser.add_argument("--port", type=parse_port, default=7000, help="default: 7000, as rembg's")
    parser.add_argument(
        "--allowed-host",
        default="",
        metavar="NAMES",
        help="names by which clients know this server, with commas; IP addresses, localhost and this machine's name "
        "work always; * for any",
    )
    add_model_options(parser)


def run(arguments: argparse.Namespace) -> int:
    """Serve until interrupted.

    Raises:
        MamError: a package is missing, or the port cannot be used.
    """
    try:
        import python_multipart  # noqa: F401  # starlette needs it for forms
        import uvicorn
        from starlette.applications import Starlette
        from starlette.middleware import Middleware
    except ImportError as error:
        raise MamError(f"`mam serve` needs {error.name}: pip install starlette uvicorn python-multipart") from error
    from mam.serve.guard import Guard, known_hosts
    from mam.serve.routes import Routes

    with _listen(arguments.host, arguments.port) as listening:  # fails before the model is loaded
        matting = load_model(arguments)
        hosts = known_hosts([name.strip() for name in arguments.allowed_host.split(",")])
        routes = Routes(lambda: matting).all()
        app = Starlette(routes=routes, middleware=[Middleware(Guard, hosts=hosts)])
        host = f"[{arguments.host}]" if ":" in arguments.host else arguments.host
        print(f"{matting.graphs.variant} on http://{host}:{arguments.port}; Ctrl-C ends", file=sys.stderr)
        config = uvicorn.Config(app, log_level="warning", timeout_keep_alive=5, timeout_graceful_shutdown=_ENDING)
        with contextlib.suppress(KeyboardInterrupt):
            uvicorn.Server(config).run([listening])
    return 0


def _listen(host: str, port: int) -> socket.socket:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        return socket.create_server((host, port), family=family)
    except (OSError, UnicodeError) as error:  # UnicodeError: a name with a part of over 63 characters
        reason = getattr(error, "strerror", None) or error
        raise MamError(f"port {port} of {host} cannot be used ({reason}); choose another --port or --host.") from error
