"""Placement of objects in a frame."""

import numpy as np
import pytest

from mam import Blur, InputError, Placement
from mam.compose.composition import Composition, Style
from mam.images import Photo


def cutout(x0: int, y0: int, x1: int, y1: int) -> np.ndarray:
    """An opaque red rectangle in a photo of 200 x 100 pixels."""
    pixels = np.zeros((100, 200, 4), np.uint8)
    pixels[y0:y1, x0:x1] = (200, 10, 10, 255)
    return pixels


def bounds(pixels: np.ndarray) -> tuple[int, ...]:
    ys, xs = np.nonzero(pixels[..., 3] > 127)
    return int(xs.min()), int(ys.min()), int(xs.max()) + 1, int(ys.max()) + 1


@pytest.mark.parametrize(
    "placement, where, size, expected",
    [
        (Placement(), (20, 30, 60, 50), (100, 200), (20, 30, 60, 50)),
        (Placement(offset=(0.1, -0.2)), (20, 30, 60, 50), (100, 200), (40, 10, 80, 30)),
        (Placement(scale=0.5), (20, 30, 60, 50), (100, 200), (30, 35, 50, 45)),  # around its own middle
        (Placement(1.0), (20, 30, 60, 50), (200, 200), (80, 90, 120, 110)),  # in the middle of the frame
        (Placement(1.0), (20, 60, 60, 100), (200, 200), (80, 160, 120, 200)),  # what is cut off stays at its edge
        (Placement(9 / 16), (0, 0, 200, 100), (200, 112), (6, 75, 106, 125)),  # made smaller to fit
        (Placement(2.0, 2.0), (90, 40, 110, 60), (100, 200), (80, 30, 120, 70)),
        (Placement(size=(200, 400), fill=0.5), (20, 30, 60, 50), (200, 400), (100, 50, 300, 150)),  # by its width
        (Placement(fill=0.5), (20, 30, 40, 70), (100, 200), (17, 25, 43, 75)),  # by its height, around its own middle
        (Placement(size=(200, 400), fill=0.5, position=(1, 0)), (20, 30, 60, 50), (200, 400), (200, 0, 400, 100)),
        (Placement(position=(0, 1)), (20, 30, 60, 50), (100, 200), (0, 80, 40, 100)),
        (Placement(size=(200, 400), fill=0.5), (20, 80, 60, 100), (200, 400), (100, 100, 300, 200)),  # cut off
    ],
)
def test_objects_stand_where_they_are_put(placement, where, size, expected) -> None:
    placed = placement.place(cutout(*where))
    assert placed.shape == (*size, 4) and placement.frame((100, 200)) == size
    assert np.abs(np.subtract(bounds(placed), expected)).max() <= 1
    assert tuple(placed[placed[..., 3] == 255][0][:3]) == (200, 10, 10)  # no dark edges


def test_a_panorama_gets_no_huge_frame() -> None:
    h, w = Placement(1.0).frame((240, 100_000))
    assert h == w and h * w <= 2 * 240 * 100_000 * 1.01


@pytest.mark.parametrize(
    "wrong",
    [
        *({"aspect": 0}, {"scale": -1.0}, {"scale": float("nan")}, {"offset": (0, float("inf"))}),
        *({"fill": 0}, {"size": (0, 5)}, {"position": (0.5, float("nan"))}),
    ],
)
def test_numbers_are_checked(wrong) -> None:
    with pytest.raises(InputError, match=f"{next(iter(wrong))} of the placement"):
        Placement(**wrong)


def test_a_moved_object_uncovers_a_blurred_background_without_a_hole() -> None:
    photo = Photo(np.full((400, 600, 3), 200, np.uint8))
    alpha = np.zeros((400, 600), np.float32)
    alpha[100:300, 150:450] = 1
    made = Composition.of(photo, [alpha], Style(Blur(), placement=Placement(scale=0.3, offset=(0.3, 0.0))))
    assert made.pixels().min() > 170  # weights of 8 bits are coarse


def test_what_leaves_the_frame_is_cut_off() -> None:
    placed = Placement(scale=3.0, offset=(0.5, 0.0)).place(cutout(80, 40, 120, 60))
    assert bounds(placed) == (140, 20, 200, 80) and placed[50, 190, 3] == 255
    assert not Placement(offset=(1.0, 0.0)).place(cutout(20, 30, 60, 50)).any()


def test_nothing_gives_an_empty_frame() -> None:
    assert not Placement(1.0).place(np.zeros((100, 200, 4), np.uint8)).any()


def test_a_composition_has_the_frame_of_its_placement() -> None:
    pixels = cutout(20, 30, 60, 50)
    photo, alpha = Photo(pixels[..., :3]), pixels[..., 3] / np.float32(255)
    made = Composition.of(photo, [alpha], Style("white", placement=Placement(1.0)))
    assert made.pixels().shape == made.over_checkerboard().shape == (200, 200, 3)
    assert tuple(made.pixels()[100, 100]) == (200, 10, 10) and tuple(made.pixels()[5, 5]) == (255, 255, 255)
    assert made.cutout().shape == (200, 200, 4)
    assert np.array_equal(made.alpha_uint8(), made.cutout()[..., 3])
    assert Composition.of(photo, [alpha], Style(placement=Placement(1.0))).pixels().shape == (200, 200, 4)
