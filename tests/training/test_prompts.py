"""Simulated boxes and clicks: where they are, and which boxes are loosened."""

import torch

from training import prompts


def test_boxes_and_clicks_are_on_their_targets() -> None:
    torch.manual_seed(0)
    masks = torch.zeros(64, 128, 128, dtype=torch.bool)
    masks[:, 20:60, 30:90] = True
    boxes = prompts.boxes(masks)
    tight = torch.tensor([[240.0, 160.0], [719.0, 479.0]])
    assert (boxes == tight).all((1, 2)).float().mean() > 0.3  # about half are left tight
    assert (boxes - tight).abs().max() <= 0.2 * 480 + 1
    xy = (prompts.clicks(masks) / 8).long()
    assert masks[torch.arange(64), xy[:, 1], xy[:, 0]].all()
    predicted = torch.zeros_like(masks)
    predicted[:32] = True  # too much
    xy, labels = prompts.corrections(predicted, masks)
    assert (labels[:32] == 0).all() and (labels[32:] == 1).all()
    at = (xy / 8).long()
    assert not masks[torch.arange(32), at[:32, 1], at[:32, 0]].any()
    assert (prompts.corrections(masks, masks)[1] == -1).all()


def test_boxes_of_large_objects_are_loosened_within_the_image() -> None:
    torch.manual_seed(0)
    valid = torch.tensor([[512, 1024]]).expand(64, -1)
    large = torch.tensor([[[300.0, 100.0], [800.0, 480.0]]]).expand(64, -1, -1)
    out = prompts.loosen_boxes(large, valid)
    moved = (out != large).any(2).any(1)
    assert 0.1 < moved.float().mean() < 0.5
    assert (out[:, 0] <= large[:, 0]).all() and (out[:, 1] >= large[:, 1]).all()
    assert (out >= 0).all() and (out[:, 1] <= torch.tensor([1023.0, 511.0])).all()
    small = large * 0.4
    assert torch.equal(prompts.loosen_boxes(small, valid, share=1.0), small)
