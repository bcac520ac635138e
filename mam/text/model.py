"""The grounding model: one ONNX session and its tokenizer, loaded from a folder."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from mam.errors import GraphError
from mam.model import contract, providers
from mam.model.folders import graphs_folder
from mam.text.boxes import BOX_THRESHOLD, NMS_THRESHOLD, TEXT_THRESHOLD, FoundBoxes, select_boxes
from mam.text.phrases import Phrases
from mam.text.preprocessor import Preprocessor

if TYPE_CHECKING:
    import onnxruntime as ort
    from tokenizers import Tokenizer

TOKENIZER = "tokenizer.json"
NAME = "grounding-dino-tiny"
"""The text model that the library prepares by itself (`mam.text.preparation`)."""
MODELS = (NAME, "grounding-dino-base")
DOWNLOAD_MEGABYTES, KEPT_MEGABYTES = 690, 240
NO_MODEL = (
    f"there is no text model in {{folder}}: `mam weights get {NAME}` gets it once ({DOWNLOAD_MEGABYTES} MB to "
    f"download, {KEPT_MEGABYTES} MB to keep), or --grounding, MAM_GROUNDING and grounding= name the folder of one."
)
"""What the page's log, the command line, the API and the library report without a text model."""


@dataclass(frozen=True, eq=False)
class Grounding:
    """A loaded grounding model.

    Attributes:
        name: the model's name, from the graph's metadata.
        folder: that the model was loaded from.
        provider: the execution provider that runs the graph.
        note: one sentence for users that explains the choice of provider; empty if no explanation is needed.
        preprocessor: size and normalisation of the image input.
        session: the onnxruntime session of the graph.
        tokenizer: splits text prompts into tokens.
    """

    name: str
    folder: Path
    provider: str
    note: str
    preprocessor: Preprocessor
    session: ort.InferenceSession
    tokenizer: Tokenizer

    known_words = ()
    """Empty: the model reads any phrase."""

    @classmethod
    def load(
        cls, folder: str | os.PathLike | None = None, device: providers.Device = "auto", threads: int | None = None
    ) -> Grounding:
        """Load a model that `mam weights get grounding-dino-tiny` or `python -m export grounding` wrote.

        Args:
            folder: contains `grounding.onnx` and `tokenizer.json`; None for `$MAM_GROUNDING` or the default folder.
            device: as for `mam.Matting.load`.
            threads: CPU threads; None lets onnxruntime choose.

        Raises:
            GraphError: there is no model, it has another contract version, the package tokenizers is missing, or the
                device is unavailable.
        """
        folder = default_folder() if folder is None else Path(folder)
        graph, vocabulary = folder / contract.GROUNDING.file, folder / TOKENIZER
        if not is_complete(folder):
            raise GraphError(NO_MODEL.format(folder=folder))
        tokenizer = _load_tokenizer(vocabulary)
        (session,), provider, note = providers.open_sessions([graph], device, threads)
        metadata = _checked_metadata(session, graph)
        return cls(
            metadata["mam_variant"], folder, provider, note, Preprocessor.from_metadata(metadata), session, tokenizer
        )

    def read(self, text: str | Sequence[str]) -> dict[str, str]:
        """Return each phrase of a text, mapped to itself: this model searches for whole phrases.

        Raises:
            PromptError: as for `find`.
        """
        return {phrase: phrase for phrase in Phrases.tokenise(text, self.tokenizer).names}

    def find(
        self,
        image: np.ndarray,
        text: str | Sequence[str],
        *,
        box_threshold: float = BOX_THRESHOLD,
        text_threshold: float = TEXT_THRESHOLD,
        nms: float = NMS_THRESHOLD,
    ) -> FoundBoxes:
        """Find the boxes of the objects that a text describes.

        Args:
            image: (H, W, 3) uint8 RGB.
            text: one phrase ("the girl in the red sweater, on the left"), or several, separated by full stops or as a
                list.
            box_threshold: boxes with a score up to this are dropped.
            text_threshold: boxes with a score up to this get no phrase. No box is dropped by it. (In the authors' code
                it selects the tokens that make up the phrase of a box.)
            nms: if two boxes of one phrase have a higher IoU, the one with the lower score is dropped.

        Returns:
            The boxes, best first; empty if no box passes.

        Raises:
            PromptError: the text is empty, has no word that the model knows, or is too long.
            GraphError: the graph failed.
        """
        phrases = Phrases.tokenise(text, self.tokenizer)
        padded, pixel_mask = self.preprocessor.place(image)
        values = padded, pixel_mask, phrases.input_ids, phrases.position_ids, phrases.text_mask
        names = [tensor.name for tensor in contract.GROUNDING.inputs]
        feed = dict(zip(names, values, strict=True))
        logits, boxes = providers.run_session(self.session, feed, self.folder / contract.GROUNDING.file)
        return select_boxes(
            logits[0],
            boxes[0],
            phrases,
            (image.shape[0], image.shape[1]),
            box_threshold=box_threshold,
            text_threshold=text_threshold,
            nms_threshold=nms,
        )


def is_complete(folder: Path) -> bool:
    """Return whether a folder holds a text model."""
    return (folder / contract.GROUNDING.file).is_file() and (folder / TOKENIZER).is_file()


def default_folder() -> Path:
    """Return `$MAM_GROUNDING`, or the default folder of the smaller model, or of the larger one if only that exists."""
    if chosen := os.environ.get("MAM_GROUNDING"):
        return Path(chosen).expanduser()
    folders = [graphs_folder(name) for name in MODELS]
    return next((folder for folder in folders if is_complete(folder)), folders[0])


def _load_tokenizer(file: Path) -> Tokenizer:
    try:
        from tokenizers import Tokenizer
    except ImportError:
        raise GraphError("text prompts need tokenizers: pip install tokenizers") from None
    try:
        tokenizer = Tokenizer.from_file(str(file))
    except Exception as error:  # tokenizers raises plain Exception
        raise GraphError(f"{file} is not a tokenizer ({error}); export the model again.") from error
    lacking = [token for token in ("[CLS]", "[SEP]", "[UNK]", ".") if tokenizer.token_to_id(token) is None]
    if lacking:
        raise GraphError(f"{file} lacks the tokens {' '.join(lacking)}; expected the BERT tokenizer of Grounding DINO.")
    tokenizer.no_truncation()
    tokenizer.no_padding()
    return tokenizer


def _checked_metadata(session: ort.InferenceSession, path: Path) -> dict[str, str]:
    metadata = session.get_modelmeta().custom_metadata_map
    expected = {"mam_graph": contract.GROUNDING.name, "mam_contract": contract.VERSION}
    got = {key: metadata.get(key) for key in expected}
    if got != expected or "mam_smallest" not in metadata:  # graphs of 0.10 had a fixed size
        raise GraphError(
            f"{path} has the metadata {got}, or is of an earlier release; expected {expected}. Delete its folder and "
            f"get it again with `mam weights get {NAME}`, or export it with `python -m export grounding`."
        )
    return metadata
