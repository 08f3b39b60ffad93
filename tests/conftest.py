"""What `gankit new` writes, put where an editable install would put it."""

from __future__ import annotations

import sys
import tomllib

import pytest

from gankit.plug import registry
from gankit.scaffold import write_plugin


@pytest.fixture
def installed(tmp_path, monkeypatch):
    """A function that writes a plugin and puts it where an editable install would."""

    def install(kind, name):
        written = write_plugin(kind, name, tmp_path)
        folder = written[0].parents[1]
        project = tomllib.loads((folder / "pyproject.toml").read_text())["project"]
        info = folder / f"{written[0].parent.name}-{project['version']}.dist-info"
        info.mkdir()
        (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {project['name']}\nVersion: 0.1.0\n")
        points = "".join(f"{key} = {value}\n" for key, value in project["entry-points"]["gankit"].items())
        (info / "entry_points.txt").write_text(f"[gankit]\n{points}")
        monkeypatch.syspath_prepend(folder)
        registry.refresh()
        return folder

    yield install
    for module in [name for name in sys.modules if name.startswith("gankit_brand_new")]:
        del sys.modules[module]
    registry.refresh()
