"""Networks beside what their docstrings say of them, layer by layer: another activation is another network."""

from __future__ import annotations

from collections.abc import Iterable

import pytest

from gankit.config import LABELLED, Part
from gankit.interfaces.values import Choice, Port
from gankit.layers import AsCondition, Layer, Residual, Skip
from gankit.networks.spec import GameSpec
from gankit.plug.making import make

PICTURES = GameSpec((16, 16, 3), 8)
DIGITS = GameSpec((28, 28, 1), 8, sources={LABELLED: Port("image", (28, 28, 1), num_classes=10)})
BESIDE = GameSpec((16, 16, 3), 8, given={"image": Port("image", (16, 16, 3))})
SMALLER = GameSpec((16, 16, 3), 8, given={"image": Port("image", (4, 4, 3))})
ROWS = GameSpec((5,), 8, choices=(Choice(0, 2, (0.5, 0.5)), Choice(2, 5, (0.2, 0.3, 0.5))), bounded=False)
SERIES = GameSpec((16, 2), 8, bounded=False)
LIKE = GameSpec((16, 2), 8, bounded=False, given={"style": Port("vector", (3,))})
HIDDEN = GameSpec((16, 16, 3), 8, given={"image": Port("image", (16, 16, 3)), "mask": Port("mask", (16, 16, 1))})
PARTS = GameSpec((5,), 8, given={"part": Port("part", (5,)), "mask": Port("mask", (5,))}, bounded=False)


def told(layers: Iterable[Layer]) -> str:
    """Each layer's name and sizes, blocks in brackets."""
    return " ".join(one(layer) for layer in layers)


def one(layer: Layer) -> str:
    name = type(layer).__name__
    if isinstance(layer, Residual):
        return f"{name}[{told(layer.main)} | {told(layer.shortcut)}]"
    if isinstance(layer, Skip | AsCondition):
        return f"{name}[{told(layer.inner)}]"
    words = (
        "features",
        "size",
        "stride",
        "slope",
        "keep",
        "factor",
        "kind",
        "method",
        "num_classes",
        "shape",
        "temperature",
    )
    sizes = [str(getattr(layer, word)) for word in words if getattr(layer, word, None) is not None]
    return name + (f"({','.join(sizes)})".replace(" ", "") if sizes else "")


