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
    xy = (prompts.clicks(masks, count=3) / 8).long()
    assert xy.shape == (64, 3, 2)
    assert masks[torch.arange(64).unsqueeze(1), xy[..., 1], xy[..., 0]].all()
    assert (prompts.clicks(torch.zeros_like(masks)) == 0).all()
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


def test_corrections_are_in_the_largest_wrong_region_and_mostly_in_its_middle() -> None:
    torch.manual_seed(0)
    target = torch.zeros(40, 64, 64, dtype=torch.bool)
    target[:, :20, :20] = True  # missed; the background is found in two places of 10 x 10 and 5 x 50 pixels
    predicted = torch.zeros_like(target)
    predicted[:, 30:40, 30:40] = predicted[:, 50:55, :50] = True
    xy, labels = prompts.corrections(predicted, target, middle=0.5)
    cells = (xy / 16).long()
    assert (labels == 1).all() and (cells < 20).all()
    in_middle = ((xy / 16 - 10).abs() < 1.5).all(1)
    assert 0.3 < in_middle.float().mean() < 0.8
    xy, labels = prompts.corrections(predicted | target, target, middle=1.0)
    assert (labels == 0).all() and ((xy[:, 1] / 16 - 52.5).abs() < 1.5).all()
