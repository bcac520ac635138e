"""EdgeTAM against transformers' own processor and model, on random weights in the layout of the published file."""

from importlib.util import find_spec

import numpy as np
import pytest
import torch
from PIL import Image
from safetensors.torch import save_file

if find_spec("timm") is None:  # also in CI, which runs these tests on their own (.ci/run)
    pytest.skip("needs timm, with torchvision (docs/export.md)", allow_module_level=True)

from export.parity import relative_error
from mam import Matting, Prompt
from mam.model.folders import BUNDLE
from mam.model.steps import decode
from mam.model.variants import VARIANTS
from mam.nets import checkpoint
from mam.nets.edgetam import EdgeTam
from mam.weights.layout import split_networks
from tests.conftest import EXAMPLES, FLOWER_BOX
from tests.small_vit import build_distinct

EDGETAM = VARIANTS["edgetam"]
POINTS = [(310, 220), (260, 300), (20, 20)]
LABELS = [1, 1, 0]


@pytest.fixture(scope="module")
def published(tmp_path_factory):
    """A home with the file, and transformers' `EdgeTamModel` with its tensors."""
    from transformers import EdgeTamModel, EdgeTamVideoConfig, EdgeTamVideoModel

    ours = build_distinct(EDGETAM).sam
    state = {name: tensor.contiguous() for name, tensor in ours.state_dict().items()}
    state["prompt_encoder.shared_embedding.positional_embedding"] = state[
        "shared_image_embedding.positional_embedding"
    ].clone()
    theirs = EdgeTamModel(ours.config).eval()
    theirs.load_state_dict(state)
    with torch.device("meta"):  # the hub has the model for videos
        video = EdgeTamVideoModel(EdgeTamVideoConfig(vision_config=ours.config.vision_config))
    for name, like in video.state_dict().items():
        state.setdefault(name, torch.zeros(like.shape, dtype=like.dtype))
    home = tmp_path_factory.mktemp("edgetam")
    save_file(state, home / EDGETAM.checkpoints[0])
    return home, theirs


@pytest.fixture(scope="module")
def scene(published):
    """The flower, encoded without torch from the template and the file."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("MAM_HOME", str(published[0]))
        patch.setenv("MAM_OFFLINE", "1")
        return Matting.load("edgetam", device="cpu").open(EXAMPLES / "flower.jpg")


def answer(theirs, multimask: bool, mask: np.ndarray | None = None, **prompt):
    """Masks (N, 256, 256), scores (N) and features of transformers' processor and model for the flower."""
    from transformers import Sam2ImageProcessor, Sam2Processor

    photo = Image.open(EXAMPLES / "flower.jpg").convert("RGB")
    inputs = dict(Sam2Processor(Sam2ImageProcessor())(images=photo, return_tensors="pt", **prompt))
    inputs.pop("original_sizes")
    masks = None if mask is None else torch.from_numpy(mask)[None, None]
    with torch.inference_mode():
        found = theirs(**inputs, input_masks=masks, multimask_output=multimask)
    return found.pred_masks[0, 0].numpy(), found.iou_scores[0, 0].numpy(), found.image_embeddings


def test_the_file_for_videos_loads_with_the_mask_to_matte_of_tiny(published) -> None:
    home, theirs = published
    model = checkpoint.load(EDGETAM, home / EDGETAM.checkpoints[0], BUNDLE / "tiny_m2m.pt")
    sam, rest = split_networks(checkpoint.read_state(home / EDGETAM.checkpoints[0], EDGETAM))
    assert not rest and sam.keys() == model.sam.state_dict().keys() and isinstance(model.sam, EdgeTam)
    names = theirs.state_dict().keys()
    assert names - sam.keys() == {"prompt_encoder.shared_embedding.positional_embedding"} and sam.keys() < names


def test_features_are_transformers_own(published, scene) -> None:
    _, _, features = answer(published[1], True, input_boxes=[[list(map(float, FLOWER_BOX))]])
    for name, theirs in zip(("high_res_feats_0", "high_res_feats_1", "image_embeddings"), features, strict=True):
        assert relative_error(scene.whole.features[name], theirs.numpy()) < 1e-5, name


@pytest.mark.parametrize("kind", ["box", "click", "several points", "box and points", "previous mask"])
def test_masks_are_transformers_own(kind, published, scene) -> None:
    box = {"input_boxes": [[list(map(float, FLOWER_BOX))]]}
    several = {"input_points": [[[list(map(float, p)) for p in POINTS]]], "input_labels": [[LABELS]]}
    previous = scene.segment([Prompt(points=POINTS[:1])], recrop=False)[0]
    prompt, theirs = {
        "box": (Prompt(box=FLOWER_BOX), box),
        "click": (Prompt(points=POINTS[:1]), {"input_points": [[[[310.0, 220.0]]]], "input_labels": [[[1]]]}),
        "several points": (Prompt(points=POINTS, labels=LABELS), several),
        "box and points": (Prompt(FLOWER_BOX, POINTS, LABELS), box | several),
        "previous mask": (Prompt(points=POINTS, labels=LABELS, previous=previous), several),
    }[kind]
    mask = previous.logits if kind == "previous mask" else None
    coords, labels, logits, has_mask = prompt.check(scene.photo.size).to_input(scene.whole.frame, sam2=True)
    prompts = {"point_coords": coords, "point_labels": labels, "mask_input": logits, "has_mask_input": has_mask}
    batch = {name: np.stack([values, values]) for name, values in prompts.items()}
    for multimask, part in ((False, slice(0, 1)), (True, slice(1, 4))):
        masks, scores, _ = answer(published[1], multimask, mask, **theirs)
        ours = decode(scene.graphs, scene.whole.features, **batch)
        assert relative_error(ours[0][1, part], masks) < 1e-5 and relative_error(ours[1][1, part], scores) < 1e-5
    if kind in ("box", "click"):
        (segment,) = scene.segment([prompt], recrop=False)
        assert (segment.chosen == 0) == (kind == "box")
        expected = torch.nn.functional.interpolate(
            torch.from_numpy(segment.logits)[None, None], scene.photo.size, mode="bilinear", align_corners=False
        )
        assert (segment.mask != (expected[0, 0].numpy() > 0)).mean() < 1e-3
