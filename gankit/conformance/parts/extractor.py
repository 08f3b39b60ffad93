"""What any extractor is judged by, a stranger's included: what it sees of pictures, and how it is named.

python -m gankit.conformance --extractor digits-cnn
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from gankit.arrays import Array
from gankit.conformance.compare import agree, bit_equal, require
from gankit.conformance.parts.common import imports_no_framework
from gankit.conformance.subject import Candidate, NotApplicable
from gankit.data.dataset import Dataset, scaling
from gankit.data.spec import DataSpec
from gankit.errors import DataError, GankitError, PluginError, ShapeError
from gankit.metrics import Evidence
from gankit.metrics.frechet import Frechet

Look = Callable[[Array], tuple[Array, Array | None]]
N = 9
SIDE, CHANNELS = 24, 3
"""Of pictures for an extractor that takes any size."""
CLOSE = 1e-4
"""What the same picture's features may differ by, relatively to the largest, in another piece of a batch."""


def opened(candidate: Candidate) -> tuple[Any, Look]:
    """The extractor, and what it looks with; raises NotApplicable where it wants what is not installed."""
    try:
        extractor = candidate.made()
        return extractor, extractor.open(candidate.on.open("float32"))
    except (PluginError, DataError) as reason:
        raise NotApplicable(str(reason)) from reason


def shape_of(extractor: Any) -> tuple[int, ...]:
    """Of the pictures that it is shown here."""
    sides = (SIDE, SIDE, CHANNELS)[-len(extractor.shape) :] if len(extractor.shape) <= 3 else ()
    return tuple(side or sides[i] for i, side in enumerate(extractor.shape))


