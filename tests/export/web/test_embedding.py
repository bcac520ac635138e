"""The site inside other pages: the module `mam.js` through a bundler, the installed site, and its owner's look."""

from __future__ import annotations

import json
import shutil
import subprocess

import numpy as np
import pytest
from playwright.sync_api import expect

from export.web.build import build_site
from mam.images.resize import to_uint8
from mam.model.folders import BUNDLE
from tests.conftest import EXAMPLES, ROOT
from tests.serving import serving_folder

_APP = """import { open } from './site/mam.js';

window.cut = async (address, request) => {
  const photo = await open(await (await fetch(address)).blob(), { site: '/site/' });
  const results = [await photo.cutOut(request), await photo.cutOut({ ...request, form: 'alpha' })];
  const bitmap = await createImageBitmap(results[1]);
  const pen = new OffscreenCanvas(bitmap.width, bitmap.height).getContext('2d');
  pen.drawImage(bitmap, 0, 0);
  const { data } = pen.getImageData(0, 0, bitmap.width, bitmap.height);
  return { type: results[0].type, alpha: Array.from(data).filter((_, i) => i % 4 === 0) };
};
"""


def test_another_page_cuts_out_through_a_bundler(site, tmp_path, browser, matting) -> None:
    """With types checked by tsc and the module bundled by vite."""
    tools = ROOT / "web" / "node_modules" / ".bin"
    if not (tools / "vite").exists():
        pytest.skip("needs `npm ci` in web/")
    shutil.copytree(site, tmp_path / "public" / "site")
    (tmp_path / "site").mkdir()
    for name in ("mam.js", "mam.d.ts"):
        shutil.copy(site / name, tmp_path / "site")
    (tmp_path / "app.js").write_text(_APP)
    (tmp_path / "typed.ts").write_text(
        "import { open } from './site/mam.js';\n"
        "const wrong: number = await (await open(new Blob())).cutOut({ points: [{ x: 1, y: 2 }] });\n"
    )
    (tmp_path / "index.html").write_text('<!doctype html><script type="module" src="/app.js"></script>')
    options = ["--noEmit", "--module", "esnext", "--target", "es2022", "--moduleResolution", "bundler", "typed.ts"]
    types = subprocess.run([tools / "tsc", *options], cwd=tmp_path, capture_output=True, text=True, check=False)
    assert "Type 'Blob | null' is not assignable to type 'number'" in types.stdout
    subprocess.run([tools / "vite", "build"], cwd=tmp_path, check=True, capture_output=True)
    shutil.copy(EXAMPLES / "cat.png", tmp_path / "dist")
    box = (20, 10, 380, 290)
    with serving_folder(tmp_path / "dist") as address:
        tab = browser.new_page()
        tab.goto(address)
        found = tab.evaluate(
            "([address, request]) => window.cut(address, request)",
            ["cat.png", {"boxes": [box], "style": {"background": "#ffffff"}, "form": "jpeg"}],
        )
        tab.close()
    expected = to_uint8(matting.open(EXAMPLES / "cat.png").matte(box=box).alpha)
    alpha = np.array(found["alpha"]).reshape(expected.shape)
    assert found["type"] == "image/jpeg" and (np.abs(alpha - expected) > 2).mean() <= 1e-3


def test_a_photo_shared_by_another_app_opens(site, browser, tmp_path) -> None:
    with serving_folder(site) as address:
        context = browser.new_context()
        tab = context.new_page()
        tab.goto(address)
        tab.evaluate("() => navigator.serviceWorker.ready.then(() => true)")
        tab.reload()
        manifest = tab.evaluate("() => fetch(document.querySelector('[rel=manifest]').href).then((one) => one.json())")
        target = manifest["share_target"]
        answer = tab.evaluate(
            """async ([action, name]) => {
              const form = new FormData();
              const content = await (await fetch('examples/bowl.jpg')).blob();
              form.append(name, new File([content], 'from a phone.jpg', { type: 'image/jpeg' }));
              return (await fetch(action, { method: 'POST', body: form })).url;
            }""",
            [target["action"], target["params"]["files"][0]["name"]],
        )
        assert answer.startswith(address)
        tab.goto(f"{address}#shared")
        tab.reload()
        expect(tab.locator("body")).to_have_class("photo-open", timeout=60_000)
        assert "#" not in tab.url
        context.close()


def test_the_owners_look_stays(tmp_path, browser) -> None:
    out = tmp_path / "site"
    build_site(BUNDLE, out)
    (out / "look.json").write_text(json.dumps({"name": "Scissors", "accent": "#b91c1c"}))
    build_site(BUNDLE, out)
    with serving_folder(out) as address:
        tab = browser.new_page()
        tab.goto(address)
        expect(tab.locator("h1")).to_have_text("Scissors")
        assert tab.title() == "Scissors"
        colour = tab.locator("#download").evaluate("(button) => getComputedStyle(button).backgroundColor")
        assert colour == "rgb(185, 28, 28)"
        tab.close()


def test_the_icon_and_the_package_are_complete(site) -> None:
    manifest = json.loads((site / "manifest.webmanifest").read_text())
    assert all((site / icon["src"]).is_file() for icon in manifest["icons"])
    package = json.loads((site / "package.json").read_text())
    assert all((site / package[key]).is_file() for key in ("main", "types"))
