"""The site's scripts against the Python modules that they mirror, in real Chromium, on made arrays."""

import base64
import io
import json
from dataclasses import replace

import numpy as np
import pytest
from PIL import Image, ImageFilter

from export.web.pack import half_ranges
from mam.compose.foreground import foreground_colours
from mam.images import open_photo
from mam.images.boxes import Patch
from mam.masks import crops
from mam.masks.cleanup import clean_up
from mam.masks.clicks import obey_clicks
from mam.masks.components import bounds_without_islands
from mam.masks.decoding import best_candidate, full_size, keep_rest
from mam.masks.painting import Stroke, paint
from mam.masks.prompts import Prompt
from mam.masks.segment import Segment
from mam.model.folders import BUNDLE
from mam.model.frames import Frame, to_input_image
from tests.conftest import EXAMPLES

# Arrays travel as {dtype, data}; a result is the value itself, or an array.
_RUN = """async ([module, body, values]) => {
  const kinds = { uint8: Uint8Array, float32: Float32Array };
  const bytes = (data) => Uint8Array.from(atob(data), (c) => c.charCodeAt(0));
  const read = (value) => (value && value.dtype ? new kinds[value.dtype](bytes(value.data).buffer) : value);
  const write = async (value) => {
    if (value instanceof Blob) return write(new Uint8Array(await value.arrayBuffer()));
    if (!ArrayBuffer.isView(value)) return value;
    const all = new Uint8Array(value.buffer, value.byteOffset, value.byteLength), parts = [];
    for (let i = 0; i < all.length; i += 32768) parts.push(String.fromCharCode(...all.subarray(i, i + 32768)));
    return { dtype: value.constructor.name, data: btoa(parts.join('')) };
  };
  const found = await Function('m', 'values', `return (async (${Object.keys(values)}) => ${body})(...values)`)(
    await import('/' + module + '.js'), Object.values(values).map(read));
  return write(found);
}"""
_DTYPES = {"Uint8Array": "u1", "Uint8ClampedArray": "u1", "Float32Array": "<f4", "Int32Array": "<i4"}


@pytest.fixture(scope="module")
def run(browser, address):
    """Runs an expression with a module as `m` and named values; returns an array, or a value as it is."""
    tab = browser.new_page()
    tab.goto(f"{address}model.js")  # any page of the same origin

    def evaluate(module: str, body: str, **values: object):
        sent = {
            name: {"dtype": str(value.dtype), "data": base64.b64encode(np.ascontiguousarray(value)).decode()}
            if isinstance(value, np.ndarray)
            else value
            for name, value in values.items()
        }
        found = tab.evaluate(_RUN, [module, body, sent])
        if isinstance(found, dict) and "dtype" in found:
            return np.frombuffer(base64.b64decode(found["data"]), _DTYPES[found["dtype"]])
        return found

    yield evaluate
    tab.close()


def random_image(h: int, w: int, *bands: int) -> np.ndarray:
    return np.random.default_rng(h * w).integers(0, 256, (h, w, *bands), np.uint8)


@pytest.mark.parametrize("kind", ["bilinear", "box"])
@pytest.mark.parametrize("target", [(20, 30), (171, 96), (57, 30), (20, 83), (57, 83)])
def test_resize_is_pillows(run, kind, target) -> None:
    image = random_image(57, 83, 3)
    expected = np.asarray(Image.fromarray(image).resize(target[::-1], Image.Resampling[kind.upper()]))
    found = run("pillow", "m.resize(a, [57, 83], target, kind, 3)", a=image, target=target, kind=kind)
    assert np.array_equal(found.reshape(expected.shape), expected)


def test_resize_of_floats_with_a_box_is_pillows(run) -> None:
    logits = np.random.default_rng(0).standard_normal((256, 256)).astype(np.float32) * 9
    box = (0, 0, 256, 171.25)
    expected = np.asarray(Image.fromarray(logits).resize((300, 201), Image.Resampling.BILINEAR, box=box))
    found = run("pillow", "m.resize(a, [256, 256], [201, 300], 'bilinear', 1, box)", a=logits, box=box)
    assert np.abs(found.reshape(expected.shape) - expected).max() <= 1e-5  # sums of doubles in another order


