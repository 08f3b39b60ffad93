"""What the recipes with conditions learn: one game trained, and judged on test examples beside what needs no learning.

    python -m benchmarks.conditions --backend jax --recipe super-resolution --seed 0

writes `<recipe>-<backend>-<seed>.json` and a picture of the first test examples. `--split validation` judges on held
out training examples instead: that is the one to choose settings by.
"""

from __future__ import annotations

import argparse
import io
import json
import os
import platform
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from functools import cache
from importlib import metadata
from pathlib import Path
from typing import Any

import numpy as np

import gankit
from gankit.arrays import Array
from gankit.building import open_backend
from gankit.data import open_data
from gankit.data.dataset import Dataset
from gankit.data.images import grid
from gankit.figures.tiles import beside, headed
from gankit.metrics.cnn import MnistCnn
from gankit.metrics.frechet import frechet_distance, moments

Numbers = dict[str, float]
Panels = dict[str, Array]
"""Columns of the figure by title: pictures (n, h, w, 1 or 3) uint8."""

RESULTS = Path(__file__).parent / "results" / "conditions"
SHOWN = 10
PACKAGES = ("gankit", "numpy", "torch", "jax", "flax", "mlx", "pillow")
SLANT = 0.3
"""Columns that a row of the cycle's second domain is shifted by, for each row above the middle."""
HELD_OUT_FACES = {"test": slice(360, 400), "validation": slice(320, 360), "train": slice(0, 320)}
"""Ten a person, so nobody is in two of them."""
PHOTOS = {"train": (0, slice(0, 10_000)), "validation": (0, slice(10_000, 11_000)), "test": (1, slice(0, 1_000))}
"""Split: the split of the file, and which of its photos, in an order drawn once, as they lie there class by class."""


@dataclass(frozen=True)
class Task:
    """recipe, data and settings: what is built. judge: (trainer, backend, split) to numbers and pictures.

    steps: what two cores play in a few minutes.
    """

    recipe: str
    steps: int
    judge: Callable[[Any, str], tuple[Numbers, Panels]]
    protocol: str
    data: Callable[[], Any] = lambda: None
    sources: Callable[[], Any] = lambda: None
    settings: Mapping[str, Any] = field(default_factory=dict)


# ---- data


def photos(split: str) -> Array:
    """(n, 32, 32, 3) uint8: some of CIFAR-10, from the JPEG files in $GANKIT_DATA. Their colours are half as fine."""
    from PIL import Image

    part, rows = PHOTOS[split]
    with np.load(_folder() / "cifar10" / "cifar10_jpeg.npz") as file:
        blob, offsets, parts = (file[name] for name in ("blob", "offsets", "split"))
    chosen = np.random.default_rng(2017).permutation(np.flatnonzero(parts == part))[rows]
    files = (io.BytesIO(blob[offsets[i] : offsets[i + 1]].tobytes()) for i in chosen)
    return np.stack([np.asarray(Image.open(file).convert("RGB")) for file in files])


def faces(split: str) -> Array:
    """(n, 112, 92, 1) uint8: the ORL faces, whole people held out."""
    with np.load(_folder() / "orl_faces" / "orl_faces.npz") as file:
        return np.asarray(file["images"][HELD_OUT_FACES[split]][..., None])


def slanted(x: Array) -> Array:
    """Digits (n, 28, 28, 1) inverted, their upper half pushed to the right and the lower to the left: domain b."""
    columns = np.arange(x.shape[2])
    out = np.zeros(x.shape, np.float64)
    for row in range(x.shape[1]):
        source = columns + SLANT * (row - (x.shape[1] - 1) / 2)
        left = np.floor(source).astype(int)
        for place, weight in ((left, left + 1 - source), (left + 1, source - left)):
            inside = (place >= 0) & (place < x.shape[2])
            out[:, row, inside] += weight[inside, None] * x[:, row, place[inside]]
    return (255 - np.rint(out)).astype(np.uint8)


def upright(b: Array) -> Array:
    """What `slanted` made, undone up to its blur."""
    return 255 - slanted((255 - b)[:, :, ::-1])[:, :, ::-1]


def _folder() -> Path:
    return Path(os.environ["GANKIT_DATA"])


def _digits(split: str) -> tuple[Array, Array]:
    data = open_data("mnist", split=split)
    assert data.labels is not None
    return data.x, data.labels


