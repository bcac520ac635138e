"""Registry of the checkpoints that can be downloaded: name, licence, URL, size and SHA-256 of each file."""

from __future__ import annotations

from dataclasses import dataclass

from mam.errors import WeightsError


@dataclass(frozen=True)
class WeightFile:
    """One file of weights.

    Attributes:
        name: the file's name, in the registry and in the cache.
        description: what the file contains, for `mam models`.
        licence: the weights' licence.
        url: https://..., or hf://[spaces/]OWNER/REPO[@REVISION]/PATH on the Hugging Face hub; empty if the file can
            only be downloaded in a browser.
        size: in bytes; 0 if unknown.
        sha256: hexadecimal; empty if unknown, then the one that the hub gives for a large file is expected.
        manual_steps: how to download the file in a browser; empty if it has a URL.
    """

    name: str
    description: str
    licence: str
    url: str = ""
    size: int = 0
    sha256: str = ""
    manual_steps: str = ""


_META = "https://dl.fbaipublicfiles.com/segment_anything/"
_M2M = "MIT; trained on data that is partly research-only"
_DRIVE = "https://drive.google.com/drive/folders/1Bor2jRE0U-U6PIYaCm6SZY7qu_c1GYfq"
_SEMAT = "https://github.com/XiaRho/SEMat"
_BERT_TOKENIZER = 711396, "d241a60d5e8f04cc1b2b3e9ef7a4921b27bf526d9f6050ab90f9267a1f9e5c66"

REGISTRY: dict[str, WeightFile] = {
    file.name: file
    for file in (
        WeightFile(
            "mobile_sam.pt",
            "MobileSAM: SAM with a TinyViT encoder",
            "Apache-2.0",
            "hf://dhkim2810/MobileSAM/mobile_sam.pt",
            40728226,
            "6dbb90523a35330fedd7f1d3dfc66f995213d81b29a5ca8108dbcdd4e37d6c2f",
        ),
        WeightFile(
            "edgetam.safetensors",
            "EdgeTAM: SAM 2 with a RepViT encoder, for images",
            "Apache-2.0",
            "hf://yonigozlan/EdgeTAM-hf/model.safetensors",
        ),
        WeightFile(
            "sam_vit_b_01ec64.pth",
            "SAM ViT-B, Meta",
            "Apache-2.0",
            _META + "sam_vit_b_01ec64.pth",
            375042383,
            "ec2df62732614e57411cdcf32a23ffdf28910380d03139ee0f4fcbe91eb8c912",
        ),
        WeightFile(
            "sam_vit_l_0b3195.pth",
            "SAM ViT-L, Meta",
            "Apache-2.0",
            _META + "sam_vit_l_0b3195.pth",
            1249524607,
            "3adcc4315b642a4d2101128f611684e8734c41232a17c648ed1693702a49a622",
        ),
        WeightFile(
            "sam_vit_h_4b8939.pth",
            "SAM ViT-H, Meta",
            "Apache-2.0",
            _META + "sam_vit_h_4b8939.pth",
            2564550879,
            "a7bf3b02f3ebf1267aba913ff637d9a2d5c33d3173bb679e46d9f338c26f262e",
        ),
        WeightFile(
            "mam_sam_vitb.pth",
            "the authors' SAM ViT-B and Mask-to-Matte in one file (v1)",
            _M2M,
            "hf://spaces/shi-labs/Matting-Anything/checkpoints/mam_sam_vitb.pth",
            0,
            "b7d0781aa6edeab7b0d8195edf5b894402f9fa5b7220759825ff750c75450f08",
        ),
        WeightFile(
            "mam.pth",
            "Mask-to-Matte alone, cut out of the authors' v1 file",
            "see the repository; " + _M2M,
            "hf://conrevo/Segment-Anything-A1111/mam.pth",
            11007593,
            "23e9190ea994c18863e54d0185101870c4800aa43bf1029623015de7e659a8ef",
        ),
        *(
            WeightFile(
                f"mam_vit{size}.pth",
                f"the authors' Mask-to-Matte for SAM ViT-{size.upper()} (v2)",
                _M2M,
                manual_steps=f"open {_DRIVE} in a browser, download mam_vit{size}.pth",
            )
            for size in "blh"
        ),
        WeightFile(
            "vitmatte-small-distinctions-646.onnx",
            "ViTMatte-S as exported by rembg, for --matte vitmatte",
            "MIT code; trained on Distinctions-646, for research only",
            "https://github.com/danielgatis/rembg/releases/download/v0.0.0/vitmatte-small-distinctions-646.onnx",
            0,
            "d232841ac9d9657df3e62f6c92ed425ee25df18d337245cd8b903fc1ba183631",
        ),
        WeightFile(
            "SEMat_SAM.pth",
            "SEMat with SAM ViT-L, for --matte semat",
            "CC BY-NC 4.0: not for commercial use",
            manual_steps=f"open {_SEMAT} in a browser, follow its link to SEMat (SAM), download that as SEMat_SAM.pth",
        ),
        *(
            WeightFile(
                f"{repository.partition('@')[0]}.{file.removeprefix('model.')}",
                f"Grounding DINO, text to boxes: {content}",
                "Apache-2.0",
                f"hf://IDEA-Research/{repository}/{file}",
                size,
                sha256,
            )
            for repository, weights, configuration in (
                (
                    "grounding-dino-tiny@a2bb814dd30d776dcf7e30523b00659f4f141c71",
                    (689359096, "1a2412ef99bd74bcd3c2a246fa1e48581f8889a1300c9051974741314fc042f3"),
                    (1644, "eec82c5ab66e16df12a9a212e68ac011779927c2536cf9078658e35d85f0c67a"),
                ),
                (
                    "grounding-dino-base@12bdfa3120f3e7ec7b434d90674b3396eccf88eb",
                    (933400872, "5548f844c928c4b6f411fa8cbcc2bfa8dbbba437cb1d513975519f93c2a9ed21"),
                    (1737, "eda416dae6f49419ff831b1c190ec430a060b19aae688dbaf2425a075b650608"),
                ),
            )
            for file, content, (size, sha256) in (
                ("model.safetensors", "weights", weights),
                ("config.json", "configuration", configuration),
                ("tokenizer.json", "tokenizer", _BERT_TOKENIZER),
            )
        ),
    )
}


def look_up(name: str) -> WeightFile:
    """Look up a file in the registry.

    Raises:
        WeightsError: there is no file of this name.
    """
    if name not in REGISTRY:
        raise WeightsError(f"there is no weight file {name!r}; expected one of {', '.join(REGISTRY)}.")
    return REGISTRY[name]
