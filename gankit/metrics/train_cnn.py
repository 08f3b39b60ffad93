"""Train a default extractor anew: `python -m gankit.metrics.train_cnn mnist-cnn --backend torch`.

The pictures of the training split, each shifted at random by a pixel or two, in shuffled batches; Adam, its learning
rate falling along half a cosine to nothing. The schedule is fixed beforehand and the last step is what counts:
no accuracy, of validation or of test, chooses anything. All of it is a function of the seed.
"""

from __future__ import annotations

import argparse
import platform
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from gankit import __version__, checkpoint
from gankit.arrays import Array
from gankit.building import open_backend
from gankit.data.dataset import Dataset
from gankit.data.sources import open_data
from gankit.interfaces import LABEL, Backend, Batch, Draw, Player, Terms
from gankit.layers import buffers, draw, parameters, place
from gankit.metrics.cnn import Cnn, DigitsCnn, MnistCnn, to_unit
from gankit.parts.optimizers import Adam
from gankit.parts.schedules import Cosine
from gankit.play.streams import BLOCK, Streams

SEED = 0
BATCH = 100
LR = 3e-3


class Recipe(NamedTuple):
    """kind: of the network. shift: pixels. source: of the data, and its licence."""

    kind: type[Cnn]
    data: str
    epochs: int
    shift: int
    source: str


OURS = "These weights: Apache-2.0, as all of gankit."
RECIPES = {
    "mnist-cnn": Recipe(MnistCnn, "mnist", 12, 2, f"MNIST: LeCun, Cortes and Burges 1998, CC BY-SA 3.0. {OURS}"),
    "digits-cnn": Recipe(DigitsCnn, "digits", 100, 1, f"Digits: Alpaydin and Kaynak 1998, CC BY 4.0. {OURS}"),
}


def main() -> None:
    """Train, measure on the test split, and write the weights."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("name", choices=RECIPES)
    parser.add_argument("--backend", help="torch, jax, or another; by default the first that is installed")
    parser.add_argument("--device", default="auto")
    parser.add_argument("--epochs", type=int)
    parser.add_argument("--out", type=Path)
    options = parser.parse_args()
    recipe = RECIPES[options.name]
    recipe = recipe._replace(epochs=options.epochs or recipe.epochs)
    out = options.out or recipe.kind.weights
    backend = open_backend(options.backend, options.device, "float32")
    data = open_data(recipe.data)
    arrays, said = train(backend, data, recipe), header(backend, recipe, len(data))
    checkpoint.write(out, arrays, said)
    looks = recipe.kind(out).open(backend)
    accuracy = {split: measured(looks, open_data(recipe.data, split=split)) for split in ("validation", "test")}
    checkpoint.write(out, arrays, said | {"accuracy": accuracy})
    print(f"{out}: {sum(a.size for a in arrays.values()):,} numbers, accuracy {accuracy}")


def train(backend: Backend, data: Dataset, recipe: Recipe) -> dict[str, Array]:
    """Every parameter and running statistic at the end, by canonical name."""
    ops, placed, streams = backend.ops, place(recipe.kind.layers, recipe.kind.shape), Streams(SEED)
    network, classes = backend.network(placed), recipe.kind.num_classes or 0
    steps = recipe.epochs * len(data) // BATCH
    spec = Adam(lr=Cosine(LR, 0.0, 0, steps), b1=0.9)
    optimizer = backend.optimizer(spec)

    def step(state: Player, batch: Batch) -> tuple[Player, Terms]:
        x, labels = to_unit(ops, batch.discriminator.real), batch.discriminator.labels

        def loss(params: Any) -> Any:
            out, moved = network.apply(params, state.buffers, x, {}, train=True, key=ops.key(batch.key))
            log_likelihood = ops.log_softmax(out["logits"]) * ops.one_hot(labels, classes)
            return -ops.xp.sum(log_likelihood) / x.shape[0], moved

        (value, moved), grads = ops.value_and_grad(loss)(state.params)
        slots, params = optimizer.update(state.slots, state.params, grads, batch.numbers)
        return Player(params, moved, slots), {"loss": value}

    params, running = network.init(draw(parameters(placed) | buffers(placed), recipe.kind.name, streams))
    state: Any = Player(params, running, optimizer.init(params))
    for start, batches in chunks(data, recipe, spec, streams, steps):
        state, terms = ops.run(step, state, batches, capacity=BLOCK)  # type: ignore[arg-type]
        if start % (10 * BLOCK) == 0:
            print(f"step {start:>5}/{steps}  loss {float(ops.to_numpy(terms['loss'])):.4f}", flush=True)
    return network.export(state.params | state.buffers)


def chunks(data: Dataset, recipe: Recipe, spec: Adam, streams: Streams, steps: int) -> Iterator[tuple[int, Batch]]:
    """(first step, batches) of so many steps at a time, in the form that `Ops.run` takes."""
    assert data.labels is not None
    by = recipe.shift
    around = np.pad(data.x, ((0, 0), (by, by), (by, by), (0, 0)))
    shifted = np.lib.stride_tricks.sliding_window_view(around, data.shape[:2], axis=(1, 2))  # (n, 5, 5, 1, 28, 28)
    for start in range(0, steps, BLOCK):
        stop = min(start + BLOCK, steps)
        rows = streams.order("data", start, stop, BATCH, len(data))
        dy, dx = (streams.labels(f"shift/{axis}", start, stop, (BATCH,), 2 * by + 1) for axis in "yx")
        pictures = np.moveaxis(shifted[rows, dy, dx], -3, -1)
        real = Draw(pictures, {LABEL: data.labels[rows].astype(np.int32)}, None, {})
        none = Draw(None, {}, np.zeros((stop - start, BATCH, 1), np.float32), {})
        yield start, Batch(real, none, spec.numbers(np.arange(start, stop)), _words(streams, start, stop))


def measured(look: Callable[[Array], tuple[Array, Array | None]], data: Dataset) -> float:
    """The share of a split that is judged right."""
    _, probabilities = look(data.x)
    assert probabilities is not None
    return float(np.mean(probabilities.argmax(axis=1) == data.labels))


def header(backend: Backend, recipe: Recipe, examples: int) -> dict[str, Any]:
    """Where the weights come from, for whoever opens the file."""
    settings = {"seed": SEED, "batch": BATCH, "epochs": recipe.epochs, "lr": LR, "shift": recipe.shift}
    return {
        "kind": "classifier",
        "version": __version__,
        "script": f"python -m gankit.metrics.train_cnn {recipe.kind.name}",
        "settings": settings,
        "backend": backend.name,
        "versions": dict(backend.versions),
        "python": platform.python_version(),
        "trained_on": f"{recipe.data}, split train ({examples:,})",
        "licence": recipe.source,
    }


def _words(streams: Streams, start: int, stop: int) -> tuple[Array, Array]:
    words = streams.words("key", start, stop)
    return words[:, 0], words[:, 1]


if __name__ == "__main__":
    main()
