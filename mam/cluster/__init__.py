"""Mattes of a Ray dataset on a cluster: `matte_dataset`. Needs `pip install "ray[data]"`."""

from mam.cluster.dataset import matte_dataset

__all__ = ["matte_dataset"]
