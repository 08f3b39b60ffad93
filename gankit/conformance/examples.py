"""An example or more of every layer record: odd sizes, strides that leave pixels over, images that are not square."""

from __future__ import annotations

from typing import NamedTuple

from gankit.interfaces.values import Choice
from gankit.layers import (
    AsCondition,
    AvgPool,
    BatchNorm,
    Bias,
    Choose,
    ClassesHead,
    ClassHead,
    ConcatCondition,
    ConcatEmbedding,
    ConcatLabels,
    ConditionAffine,
    Conv,
    Conv1d,
    ConvTranspose,
    Dense,
    Downsample,
    Dropout,
    Features,
    Flatten,
    GlobalPool,
    InstanceNorm,
    KeepColumn,
    KeepKnown,
    LabelAffine,
    LayerNorm,
    Layers,
    LeakyRelu,
    Maxout,
    MaxPieces,
    MaxPool,
    MinibatchStddev,
    Pack,
    PixelShuffle,
    ProjectionHead,
    ReflectionPad,
    Relu,
    Reshape,
    Residual,
    Shape,
    Sigmoid,
    Skip,
    SpectralNorm,
    TakeCondition,
    Tanh,
    Unpack,
    Upsample,
    conditional_batch_norm,
)

CLASSES = 3
TABLE = (Choice(1, 3, (0.5, 0.5), position=0, modes=2), Choice(3, 6, (0.2, 0.3, 0.5)))
"""Of a row: the modes of a number, which comes first, and a column of categories."""


class Example(NamedTuple):
    """A row of records, mostly of one, the shape of its input, and how many classes its labels are drawn from."""

    row: Layers
    shape: Shape
    classes: int = CLASSES


def _one(*examples: tuple[object, Shape]) -> tuple[Example, ...]:
    return tuple(Example((record,), shape) for record, shape in examples)  # type: ignore[arg-type]


VECTORS = _one(
    (Dense(5), (3,)),
    (Dense(1), (7,)),
    (Dense(4, bias=None), (1,)),
    (Maxout(3, 2), (5,)),
    (Maxout(2, 5, bias=None), (3,)),
    (Maxout(4, 1), (3,)),
    (Dropout(0.7), (6,)),
)

ELEMENTWISE = _one(
    (Relu(), (3, 5, 2)),
    (LeakyRelu(), (5,)),
    (LeakyRelu(0.01), (1, 3)),
    (Sigmoid(), (5,)),
    (Tanh(), (3, 5, 2)),
    (MaxPieces(2), (3, 2, 4)),
    (MaxPieces(3), (6,)),
)

SHAPING = _one(
    (Flatten(), (3, 5, 2)),
    (Flatten(), (7,)),
    (Reshape((2, 3)), (6,)),
    (Reshape((7, 1, 3)), (21,)),
    (Reshape(()), (1,)),
    (PixelShuffle(2), (2, 3, 8)),
    (PixelShuffle(3), (1, 2, 9)),
    (ReflectionPad(), (2, 3, 2)),
    (ReflectionPad(2), (4, 3, 1)),
    (Bias(), (2, 3, 2)),
    (Bias(), (4,)),
    (Features(), (3,)),
)

CONVOLUTIONS = _one(
    (Conv(6, 3, 2, groups=2), (4, 5, 4)),
    (Conv(4, 3), (4, 3, 2)),
    (Conv(3, 4, 2), (6, 4, 2)),
    (Conv(3, 3, 2), (5, 6, 2)),  # the last column is left over
    (Conv(2, 1, bias=None), (2, 3, 5)),
    (Conv(4, 2, padding=0, groups=4, bias=None), (2, 3, 4)),  # a group to each channel
    (Conv(3, 1, 2), (3, 4, 2)),  # a window of one pixel that leaves pixels out
    (Conv(6, 1, groups=2), (2, 3, 4)),
    (Conv(4, 1, 2, groups=2, bias=None), (4, 3, 2)),
    (Conv(2, 5, padding=4), (2, 1, 1)),  # windows wholly beyond the border
    (Conv(2, 3, 3, padding=0), (4, 7, 1)),
    (ConvTranspose(3), (3, 2, 2)),
    (ConvTranspose(2, 5, 3, padding=0, bias=None), (2, 3, 3)),
    (ConvTranspose(1, 3, 1), (2, 4, 2)),
    (ConvTranspose(2, 3, 2), (3, 3, 1)),
    (ConvTranspose(2, 2, 3), (2, 2, 2)),  # patches that do not touch
    (Conv1d(3), (5, 2)),
    (Conv1d(2, 4, 2, bias=None), (7, 3)),
    (Conv1d(2, 3, 2, padding=0, dilation=2), (8, 1)),
    (Conv1d(1, 1), (1, 4)),
    (Conv1d(3, 1, 2), (5, 2)),
)

RESAMPLING = _one(
    (AvgPool(), (4, 2, 3)),
    (AvgPool(3), (3, 6, 1)),
    (MaxPool(), (4, 6, 2)),
    (MaxPool(3, 2), (5, 4, 2)),  # the last column's windows reach beyond the border
    (MaxPool(4, 2), (3, 7, 1)),
    (MaxPool(2, 1), (3, 2, 2)),
    (GlobalPool(), (3, 2, 4)),
    (GlobalPool("mean"), (2, 3, 2)),
    (Upsample(), (2, 3, 2)),
    (Upsample(3), (1, 2, 2)),
    (Upsample(2, "bilinear"), (3, 2, 2)),
    (Upsample(3, "bilinear"), (2, 1, 1)),
    (Downsample(), (4, 6, 2)),
    (Downsample(3), (3, 6, 2)),
    (Downsample(4), (4, 8, 1)),
    (Downsample(2, "nearest"), (4, 2, 2)),
)

