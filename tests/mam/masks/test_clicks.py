import numpy as np

from mam.masks.clicks import obey_clicks

EVERYWHERE = np.ones((60, 80), bool)
NOWHERE = ~EVERYWHERE


def two_things() -> tuple[np.ndarray, np.ndarray]:
    """An image with a red left half and a blue right half, 60 x 80, and an alpha that has the left half."""
    pixels = np.zeros((60, 80, 3), np.uint8)
    pixels[:, :40, 0], pixels[:, 40:, 2] = 200, 200
    alpha = np.zeros((60, 80), np.float32)
    alpha[:, :40] = 1
    return pixels, alpha


def test_an_alpha_that_obeys_is_returned_as_it_is() -> None:
    pixels, alpha = two_things()
    assert obey_clicks(alpha, pixels, alpha > 0, np.array([[10.0, 10.0], [60, 10]]), np.array([1, 0])) is alpha


def test_a_part_is_added_or_removed_up_to_its_edge() -> None:
    pixels, alpha = two_things()
    added = obey_clicks(alpha, pixels, EVERYWHERE, np.array([[60.5, 30.5]]), np.array([1]))
    assert added.min() > 0.9
    removed = obey_clicks(alpha, pixels, NOWHERE, np.array([[10.0, 59.9]]), np.array([0]))
    assert removed[:, :39].max() < 0.1 and removed[:, 42:].max() == 0


def test_only_the_clicked_part_changes() -> None:
    pixels, alpha = two_things()
    pixels[20:30, 60:70] = (0, 200, 0)  # a green patch on the blue
    changed = obey_clicks(alpha, pixels, EVERYWHERE, np.array([[64.0, 24.0]]), np.array([1]))
    assert changed[20:30, 60:70].min() > 0.9
    assert changed[:17, 42:].max() == changed[33:, 42:].max() == changed[:, 42:57].max() == 0


def test_a_click_on_the_last_pixel_of_a_large_image() -> None:
    pixels, alpha = np.zeros((700, 900, 3), np.uint8), np.zeros((700, 900), np.float32)
    assert obey_clicks(alpha, pixels, alpha < 1, np.array([[900.0, 700.0]]), np.array([1])).min() > 0.9


def test_contradictory_clicks_keep_their_own_pixels() -> None:
    pixels, alpha = two_things()
    changed = obey_clicks(alpha, pixels, EVERYWHERE, np.array([[60.0, 30.0], [70.0, 30.0]]), np.array([1, 0]))
    assert changed[30, 60] > 0.9 and changed[30, 70] < 0.1


def test_an_object_beside_a_click_of_similar_colour_stays() -> None:
    pixels, alpha = np.full((60, 80, 3), 120, np.uint8), np.ones((60, 80), np.float32)
    mask = np.zeros((60, 80), bool)
    mask[:, :40] = True  # the mask has learnt from the click; the alpha has not
    changed = obey_clicks(alpha, pixels, mask, np.array([[60.0, 30.0]]), np.array([0]))
    assert changed[:, :36].min() == 1 and changed[:, 42:].max() < 0.1
