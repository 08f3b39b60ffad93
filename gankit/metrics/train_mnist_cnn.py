"""Train the default extractor anew: `python -m gankit.metrics.train_mnist_cnn --backend torch`.

The 50,000 pictures of the training split, each shifted at random by at most two pixels, in shuffled batches; Adam, its
learning rate falling along half a cosine to nothing. The schedule is fixed beforehand and the last step is what counts:
no accuracy, of validation or of test, chooses anything. All of it is a function of the seed.
"""

from __future__ import annotations

import argparse
import platform
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from gankit import __version__, checkpoint
from gankit.building import open_backend
from gankit.data.dataset import Dataset
from gankit.data.mnist import load
from gankit.interfaces import LABEL, Backend, Batch, Draw, Player, Terms
from gankit.layers import buffers, draw, parameters, place
from gankit.metrics.mnist_cnn import LAYERS, NUM_CLASSES, SHAPE, WEIGHTS, MnistCnn, to_unit
from gankit.parts.optimizers import Adam
from gankit.parts.schedules import Cosine
from gankit.play.streams import BLOCK, Streams

Array = np.ndarray[Any, Any]

SEED = 0
BATCH = 100
EPOCHS = 12
LR = 3e-3
SHIFT = 2
LICENCE = "MNIST: LeCun, Cortes and Burges 1998, CC BY-SA 3.0. These weights: Apache-2.0, as all of gankit."


def main() -> None:
    """Train, measure on the test split, and write the weights."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--backend", help="torch, jax, or another; by default the first that is installed")
    parser.add_argument("--device", default="auto")
    parser.add_argument("--epochs", type=int, default=EPOCHS)
    parser.add_argument("--out", type=Path, default=WEIGHTS)
    options = parser.parse_args()
    backend = open_backend(options.backend, options.device, "float32")
    arrays = train(backend, load("train"), options.epochs)
    checkpoint.write(options.out, arrays, header(backend, options.epochs))
    accuracy = {split: measured(backend, options.out, load(split)) for split in ("validation", "test")}
    checkpoint.write(options.out, arrays, header(backend, options.epochs) | {"accuracy": accuracy})
    print(f"{options.out}: {sum(a.size for a in arrays.values()):,} numbers, accuracy {accuracy}")


def train(backend: Backend, data: Dataset, epochs: int) -> dict[str, Array]:
    """Every parameter and running statistic after so many epochs, by canonical name."""
    ops, placed, streams = backend.ops, place(LAYERS, SHAPE), Streams(SEED)
    network = backend.network(placed)
    steps = epochs * len(data) // BATCH
    spec = Adam(lr=Cosine(LR, 0.0, 0, steps), b1=0.9)
    optimizer = backend.optimizer(spec)

    def step(state: Player, batch: Batch) -> tuple[Player, Terms]:
        x, labels = to_unit(ops, batch.discriminator.real), batch.discriminator.labels

        def loss(params: Any) -> Any:
            out, moved = network.apply(params, state.buffers, x, {}, train=True, key=ops.key(batch.key))
            log_likelihood = ops.log_softmax(out["logits"]) * ops.one_hot(labels, NUM_CLASSES)
            return -ops.xp.sum(log_likelihood) / x.shape[0], moved

        (value, moved), grads = ops.value_and_grad(loss)(state.params)
        slots, params = optimizer.update(state.slots, state.params, grads, batch.numbers)
        return Player(params, moved, slots), {"loss": value}

    params, running = network.init(draw(parameters(placed) | buffers(placed), "mnist-cnn", streams))
    state: Any = Player(params, running, optimizer.init(params))
    for start, batches in chunks(data, spec, streams, steps):
        state, terms = ops.run(step, state, batches, capacity=BLOCK)  # type: ignore[arg-type]
        if start % (10 * BLOCK) == 0:
            print(f"step {start:>5}/{steps}  loss {float(ops.to_numpy(terms['loss'])):.4f}", flush=True)
    return network.export(state.params | state.buffers)


def chunks(data: Dataset, spec: Adam, streams: Streams, steps: int) -> Iterator[tuple[int, Batch]]:
    """(first step, batches) of so many steps at a time, in the form that `Ops.run` takes."""
    assert data.labels is not None
    around = np.pad(data.x, ((0, 0), (SHIFT, SHIFT), (SHIFT, SHIFT), (0, 0)))
    shifted = np.lib.stride_tricks.sliding_window_view(around, SHAPE[:2], axis=(1, 2))  # (n, 5, 5, 1, 28, 28)
    for start in range(0, steps, BLOCK):
        stop = min(start + BLOCK, steps)
        rows = streams.order("data", start, stop, BATCH, len(data))
        dy, dx = (streams.labels(f"shift/{axis}", start, stop, (BATCH,), 2 * SHIFT + 1) for axis in "yx")
        pictures = np.moveaxis(shifted[rows, dy, dx], -3, -1)
        real = Draw(pictures, {LABEL: data.labels[rows].astype(np.int32)}, None, {})
        none = Draw(None, {}, None, {})
        yield start, Batch(real, none, spec.numbers(np.arange(start, stop)), _words(streams, start, stop))


def measured(backend: Backend, weights: Path, data: Dataset) -> float:
    """The share of a split that is judged right."""
    _, probabilities = MnistCnn(weights).open(backend)(data.x)
    assert probabilities is not None
    return float(np.mean(probabilities.argmax(axis=1) == data.labels))


def header(backend: Backend, epochs: int) -> dict[str, Any]:
    """Where the weights come from, for whoever opens the file."""
    settings = {"seed": SEED, "batch": BATCH, "epochs": epochs, "lr": LR, "shift": SHIFT}
    return {
        "kind": "classifier",
        "version": __version__,
        "script": "python -m gankit.metrics.train_mnist_cnn",
        "settings": settings,
        "backend": backend.name,
        "versions": dict(backend.versions),
        "python": platform.python_version(),
        "trained_on": "mnist, split train (50,000)",
        "licence": LICENCE,
    }


def _words(streams: Streams, start: int, stop: int) -> tuple[Array, Array]:
    words = streams.words("key", start, stop)
    return words[:, 0], words[:, 1]


if __name__ == "__main__":
    main()