@pytest.mark.parametrize("target", [(20, 30), (171, 96), (57, 30), (20, 83)])
def test_a_window_of_a_resize_is_a_part_of_it(run, target) -> None:
    image, (height, width) = random_image(57, 83, 3), target
    expected = np.asarray(Image.fromarray(image).resize((width, height), Image.Resampling.BILINEAR))
    body = "m.resize(a, [57, 83], target, 'bilinear', 3, [0, 0, 83, 57], window)"
    found = run("pillow", body, a=image, target=target, window=[4, 3, width - 5, height - 2])
    assert np.array_equal(found.reshape(height - 5, width - 9, 3), expected[3:-2, 4:-5])
    body = "(() => { const at = m.resizeLazily(a, [57, 83], target, 'bilinear', 3), all = []; "
    body += "for (let y = 0; y < target[0]; y += 1) for (let x = 0; x < target[1]; x += 1) all.push(at(y, x, 1)); "
    found = run("pillow", body + "return Uint8Array.from(all); })()", a=image, target=target)
    assert np.array_equal(found.reshape(target), expected[..., 1])


@pytest.mark.parametrize("kind", ["bilinear", "box"])
def test_outside_the_reached_window_a_resize_is_zero(run, kind) -> None:
    part = np.zeros((57, 83), np.uint8)
    part[20:31, 40:44] = 255
    for target in ((20, 30), (171, 96)):
        expected = np.asarray(Image.fromarray(part).resize(target[::-1], Image.Resampling[kind.upper()]))
        body = "m.reachedWindow([40, 20, 44, 31], [57, 83], target, kind)"
        left, top, right, bottom = run("pillow", body, target=target, kind=kind)
        y, x = expected.nonzero()
        assert left <= x.min() <= left + 1 and right - 2 <= x.max() < right  # weights that round to zero
        assert top <= y.min() <= top + 1 and bottom - 2 <= y.max() < bottom


@pytest.mark.parametrize("step", [1, 2, 3, 7])
def test_reduce_is_pillows(run, step) -> None:
    for image, bands in ((random_image(50, 41, 3), 3), (random_image(50, 41), 1)):
        expected = np.asarray(Image.fromarray(image).reduce(step))
        found = run("pillow", "m.reduce(a, [50, 41], step, bands).values", a=image, step=step, bands=bands)
        assert np.array_equal(found.reshape(expected.shape), expected)
    alpha = random_image(50, 41).astype(np.float32) / 255
    expected = np.asarray(Image.fromarray(alpha).reduce(step))
    found = run("pillow", "m.reduce(a, [50, 41], step).values", a=alpha, step=step)
    assert np.abs(found.reshape(expected.shape) - expected).max() <= 1e-6  # the order of the sum


def test_filters_are_pillows(run) -> None:
    cells = (np.random.default_rng(1).random((40, 33)) > 0.97).astype(np.uint8)
    for reach in (1, 3):
        expected = np.asarray(Image.fromarray(cells * 255).filter(ImageFilter.MaxFilter(2 * reach + 1))) > 0
        found = run("pillow", "m.dilate(a, [40, 33], reach)", a=cells, reach=reach)
        assert np.array_equal(found.reshape(40, 33) > 0, expected)
    for radius in (1.0, 2.5):
        image = random_image(40, 33)
        expected = np.asarray(Image.fromarray(image).filter(ImageFilter.GaussianBlur(radius)))
        found = run("pillow", "m.gaussianBlur(a, [40, 33], radius)", a=image, radius=radius)
        assert np.array_equal(found.reshape(40, 33), expected)


def test_frames_are_equal(run) -> None:
    sizes = [(1, 1), (57, 83), (683, 1024), (2828, 4243), (3000, 1), (1024, 1023), (2001, 4001)]
    found = run("frames", "sizes.map((size) => new m.Frame(size).inputSize)", sizes=sizes)
    assert [tuple(size) for size in found] == [Frame.of(size).input_size for size in sizes]
    points = [(0.5, 7.25), (82.9, 56.1)]
    found = run("frames", "points.map((point) => new m.Frame([57, 83]).toInput(point))", points=points)
    assert np.array_equal(np.array(found, np.float32), Frame.of((57, 83)).to_input(np.array(points)))


def test_the_input_image_is_equal(run) -> None:
    image = random_image(57, 83, 3)
    expected = to_input_image(image, Frame.of((57, 83)))
    found = run("frames", "m.toInputImage(a, new m.Frame([57, 83]))", a=image)
    assert np.abs(found.reshape(expected.shape) - expected).max() <= 1e-6  # one rounding of float32


