"""One device, one dtype: what is declared where, and what is said of a device that is not there."""

import mlx.core as mx
import numpy as np
import pytest
from gankit_mlx.backend import MlxBackend, find_device

import gankit
from gankit.errors import CapabilityError
from gankit.plug.capabilities import FLOAT64

GPUS = mx.device_count(mx.gpu)


def test_float64_is_declared_on_the_cpu():
    backend = MlxBackend(device="cpu", dtype="float64")
    assert backend.device == "cpu:0"
    assert FLOAT64 in backend.capabilities


@pytest.mark.skipif(not GPUS, reason="no GPU here")
def test_float64_is_not_declared_on_a_gpu():
    assert FLOAT64 not in MlxBackend(device="gpu").capabilities


def test_auto_is_the_gpu_where_there_is_one_and_the_cpu_for_float64():
    assert find_device("auto", "float32")[0] == ("gpu:0" if GPUS else "cpu:0")
    assert find_device("auto", "float64")[0] == "cpu:0"


@pytest.mark.parametrize("name", ["cuda", "cpu:7", "tpu:0"])
def test_a_device_that_is_not_here_is_refused_in_words(name):
    with pytest.raises(gankit.DeviceError, match=f"MLX has no device '{name}' here. Possible: 'auto', .*'cpu:0'."):
        gankit.build("mlx", device=name)


@pytest.mark.parametrize("precision", ["tf32", "bfloat16"])
def test_a_precision_that_it_does_not_have_is_refused_in_words(precision):
    with pytest.raises(CapabilityError, match=f"needs {precision}, which the mlx backend does not have on cpu:0"):
        gankit.build("mlx", device="cpu", precision=precision)


def test_the_versions_are_those_of_mlx():
    assert MlxBackend().versions == {"mlx": mx.__version__}


def test_numpy_of_either_width_takes_the_dtype_of_the_game():
    for dtype in ("float32", "float64"):
        ops = MlxBackend(device="cpu", dtype=dtype).ops
        for given in (np.float32, np.float64):
            assert ops.to_numpy(ops.asarray(np.array([0.1], given))).dtype == dtype
    assert ops.asarray(np.array([0.1])).item() == 0.1  # MLX's own conversion would take float64 for float32