# ---- yardsticks


def psnr(a: Array, b: Array) -> float:
    """Decibels, of the mean squared error over all pixels of bytes."""
    return float(10 * np.log10(255.0**2 / np.mean(np.square(a.astype(np.float64) - b))))


def l1(a: Array, b: Array) -> float:
    """The mean absolute error of bytes, as a part of their range."""
    return float(np.mean(np.abs(a.astype(np.float64) - b)) / 255)


def bicubic(small: Array, factor: int) -> Array:
    """Pillow's enlargement of pictures (n, h, w, c) uint8."""
    from PIL import Image

    size = (small.shape[2] * factor, small.shape[1] * factor)
    squeezed = small[..., 0] if small.shape[3] == 1 else small
    out = np.stack([np.asarray(Image.fromarray(x).resize(size, Image.Resampling.BICUBIC)) for x in squeezed])
    return out.reshape(len(small), size[1], size[0], small.shape[3])


@cache
def classifier(backend: str) -> Callable[[Array], tuple[Array, Array]]:
    """Digits to (features (n, 64), probabilities (n, 10))."""
    look: Any = MnistCnn().open(open_backend(backend, "cpu", "float32"))
    return lambda x: look(np.ascontiguousarray(x))


def agreement(backend: str, x: Array, labels: Array) -> float:
    """The part of the pictures that the classifier takes for what they are."""
    return float(np.mean(classifier(backend)(x)[1].argmax(axis=1) == labels))


def frechet(backend: str, x: Array, real: Array) -> float:
    return frechet_distance(*(moments(classifier(backend)(y)[0]) for y in (x, real)))


def uses_its_condition(trainer: Any, x: Array, given: Mapping[str, Array]) -> Numbers:
    """D's logits of test pairs, and of the same examples each beside the next one's condition."""
    own = trainer.score(x, given=given)
    other = trainer.score(x, given={name: np.roll(c, 1, axis=0) for name, c in given.items()})
    return {
        "d_logit_pairs": float(own.mean()),
        "d_logit_shuffled": float(other.mean()),
        "d_shuffled_lose": float(np.mean(other < own)),
    }


def correlation(a: Array, b: Array) -> float:
    """Pearson's, example by example, averaged: a, b (n, d)."""
    a, b = (v - v.mean(axis=1, keepdims=True) for v in (a, b))
    norms = np.linalg.norm(a, axis=1) * np.linalg.norm(b, axis=1)
    return float(np.mean(np.sum(a * b, axis=1) / norms))


# ---- judges


def judge_super_resolution(trainer: Any, split: str) -> tuple[Numbers, Panels]:
    x, labels = _digits(split)
    numbers, panels = _enlarged(trainer, x)
    backend, ours, plain = trainer.backend.name, *(panels[name] for name in ("gankit", "bicubic"))
    for name, y in (("", ours), ("bicubic_", plain), ("truth_", x)):
        numbers[f"{name}class_agreement"] = agreement(backend, y, labels)
        numbers[f"{name}frechet"] = frechet(backend, y, x)
    return numbers, panels


def judge_faces(trainer: Any, split: str) -> tuple[Numbers, Panels]:
    return _enlarged(trainer, faces(split)[::4])


def _enlarged(trainer: Any, x: Array) -> tuple[Numbers, Panels]:
    given = trainer.conditions_of(x)
    small = given["image"]
    factor = x.shape[1] // small.shape[1]
    ours, plain = trainer.sample(len(x), given=given), bicubic(small, factor)
    numbers = {}
    for name, y in (("", ours), ("bicubic_", plain)):
        numbers[f"{name}consistency_psnr_db"] = psnr(trainer.conditions_of(y)["image"], small)
        numbers[f"{name}psnr_db"] = psnr(y, x)
        numbers[f"{name}l1"] = l1(y, x)
    numbers |= uses_its_condition(trainer, x, given)
    large = small.repeat(factor, axis=1).repeat(factor, axis=2)
    return numbers, {"input": large, "bicubic": plain, "gankit": ours, "truth": x}