def test_prompts_are_equal(run) -> None:
    size, crop = (200, 300), (20, 10, 220, 160)
    given = {
        "box": (-5, 20, 150, 120),
        "points": [(30, 40), (250.5, 170), (100, 90)],
        "labels": [1, 1, 0],
        "scribbles": [[(40, 40), (50, 60), (180, 100)], [(60, 60), (60.5, 60)]],
    }
    prompt = Prompt(**given, scribble_labels=[1, 0]).check(size)
    frame = Frame.of((crop[3] - crop[1], crop[2] - crop[0]))
    coords, labels, mask_input, has_mask = prompt.to_input(frame, crop)
    found = run(
        "prompts",
        "import('/frames.js').then(({ Frame }) => new m.Prompt(given, size).toInput(new Frame([150, 200]), crop))"
        ".then(({ coords, labels, hasMask }) => ({ coords, labels, hasMask }))",
        given={**given, "scribbleLabels": [1, 0]},
        size=size,
        crop=crop,
    )
    assert np.abs(np.array(found["coords"]) - coords).max() <= 1e-3  # float32 of positions up to 1024
    assert found["labels"] == labels.tolist() and found["hasMask"] == has_mask == 0 and not mask_input.any()


def segment_in(crop: tuple[int, int, int, int], size: tuple[int, int]) -> Segment:
    """An earlier answer: an ellipse in the middle of the crop."""
    y, x = np.mgrid[:256, :256]
    logits = (6 - np.hypot(x - 110, y - 80) / 8).astype(np.float32)
    part = full_size(logits, Frame.of((crop[3] - crop[1], crop[2] - crop[0]))) > 0
    mask = crops.place_on_canvas(part, crop, size)
    return Segment(Patch.of(mask), 0, logits, np.stack([logits] * 4), np.ones(4, np.float32), crop)


def test_crops_are_equal(run) -> None:
    size = (200, 300)
    segments = [None, segment_in((0, 0, 300, 200), size), segment_in((20, 10, 220, 160), size)]
    for box in (None, (5, 20, 40, 60.5), (0, 0, 290, 190), (10, 10, 12, 12)):
        for points in ([], [(30, 40)], [(295, 195)]):
            for previous in segments:
                expected = crops.choose_crop(
                    None if box is None else np.array(box, float),
                    None,
                    np.array(points).reshape(-1, 2),
                    previous,
                    size,
                    0.2,
                )
                sent = previous and {"crop": previous.crop, "storedMask": {"box": previous.stored_mask.box}}
                found = run(
                    "crops",
                    "m.chooseCrop(box, points, previous, [200, 300], 0.2)",
                    box=box,
                    points=points,
                    previous=sent,
                )
                assert tuple(found) == expected, (box, points, previous)
    for point in ((0, 0), (150.5, 99), (300, 200)):
        found = run("crops", "m.cropAroundClick(point, [200, 300])", point=point)
        assert tuple(found) == crops.crop_around_click(np.array(point, float), size)

    for crop in ((5, 20, 40, 60), (0, 0, 290, 190), (250, 10, 300, 90)):
        assert tuple(run("crops", "m.enlarge(crop, [200, 300])", crop=crop)) == crops.enlarge(crop, size)


def test_boxes_of_answers_are_equal(run) -> None:
    mask = np.zeros((300, 700), bool)
    mask[40:240, 40:240] = mask[:30, 600:650] = mask[200:299, 500:699] = True  # the second is an island
    for one in (mask, mask[:30, 590:], mask[:9, 9:99]):
        patch = Patch.of(one)
        body = "import('/boxes.js').then(({ Patch }) => m.boundsWithoutIslands(new Patch(values, box, size)))"
        sent = {"values": patch.values.astype(np.uint8), "box": patch.box, "size": patch.size}
        expected = bounds_without_islands(one)
        assert run("components", body, **sent) == (None if expected is None else list(expected))


def test_doubt_is_equal(run) -> None:
    segment = segment_in((20, 10, 220, 160), (200, 300))
    body = "new m.Segment({ logits, crop, scores: [1, 1, 1, 1], chosen: 0 }).doubt"
    assert run("decoding", body, logits=segment.logits, crop=segment.crop) == pytest.approx(segment.doubt, abs=1e-6)