def pictures(extractor: Any, look: Look, seed: int = 0) -> Array:
    """(N, *shape) of the kind that it takes: bytes, else numbers in [0, 1]. Blots, so that no two are alike."""
    shape, rng = shape_of(extractor), np.random.default_rng(seed)
    coarse = rng.integers(0, 256, (N, *(max(1, side // 4) for side in shape[:2]), *shape[2:]))
    x = coarse
    for axis, side in enumerate(shape[:2], 1):
        x = x.repeat(4, axis=axis) if side >= 4 else x
        x = np.take(x, np.arange(side) % x.shape[axis], axis=axis)
    x = np.asarray(x, np.uint8)
    try:
        look(x[:1])
    except ShapeError:
        return (x / 255.0).astype(np.float32)
    return x


def check_extractor_contract(candidate: Candidate) -> None:
    """Metrics would fail on the features, or the numbers could not be told from those of other features."""
    extractor, look = opened(candidate)
    what = type(extractor).__name__
    name = extractor.name
    named = isinstance(name, str) and name.startswith(candidate.name) and name.isprintable()
    require(named, f"{what}.name is {name!r}; it must begin with {candidate.name!r}, on one line: labels have it.")
    require("]" not in name and "=" not in name, f"{what}.name is {name!r}; labels are cut at '=' and ']'.")
    shape, known = extractor.shape, (int, type(None))
    right = isinstance(shape, tuple) and bool(shape) and all(isinstance(side, known) for side in shape)
    require(right, f"{what}.shape is {shape!r}; it must be a tuple of sides, None for one of any length.")
    d, classes = extractor.num_features, extractor.num_classes
    require(type(d) is int and d > 0, f"{what}.num_features is {d!r}; it must be a whole number above 0.")
    told = classes is None or (type(classes) is int and classes > 1)
    require(told, f"{what}.num_classes is {classes!r}; it must be a whole number above 1, or None.")
    answer = look(pictures(extractor, look))
    pair = isinstance(answer, tuple) and len(answer) == 2
    require(pair, f"{what} returns {type(answer).__name__}; it must return features, and probabilities or None.")
    features, shares = answer
    _require_rows(f"{what}: features", features, d)
    require((shares is None) == (classes is None), f"{what}: num_classes is {classes}, and probabilities: {shares}.")
    if shares is not None:
        _require_rows(f"{what}: probabilities", shares, classes or 0)
        ends = (shares >= 0).all() and np.abs(shares.sum(axis=1) - 1).max() < 1e-4
        require(bool(ends), f"{what}: probabilities of a picture must be 0 or more, and 1 in all.")


def _require_rows(what: str, rows: Any, width: int) -> None:
    right = isinstance(rows, np.ndarray) and rows.shape == (N, width) and rows.dtype == np.float32
    said = f"{type(rows).__name__} {getattr(rows, 'shape', '')} {getattr(rows, 'dtype', '')}"
    require(right, f"{what} are {said}; they must be NumPy's, {(N, width)} float32.")
    require(bool(np.isfinite(rows).all()), f"{what} are not finite.")


def check_extractor_sees_the_same_again(candidate: Candidate) -> None:
    """The same samples would have another number at every evaluation."""
    extractor, look = opened(candidate)
    x = pictures(extractor, look)
    kept = np.random.get_state()
    try:
        seen = []
        for seed in (1, 2):
            np.random.seed(seed)
            seen.append(look(x)[0])
    finally:
        np.random.set_state(kept)
    bit_equal({"features": seen[1]}, {"features": seen[0]}, f"{candidate}: the same pictures, twice")
    again = opened(candidate)[1](x)[0]
    bit_equal({"features": again}, {"features": seen[0]}, f"{candidate}: opened again", cause="weights drawn anew.")


def check_extractor_sees_each_picture_by_itself(candidate: Candidate) -> None:
    """A number would depend on how many samples are looked at at once, and in which order."""
    extractor, look = opened(candidate)
    x, order = pictures(extractor, look), np.random.default_rng(1).permutation(N)
    whole = look(x)
    mixed, alone, some = look(x[order]), look(x[:1]), look(x[:4])
    for i, what in enumerate(("features", "probabilities")):
        every = whole[i]
        if every is None:
            continue
        near = CLOSE * float(np.abs(every).max() or 1.0)
        cause = "batch norm, or dropout, in training mode."
        cases = ((order, "in another order", mixed), (slice(1), "alone", alone), (slice(4), "in fours", some))
        for rows, beside, other in cases:
            said = f"{candidate}: {what} of pictures {beside}, beside those of all {N}"
            agree(other[i], every[rows], said, rtol=0.0, atol=near, cause=cause)  # type: ignore[arg-type]


def check_extractor_sees_the_whole_picture(candidate: Candidate) -> None:
    """A number would say nothing of a part of the samples: G could draw there what it likes."""
    extractor, look = opened(candidate)
    x = pictures(extractor, look)
    features = look(x)[0]
    apart = np.abs(features[:, None] - features[None]).max(axis=2) + np.eye(N)
    require(bool((apart > 0).all()), f"{candidate}: two different pictures have the same features.")
    require(bool(features.std() > 0), f"{candidate}: all features are one number.")
    for axis in range(1, x.ndim):
        side = x.shape[axis]
        for begin, end in ((0, -(-side // 2)), (side // 2, side)) if side > 1 else ():
            part = [slice(None)] * x.ndim
            part[axis] = slice(begin, end)
            other = x.copy()
            other[tuple(part)] = 0
            differs = bool((look(other)[0] != features).any())
            where = f"axis {axis}, {begin} to {end} of {side}"
            require(differs, f"{candidate}: pictures that are black on {where} have the features of whole ones.")


def check_extractor_leaves_pictures_as_they_are(candidate: Candidate) -> None:
    """Later metrics of the same evaluation would look at other samples."""
    extractor, look = opened(candidate)
    x = pictures(extractor, look)
    before = x.copy()
    look(x)
    bit_equal({"x": x}, {"x": before}, f"{candidate}: the pictures that it was shown")
    x.flags.writeable = False
    look(x)  # what is memory-mapped, or a game's own, cannot be written to


def check_extractor_refuses_other_pictures(candidate: Candidate) -> None:
    """Numbers in [0, 1] where bytes are meant are black pictures, all alike: the number would be a very good one."""
    extractor, look = opened(candidate)
    x = pictures(extractor, look)
    own = x.dtype == np.uint8
    others = {"numbers in [0, 1]": (x / 255.0).astype(np.float32)} if own else {"bytes": (255 * x).astype(np.uint8)}
    if None not in extractor.shape:
        others["a row too few"] = x[:, 1:]
    features = look(x)[0]
    for what, other in others.items():
        try:
            seen = look(other)[0]
        except GankitError:
            continue
        except Exception as error:
            said = f"{type(error).__name__}: {error}"
            raise AssertionError(f"{candidate}, shown {what}: {said}. Raise gankit.ShapeError.") from error
        same = seen.shape == features.shape and np.abs(seen - features).max() <= 0.05 * np.abs(features).max()
        require(bool(same), f"{candidate}, shown {what}, answers with other features. Raise gankit.ShapeError.")


def check_extractor_is_in_the_label(candidate: Candidate) -> None:
    """A distance of these features would be compared with one of others, or would be none: worse for the same data."""
    extractor, look = opened(candidate)
    x = np.concatenate([pictures(extractor, look, seed=i) for i in range(8)])
    data = Dataset(x, value_range=(0, 255) if x.dtype == np.uint8 else (0.0, 1.0), name="conformance")
    spec = DataSpec(data.shape, None, scaling(data, "unit"))
    backend = candidate.on.open("float32")

    def number(samples: Array) -> tuple[float, str]:
        evidence = Evidence(backend, spec, samples, None, lambda split: data, extractor, look)
        (found,) = Frechet()(evidence)
        return found.value, found.label

    value, label = number(x)
    require(f"features={extractor.name}" in label, f"{candidate}: a distance of its features is called {label}.")
    noise = np.random.default_rng(3).integers(0, 256, x.shape)
    worse, _ = number(noise.astype(x.dtype) if x.dtype == np.uint8 else (noise / 255.0).astype(x.dtype))
    said = f"{candidate}: the data are {value:.4g} from themselves, and noise is {worse:.4g} from them."
    require(worse > value, said)


def check_extractor_imports_no_framework(candidate: Candidate) -> None:
    """`gankit plugins` would wait for a framework, or fail where another one is installed: import it in open()."""
    imports_no_framework(candidate)


CHECKS: tuple[Callable[[Any], None], ...] = (
    check_extractor_contract,
    check_extractor_sees_the_same_again,
    check_extractor_sees_each_picture_by_itself,
    check_extractor_sees_the_whole_picture,
    check_extractor_leaves_pictures_as_they_are,
    check_extractor_refuses_other_pictures,
    check_extractor_is_in_the_label,
    check_extractor_imports_no_framework,
)
