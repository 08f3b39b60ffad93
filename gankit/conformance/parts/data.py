"""What any data set is judged by, a stranger's included: its fields, its splits, and a game on it.

python -m gankit.conformance --data digits
"""

from __future__ import annotations

import hashlib
import inspect
import os
import subprocess
import sys
from collections.abc import Callable
from typing import Any

import numpy as np

from gankit.arrays import Array
from gankit.building import assemble, prepared
from gankit.conformance.compare import bit_equal, require
from gankit.conformance.games import CONDITIONAL, Recorder, small
from gankit.conformance.parts.common import imports_no_framework, target
from gankit.conformance.subject import Candidate, NotApplicable
from gankit.data.dataset import Dataset, blocks, extremes, port_of
from gankit.data.sources import told_range
from gankit.errors import DataError

SPLITS = ("train", "validation", "test")
DTYPES = ("uint8", "float32", "float64")
FEW = 64
"""Examples that a game is played on."""
KNOWN, ASKED = 2_000, 400
"""Examples whose labels are known, and those whose labels are guessed by the nearest of them."""
TWICE = 1e-3
"""Share of a split that may be in another by chance, as in data of few numbers."""


def load(candidate: Candidate, split: str = "train") -> Dataset:
    """A split; raises DataError where there is none."""
    data: Dataset = target(candidate)(split=split)
    return data


def splits(candidate: Candidate) -> dict[str, Dataset]:
    """All that there are, by name."""
    found = {}
    for split in SPLITS:
        try:
            found[split] = load(candidate, split)
        except DataError:
            if split == "train":
                raise
    return found


def arrays(data: Dataset) -> dict[str, Array]:
    """Everything of a data set that is an array, by name."""
    labels = {} if data.labels is None else {"labels": data.labels}
    given = {f"given/{name}": np.asarray(values) for name, values in data.given.items()}
    return {"x": np.concatenate(list(blocks(data.x))), **labels, **given}


def check_data_contract(candidate: Candidate) -> None:
    """A game would fail on the data, or a checkpoint could not say what it was trained on."""
    data = load(candidate)
    what = f"{candidate.name!r}"
    require(isinstance(data, Dataset), f"{what} returns {type(data).__name__}; it must return gankit.Dataset.")
    said = f"{what}: Dataset.name is {data.name!r}; it must be the name that it is registered under."
    require(data.name == candidate.name, f"{said} Runs and checkpoints open it again by that.")
    dtype = data.x.dtype
    known = dtype.name in DTYPES and dtype.isnative
    require(known, f"{what}: examples are {dtype.str}; they must be uint8, float32 or float64 in the machine's order.")
    require(data.labels is None or data.labels.dtype.isnative, f"{what}: labels are in another byte order.")
    first = len(data.shape) == 3 and data.shape[0] in (1, 3) and min(data.shape[1:]) > 4
    said = f"{what}: examples have shape {data.shape}; pictures are (height, width, channels)."
    require(not first, f"{said} x.transpose(0, 2, 3, 1) turns those of torch around.")
    told = data.labels is None or data.num_classes is not None
    require(told, f"{what}: it has labels and does not say num_classes, so a game with labels cannot be built.")
    for name, values in data.given.items():
        port_of(name, values)


def check_data_is_finite_and_in_its_units(candidate: Candidate) -> None:
    """Networks would be shown numbers near 0, or far beyond 1: the scale that the data declares is what they see."""
    for split, data in splits(candidate).items():
        least, greatest = extremes(data.x)
        what = f"{candidate.name!r}, {split}"
        require(bool(np.isfinite([least, greatest]).all()), f"{what}: examples hold NaN or infinity.")
        require(least < greatest, f"{what}: all examples are the number {least}.")
        if data.value_range is None:
            bytes_ = data.x.dtype == np.uint8
            require(not bytes_, f"{what}: examples are bytes without value_range; say value_range=(0, 255).")
            told = told_range(data.x, what) if isinstance(data.x, np.ndarray) else None
            said = f"{what}: pictures run from {least:g} to {greatest:g}, without value_range"
            require(told is None, f"{said}: each pixel would be scaled by itself. Say value_range={told}.")
            continue
        low, high = data.value_range
        used = (greatest - least) / (high - low)
        require(used > 0.1, f"{what}: value_range is ({low}, {high}), and examples run from {least:g} to {greatest:g}.")


