"""What the package's metadata say about where it was built: the long description and the links.

GitHub Actions names the repository in GITHUB_REPOSITORY; the links of a release lead there, and to its tag. Elsewhere
links to files of the repository become plain text, and its pictures are left out.
"""

import os
import re
from pathlib import Path
from typing import Any

from hatchling.metadata.plugin.interface import MetadataHookInterface


def describe(readme: str, repository: str, version: str) -> str:
    """Return the README as PyPI shows it: without the Space's front matter, with absolute links."""
    text = re.sub(r"\A---\n.*?\n---\n\s*", "", readme, flags=re.DOTALL)
    text = re.sub(r"<!-- .*? -->\n", "", text)
    raw, blob = (f"https://github.com/{repository}/{kind}/v{version}/" for kind in ("raw", "blob"))

    def link(match: re.Match[str]) -> str:
        image, label, target = match.groups()
        if re.match(r"[a-z]+:|#", target):
            return match[0]
        if not repository:
            return "" if image else label
        return f"{image}[{label}]({raw if image else blob}{target})"

    return re.sub(r"(!?)\[([^\]]*)\]\(([^)\s]+)\)", link, text)


class MetadataHook(MetadataHookInterface):
    """Sets `readme` and `urls`."""

    PLUGIN_NAME = "custom"

    def update(self, metadata: dict[str, Any]) -> None:
        """See `MetadataHookInterface`."""
        repository, version = os.environ.get("GITHUB_REPOSITORY", ""), metadata["version"]
        text = describe((Path(self.root) / "README.md").read_text("utf-8"), repository, version)
        metadata["readme"] = {"content-type": "text/markdown", "text": text}
        metadata["urls"] = {"Paper": "https://arxiv.org/abs/2306.05399"}
        if repository:
            home = f"https://github.com/{repository}"
            metadata["urls"] |= {
                "Repository": home,
                "Documentation": f"{home}/blob/v{version}/docs/usage.md",
                "Changelog": f"{home}/blob/v{version}/CHANGELOG.md",
                "Issues": f"{home}/issues",
            }
