"""What colours say of the matte where the mask is too coarse to."""

import torch
from torch.nn.functional import avg_pool2d

from mam.nets.likeness import BROAD, NARROW, likeness, palette

RED, GREEN = torch.tensor([1.5, -1.0, -1.0]), torch.tensor([-1.0, 1.0, -0.5])


def scene(gap: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """A red square on green with a narrow gap in it, and a mask, (1, 1, 100, 100), that covers the gap."""
    image = GREEN.reshape(1, 3, 1, 1).repeat(1, 1, 400, 400)
    object_ = torch.zeros(400, 400, dtype=torch.bool)
    object_[80:320, 80:320] = True
    seen = object_ & ~gap
    image[:, :, seen] = RED[:, None]
    mask = avg_pool2d(object_[None, None].float(), 4)
    return image, mask, seen


def known(
    image: torch.Tensor, mask: torch.Tensor, bins: tuple[int, float] = BROAD
) -> tuple[torch.Tensor, torch.Tensor]:
    return palette(avg_pool2d(image, 4), mask, *bins)


def looks_of(image: torch.Tensor, mask: torch.Tensor, bins: tuple[int, float] = BROAD) -> torch.Tensor:
    return likeness(avg_pool2d(image, 2), *known(image, mask, bins))


def gap() -> torch.Tensor:
    columns = torch.zeros(400, 400, dtype=torch.bool)
    columns[80:320, 200:204] = True
    return columns


def test_a_gap_that_the_mask_covers_looks_like_the_surroundings():
    image, mask, _ = scene(gap())
    looks = looks_of(image, mask)[0, 0]
    assert looks.shape == (200, 200)
    assert (looks[50:150, 100:102] < -0.8).all() and (looks[60:140, 60:90] > 0.8).all() and (looks[:30] < -0.8).all()


def test_colours_that_tell_nothing_say_nothing():
    image, mask, _ = scene(gap())
    image[:] = GREEN.reshape(1, 3, 1, 1)
    assert looks_of(image, mask).abs().max() < 0.05


def test_a_part_of_the_picture_looks_as_it_does_in_the_whole():
    image, mask, _ = scene(gap())
    image = image + 0.3 * torch.randn(image.shape, generator=torch.Generator().manual_seed(0))
    part = likeness(avg_pool2d(image[:, :, 32:96, 160:320], 2), *known(image, mask))
    torch.testing.assert_close(part, looks_of(image, mask)[:, :, 16:48, 80:160])


def test_several_masks_share_the_colours_and_padding_is_nothing():
    image, mask, _ = scene(gap())
    image[:, :, 360:] = 0
    both = looks_of(image, torch.cat([mask, 1 - mask]))
    assert both.shape == (2, 1, 200, 200) and (both[:, :, 180:] == 0).all()
    torch.testing.assert_close(both[0, 0, 60:140, 60:90], -both[1, 0, 60:140, 60:90], atol=0.05, rtol=0)
    alone = looks_of(image, mask)
    torch.testing.assert_close(both[:1], alone)


def test_several_pictures_each_have_their_own_colours():
    image, mask, _ = scene(gap())
    other = image.flip(1)
    together = looks_of(torch.cat([image, other]), mask.expand(2, -1, -1, -1))
    torch.testing.assert_close(together, torch.cat([looks_of(image, mask), looks_of(other, mask)]))


def test_narrow_bins_tell_colours_apart_that_broad_ones_mix():
    image, mask, seen = scene(gap())
    image = torch.where(seen, 0.1, 0.0) + torch.zeros(1, 3, 1, 1) + 0.5
    assert (
        looks_of(image, mask, NARROW)[0, 0, 50:150, 101].max() < -0.8
        and looks_of(image, mask)[0, 0, 50:150, 101].min() > -0.5
    )