def test_corrections_keep_the_same_rest(run) -> None:
    size, whole = (200, 300), (0, 0, 300, 200)
    before, after = segment_in(whole, size), segment_in((20, 10, 220, 160), size)
    away = replace(after, points=np.array([(170.0, 110.0)]), labels=np.array([0]))
    body = """m.keepRest({ crop, logits, lowResMasks, chosen: 0, points, labels, storedMask: { size: [200, 300] } },
        { logits: earlier, crop: whole }).logits"""
    for segment in (after, away):
        expected = keep_rest(segment, before)
        sent = {"points": segment.points.tolist(), "labels": segment.labels.tolist(), "crop": segment.crop}
        found = run(
            "decoding",
            body,
            logits=segment.logits,
            lowResMasks=segment.low_res_masks.astype(np.float32),
            earlier=before.logits,
            whole=whole,
            **sent,
        )
        assert np.abs(found.reshape(256, 256) - expected.logits).max() <= 1e-4
    assert (keep_rest(away, before).logits != keep_rest(after, before).logits).any()
    assert (keep_rest(after, before).logits != after.logits).any()


def test_transferred_logits_are_equal(run) -> None:
    source, target = (20, 10, 220, 160), (60, 0, 300, 120)
    logits = segment_in(source, (200, 300)).logits
    expected = crops.transfer_logits(logits, source, target)
    found = run("crops", "m.transferLogits(a, source, target)", a=logits, source=source, target=target)
    assert np.abs(found.reshape(256, 256) - expected).max() <= 1e-4  # float32 arithmetic in another order


def test_the_candidate_is_chosen_alike(run) -> None:
    random = np.random.default_rng(3)
    for count in (1, 2, 5):
        masks = random.standard_normal((4, 256, 256)).astype(np.float32)
        scores = random.random(4).astype(np.float32)
        coords = (random.random((count + 1, 2)) * 1024).astype(np.float32)
        labels = np.append(random.integers(0, 2, count), -1)
        expected = best_candidate(masks, scores, coords, labels, 2)
        body = "m.bestCandidate(masks, scores, coords, labels, 2)"
        plain = {"scores": scores.tolist(), "coords": coords.tolist(), "labels": labels.tolist()}
        assert run("decoding", body, masks=masks, **plain) == expected


def test_masks_at_full_size_are_equal(run) -> None:
    logits = segment_in((0, 0, 300, 200), (200, 300)).logits
    expected = Patch.of(full_size(logits, Frame.of((333, 500))) > 0)
    body = "import('/frames.js').then(({ Frame }) => m.fullSizeMask(a, new Frame([333, 500])))"
    assert tuple(run("decoding", f"{body}.then((mask) => mask.box)", a=logits)) == expected.box
    found = run("decoding", f"{body}.then((mask) => mask.values)", a=logits).reshape(expected.values.shape)
    assert (found != expected.values).mean() < 1e-4  # logits within rounding of zero


def made_alpha() -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """An image, an alpha with a hole, a see-through hole and specks, and its mask."""
    y, x = np.mgrid[:420, :600]
    alpha = np.clip(1.5 - np.hypot(x - 250, y - 200) / 120, 0, 1)
    image = np.zeros((420, 600, 3), np.uint8)
    image[...] = (40, 120, 60)
    image[np.hypot(x - 250, y - 200) < 160] = (200, 180, 160)
    image += random_image(420, 600, 3) // 32
    mask = alpha > 0.4
    alpha[190:210, 240:262] = 0  # filled: nothing outside has this colour
    image[150:166, 220:236] = (42, 122, 62)
    alpha[150:166, 220:236] = 0  # kept: the background's colour
    alpha[20:24, 560:566] = 0.8  # a speck
    return image, alpha.astype(np.float32), mask


@pytest.mark.parametrize("points", [[], [(250, 200, 0)], [(562, 22, 1), (228, 158, 1)]])
def test_cleaned_alphas_are_equal(run, points) -> None:
    image, alpha, mask = made_alpha()
    places = np.array([point[:2] for point in points], float).reshape(-1, 2)
    labels = np.array([point[2] for point in points], np.int64)
    expected = clean_up(alpha, image, mask, places, labels)
    body = "(m.cleanUp(alpha, [420, 600], image, mask, points, labels), alpha)"
    sent = {"image": image, "mask": mask.astype(np.uint8), "points": places.tolist(), "labels": labels.tolist()}
    found = run("cleanup", body, alpha=alpha, **sent).reshape(alpha.shape)
    assert points or (expected != alpha).any()
    assert np.array_equal(found, expected)


def test_obedient_alphas_are_equal(run) -> None:
    image, alpha, mask = made_alpha()
    places, labels = np.array([(250, 200), (300.7, 260), (100, 30), (420, 400)], float), np.array([1, 0, 1, 1])
    expected = obey_clicks(alpha.copy(), image, mask, places, labels)
    body = "(m.obeyClicks(alpha, [420, 600], image, mask, points, labels), alpha)"
    sent = {"image": image, "mask": mask.astype(np.uint8), "points": places.tolist(), "labels": labels.tolist()}
    found = run("clicks", body, alpha=alpha, **sent).reshape(alpha.shape)
    assert (expected != alpha).any()
    assert np.abs(found - expected).max() <= 1e-6  # 1 - share in float32


