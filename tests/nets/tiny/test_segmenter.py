"""Encoder and decoder of `tiny` behind the methods of SAM."""

import torch

from mam.nets.tiny.segmenter import Segmenter


@torch.inference_mode()
def test_a_prompt_of_padding_alone_is_answered_and_mask_0_is_the_answer(mini) -> None:
    torch.manual_seed(0)
    net = Segmenter(mini.networks).eval()
    features = net.encode(torch.randn(1, 3, 1024, 1024))
    assert [tuple(f.shape) for f in features] == [(1, 256, 64, 64), (1, 16, 256, 256), (1, 32, 128, 128)]
    nothing = torch.zeros(1, 1, 2), -torch.ones(1, 1), torch.zeros(1, 1, 256, 256), torch.zeros(1)
    masks, quality = net.predict_masks(features, *nothing)
    assert masks.shape == (1, 4, 256, 256) and quality.shape == (1, 4)
    assert torch.equal(net.select_single_mask(masks, quality), masks[:, :1])