def judge_edges(trainer: Any, split: str) -> tuple[Numbers, Panels]:
    x, labels = _digits(split)
    given = trainer.conditions_of(x)
    ours, train = trainer.sample(len(x), given=given), trainer.data.x
    backend = trainer.backend.name
    numbers = {"l1": l1(ours, x), "input_l1": l1(given["image"], x), **_constants(train, x)}
    for name, y in (("", ours), ("input_", given["image"]), ("truth_", x)):
        numbers[f"{name}class_agreement"] = agreement(backend, y, labels)
        numbers[f"{name}frechet"] = frechet(backend, y, x)
    numbers |= uses_its_condition(trainer, x, given)
    return numbers, {"edges": given["image"], "gankit": ours, "truth": x}


def judge_colour(trainer: Any, split: str) -> tuple[Numbers, Panels]:
    x = photos(split)
    given = trainer.conditions_of(x)
    ours, grey = trainer.sample(len(x), given=given), given["image"].repeat(3, axis=3)
    numbers = {"l1": l1(ours, x), "grey_l1": l1(grey, x), **_constants(trainer.data.x, x)}
    # How colourful: the standard deviation of red, green and blue around their mean. A timid G stays grey.
    for name, y in (("", ours), ("truth_", x)):
        numbers[f"{name}colourfulness"] = float(np.mean(np.std(y.astype(np.float64), axis=3)) / 255)
    numbers |= uses_its_condition(trainer, x, given)
    return numbers, {"grey": grey, "gankit": ours, "truth": x}


def _constants(train: Array, x: Array) -> Numbers:
    """L1 of the best answers that look at no condition, and of the best single colour in hindsight."""
    return {
        "median_picture_l1": l1(np.median(train, axis=0), x),
        "median_colour_l1": l1(np.median(train, axis=(0, 1, 2)), x),
        "own_median_colour_l1": l1(np.median(x, axis=(1, 2), keepdims=True), x),
    }


def judge_cycle(trainer: Any, split: str) -> tuple[Numbers, Panels]:
    """Class kept is nothing that the loss asks for: it may learn any map between the domains that can be undone."""
    x, labels = _digits(split)
    half = len(x) // 2  # the domains share no digit here either
    a, b, of_a, of_b = x[:half], slanted(x[half:]), labels[:half], labels[half:]

    def there(pictures: Array) -> Array:
        return np.asarray(trainer.sample(len(pictures), given={"image": pictures}))

    def back(pictures: Array) -> Array:
        return np.asarray(trainer.sample(len(pictures), given={"image": pictures}, player="generator-b"))

    to_a, to_b = there(b), back(a)
    b_again, a_again = back(to_a), there(to_b)
    backend, median_b = trainer.backend.name, np.median(b, axis=0)
    numbers = {
        "back_translation_b": l1(b_again, b),
        "back_translation_a": l1(a_again, a),
        "median_picture_back_translation_b": l1(median_b, b),
        "median_picture_back_translation_a": l1(np.median(a, axis=0), a),
        "class_kept_to_a": agreement(backend, to_a, of_b),
        "class_kept_to_b": agreement(backend, upright(to_b), of_a),
        "inverted_class_kept_to_a": agreement(backend, 255 - b, of_b),
        "untouched_class_kept_to_a": agreement(backend, b, of_b),
        "truth_class_kept_to_a": agreement(backend, upright(b), of_b),
        "to_a_l1_of_the_true_map": l1(to_a, upright(b)),
        "inverted_to_a_l1_of_the_true_map": l1(255 - b, upright(b)),
        "to_b_l1_of_the_true_map": l1(to_b, slanted(a)),
        "to_a_frechet": frechet(backend, to_a, a),
        "inverted_to_a_frechet": frechet(backend, 255 - b, a),
        "truth_to_a_frechet": frechet(backend, upright(b), a),
    }
    return numbers, {"b": b, "G(b)": to_a, "F(G(b))": b_again, "a": a, "F(a)": to_b, "G(F(a))": a_again}