def test_strokes_are_equal(run) -> None:
    pixels = open_photo(EXAMPLES / "kitten.jpg").pixels[150:500, 400:800]
    h, w = pixels.shape[:2]
    random, alpha = np.random.default_rng(4), np.full((h, w), 0.5, np.float32)
    sent = [
        {
            "xy": (random.uniform(0, (w, h)) + random.normal(0, 20, (k, 2)).cumsum(0)).tolist(),
            "size": 5.0 + 12 * k,
            "softness": k / 10,
            "label": k % 2,
            "snap": k % 3 > 0,
        }
        for k in range(1, 11)
    ]
    strokes = [
        Stroke(one["xy"], one["size"], one["softness"], "restore" if one["label"] else "erase", one["snap"])
        for one in sent
    ]
    found = run(
        "painting",
        f"(m.paint(alpha, own, pixels, [{h}, {w}], 3, strokes), alpha.map((value, i) => value + 2 * own[i]))",
        alpha=alpha,
        own=np.zeros((h, w), np.uint8),
        pixels=pixels,
        strokes=sent,
    )
    expected, own = paint(alpha, pixels, strokes)
    assert (expected != alpha).mean() > 0.2 and 0.05 < own.mean() < 0.5
    assert np.abs(found.reshape(h, w) - expected - 2 * own).max() < 1e-6


def test_foreground_colours_are_equal(run) -> None:
    image, alpha, _ = made_alpha()
    expected = foreground_colours(image, alpha)
    stored = np.rint(alpha * 255).astype(np.uint8)
    found = run("foreground", "m.foregroundColours(image, alpha, [420, 600])", image=image, alpha=stored)
    difference = np.abs(found.reshape(image.shape).astype(int) - expected)
    # Sums of doubles here, of float32 there, through 9 levels; most where alpha is faint and any colour fits.
    assert (expected != image).mean() > 0.05 and (difference > 1).mean() < 1e-3
    assert np.array_equal(found.reshape(image.shape)[stored == 255], image[stored == 255])


def test_foreground_colours_of_large_images_are_equal(run) -> None:
    image, alpha, _ = made_alpha()
    image, alpha = (
        np.asarray(Image.fromarray(values).resize((1920, 1344), Image.Resampling.BILINEAR)) for values in (image, alpha)
    )
    stored = np.rint(alpha * 255).astype(np.uint8)
    x = ((stored > 0) & (stored < 255)).any(0).nonzero()[0]
    assert x[-1] - x[0] > 1536
    found = run("foreground", "m.foregroundColours(image, alpha, [1344, 1920])", image=image, alpha=stored)
    expected = foreground_colours(image, alpha)
    difference = np.abs(found.reshape(image.shape).astype(int) - expected)
    # As above, and the estimate is rounded to 8 bits before it is enlarged.
    assert (expected != image).mean() > 0.05 and (difference > 2).mean() < 1e-3
    assert np.array_equal(found.reshape(image.shape)[stored == 255], image[stored == 255])


def test_png_files_hold_what_was_written(run) -> None:
    for bands, mode in ((1, "L"), (2, "LA"), (3, "RGB"), (4, "RGBA")):
        image = random_image(13, 29, bands)
        data = run("png", "m.encodePng(a, [13, 29], bands)", a=image, bands=bands)
        found = Image.open(io.BytesIO(data.tobytes()))
        assert found.mode == mode and np.array_equal(np.asarray(found).reshape(image.shape), image)


def test_packed_graphs_are_put_together_again(run, site) -> None:
    model = json.loads((site / "model.js").read_text("utf-8").partition(" = ")[2].partition(";\n")[0])
    for name in ("matte", "mask_decoder"):
        path = BUNDLE / f"{name}.onnx"
        assert model["files"][name]["halves"] == [list(one) for one in half_ranges(path)]
        body = (
            "fetch(file).then(({ body }) => body.pipeThrough(new DecompressionStream('gzip')))"
            ".then((stream) => new Response(stream).arrayBuffer())"
            ".then((parts) => m.joinHalves(new Uint8Array(parts), halves))"
        )
        found = run("graphs", body, file="/" + model["files"][name]["file"], halves=model["files"][name]["halves"])
        assert found.tobytes() == path.read_bytes()
