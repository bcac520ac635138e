"""The build of the site: the files of `web`, the canvas and the texts of `demo`, the packed graphs and onnxruntime-web.

Files of `demo` are read, not imported: the page and the site share the canvas's sources, and nothing imports `demo`.
"""

from __future__ import annotations

import base64
import hashlib
import html
import io
import json
import re
import shutil
import tempfile
from dataclasses import asdict
from pathlib import Path
from typing import Any

from PIL import Image, ImageColor, ImageOps

from export.web import npm
from export.web.folder import LOOK, ON_DEMAND, ROOT, SiteFile, check_out, copy_site, is_optional, list_files
from export.web.pack import half_ranges, pack
from mam import __version__
from mam.compose.presets import SHAPES
from mam.errors import GraphError
from mam.images import open_photo
from mam.model.contract import GRAPHS, WORDS, InferencePolicy
from mam.model.folders import BUNDLE
from mam.model.runtime import load_graphs
from mam.text.boxes import BOX_THRESHOLD
from mam.text.closed_set import VOCABULARY
from mam.text.phrases import NEGATION
from mam.text.vocabulary import DETERMINERS, ENDS_NOUN, MAY_END_NOUN, NO_PLURALS, Vocabulary

_DEMO, _WEB = ROOT / "demo", ROOT / "web"
_RUNTIME = (
    "ort.wasm.min.mjs",
    "ort-wasm-simd-threaded.mjs",
    "ort.webgpu.min.mjs",
    "ort-wasm-simd-threaded.asyncify.mjs",
)
_WASM, _WEBGPU = "ort-wasm-simd-threaded.wasm", "ort-wasm-simd-threaded.asyncify.wasm"
_HEIC = "dist/csp/heic-to.min.js"
_THUMBNAIL = 168  # pixels
_PAGES = ("index.html", "embed.html", "style.css", "icon.svg", "manifest.webmanifest", LOOK)


def build_site(graphs: Path, out: Path) -> list[SiteFile]:
    """Write the site.

    Args:
        graphs: a folder of exported graphs.
        out: the folder to write into; an earlier site in it is replaced, and other files stay.

    Returns:
        Its files, the largest first.

    Raises:
        GraphError: `graphs` is no complete set, follows SAM 2's rules, or has its weights in separate files.
        InputError: `out` is a file, cannot be written, or holds this project's sources.
        MamError: onnxruntime-web cannot be downloaded.
    """
    out = out.resolve()
    check_out(out)
    policy = load_graphs(graphs, "cpu").policy  # checks the set
    if policy.sam2:
        raise GraphError(f"{graphs} follow SAM 2's rules, which the site does not know; export tiny or mobile_sam.")
    runtime = npm.read_package(npm.RUNTIME, [f"dist/{name}" for name in (*_RUNTIME, _WASM, _WEBGPU)])
    runtime |= npm.read_package(npm.ZIP, ["index.js"]) | npm.read_package(npm.HEIC, [_HEIC, "LICENSE"])
    with tempfile.TemporaryDirectory(prefix="site.") as folder:
        site = Path(folder) / "site"
        _write_site(site, graphs, runtime, policy)
        copy_site(site, out)
    return list_files(out)


def _write_site(out: Path, graphs: Path, runtime: dict[str, bytes], policy: InferencePolicy) -> None:
    for folder in ("model", "runtime", "examples"):
        (out / folder).mkdir(parents=True)
    for path in (*(_WEB / "src").glob("*.js"), _WEB / "src" / "mam.d.ts", *(_WEB / name for name in _PAGES)):
        shutil.copy(path, out / path.name)
    for name in _RUNTIME:
        # Some servers send .mjs files without a type, and browsers then refuse them. The site has no source maps.
        script = runtime[f"dist/{name}"].partition(b"//# sourceMappingURL=")[0].replace(b".mjs", b".js")
        (out / "runtime" / name).with_suffix(".js").write_bytes(script)
    (out / "runtime" / "client-zip.js").write_bytes(runtime["index.js"])
    (out / "runtime" / "heic-to.js").write_bytes(runtime[_HEIC])
    (out / "runtime" / "heic-to-LICENSE").write_bytes(runtime["LICENSE"])
    model = {"runtime": _write_packed(out, _WASM, runtime[f"dist/{_WASM}"], [])}
    for graph in GRAPHS:
        path = graphs / graph.file
        if path.with_name(f"{path.name}.data").exists():
            raise GraphError(f"{path} has its weights in a separate file: it is too large for a browser.")
        model[graph.name] = _write_packed(out, graph.file, path.read_bytes(), half_ranges(path))
    settings = {"cropMargin": policy.crop_margin, "multimask": policy.multimask, "mainObject": policy.main_object}
    shutil.copytree(_DEMO / "backgrounds", out / "backgrounds")
    words, webgpu = _write_words(out), _write_packed(out, _WEBGPU, runtime[f"dist/{_WEBGPU}"], [])
    _write_module(
        out / "model.js",
        MODEL={"files": model, "policy": settings, "webgpu": webgpu},
        EXAMPLES=_copy_examples(out),
        BACKGROUNDS=_backgrounds(),
        SHAPES=_shapes(),
        WORDS=words,
    )
    _write_texts(out)
    _write_canvas(out)
    _write_start(out)
    (out / "local.js").unlink()
    pinned = {name: npm.pinned_version(getattr(npm, name.upper())) for name in ("runtime", "zip", "heic")}
    readme = (_WEB / "README_site.md").read_text("utf-8").format(version=__version__, **pinned)
    (out / "README.md").write_text(readme, "utf-8")
    shutil.copy(ROOT / "LICENSE", out / "LICENSE")
    _write_package(out)
    _write_service_worker(out, [str(file["file"]) for file in (*model.values(), words["file"], webgpu)])