def judge_next_frame(trainer: Any, split: str) -> tuple[Numbers, Panels]:
    # The last films of the training split are held out for "validation", see `films`.
    x, before = _next_frames(split)
    ours = trainer.sample(len(x), given={"image": before})
    last = before[..., -1:]
    straight_on = np.clip(2.0 * last - before[..., -2:-1], 0, 255)

    def squared(y: Array) -> float:
        return float(np.mean(np.square((y.astype(np.float64) - x) / 255)))

    numbers = {
        "squared_error": squared(ours),
        "last_frame_squared_error": squared(last),
        "extrapolated_squared_error": squared(straight_on),
        "mean_frame_squared_error": squared(trainer.data.x.mean(axis=0)),
        **uses_its_condition(trainer, x, {"image": before}),
    }
    numbers["part_of_last_frame"] = numbers["squared_error"] / numbers["last_frame_squared_error"]
    return numbers, {"first": before[..., :1], "second": last, "gankit": ours, "truth": x}


def _next_frames(split: str) -> tuple[Array, Array]:
    films_of_split = films("validation") if split == "validation" else open_data("moving-digits", split="test")
    return films_of_split.x[..., -1:], films_of_split.x[..., :-1]


def films(part: str) -> Dataset:
    """The training films but the last 1,000, or these."""
    data = open_data("moving-digits")
    return replace(data.rows(slice(-1000, None) if part == "validation" else slice(0, -1000)), name="moving-digits")


def judge_spectrum(trainer: Any, split: str) -> tuple[Numbers, Panels]:
    data = open_data("signals") if split == "validation" else open_data("signals", split="test")
    x = data.x[-2000:]
    asked = amplitudes(x)
    told = trainer.conditions_of(x)
    ours, again = (trainer.sample(len(x), given=told, seed=seed) for seed in (0, 1))
    seen, bins = amplitudes(ours), asked.shape[1]
    mean = amplitudes(trainer.data.x).mean(axis=0) * np.ones((len(x), 1))
    beyond = np.abs(np.fft.rfft(ours[..., 0], axis=1))[:, bins + 1 :]
    numbers = {
        "correlation": correlation(seen, asked),
        "correlation_of_all_numbers": float(np.corrcoef(seen.ravel(), asked.ravel())[0, 1]),
        "absolute_error": float(np.abs(seen - asked).mean()),
        "maker_differs_from_fft": float(np.abs(told["spectrum"] - asked).max()),
        "mean_spectrum_correlation": correlation(mean, asked),
        "mean_spectrum_correlation_of_all_numbers": float(np.corrcoef(mean.ravel(), asked.ravel())[0, 1]),
        "mean_spectrum_absolute_error": float(np.abs(mean - asked).mean()),
        "other_example_correlation": correlation(np.roll(asked, 1, axis=0), asked),
        # Phases are nobody's condition: two z given one spectrum should make two signals, 0 as in the data.
        "correlation_of_two_z": correlation(ours[..., 0], again[..., 0]),
        "amplitude_beyond_the_bins": float(2 * beyond.mean() / x.shape[1]),
        **uses_its_condition(trainer, x, told),
    }
    return numbers, {
        "true signal": curves(x[:, :, 0]),
        "gankit": curves(ours[:, :, 0]),
        "another z": curves(again[:, :, 0]),
        "asked spectrum": bars(asked),
        "gankit's": bars(seen),
    }


def amplitudes(x: Array, bins: int = 8) -> Array:
    """Of the lowest frequencies of signals (n, t, 1), by NumPy's FFT: (n, bins)."""
    return np.asarray(2 / x.shape[1] * np.abs(np.fft.rfft(x[..., 0].astype(np.float64), axis=1))[:, 1 : bins + 1])


def curves(signals: Array) -> Array:
    """Signals (n, t) in [-1, 1] drawn as pictures."""
    signals = signals[:SHOWN]
    middle = np.rint((1 - signals) / 2 * (side := 31)).astype(int)
    before = np.concatenate([middle[:, :1], middle[:, :-1]], axis=1)
    rows = np.arange(side + 1)[None, :, None]
    low, high = np.minimum(middle, before)[:, None], np.maximum(middle, before)[:, None]
    return np.where((rows >= low) & (rows <= high), 0, 255).astype(np.uint8)[..., None]


def bars(heights: Array) -> Array:
    """Amplitudes (n, bins) in [0, 1] drawn as pictures of the size of `curves`."""
    rows = 1 - np.arange(32) / 31
    filled = rows[None, :, None] <= heights[:SHOWN, None, :]
    return np.where(filled.repeat(8, axis=2), 60, 255).astype(np.uint8)[..., None]


# ---- the tasks