def check_data_refuses_other_splits(candidate: Candidate) -> None:
    """A metric would be measured on the training examples, and be called one of the test set."""
    for split in ("no-such-split", ""):
        try:
            load(candidate, split)
        except DataError:
            continue
        except Exception as error:
            said = f"{type(error).__name__}: {error}"
            raise AssertionError(f"split={split!r} raises {said}; raise DataError: gankit.data.check_split.") from error
        raise AssertionError(f"split={split!r} is answered with examples; raise DataError: gankit.data.check_split.")


def check_data_splits_are_disjoint(candidate: Candidate) -> None:
    """What was learned by heart would count as new: a G that copies its training examples would be the best of all."""
    found = splits(candidate)
    if len(found) < 2:
        raise NotApplicable("It has one split.")
    rows = {split: [row.tobytes() for block in blocks(data.x) for row in block] for split, data in found.items()}
    for split in [name for name in found if name != "train"]:
        for other in [name for name in found if name != split]:
            known = set(rows[other])
            twice = sum(row in known for row in rows[split])
            n = len(rows[split])
            said = f"{candidate.name!r}: {twice} of {n} examples of split {split!r} are in {other!r} too."
            require(twice <= TWICE * n, said)


def check_data_splits_are_alike(candidate: Candidate) -> None:
    """Metrics would compare what cannot be compared: other units, shapes or classes in each split."""
    found = splits(candidate)
    train = found.pop("train")
    if not found:
        raise NotApplicable("It has one split.")
    for split, data in found.items():
        for name in ("shape", "value_range", "num_classes", "name"):
            own, want = getattr(data, name), getattr(train, name)
            require(own == want, f"{candidate.name!r}: {name} is {own} in {split!r}, and {want} in 'train'.")
        require(data.x.dtype == train.x.dtype, f"{candidate.name!r}: {split!r} is {data.x.dtype}, not {train.x.dtype}.")
        same = (data.labels is None) == (train.labels is None) and data.given.keys() == train.given.keys()
        require(same, f"{candidate.name!r}: {split!r} and 'train' do not have the same labels and conditions.")
        for name, values in data.given.items():
            own, want = port_of(name, values), port_of(name, train.given[name])
            alike = (own.kind, own.shape) == (want.kind, want.shape)
            require(alike, f"{candidate.name!r}: {name!r} is {own} in {split!r}, and {want} in 'train'.")


def check_data_is_the_same_every_time(candidate: Candidate) -> None:
    """The same seed would be another run, and a resumed run go on with other examples than it began with."""
    kept = np.random.get_state()
    try:
        np.random.seed(1)
        first = {name: array.copy() for name, array in arrays(load(candidate)).items()}
        np.random.seed(2)
        splits(candidate)
        cause = "NumPy's global generator, or a generator that is kept from call to call: make one from a fixed seed."
        bit_equal(arrays(load(candidate)), first, f"{candidate.name!r}, 'train', twice", cause=cause)
    finally:
        np.random.set_state(kept)
    own = digest(load(candidate))
    for seed in ("1", "2"):
        said = f"{candidate.name!r} is other data in a new process. Likely cause: the order of a set, or of a folder."
        require(_digest_elsewhere(candidate, seed) in (own, None), said)


def digest(data: Dataset) -> str:
    """A hash of every number."""
    hashed = hashlib.sha256()
    for name, array in sorted(arrays(data).items()):
        hashed.update(f"{name} {array.dtype} {array.shape}".encode())
        hashed.update(np.ascontiguousarray(array).tobytes())
    return hashed.hexdigest()


def _digest_elsewhere(candidate: Candidate, seed: str) -> str | None:
    """The same in a new process whose hashes of texts are others; None where the function has no name to call it by."""
    part = target(candidate)
    module, name = getattr(part, "__module__", ""), getattr(part, "__qualname__", "<")
    if "<" in name or module == "__main__":
        return None
    own = "".join(map(inspect.getsource, (arrays, digest)))  # without the suite, which takes its time to import
    code = (
        "from __future__ import annotations\n"
        "import hashlib; from functools import reduce; from importlib import import_module\n"
        f"import numpy as np; from gankit.data.dataset import blocks\n{own}\n"
        f"part = reduce(getattr, {name.split('.')!r}, import_module({module!r}))\n"
        "print('digest:', digest(part(split='train')))"
    )
    path = os.pathsep.join(path for path in sys.path if path)
    environment = {**os.environ, "PYTHONPATH": path, "PYTHONHASHSEED": seed}
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, env=environment)
    said = done.stderr.strip().rpartition("\n")[2]
    require(done.returncode == 0, f"{candidate.name!r} cannot be opened in a new process: {said}")
    return done.stdout.rpartition("digest:")[2].strip()