def _write_package(out: Path) -> None:
    """Write what npm needs to publish the folder."""
    package = {
        "name": "matting-anything",
        "version": __version__,
        "description": "Cut anything out of a photo, softly, in the browser",
        "type": "module",
        "main": "mam.js",
        "types": "mam.d.ts",
        "license": "SEE LICENSE IN README.md",
        "keywords": ["matting", "segmentation", "background-removal", "onnx"],
    }
    (out / "package.json").write_text(json.dumps(package, indent=2) + "\n", "utf-8")


def _write_packed(out: Path, name: str, content: bytes, halves: list[tuple[int, int]]) -> dict[str, Any]:
    """Write a packed file with its checksum in its name; returns what graphs.js needs to read it."""
    packed = pack(content, halves)
    digest = hashlib.sha256(packed).hexdigest()[:12]
    file = f"model/{name}-{digest}.bin"
    (out / file).write_bytes(packed)
    return {"file": file, "bytes": len(packed), "halves": halves}


def _copy_examples(out: Path) -> dict[str, Any]:
    """Copy the examples of the page; returns their files and prompts by name."""
    examples = {}
    for file, ops in json.loads((_DEMO / "examples" / "prompts.json").read_text("utf-8")).items():
        shutil.copy(_DEMO / "examples" / file, out / "examples" / file)
        examples[Path(file).stem] = {"file": f"examples/{file}", "ops": ops}
    shutil.copy(_DEMO / "examples" / "README.md", out / "examples" / "README.md")
    return examples


def _write_words(out: Path) -> dict[str, Any]:
    """Write the network that finds objects by names, and its vocabulary; returns what the site needs at its start."""
    vocabulary = Vocabulary.read_file(BUNDLE / VOCABULARY)
    rules = {
        "outputs": list(vocabulary.outputs),
        "nouns": dict(vocabulary.nouns),
        "endsNoun": sorted(ENDS_NOUN),
        "mayEndNoun": sorted(MAY_END_NOUN),
        "determiners": sorted(DETERMINERS),
        "noPlurals": sorted(NO_PLURALS),
        "negation": NEGATION.pattern,
        "threshold": BOX_THRESHOLD,
    }
    _write_module(out / "vocabulary.js", VOCABULARY=rules)
    file = BUNDLE / WORDS.file
    return {
        "file": _write_packed(out, file.name, file.read_bytes(), half_ranges(file)),
        "names": sorted(vocabulary.names),
    }


def _backgrounds() -> dict[str, str]:
    """Return the files of the page's backgrounds by name."""
    return {path.stem: f"backgrounds/{path.name}" for path in sorted((_DEMO / "backgrounds").glob("*.jpg"))}


def _shapes() -> dict[str, Any]:
    """Return what each shape decides of a style, in the terms of `web/src/types.d.ts`."""
    return {
        name: {
            "background": style.background and f"#{bytes(ImageColor.getrgb(str(style.background))).hex()}",
            "outline": style.outline,
            "placement": asdict(style.placement),
        }
        for name, style in SHAPES.items()
    }


def _write_texts(out: Path) -> None:
    """Write the texts of the page and of the site as one module; `web/src/texts.js` has the functions."""
    tables = {path.stem: json.loads(path.read_text("utf-8")) for path in sorted((_DEMO / "texts").glob("*.json"))}
    for language, texts in json.loads((_WEB / "texts.json").read_text("utf-8")).items():
        tables[language].update(texts)
    path = out / "texts.js"
    path.write_text(_declaration("TEXTS", tables) + path.read_text("utf-8"), "utf-8")


