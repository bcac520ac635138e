"""The site, built once and served."""

import os
from collections.abc import Iterator

import pytest

from mam.errors import MamError
from mam.model.folders import BUNDLE
from tests.serving import serving_folder


@pytest.fixture(scope="session")
def site(tmp_path_factory):
    """The folder."""
    from export.web.build import build_site

    out = tmp_path_factory.mktemp("site") / "site"
    try:
        build_site(BUNDLE, out)
    except MamError as error:
        if os.environ.get("CI") or "is needed once" not in str(error):
            raise
        pytest.skip(f"no npm registry: {error}")
    return out


@pytest.fixture(scope="session")
def address(site) -> Iterator[str]:
    """Where the site is served."""
    with serving_folder(site) as found:
        yield found
