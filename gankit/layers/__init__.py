"""The layers that networks are made of. A layer is plain data, with shape inference and initial values.

A network is a tuple of layers. The core infers the shapes and draws the initial values. A backend turns each layer into
a native module, except `Portable` layers, whose mathematics is written here once. Shapes leave out the batch axis.
Images are (height, width, channels). Kernels have the canonical layout (see `gankit.initializers`), which checkpoints
store too.
"""

from gankit.layers.activations import LeakyRelu, MaxPieces, Relu, Sigmoid, Tanh, output_range
from gankit.layers.base import (
    Layer,
    Layers,
    Parameter,
    Placed,
    Portable,
    Shape,
    buffers,
    condition_of,
    conditions_of,
    draw,
    end_shape,
    parameters,
    place,
)
from gankit.layers.choices import Choose, KeepColumn, Pack, Unpack
from gankit.layers.composite import AsCondition, MinibatchStddev, Residual, Skip, SpectralNorm, largest_singular_value
from gankit.layers.conditioning import (
    ClassesHead,
    ClassHead,
    ConcatEmbedding,
    ConcatLabels,
    LabelAffine,
    ProjectionHead,
    conditional_batch_norm,
)
from gankit.layers.convolution import Conv, ConvTranspose
from gankit.layers.dense import Dense, Dropout, Maxout
from gankit.layers.given import ConcatCondition, ConditionAffine, KeepKnown, TakeCondition
from gankit.layers.normalization import (
    BatchNorm,
    InstanceNorm,
    LayerNorm,
    require_several,
)
from gankit.layers.resampling import AvgPool, Downsample, GlobalPool, MaxPool, Upsample
from gankit.layers.series import Conv1d
from gankit.layers.shaping import Bias, Features, Flatten, PixelShuffle, ReflectionPad, Reshape

__all__ = [
    "AsCondition",
    "AvgPool",
    "BatchNorm",
    "Bias",
    "Choose",
    "ClassHead",
    "ClassesHead",
    "ConcatCondition",
    "ConcatEmbedding",
    "ConcatLabels",
    "ConditionAffine",
    "Conv",
    "Conv1d",
    "ConvTranspose",
    "Dense",
    "Downsample",
    "Dropout",
    "Features",
    "Flatten",
    "GlobalPool",
    "InstanceNorm",
    "KeepColumn",
    "KeepKnown",
    "LabelAffine",
    "Layer",
    "LayerNorm",
    "Layers",
    "LeakyRelu",
    "MaxPieces",
    "MaxPool",
    "Maxout",
    "MinibatchStddev",
    "Pack",
    "Parameter",
    "PixelShuffle",
    "Placed",
    "Portable",
    "ProjectionHead",
    "ReflectionPad",
    "Relu",
    "Reshape",
    "Residual",
    "Shape",
    "Sigmoid",
    "Skip",
    "SpectralNorm",
    "TakeCondition",
    "Tanh",
    "Unpack",
    "Upsample",
    "buffers",
    "condition_of",
    "conditional_batch_norm",
    "conditions_of",
    "draw",
    "end_shape",
    "largest_singular_value",
    "output_range",
    "parameters",
    "place",
    "require_several",
]
