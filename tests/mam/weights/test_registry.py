"""The list of weight files."""

from mam import weights


def test_the_registry_is_well_formed() -> None:
    for name, entry in weights.REGISTRY.items():
        assert entry.name == name and entry.description and entry.licence
        assert bool(entry.url) != bool(entry.manual_steps)
        assert len(entry.sha256) in (0, 64) and (entry.manual_steps or entry.url.startswith(("https://", "hf://")))