NORMS = (
    *_one(
        (BatchNorm(), (3,)),
        (BatchNorm(momentum=0.7, eps=1e-3), (2, 3, 2)),
        (BatchNorm(scale=None, bias=None), (2, 1, 3)),
        (BatchNorm(), (5, 3)),  # a series: steps, then channels
        (BatchNorm(momentum=0.6), (4, 4)),  # as many of the one as of the other
        (InstanceNorm(), (3, 2, 2)),
        (InstanceNorm(eps=1e-2, scale=None, bias=None), (1, 4, 3)),
        (InstanceNorm(), (5, 2)),
        (LayerNorm(), (3, 2, 2)),
        (LayerNorm(eps=1e-2), (5,)),
        (LayerNorm(), (5, 3)),
        (SpectralNorm(Dense(4)), (3,)),
        (SpectralNorm(Conv(4, 3, 2, groups=2)), (4, 3, 4)),
        (SpectralNorm(ConvTranspose(2, bias=None)), (2, 3, 3)),
        (SpectralNorm(ProjectionHead(CLASSES)), (4,)),
        (SpectralNorm(Conv1d(3)), (4, 2)),
        (MinibatchStddev(), (2, 3, 2)),
        (MinibatchStddev(3), (1, 2, 2)),
    ),
)

LABELS = (
    *_one(
        (ConcatLabels(CLASSES), (4,)),
        (ConcatLabels(CLASSES), (2, 3, 2)),
        (ConcatLabels(CLASSES), (5, 2)),
        (ConcatEmbedding(CLASSES, 2), (3,)),
        (ConcatEmbedding(CLASSES, 4), (3, 2, 1)),
        (LabelAffine(CLASSES), (4,)),
        (LabelAffine(CLASSES), (2, 3, 2)),
        (LabelAffine(CLASSES), (4, 4)),
        (ProjectionHead(CLASSES), (4,)),
        (ClassHead(CLASSES), (4,)),
        (ClassesHead(CLASSES), (4,)),
    ),
    Example((ConcatLabels(1),), (1,), 1),
    *_one(
        (ConcatCondition("vector", (2,)), (3,)),
        (ConcatCondition("vector", (2,)), (2, 3, 2)),
        (ConcatCondition("image", (2, 3, 2)), (4,)),
        (ConcatCondition("image", (2, 3, 2)), (2, 3, 1)),
        (ConcatCondition("image", (4, 3, 1)), (2, 6, 2)),
        (ConcatCondition("image", (2, 6, 2)), (6, 2, 1)),
        (ConditionAffine("vector", (3,)), (4,)),
        (ConditionAffine("vector", (2,)), (2, 3, 2)),
        (ConditionAffine("vector", (2,)), (5, 3)),
        (TakeCondition("image", (2, 3, 2)), (4,)),
        (TakeCondition("image", (2, 3, 2), beside=True), (4,)),
        (Skip((ConcatCondition("image", (4, 2, 1)), Conv(2))), (2, 4, 2)),
        (KeepKnown(), (2, 3, 2)),
        (AsCondition((Dense(3), ConditionAffine("z", (4,)), Dense(2), ConcatCondition("z", (4,)))), (4,)),
        (AsCondition((TakeCondition("image", (2, 3, 2)), BatchNorm(), ConditionAffine("v", (4,))), "v"), (4,)),
    ),
    *_one(
        (Choose(TABLE, temperature=0.5), (6,)),
        (Choose(TABLE, "chance"), (6,)),
        (KeepColumn(TABLE[1:]), (6,)),
    ),
    Example((Pack(2), Dense(1), Reshape(()), Unpack(2)), (3,)),
    Example(conditional_batch_norm(CLASSES), (2, 2, 3)),
    Example((Dense(4), Features(), LeakyRelu(), Features(), ClassHead(CLASSES)), (3,)),
)

BLOCKS = (
    *_one(
        (Residual((Conv(2), LeakyRelu(), Conv(2, bias=None))), (3, 4, 2)),
        (Residual((BatchNorm(), Relu(), Conv(3, 3, 2)), (AvgPool(), SpectralNorm(Conv(3, 1)))), (4, 2, 2)),
        (Residual((ConcatLabels(CLASSES), Dense(4))), (4,)),
        (Residual((Dense(3),), (ConcatLabels(CLASSES), Dense(3))), (4,)),  # the condition on the shortcut alone
        (Residual((Conv(2),), (ConcatCondition("vector", (2,)), Conv(2, 1))), (3, 2, 2)),
        (Skip((Conv(3, 4, 2), Relu(), Skip((Conv(2), BatchNorm())), ConvTranspose(2))), (4, 2, 2)),
        (Skip((ConcatLabels(CLASSES), Dense(2))), (3,)),
    ),
    Example((Conv(4, bias=None), MaxPieces(2), MaxPool(), Flatten(), Dense(1), Reshape(())), (5, 4, 1)),
)

EXAMPLES: tuple[Example, ...] = (
    *VECTORS,
    *ELEMENTWISE,
    *SHAPING,
    *CONVOLUTIONS,
    *RESAMPLING,
    *NORMS,
    *LABELS,
    *BLOCKS,
    Example((Conv(3, 2, padding=3),), (2, 3, 2)),  # more than one window wholly beyond each border
)
