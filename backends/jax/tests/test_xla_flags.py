"""XLA is told what gankit promises on GPUs, unless somebody told it otherwise."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest
from gankit_jax import backend
from gankit_jax.backend import GPU_FLAGS, tell_xla


@pytest.fixture
def with_cuda(monkeypatch):
    monkeypatch.setattr(backend, "find_spec", lambda name: object() if name == "jax_cuda13_plugin" else None)
    monkeypatch.setattr(backend.jax, "__version_info__", (0, 11, 2))


def test_a_gpu_is_asked_for_the_same_numbers_every_time(with_cuda, monkeypatch):
    monkeypatch.delenv("XLA_FLAGS", raising=False)
    tell_xla()
    assert "--xla_gpu_deterministic_ops=true" in os.environ["XLA_FLAGS"].split()
    told = os.environ["XLA_FLAGS"]
    tell_xla()
    assert os.environ["XLA_FLAGS"] == told, "once"


def test_flags_of_the_users_stay_as_they_are(with_cuda, monkeypatch):
    monkeypatch.setenv("XLA_FLAGS", "--xla_gpu_deterministic_ops=false --xla_cpu_enable_fast_math=false")
    tell_xla()
    flags = os.environ["XLA_FLAGS"].split()
    assert flags[:2] == ["--xla_gpu_deterministic_ops=false", "--xla_cpu_enable_fast_math=false"]
    assert len(flags) == 2 + len(GPU_FLAGS) - 1


def test_without_a_gpu_or_with_an_old_jax_nothing_is_set(with_cuda, monkeypatch):
    monkeypatch.delenv("XLA_FLAGS", raising=False)
    monkeypatch.setattr(backend.jax, "__version_info__", (0, 9, 9))
    tell_xla()
    monkeypatch.setattr(backend.jax, "__version_info__", (0, 11, 2))
    monkeypatch.setattr(backend, "find_spec", lambda name: None)
    tell_xla()
    assert "XLA_FLAGS" not in os.environ


def test_xla_knows_these_flags():
    """One that it does not know ends the process."""
    flags = " ".join(f"{name}={value}" for name, value in GPU_FLAGS.items())
    program = "import jax; assert float(jax.jit(lambda x: x + 1)(1.0)) == 2"
    environment = {**os.environ, "XLA_FLAGS": flags, "JAX_PLATFORMS": "cpu"}
    done = subprocess.run([sys.executable, "-c", program], env=environment, capture_output=True, text=True)
    if backend.jax.__version_info__ >= (0, 10):
        assert done.returncode == 0, done.stderr