@pytest.mark.parametrize(
    ("kind", "part", "spec", "want"),
    [
        (
            "generators",
            Part("mlp", {"hidden": [7, 9]}),
            PICTURES,
            "Dense(7) Relu Dense(9) Relu Dense(768) Sigmoid Reshape((16,16,3))",
        ),
        (
            "generators",
            Part("mlp", {"hidden": [7], "norm": True}),
            ROWS,
            "Dense(7) BatchNorm Relu Dense(5) Choose(1.0) Reshape((5,))",
        ),
        (
            "discriminators",
            Part("mlp", {"hidden": [7, 9]}),
            PICTURES,
            "Flatten Dense(7) LeakyRelu(0.2) Dense(9) LeakyRelu(0.2) Features Dense(1) Reshape(())",
        ),
        (
            "encoders",
            Part("mlp", {"hidden": [7]}),
            PICTURES,
            "Flatten Dense(7) BatchNorm LeakyRelu(0.2) Dense(8)",
        ),
        (
            "encoders",
            Part("convolutional", {"width": 6, "hidden": 9}),
            PICTURES,
            "Conv(6,4,2) LeakyRelu(0.2) Conv(12,4,2) LeakyRelu(0.2) Flatten Dense(9) BatchNorm LeakyRelu(0.2) Dense(8)",
        ),
        (
            "discriminators",
            Part("k-class"),
            DIGITS,
            "Conv(16,4,2) LeakyRelu(0.2) Conv(32,4,2) LeakyRelu(0.2) Flatten Dropout(0.5) Dense(128) LeakyRelu(0.2) "
            "Features Dropout(0.5) ClassesHead(10)",
        ),
        (
            "discriminators",
            Part("k-class-mlp", {"hidden": [7, 9]}),
            DIGITS,
            "Flatten Dense(7) LeakyRelu(0.2) Dropout(0.5) Dense(9) LeakyRelu(0.2) Features Dropout(0.5) "
            "ClassesHead(10)",
        ),
        (
            "generators",
            Part("super-resolution", {"width": 6, "blocks": 1}),
            SMALLER,
            "TakeCondition((4,4,3)) Residual[Conv(6,3,1) Relu Residual[Conv(6,3,1) Relu Conv(6,3,1) | ] "
            "Conv(24,3,1) PixelShuffle(2) Relu Conv(24,3,1) PixelShuffle(2) Relu Conv(3,3,1) | Upsample(4,bilinear)]",
        ),
        (
            "generators",
            Part("translation", {"width": 6, "blocks": 1, "downsamplings": 1}),
            BESIDE,
            "TakeCondition((16,16,3)) Conv(6,7,1) InstanceNorm Relu Conv(12,4,2) InstanceNorm Relu "
            "Residual[Conv(12,3,1) InstanceNorm Relu Conv(12,3,1) InstanceNorm | ] "
            "ConvTranspose(6,4,2) InstanceNorm Relu Conv(3,7,1) Tanh",
        ),
        (
            "generators",
            Part("u-net", {"width": 6, "depth": 2}),
            BESIDE,
            "TakeCondition((16,16,3)) Skip[Conv(6,4,2) InstanceNorm LeakyRelu(0.2) Skip[Conv(12,4,2) LeakyRelu(0.2) "
            "ConvTranspose(6,4,2) InstanceNorm Relu] ConvTranspose(6,4,2) InstanceNorm Relu] Conv(6,3,1) Relu "
            "Conv(3,3,1) Tanh",
        ),
        (
            "discriminators",
            Part("patches", {"width": 6, "depth": 1, "conditional": False}),
            BESIDE,
            "Conv(6,4,2) LeakyRelu(0.2) Conv(12,3,1) LeakyRelu(0.2) Conv(1,3,1) GlobalPool(mean) Reshape(())",
        ),
        (
            "discriminators",
            Part("patches", {"width": 6, "depth": 1, "whole": True}),
            BESIDE,
            "ConcatCondition((16,16,3)) Conv(6,4,2) LeakyRelu(0.2) Conv(12,3,1) LeakyRelu(0.2) Flatten Features "
            "Dense(1) Reshape(())",
        ),
        (
            "generators",
            Part("tabular", {"hidden": [7, 9]}),
            ROWS,
            "Skip[Dense(7) BatchNorm Relu] Skip[Dense(9) BatchNorm Relu] Dense(5) Choose(0.2)",
        ),
        (
            "discriminators",
            Part("tabular", {"hidden": [7, 9]}),
            ROWS,
            "Dense(7) LeakyRelu(0.2) Dense(9) LeakyRelu(0.2) Features Dense(1) Reshape(())",
        ),
        (
            "generators",
            Part("series", {"width": 6}),
            SERIES,
            "Dense(96) Reshape((4,24)) Relu Conv1d(24,5,1) Reshape((8,12)) Relu Conv1d(12,5,1) Relu "
            "Conv1d(12,5,1) Reshape((16,6)) Relu Conv1d(6,5,1) Relu Conv1d(2,5,1)",
        ),
        (
            "discriminators",
            Part("series", {"width": 6}),
            SERIES,
            "Conv1d(6,5,1) LeakyRelu(0.2) Conv1d(12,5,2) LeakyRelu(0.2) Conv1d(24,5,2) LeakyRelu(0.2) Flatten "
            "Dense(48) LeakyRelu(0.2) Features Dense(1) Reshape(())",
        ),
        (
            "discriminators",
            Part("series", {"width": 6}),
            LIKE,
            "Conv1d(6,5,1) LeakyRelu(0.2) Conv1d(12,5,2) LeakyRelu(0.2) Conv1d(24,5,2) LeakyRelu(0.2) Flatten "
            "ConcatCondition((3,)) Dense(48) LeakyRelu(0.2) Features Dense(1) Reshape(())",
        ),
        (
            "generators",
            Part("completion", {"width": 6, "hidden": 9}),
            HIDDEN,
            "AsCondition[TakeCondition((16,16,3)) ConcatCondition((16,16,1)) Conv(6,4,2) LeakyRelu(0.2) "
            "Skip[Conv(12,4,2) LeakyRelu(0.2) "
            "Skip[Flatten Dense(9) LeakyRelu(0.2) ConcatCondition((8,)) Dense(192) Reshape((4,4,12)) "
            "BatchNorm ConditionAffine((8,)) Relu] "
            "Conv(24,3,1) PixelShuffle(2) BatchNorm ConditionAffine((8,)) Relu] "
            "Conv(12,3,1) PixelShuffle(2) Tanh] KeepKnown",
        ),
        (
            "discriminators",
            Part("completion", {"width": 6, "hidden": 9}),
            HIDDEN,
            "ConcatCondition((16,16,1)) Conv(6,4,2) LeakyRelu(0.2) Conv(12,4,2) LeakyRelu(0.2) Flatten "
            "Dense(9) LeakyRelu(0.2) Features Dense(1) Reshape(())",
        ),
        (
            "generators",
            Part("completion", {"hidden": 9}),
            PARTS,
            "ConcatCondition((5,)) ConcatCondition((5,)) Dense(9) BatchNorm Relu Dense(9) BatchNorm Relu Dense(5) "
            "KeepKnown",
        ),
        (
            "discriminators",
            Part("completion", {"hidden": 9}),
            PARTS,
            "ConcatCondition((5,)) Dense(9) LeakyRelu(0.2) Dense(9) LeakyRelu(0.2) Features Dense(1) Reshape(())",
        ),
    ],
    ids=lambda value: f"{value.name}" if isinstance(value, Part) else "",
)
def test_a_network_is_what_it_says(kind: str, part: Part, spec: GameSpec, want: str) -> None:
    assert told(make(kind, part, spec)) == want
