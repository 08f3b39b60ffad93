"""Extractors with one fault each, written as a stranger would write them."""

from __future__ import annotations

import numpy as np
from planted_parts import Broken, heavy

from gankit.errors import ShapeError


class Pooled:
    """As it should be: means of cells of 2x2 pixels, and a class by the brightest quarter."""

    name = "broken"
    shape: tuple[int | None, ...] = (8, 8, 1)
    num_features = 16
    num_classes: int | None = 4

    def open(self, backend):
        return self.look

    def look(self, x):
        if x.shape[1:] != self.shape or x.dtype != np.uint8:
            raise ShapeError(f"pictures (n, 8, 8, 1) of bytes; got {x.shape}, {x.dtype}.")
        return self.features(x / 255.0).astype(np.float32), self.shares(x / 255.0)

    def features(self, x):
        return x.reshape(len(x), 4, 2, 4, 2).mean(axis=(2, 4)).reshape(len(x), 16)

    def shares(self, x):
        quarters = np.exp(x.reshape(len(x), 2, 4, 2, 4).mean(axis=(2, 4)).reshape(len(x), 4))
        return (quarters / quarters.sum(axis=1, keepdims=True)).astype(np.float32)


class AnySize(Pooled):
    """As it should be: pictures of any size in colour, numbers in [0, 1]; no classes."""

    shape = (None, None, 3)
    num_features = 12
    num_classes = None

    def look(self, x):
        if x.ndim != 4 or x.shape[3] != 3 or x.dtype.kind != "f":
            raise ShapeError(f"pictures (n, h, w, 3) in [0, 1]; got {x.shape}, {x.dtype}.")
        h, w = x.shape[1] // 2, x.shape[2] // 2
        parts = (x[:, :h, :w], x[:, :h, w:], x[:, h:, :w], x[:, h:, w:])
        return np.concatenate([part.mean(axis=(1, 2)) for part in parts], axis=1).astype(np.float32), None


class Renamed(Pooled):
    name = "pooled"


class Bracketed(Pooled):
    name = "broken [v=2]"


class Double(Pooled):
    def look(self, x):
        features, shares = super().look(x)
        return features.astype(np.float64), shares


class Bare(Pooled):
    def look(self, x):
        return super().look(x)[0]


class Logits(Pooled):
    """Classes before their softmax."""

    def shares(self, x):
        return x.reshape(len(x), 2, 4, 2, 4).mean(axis=(2, 4)).reshape(len(x), 4).astype(np.float32)


class Dropout(Pooled):
    """In training mode."""

    def features(self, x):
        features = super().features(x)
        return features * (np.random.random(features.shape) < 0.9)


class Unseeded(Pooled):
    """Random weights, drawn when it is opened."""

    def open(self, backend):
        self.weights = np.random.default_rng().normal(size=(16, 16))
        return self.look

    def features(self, x):
        return super().features(x) @ self.weights


class Warming(Pooled):
    """Follows a running mean."""

    mean = 0.0

    def features(self, x):
        features = super().features(x)
        type(self).mean = 0.9 * self.mean + 0.1 * float(features.mean())
        return features - self.mean


class BatchNorm(Pooled):
    """The statistics of whoever is looked at."""

    def features(self, x):
        features = super().features(x)
        return features - features.mean(axis=0)


class Sorted(Pooled):
    """By brightness, as a contact sheet."""

    def look(self, x):
        features, shares = super().look(x)
        order = features.mean(axis=1).argsort()
        return features[order], shares[order]


class Scaled(Pooled):
    """Over the largest feature of the batch."""

    def features(self, x):
        features = super().features(x)
        return features / features.max()


class Upper(Pooled):
    """Crops."""

    def features(self, x):
        return super().features(np.concatenate([x[:, :4], x[:, :4]], axis=1))


class Red(AnySize):
    """Reads grey from the first channel."""

    def look(self, x):
        return super().look(x[..., :1].repeat(3, axis=-1))


class Constant(Pooled):
    """Weights that are all 0: a file that was not read."""

    def features(self, x):
        return 0.0 * super().features(x)


class Normalised(AnySize):
    """Normalises where it stands."""

    def look(self, x):
        x -= 0.5
        return super().look(x)


class Zeroed(Pooled):
    """Blanks the corner with its mark."""

    def look(self, x):
        x[:, 0, 0] = 0
        return super().look(x)


class AnyUnits(Pooled):
    """Takes whatever numbers there are for bytes."""

    def look(self, x):
        if x.shape[1:] != self.shape:
            raise ShapeError("pictures of another size")
        return super().look(x.astype(np.uint8))


class AnyShape(Pooled):
    """Fills up with black what is missing."""

    def look(self, x):
        if x.dtype != np.uint8:
            raise ShapeError("no bytes")
        full = np.zeros((len(x), *self.shape), np.uint8)
        full[:, : x.shape[1], : x.shape[2]] = x
        return super().look(full)


class OwnError(Pooled):
    """An assertion in the place of an answer."""

    def look(self, x):
        assert x.dtype == np.uint8
        return super().look(x)


class Changing(Pooled):
    """Another name at every look."""

    looks = 0

    @property
    def name(self):
        type(self).looks += 1
        return f"broken-{self.looks}"


HEAVY = """
from gankit.metrics.cnn import DigitsCnn


class Part(DigitsCnn):
    name = "broken"
"""

HONEST = {"pooled": Pooled, "any size": AnySize}
EXTRACTORS = tuple(
    Broken("extractors", *fault)
    for fault in (
        ("goes by another name", "check_extractor_contract", Renamed),
        ("a name that breaks labels", "check_extractor_contract", Bracketed),
        ("double precision", "check_extractor_contract", Double),
        ("features alone", "check_extractor_contract", Bare),
        ("logits for probabilities", "check_extractor_contract", Logits),
        ("dropout", "check_extractor_sees_the_same_again", Dropout),
        ("weights of its own each time", "check_extractor_sees_the_same_again", Unseeded),
        ("a running mean", "check_extractor_sees_the_same_again", Warming),
        ("statistics of the batch", "check_extractor_sees_each_picture_by_itself", BatchNorm),
        ("sorted", "check_extractor_sees_each_picture_by_itself", Sorted),
        ("over the largest of the batch", "check_extractor_sees_each_picture_by_itself", Scaled),
        ("the upper half", "check_extractor_sees_the_whole_picture", Upper),
        ("red alone", "check_extractor_sees_the_whole_picture", Red),
        ("weights of 0", "check_extractor_sees_the_whole_picture", Constant),
        ("normalises in place", "check_extractor_leaves_pictures_as_they_are", Normalised),
        ("blanks a corner", "check_extractor_leaves_pictures_as_they_are", Zeroed),
        ("takes any numbers for bytes", "check_extractor_refuses_other_pictures", AnyUnits),
        ("takes any size", "check_extractor_refuses_other_pictures", AnyShape),
        ("an error of its own", "check_extractor_refuses_other_pictures", OwnError),
        ("another name each time", "check_extractor_is_in_the_label", Changing),
        ("weights that were not read", "check_extractor_is_in_the_label", Constant),
        ("imports a framework", "check_extractor_imports_no_framework", heavy(HEAVY, '("torch", "jax")')),
        ("imports another", "check_extractor_imports_no_framework", heavy(HEAVY, '("jax", "torch")')),
    )
)