def _write_start(out: Path) -> None:
    """Put the texts that are needed before modules run in front of the script that checks the browser."""
    path = out / "start.js"
    tables = json.loads((_WEB / "texts.json").read_text("utf-8"))
    keys = re.findall(r"'(cannot_\w+)'", path.read_text("utf-8"))
    texts = {language: {key: table[key] for key in keys} for language, table in tables.items()}
    path.write_text(_declaration("TEXTS", texts).replace("export ", "") + path.read_text("utf-8"), "utf-8")


def _write_canvas(out: Path) -> None:
    """Write the canvas: template into the page, style within `#canvas`, scripts as a function, strokes as a module."""
    canvas = _DEMO / "canvas"
    sources = json.loads((canvas / "canvas.json").read_text("utf-8"))
    buttons = "".join(
        f'<button type="button" data-example="{html.escape(Path(file).stem)}"><img src="{_thumbnail(file)}" alt="">'
        "</button>"
        for file in json.loads((_DEMO / "examples" / "prompts.json").read_text("utf-8"))
    )
    template = (canvas / "template.html").read_text("utf-8").replace("<!-- examples -->", buttons)
    page = out / "index.html"
    texts = json.loads((_DEMO / "texts" / "en.json").read_text("utf-8"))
    texts.update(json.loads((_WEB / "texts.json").read_text("utf-8"))["en"])
    # Words for visitors with a browser that runs no scripts, or before it does; page.js replaces them.
    words = re.sub(
        r'(data-page="(\w+)"[^>]*>)(?=</)',
        lambda match: match[1] + html.escape(texts[match[2]]),
        page.read_text("utf-8"),
    )
    kinds = ("none", "white", "colour", "gradient", "blur", *_backgrounds(), "own")
    for name, keys in {"backgrounds": kinds, "shapes": SHAPES}.items():
        options = (f'<option value="{key}" data-page="{key}">{html.escape(texts[key])}</option>' for key in keys)
        words = words.replace(f"<!-- {name} -->", "".join(options))
    page.write_text(words.replace("<!-- canvas -->", template), "utf-8")
    (out / "canvas.css").write_text("#canvas {\n" + (canvas / "style.css").read_text("utf-8") + "}\n", "utf-8")
    scripts = [(canvas / "js" / f"{name}.js").read_text("utf-8") for name in sources["scripts"]]
    body = "\n".join([*scripts, (out / "local.js").read_text("utf-8")])
    head = f"import {{ TEXTS }} from './texts.js';\n\nconst LIMITS = {json.dumps(sources['limits'])};\n\n"
    function = f"export function mountCanvas(element, props, server, trigger, watch) {{\n{body}}}\n"
    (out / "canvas.js").write_text(head + function, "utf-8")
    painting = (canvas / "js" / "painting.js").read_text("utf-8")  # results need it too
    (out / "painting.js").write_text(f"{painting}\nexport {{ paint }};\n", "utf-8")


def _thumbnail(file: str) -> str:
    """Return a data URL of a square thumbnail of an example."""
    photo = Image.fromarray(open_photo(_DEMO / "examples" / file).pixels)
    stream = io.BytesIO()
    ImageOps.fit(photo, (_THUMBNAIL, _THUMBNAIL), Image.Resampling.LANCZOS).save(stream, "JPEG", quality=80)
    return f"data:image/jpeg;base64,{base64.b64encode(stream.getvalue()).decode()}"


def _write_service_worker(out: Path, model: list[str]) -> None:
    """Put the list of files, and a version that changes with them, in front of the service worker's script.

    The page has the version too, by which the service worker recognises it.
    """
    path, page = out / "service_worker.js", out / "index.html"
    names = sorted(str(file.relative_to(out).as_posix()) for file in out.rglob("*") if file.is_file())
    optional = [name for name in names if name not in model and name.startswith(ON_DEMAND)]
    needed = [name for name in names if name not in model and not is_optional(name)]
    digest = hashlib.sha256()
    for name in needed:
        digest.update(name.encode() + (out / name).read_bytes())
    version = digest.hexdigest()[:12]
    page.write_text(page.read_text("utf-8").replace("{version}", version), "utf-8")
    needed.remove(path.name)
    files = {"page": needed, "model": model, "examples": optional}
    head = _declaration("VERSION", version) + _declaration("FILES", files)
    path.write_text(head.replace("export ", "") + path.read_text("utf-8"), "utf-8")


def _write_module(path: Path, **values: object) -> None:
    path.write_text("".join(_declaration(name, value) for name, value in values.items()), "utf-8")


def _declaration(name: str, value: object) -> str:
    return f"export const {name} = {json.dumps(value, ensure_ascii=False)};\n"
