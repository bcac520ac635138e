"""The graphs' inputs and outputs: names, shapes, dtypes, metadata. Export writes them, the runtime checks them.

A tensor that is marked optional exists for some variants only: `tiny` has high-resolution features, and its matte graph
does not need the embedding.

Frames: *input* is the image with its longest side at 1024, padded right and bottom to 1024 x 1024, or for the encoder
and the decoder of SAM 2 stretched to that; *original* is the user's own pixels, (H, W). B counts prompts answered in
one call for one image, N points per prompt.

`WORDS` finds the places of some names; its sizes are multiples of 32, and its map has a value per 16 pixels: the
logarithm of the probability that the name is there. It belongs to no set, like the next two.

`GROUNDING` finds boxes for text prompts. Its image is at the top left of `height` x `width` pixels, multiples of 32
(`mam.text.Preprocessor`); T counts tokens, Q candidate boxes: cx, cy, w, h as fractions of the unpadded image.

`SEMAT` computes a matte from an image with black padding and a box, x0, y0, x1, y1, both in the input frame.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Collection
from dataclasses import dataclass

from mam.model.frames import MASK_SIDE, PIXEL_MEAN, PIXEL_STD, SIDE

VERSION = "3"
EMBEDDING = (256, 64, 64)
POINT_LABELS = {"background": 0, "foreground": 1, "box_top_left": 2, "box_bottom_right": 3, "padding": -1}


@dataclass(frozen=True)
class Tensor:
    """One input or output: its name, numpy dtype, shape (a name is a dynamic size), and whether it is optional."""

    name: str
    dtype: str
    shape: tuple[int | str, ...]
    optional: bool = False


@dataclass(frozen=True)
class Graph:
    """One ONNX file of the set."""

    name: str
    inputs: tuple[Tensor, ...]
    outputs: tuple[Tensor, ...]

    @property
    def file(self) -> str:
        """The file's name inside a folder of graphs."""
        return f"{self.name}.onnx"

    def having(self, names: Collection[str]) -> Graph:
        """Return the graph without the optional tensors that are not among `names`."""
        inputs, outputs = (
            tuple(t for t in tensors if not t.optional or t.name in names) for tensors in (self.inputs, self.outputs)
        )
        return dataclasses.replace(self, inputs=inputs, outputs=outputs)


_IMAGE = Tensor("image", "float32", (1, 3, SIDE, SIDE))
_EMBEDDINGS = Tensor("image_embeddings", "float32", (1, *EMBEDDING))

_HIGH_RES_FEATURES = (
    Tensor("high_res_feats_0", "float32", (1, "C0", 4 * EMBEDDING[1], 4 * EMBEDDING[2]), optional=True),
    Tensor("high_res_feats_1", "float32", (1, "C1", 2 * EMBEDDING[1], 2 * EMBEDDING[2]), optional=True),
)

IMAGE_ENCODER = Graph("image_encoder", (_IMAGE,), (_EMBEDDINGS, *_HIGH_RES_FEATURES))
MASK_DECODER = Graph(
    "mask_decoder",
    (
        _EMBEDDINGS,
        *_HIGH_RES_FEATURES,
        Tensor("point_coords", "float32", ("B", "N", 2)),
        Tensor("point_labels", "float32", ("B", "N")),
        Tensor("mask_input", "float32", ("B", 1, MASK_SIDE, MASK_SIDE)),
        Tensor("has_mask_input", "float32", ("B",)),
    ),
    (
        Tensor("low_res_masks", "float32", ("B", 4, MASK_SIDE, MASK_SIDE)),
        Tensor("iou_predictions", "float32", ("B", 4)),
    ),
)
MATTE = Graph(
    "matte",
    (
        _IMAGE,
        dataclasses.replace(_EMBEDDINGS, optional=True),
        Tensor("mask_logits", "float32", ("B", 1, MASK_SIDE, MASK_SIDE)),
        Tensor("input_size", "int64", (2,)),
        Tensor("original_size", "int64", (2,)),
        Tensor("mask_guidance", "bool", ()),
    ),
    (Tensor("alpha", "float32", ("B", 1, "H", "W")),),
)
GRAPHS = (IMAGE_ENCODER, MASK_DECODER, MATTE)

GROUNDING = Graph(
    "grounding",
    (
        Tensor("image", "float32", (1, 3, "height", "width")),
        Tensor("pixel_mask", "bool", (1, "height", "width")),
        Tensor("input_ids", "int64", (1, "T")),
        Tensor("position_ids", "int64", (1, "T")),
        Tensor("text_mask", "bool", (1, "T", "T")),
    ),
    (
        Tensor("logits", "float32", (1, "Q", "T")),
        Tensor("boxes", "float32", (1, "Q", 4)),
    ),
)


WORDS = Graph(
    "words",
    (Tensor("image", "float32", (1, 3, "height", "width")),),
    (Tensor("scores", "float32", (1, "names", "rows", "columns")),),
)

SEMAT = Graph(
    "semat",
    (_IMAGE, Tensor("box", "float32", (1, 4))),
    (Tensor("alpha", "float32", (1, 1, SIDE, SIDE)),),
)


@dataclass(frozen=True)
class InferencePolicy:
    """How inference uses a model; the defaults are SAM's and MAM's.

    Attributes:
        crop_margin: None encodes an image once; a number encodes the crop around a box or an earlier mask again, with
            this margin on each side, as a fraction of its longest side (`mam.masks.crops`).
        multimask: for a single box or click, use the one of masks 1 to 3 with the best predicted IoU; False: mask 0.
        main_object: a prompt of padding points alone asks for the image's main object.
        sam2: SAM 2's rules: an image is stretched to the whole input frame, every prompt has a padding point, and a
            box is answered by mask 0.
    """

    crop_margin: float | None = None
    multimask: bool = True
    main_object: bool = False
    sam2: bool = False

    @property
    def asks_again(self) -> bool:
        """Whether the box around an answer's own mask is a prompt for the next: of a first answer, and in corrections.

        It is what `tiny` gains from. SAM's masks 1 to 3 are for prompts without such a box, so it keeps to SAM's rules.
        """
        return self.crop_margin is not None and not self.multimask

    def stamp(self) -> dict[str, str]:
        """Return it as metadata of a graph."""
        return {
            "mam_crop_margin": "" if self.crop_margin is None else str(self.crop_margin),
            "mam_multimask": "yes" if self.multimask else "no",
            "mam_main_object": "yes" if self.main_object else "no",
            **({"mam_sam2": "yes"} if self.sam2 else {}),
        }

    @classmethod
    def from_stamp(cls, stamp: dict[str, str]) -> InferencePolicy:
        """Read it from metadata; KeyError if it is incomplete."""
        return cls(
            float(stamp["mam_crop_margin"]) if stamp["mam_crop_margin"] else None,
            stamp["mam_multimask"] == "yes",
            stamp["mam_main_object"] == "yes",
            stamp.get("mam_sam2") == "yes",
        )


def metadata(variant: str, checkpoint_sha256: str, policy: InferencePolicy = InferencePolicy()) -> dict[str, str]:
    """Return the metadata of a set; all keys but `mam_graph` must be equal in the three files."""
    return {
        "mam_contract": VERSION,
        "mam_variant": variant,
        "mam_checkpoint_sha256": checkpoint_sha256,
        **policy.stamp(),
        "mam_pixel_mean": ",".join(map(str, PIXEL_MEAN)),
        "mam_pixel_std": ",".join(map(str, PIXEL_STD)),
    }
