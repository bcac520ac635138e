"""The colour line: alpha from colours alone, where object and surroundings differ."""

import torch
from torch.nn import functional as F

from mam.nets.colour_line import colour_line


def scene(object_: tuple[float, float, float], behind: tuple[float, float, float]) -> tuple[torch.Tensor, torch.Tensor]:
    """A soft disc of one colour on another, (1, 3, 512, 512), and its alpha, (1, 1, 512, 512)."""
    y, x = torch.meshgrid(torch.arange(512.0), torch.arange(512.0), indexing="ij")
    alpha = ((150 - ((y - 256) ** 2 + (x - 256) ** 2).sqrt()) / 24 + 0.5).clamp(0, 1)[None, None]
    colours = (torch.tensor(c).reshape(1, 3, 1, 1) for c in (object_, behind))
    f, b = colours
    return alpha * f + (1 - alpha) * b, alpha


def test_position_is_the_alpha_where_colours_differ() -> None:
    image, alpha = scene((1.5, 0.2, -1.0), (-1.0, 0.5, 1.0))
    mask = (F.avg_pool2d(alpha, 4) > 0.5).float()
    position, certainty = colour_line(image, mask)
    soft = (alpha > 0.02) & (alpha < 0.98)
    assert (position - alpha)[soft].abs().max() < 0.08
    assert F.interpolate(certainty, scale_factor=4.0, mode="bilinear")[soft].min() > 0.7


def test_it_is_uncertain_where_colours_agree_and_far_from_the_edge() -> None:
    image, alpha = scene((0.5, 0.2, -0.4), (0.4, 0.25, -0.4))
    _, certainty = colour_line(image, (F.avg_pool2d(alpha, 4) > 0.5).float())
    assert certainty.max() < 0.05
    image, alpha = scene((1.5, 0.2, -1.0), (-1.0, 0.5, 1.0))
    _, certainty = colour_line(image, (F.avg_pool2d(alpha, 4) > 0.5).float())
    assert certainty[0, 0, 64, 64] < 0.01 and certainty[0, 0, 2, 2] < 0.01


def test_an_empty_mask_and_an_empty_picture_give_numbers() -> None:
    image, _ = scene((1.5, 0.2, -1.0), (-1.0, 0.5, 1.0))
    for picture, mask in ((image, torch.zeros(1, 1, 128, 128)), (torch.zeros_like(image), torch.ones(1, 1, 128, 128))):
        position, certainty = colour_line(picture, mask)
        assert position.isfinite().all() and (certainty == 0).all()
