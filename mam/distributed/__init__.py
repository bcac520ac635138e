"""Mattes of a Ray dataset on a cluster: `matte_dataset`. Needs `pip install "ray[data]"`."""

from mam.distributed.dataset import matte_dataset

__all__ = ["matte_dataset"]
