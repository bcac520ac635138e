"""Checkpoints and exported graphs on this machine: registry, cache folder, downloads (`mam weights`).

Files are in `$MAM_HOME`, or in the user's cache folder. `MAM_OFFLINE=1` forbids downloads; `MAM_MIRROR=http://...` downloads files
by name from there instead; proxies come from the usual variables (`HTTPS_PROXY`, ...). For files on the Hugging Face hub,
`HF_ENDPOINT`, `HF_TOKEN` (or `hf auth login`) and `HF_HUB_OFFLINE` apply as well.
"""

from mam.weights.cache import cache_folder, exclusive_lock, graphs_folder, require_manual_files, sha256, verified_path
from mam.weights.download import Progress, fetch
from mam.weights.registry import REGISTRY, WeightFile, find

__all__ = [
    "REGISTRY",
    "Progress",
    "WeightFile",
    "cache_folder",
    "exclusive_lock",
    "fetch",
    "find",
    "graphs_folder",
    "require_manual_files",
    "sha256",
    "verified_path",
]
