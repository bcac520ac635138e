"""Checkpoints and exported graphs on this machine: registry, cache folder, downloads (`mam weights`).

Files are stored in `$MAM_HOME`, or in the user's cache folder. Environment variables:

    MAM_OFFLINE=1             forbids downloads
    MAM_MIRROR=http://...     downloads files by name from there instead
    HTTPS_PROXY, ...          proxies
    HF_ENDPOINT, HF_TOKEN, HF_HUB_OFFLINE     apply to files on the Hugging Face hub, as does `hf auth login`
"""

from mam.weights.cache import cache_folder, exclusive_lock, sha256, verified_path
from mam.weights.download import Progress, fetch, is_offline, log_progress, may_download
from mam.weights.registry import REGISTRY, WeightFile, look_up

__all__ = [
    "REGISTRY",
    "Progress",
    "WeightFile",
    "cache_folder",
    "exclusive_lock",
    "fetch",
    "is_offline",
    "log_progress",
    "look_up",
    "may_download",
    "sha256",
    "verified_path",
]
