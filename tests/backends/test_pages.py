"""All Python of the README and the docs runs: each page's blocks one after another, in one session, on every backend.

Few steps and small data take the place of a page's own. Three kinds of blocks are not run here:

- Those of the guides `docs/write-a-*.md` are pieces of files that other tests run: see tests/test_guides.py.
- Those that name a backend's devices run on that backend alone.
- Those that follow a comment `<!-- not run: why -->` need what CI does not have. They are counted, and compiled.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pytest
from PIL import Image

import gankit
from gankit.data import Dataset, cifar10, digits, mnist
from gankit.plug import registry
from gankit.runs.folder import Run

ROOT = Path(__file__).parents[2]
PAGES = [ROOT / "README.md", *sorted(ROOT.glob("docs/*.md")), *sorted(ROOT.glob("*/*/README.md"))]
BLOCK = re.compile(r"(?:^<!-- not run: (?P<why>.*?) -->\n)?^```python\n(?P<code>.*?)^```$", re.DOTALL | re.MULTILINE)

NOT_RUN = 3
"""How many blocks need what CI does not have. Each says what that is, in its page's source."""

SMALLER = {
    r"\bsteps=\d+": "steps=10",  # so many make a line of the log
    r"\bevery=\d{3,}": "every=5",
    r"\bevery = \d+": "every = 5",
    r"(gankit\.evaluate\([^()\n]+)": r"\1, n=60",
    r"\bsample\(1000\b": "sample(20",
}


SLOW = ("completion", "conditions", "evaluate", "export", "figures", "semi-supervised", "your-table")
"""Pages that are tried on torch alone: the other backends compile for minutes what they play for a second."""


class Block(NamedTuple):
    code: str
    why: str | None
    """Why it is not run."""


def blocks(page: Path) -> list[Block]:
    return [Block(found["code"], found["why"]) for found in BLOCK.finditer(page.read_text("utf-8"))]


def is_guide(page: Path) -> bool:
    return page.match("docs/write-a-*.md")


def named(page: Path) -> str:
    return page.stem if page.parent == ROOT / "docs" else str(page.relative_to(ROOT))


RUN = [page for page in PAGES if not is_guide(page) and any(block.why is None for block in blocks(page))]


def photos(folder: Path) -> None:
    (folder / "photos").mkdir()
    for i in range(8):
        Image.fromarray(np.full((70, 90, 3), 30 * i, np.uint8)).save(folder / "photos" / f"{i}.jpg")
    (folder / "photos" / "9.jpg").write_bytes(b"no picture")


def other_domain(folder: Path) -> None:
    np.savez(folder / "pairs.npz", x=enlarged(digits.load(), 28, 1).x[:50])


def first_run(folder: Path) -> None:
    """What the tutorial has trained by then."""
    run = Run(folder / "runs" / "first")
    game = gankit.build(registry.names("backends")[0], "cgan")
    run.begin(game.config)
    game.save(run.checkpoint_file(0))


def adult(folder: Path) -> None:
    rng = np.random.default_rng(0)
    rows = [f"{rng.integers(17, 90)},{rng.choice(['a', 'b'])},{rng.choice(['<=50K', '>50K'])}" for _ in range(200)]
    (folder / "adult.csv").write_text("\n".join(["age,work,income", *rows]) + "\n")


BEFORE: dict[str, Callable[[Path], None]] = {
    "your-images": photos,
    "conditions": other_domain,
    "tutorial": first_run,
    "your-table": adult,
}
"""What a page's reader has already, by page."""

AFTER = {
    "README.md": "Path('digits.safetensors').is_file()",
    "evaluate": "found[0]['frechet'].value > 0 and Path('runs/mine/evaluations.jsonl').is_file()",
    "export": "Path('digits.onnx').is_file() and sample(3).shape == (3, 8, 8, 1)",
    "figures": "Path('game.gif').is_file() and Path('samples.png').is_file()",
    "semi-supervised": "gan.features(new).shape == (8, 128)",
    "tutorial": "images.shape == (16, 8, 8, 1) and scores.shape == (16,)",
    "your-images": "(len(data), len(data.skipped), gan.spec.shape) == (8, 1, (64, 64, 3))",
    "your-table": "set(gan.sample(5, given={'income': '>50K'})['income']) == {'>50K'}",
}
"""What a page's reader has at its end, by page."""


def enlarged(data: Dataset, size: int, channels: int) -> Dataset:
    """The digits that ship with gankit, as large as those of another set."""
    times = size // 8
    border = (size - 8 * times) // 2
    x = np.kron(data.x, np.ones((1, times, times, channels), np.uint8))
    x = np.pad(x, ((0, 0), (border, border), (border, border), (0, 0)))
    return Dataset(x=x, labels=data.labels, num_classes=10, value_range=(0, 255), name=data.name)


@pytest.fixture
def small_data(monkeypatch: pytest.MonkeyPatch) -> None:
    """The digits in the place of MNIST and CIFAR-10."""
    for module, size, channels in ((mnist, 28, 1), (cifar10, 32, 3)):
        load = lambda split="train", size=size, channels=channels: enlarged(digits.load(split), size, channels)  # noqa: E731
        monkeypatch.setattr(module, "load", load)


def here(page: Path, backend: str) -> Iterator[str]:
    """The code of a page's blocks as it runs on this backend."""
    for code, why in blocks(page):
        if why is None and ("devices=" not in code or repr(backend) in code.replace('"', "'")):
            code = re.sub(r'"(torch|jax|mlx)"', repr(backend), code)
            if "gankit.build(" in code and repr(backend) not in code:
                code = code.replace("gankit.build(", f"gankit.build(backend={backend!r}, ")
            for pattern, instead in SMALLER.items():
                code = re.sub(pattern, instead, code)
            yield code


@pytest.mark.parametrize("page", RUN, ids=named)
def test_its_python_runs_from_top_to_bottom(
    page: Path, backend: str, small_data: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    if named(page) in SLOW and backend != "torch":
        pytest.skip("it is tried on torch")
    codes = list(here(page, backend))
    if named(page) == "export":
        for package in ("gankit_torch", "onnx", "onnxscript", "onnxruntime"):
            pytest.importorskip(package, reason="ONNX is written by torch; the session `parity` has it")
        codes.reverse()  # first comes what the export prints
    monkeypatch.chdir(tmp_path)
    BEFORE.get(named(page), lambda folder: None)(tmp_path)
    names: dict[str, Any] = {"__name__": "__main__"}  # as if it were typed
    for code in codes:
        exec(compile(code, str(page), "exec"), names)
    assert eval(AFTER.get(named(page), "True"), {"Path": Path}, names)


def test_what_is_not_run_is_counted_and_compiles() -> None:
    left = [(page, block) for page in PAGES for block in blocks(page) if block.why is not None]
    for page, block in left:
        compile(block.code, str(page), "exec")
        assert len(block.why.split()) >= 5, "the comment says why"
    assert len(left) == NOT_RUN
    assert BEFORE.keys() | AFTER.keys() <= {named(page) for page in RUN}


def test_every_block_of_python_is_found() -> None:
    for page in PAGES:
        assert page.read_text("utf-8").count("```py") == len(blocks(page)), page
