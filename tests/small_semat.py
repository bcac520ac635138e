"""A small SEMat, and its checkpoint as the authors' trainer writes it."""

from __future__ import annotations

from pathlib import Path

import torch

from mam.model.variants import SematSizes, ViT
from mam.nets.semat.network import SematNetwork
from tests.named_weights import fill

SMALL = SematSizes(ViT(32, 5, 2, (1, 2, 3, 4)), decoder_mlp=32, rank=4, widths=(8, 12, 16, 24))


def build_small() -> SematNetwork:
    """Build the network with weights that follow from the names of its tensors alone."""
    net = SematNetwork(SMALL).eval()
    fill(net)
    return net


def write_checkpoint(net: SematNetwork, file: Path) -> None:
    """Write its tensors, and the copy of SAM's mask decoder that the authors' training keeps."""
    state = net.state_dict()
    decoder = "sam_model.mask_decoder."
    frozen = {k.replace(decoder, "sam_model.frozen_mask_decoder."): v for k, v in state.items() if decoder in k}
    trainer = {"iteration": 59999, "hooks": {"LRScheduler": {"base_lrs": [5e-5], "last_epoch": 60000}}}
    torch.save({"model": state | frozen, "trainer": trainer, "iteration": 59999}, file)
