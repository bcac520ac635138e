"""The Mask-to-Matte network of `tiny`."""

import torch

from mam.nets.tiny.matte import MatteUNet


def test_an_untrained_network_answers_with_its_mask_at_full_size() -> None:
    torch.manual_seed(0)
    logits = torch.full((2, 1, 32, 48), -12.0)
    logits[:, :, 8:24, 8:40] = 12.0
    with torch.inference_mode():
        alphas = MatteUNet((8, 8, 8, 8)).eval()(torch.randn(2, 3, 128, 192), logits)
    for alpha in alphas:
        assert alpha.shape == (2, 1, 128, 192)
        assert alpha.min() >= 0 and alpha.max() <= 1
        assert alpha[:, :, 48:80, 48:140].min() > 0.8 and alpha[:, :, :16].max() < 0.2
