"""Run lengths as the COCO API writes them, polygons around regions."""

import numpy as np
import pytest

from mam import InputError
from mam.masks.outlines import decode_rle, draw_polygons, encode_rle, find_polygons

GOLDEN = "b7b0<000003CE1;OE1;OE1;OE1;OE1;OE1;OE1;OE1;9000000000000000000^3EmL0000000005"


def shape() -> np.ndarray:
    mask = np.zeros((30, 40), bool)
    mask[5:20, 8:30] = True
    mask[10:14, 12:20] = False
    mask[2:5, 8:12] = mask[25:29, 33:39] = True
    return mask


def test_run_lengths_are_those_of_the_coco_api() -> None:
    assert encode_rle(shape()) == GOLDEN  # of pycocotools 2.0.11
    assert np.array_equal(decode_rle((30, 40), GOLDEN), shape())


@pytest.mark.parametrize("mask", [np.ones((3, 4), bool), np.zeros((3, 4), bool), np.eye(200, 300, dtype=bool)])
def test_there_and_back(mask) -> None:
    assert np.array_equal(decode_rle(mask.shape, encode_rle(mask)), mask)


def test_runs_as_a_list() -> None:
    assert np.array_equal(decode_rle((2, 2), [1, 2, 1]), [[False, True], [True, False]])
    for counts in ([1, 2], [3, -1, 2], "", [], [10**400]):
        with pytest.raises(InputError, match="does not fill"):
            decode_rle((2, 2), counts)
    for counts in (None, 4, [[1]], [1.5], ["1"], "\n", "o" * 100):
        with pytest.raises(InputError, match="no run-length encoding"):
            decode_rle((2, 2), counts)


def test_polygons_lie_on_the_edges_of_pixels() -> None:
    large, small = find_polygons(shape())
    assert sorted(map(tuple, large.tolist())) == [(8, 2), (8, 20), (12, 2), (12, 5), (30, 5), (30, 20)]  # no hole
    assert sorted(map(tuple, small.tolist())) == [(33, 25), (33, 29), (39, 25), (39, 29)]
    filled = shape()
    filled[10:14, 12:20] = True
    assert np.array_equal(draw_polygons([large, small], (30, 40)), filled)


def test_a_disc_needs_few_points() -> None:
    rows, columns = np.mgrid[:200, :200]
    disc = np.hypot(rows - 100, columns - 90) < 60
    (polygon,) = find_polygons(disc)
    drawn = draw_polygons([polygon], disc.shape)
    assert len(polygon) < 80 and (drawn & disc).sum() / (drawn | disc).sum() > 0.98


def test_regions_that_touch_at_a_corner_are_two() -> None:
    mask = np.zeros((10, 10), bool)
    mask[1:4, 1:4] = mask[4:8, 4:8] = True
    assert [len(polygon) for polygon in find_polygons(mask)] == [4, 4]
    assert find_polygons(np.zeros((4, 4), bool)) == []


@pytest.mark.parametrize("size", [(1, 1), (1, 5), (2, 1)])
def test_a_region_of_a_few_pixels_is_a_polygon_too(size) -> None:
    mask = np.zeros((8, 8), bool)
    mask[2 : 2 + size[0], 3 : 3 + size[1]] = True
    assert np.array_equal(draw_polygons(find_polygons(mask), (8, 8)), mask)
