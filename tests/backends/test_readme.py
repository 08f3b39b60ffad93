"""The plugins of the README and the guides are real ones: installed as written, they train."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]


def block(page: str, language: str, containing: str) -> str:
    """The page's code block in that language that contains some text."""
    text = (ROOT / page).read_text(encoding="utf-8")
    return next(code for code in re.findall(rf"```{language}\n(.*?)```", text, re.DOTALL) if containing in code)


def install(folder: Path, page: str, marker: str) -> None:
    """The plugin of a page as a distribution of its own: the code with the marker, and the toml that names it."""
    code = block(page, "python", marker)
    module = re.search(r"# (\w+)\.py", code)[1]
    entry = re.search(r'([\w-]+) = "(\w+)"', block(page, "toml", module))
    assert entry[2] == module
    (folder / f"{module}.py").write_text(code)
    info = folder / f"{module}-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {entry[1]}\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text(f"[gankit]\n{entry[1]} = {entry[2]}\n")


def python(folder: Path, code: str) -> str:
    done = subprocess.run([sys.executable, "-c", code], cwd=folder, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_the_readme_s_loss_trains_once_installed(backend, tmp_path):
    install(tmp_path, "docs/plugins.md", "class LeastSquares")
    code = f"""
import gankit
g = gankit.build({backend!r}, loss="lsgan", generator={{"hidden": [16]}}, discriminator={{"hidden": [16]}})
terms = g.fit(steps=50).step(g.sample(8))
assert 0 < terms["d_loss"] < 10, terms
row = next(row for row in gankit.plugins().rows if row.name == "lsgan")
print(row.distribution, row.version)
"""
    assert python(tmp_path, code).split() == ["my-losses", "1.0"]


def test_the_guide_s_network_trains_once_installed_and_refuses_what_is_no_image(backend, tmp_path):
    install(tmp_path, "docs/networks.md", "def discriminator")
    code = f"""
import gankit
d = {{"name": "tiny-conv", "width": 4}}
g = gankit.build({backend!r}, recipe="cgan", discriminator=d, generator={{"hidden": [16]}}).fit(steps=2)
print(*g.discriminator.parameters)
try:
    gankit.build({backend!r}, data="ring", discriminator=d)
except gankit.ConfigError as error:
    print(error)
"""
    names, error = python(tmp_path, code).splitlines()
    assert names.split()[:2] == ["conv0/bias", "conv0/kernel"] or names.split()[:2] == ["conv0/kernel", "conv0/bias"]
    assert "'tiny-conv' takes images" in error


def test_the_guide_s_layer_runs(backend):
    import numpy as np

    from gankit.building import open_backend
    from gankit.layers import place

    space = {"__name__": __name__}
    exec(block("docs/networks.md", "python", "class Scale"), space)
    opened = open_backend(backend, "cpu", "float64")
    network = opened.network(place((space["Scale"](3.0),), (2,)))
    out, _ = network.apply({}, {}, opened.ops.asarray(np.ones((1, 2))), None, train=False, key=None)
    assert np.array_equal(opened.ops.to_numpy(out), [[3.0, 3.0]])
