"""The README's plugin is a real one: installed as written, it trains, and conforms."""

import re
import subprocess
import sys
from pathlib import Path

README = (Path(__file__).parents[2] / "README.md").read_text(encoding="utf-8")


def block(language: str, containing: str) -> str:
    """The README's code block in that language that contains some text."""
    blocks = re.findall(rf"```{language}\n(.*?)```", README, re.DOTALL)
    return next(text for text in blocks if containing in text)


def test_the_readme_s_loss_trains_once_installed(backend, tmp_path):
    (tmp_path / "my_losses.py").write_text(block("python", "class LeastSquares"))
    entry = re.search(r'(my-losses) = "(my_losses)"', block("toml", "my-losses"))
    info = tmp_path / "my_losses-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: my-losses\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text(f"[gankit]\n{entry[1]} = {entry[2]}\n")
    code = f"""
import gankit
g = gankit.build({backend!r}, loss="least-squares", generator={{"hidden": [16]}}, discriminator={{"hidden": [16]}})
terms = g.fit(steps=50).step(g.sample(8))
assert 0 < terms["d_loss"] < 10, terms
row = next(row for row in gankit.plugins().rows if row.name == "least-squares")
print(row.distribution, row.version)
"""
    done = subprocess.run([sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert done.stdout.split() == ["my-losses", "1.0"]


def test_the_readme_s_python_runs_as_written(backend, tmp_path):
    code = block("python", "gan = gankit.build").replace('backend="jax"', f"backend={backend!r}")
    code = code.replace("steps=2000", "steps=20").replace('backend="torch")', f"backend={backend!r})")
    subprocess.run([sys.executable, "-c", code], cwd=tmp_path, check=True)
    assert (tmp_path / "digits.safetensors").is_file()