def check_data_is_not_shared(candidate: Candidate) -> None:
    """What a user does to the arrays would be in every later game of the same process."""
    data = load(candidate)
    before = {name: array.copy() for name, array in arrays(data).items()}
    for array in (data.x, data.labels, *data.given.values()):
        if isinstance(array, np.ndarray) and array.flags.writeable:
            array[...] = 0
    cause = "arrays that are kept: hand out copies, or arrays that cannot be written to (x.flags.writeable = False)."
    what = f"{candidate.name!r}, opened again after its arrays were changed"
    bit_equal(arrays(load(candidate)), before, what, cause=cause)


def check_data_labels_belong_to_the_examples(candidate: Candidate) -> None:
    """A conditional game would learn nothing from its labels: they stand beside examples of other classes."""
    data = load(candidate)
    if data.labels is None or not data.num_classes or data.num_classes < 2:
        raise NotApplicable("It has no labels of two classes or more.")
    counts = np.bincount(data.labels, minlength=data.num_classes)
    missing = np.flatnonzero(counts == 0)
    said = f"{candidate.name!r}: num_classes={data.num_classes}, and 'train' has no example of class"
    require(missing.size == 0, f"{said} {', '.join(map(str, missing[:5]))}.")
    rows = np.random.default_rng(0).permutation(len(data))[: KNOWN + ASKED]
    known = data.rows(rows[len(rows) // 6 :])  # type: ignore[arg-type]
    for split, other in splits(candidate).items():
        if other.labels is None:
            continue  # the splits are not alike, which is said by that name
        some = rows[: len(rows) // 6] if split == "train" else np.random.default_rng(1).permutation(len(other))[:ASKED]
        right, chance = _right(known, other.rows(some))  # type: ignore[arg-type]
        least = chance + 3 * np.sqrt(chance * (1 - chance) / len(some))
        require(
            right > least,
            f"{candidate.name!r}, {split}: the nearest training example has the same label in {right:.1%} of "
            f"{len(some)} cases, and by chance it would in {chance:.1%}. Likely cause: examples or labels were put "
            "into another order, and not both; or classes are numbered anew in each split.",
        )


def _right(known: Dataset, asked: Dataset) -> tuple[float, float]:
    """How often the nearest known example has the label of the asked one, and how often any would."""
    a, b = (np.asarray(data.x, np.float64).reshape(len(data), -1) for data in (asked, known))
    nearest = ((b**2).sum(axis=1) - 2 * a @ b.T).argmin(axis=1)
    ours, theirs = (np.asarray(data.labels) for data in (known, asked))
    shares = [np.bincount(labels, minlength=known.num_classes or 0) / len(labels) for labels in (ours, theirs)]
    return float((ours[nearest] == theirs).mean()), float((shares[0] * shares[1]).sum())


def check_data_plays(candidate: Candidate) -> None:
    """The data would not train a game, or samples come in other units than the examples."""
    data = load(candidate).rows(slice(0, FEW))
    labelled = CONDITIONAL if data.labels is not None else {}
    config, recorder = small(dtype="float32", ema=0.0, data=candidate.name, **labelled), Recorder()
    game = prepared(config, data)
    trainer = assemble(game.config, candidate.on.open("float32"), game.spec, game.data, {}, game.sources)
    trainer.fit(steps=3, callbacks=[recorder])
    for step, terms in enumerate(recorder.terms, 1):
        finite = bool(np.isfinite(list(terms.values())).all())
        require(finite, f"{candidate}, a small game: step {step} is not finite: {terms}.")
    given = trainer.pairs(4)[1] if game.config.conditions else None
    samples: Any = trainer.sample(4, seed=1, given=given)
    if data.codec is not None:
        return
    same = (samples.shape, samples.dtype) == ((4, *data.shape), data.x.dtype)
    require(same, f"{candidate}: samples are {samples.dtype}{samples.shape}, examples {data.x.dtype}{data.shape}.")


def check_data_imports_no_framework(candidate: Candidate) -> None:
    """Users of another framework could not install or use the data, and everybody would wait for the import."""
    imports_no_framework(candidate)


CHECKS: tuple[Callable[[Any], None], ...] = (
    check_data_contract,
    check_data_is_finite_and_in_its_units,
    check_data_refuses_other_splits,
    check_data_splits_are_disjoint,
    check_data_splits_are_alike,
    check_data_is_the_same_every_time,
    check_data_is_not_shared,
    check_data_labels_belong_to_the_examples,
    check_data_plays,
    check_data_imports_no_framework,
)