TASKS: dict[str, Task] = {
    "next-frame": Task(
        "next-frame", 2_500, judge_next_frame, "films of moving digits, other handwriting", lambda: films("train")
    ),
    "spectrum": Task("spectrum", 15_000, judge_spectrum, "2,000 signals; amplitudes by NumPy's FFT"),
    "super-resolution": Task("super-resolution", 2_500, judge_super_resolution, "MNIST, 7x7 to 28x28, 10,000 digits"),
    "super-resolution-faces": Task(
        "super-resolution",
        1_000,
        judge_faces,
        "ORL faces, 28x23 to 112x92, people held out",
        lambda: faces("train"),
        settings={"batch_size": 4},
    ),
    "image-to-image-edges": Task(
        "image-to-image",
        1_500,
        judge_edges,
        "MNIST digits of their edges, 10,000 digits",
        lambda: "mnist",
        settings={"given": [{"name": "edges"}]},
    ),
    "image-to-image-colour": Task(
        "image-to-image", 2_500, judge_colour, "CIFAR-10 as JPEG, 1,000 photos of their luma", lambda: photos("train")
    ),
    "cycle": Task(
        "cycle",
        1_500,
        judge_cycle,
        "MNIST digits (a) and inverted, slanted ones (b), halves of the split",
        lambda: _digits("train")[0][:25_000],
        lambda: {"b": slanted(_digits("train")[0][25_000:])},
    ),
}


def figure(panels: Panels) -> Array:
    """A column of examples for each panel, side by side below their titles."""
    columns = [
        np.broadcast_to(picture := grid(x[:SHOWN], 1, max(2, 96 // x.shape[1])), (*picture.shape[:2], 3))
        for x in panels.values()
    ]
    out: Any = headed(columns[0], [next(iter(panels))])
    for title, column in list(zip(panels, columns, strict=True))[1:]:
        out = beside(out, headed(column, [title]))
    return np.asarray(out)


def versions() -> dict[str, str]:
    found = {}
    for name in PACKAGES:
        try:
            found[name] = metadata.version(name)
        except metadata.PackageNotFoundError:
            continue
    return {"python": platform.python_version(), **found}


def play(name: str, backend: str, seed: int, steps: int | None, split: str, settings: Mapping[str, Any]) -> Any:
    """(the result, the figure's panels) of one game."""
    task = TASKS[name]
    steps = task.steps if steps is None else steps
    built = {**task.settings, **settings}
    trainer = gankit.build(backend, task.recipe, task.data(), seed=seed, sources=task.sources(), **built)
    start = time.perf_counter()
    trainer.fit(steps=steps)
    trained = time.perf_counter()
    numbers, panels = task.judge(trainer, split)
    result = {
        "task": name,
        "protocol": task.protocol,
        "split": split,
        "backend": backend,
        "seed": seed,
        "steps": steps,
        "seconds": round(trained - start, 1),
        "seconds_judging": round(time.perf_counter() - trained, 1),
        "cores": os.process_cpu_count() if hasattr(os, "process_cpu_count") else os.cpu_count(),
        "numbers": {key: round(value, 5) for key, value in numbers.items()},
        "parameters": {role: player.num_parameters for role, player in trainer.players.items()},
        "config": trainer.config.to_plain(),
        "versions": versions(),
    }
    return result, panels


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.conditions", description=__doc__)
    parser.add_argument("--recipe", choices=TASKS, required=True)
    parser.add_argument("--backend", default="torch")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--steps", type=int)
    parser.add_argument("--split", choices=("test", "validation"), default="test")
    parser.add_argument("--settings", type=json.loads, default={}, help="JSON: settings that go before the recipe's")
    parser.add_argument("--out", type=Path, default=RESULTS)
    asked = parser.parse_args()
    result, panels = play(asked.recipe, asked.backend, asked.seed, asked.steps, asked.split, asked.settings)
    path = asked.out / f"{asked.recipe}-{asked.backend}-{asked.seed}"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.with_suffix(".json").write_text(json.dumps(result, indent=2) + "\n")
    from PIL import Image

    Image.fromarray(figure(panels)).save(path.with_suffix(".png"))
    told = ("task", "backend", "seed", "steps", "seconds", "numbers")
    print(json.dumps({key: result[key] for key in told}, indent=1))


if __name__ == "__main__":
    main()
