"""Several devices that share each minibatch compute what one would, in one process or in two; on virtual CPUs."""

import json
import os
import subprocess
import sys
from pathlib import Path

import jax
import numpy as np
import pytest
from gankit_jax.mesh import Devices, join_hosts

import gankit
from gankit import checkpoint
from gankit.errors import ConfigError, DeviceError
from tests.backends.workers import GAMES, SMALL, build, evaluated, free_port, from_a_file, states

STEPS, BOUND = 20, 1e-9
PLAYED = {name: GAMES[name] for name in ("gradient penalty, k", "batch norm, accumulated")}
TWO = "--xla_force_host_platform_device_count=2"


def environment(**more):
    return {**os.environ, "XLA_FLAGS": TWO, "JAX_PLATFORMS": "cpu", "OMP_NUM_THREADS": "1", **more}


def play_on_two(folder):
    """What the other process does: the games on both devices, and what cannot be."""
    np.savez(f"{folder}/two.npz", **states("jax", STEPS, PLAYED, devices="all"))
    trainer = build("jax", SMALL, devices="all")
    d = trainer._feed(None).chunk(0, 1).batches.discriminator
    assert d.z.addressable_data(0).shape[2] == SMALL["batch_size"] // 2, "each device has its half of the minibatch"
    assert trainer.backend.device == "2 of cpu"
    devices, real = set(), Devices.alone

    def alone(self, arguments):
        found = real(self, arguments)
        devices.update(*(x.devices() for x in jax.tree.leaves(found)))
        return found

    Devices.alone = alone
    values, _ = evaluated(Path(folder) / "digits.safetensors", devices="all")
    assert devices == set(jax.local_devices()), "each device has its share of the samples"
    (Path(folder) / "evaluated.json").write_text(json.dumps(values))
    with pytest.raises(ConfigError, match="cannot be shared by 2 workers"):
        build("jax", SMALL, devices=2, batch_size=9)
    with pytest.raises(DeviceError, match="JAX has 2 of 'cpu' here"):
        build("jax", SMALL, devices=5)
    with pytest.raises(ConfigError, match="a number of devices, or 'all'"):
        build("jax", SMALL, devices="every")


def test_two_devices_compute_what_one_would(tmp_path):
    gankit.build("jax", **{**SMALL, "data": "digits"}).fit(steps=5).save(tmp_path / "digits")
    code = f"from backends.jax.tests.test_several_devices import play_on_two; play_on_two({str(tmp_path)!r})"
    options = {"capture_output": True, "text": True, "timeout": 300, "cwd": Path(__file__).parents[3]}
    done = subprocess.run([sys.executable, "-c", code], env=environment(), **options)
    assert done.returncode == 0, done.stderr
    assert json.loads((tmp_path / "evaluated.json").read_text()) == evaluated(tmp_path / "digits.safetensors")[0]
    want = states("jax", STEPS, PLAYED)
    with np.load(tmp_path / "two.npz") as found:
        assert {*found.files} == want.keys()
        apart = {name: float(np.abs(found[name] - x).max(initial=0.0)) for name, x in want.items()}
    worst = max(apart, key=apart.get)
    assert apart[worst] <= BOUND, f"{worst} differs by {apart[worst]:.1e}"


def test_two_processes_of_two_devices_play_one_run(tmp_path):
    meeting = f"127.0.0.1:{free_port()}"
    train = [sys.executable, "-m", "gankit", "train", "--backend", "jax", "--data", "ring", "--dtype", "float64"]
    train += ["--set", "generator.hidden=[8]", "--set", "discriminator.hidden=[8]", "--steps", "10", "--log-every", "5"]

    def start(out, *more, **told):
        pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
        return subprocess.Popen([*train, "--out", out, *more], env=environment(**told), cwd=tmp_path, **pipes)

    told = {"JAX_COORDINATOR_ADDRESS": meeting, "JAX_NUM_PROCESSES": "2"}
    processes = [start("two", "--devices", "all", **told, JAX_PROCESS_ID=str(rank)) for rank in range(2)]
    for process in (*processes, start("one")):
        out, err = process.communicate(timeout=300)
        assert process.returncode == 0, out + err
    env = json.loads((tmp_path / "two" / "env.json").read_text())
    assert (env["workers"], env["hosts"]) == (4, 2)
    evaluate = [sys.executable, "-m", "gankit", "evaluate", "two", "--n", "1100"]
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True, "cwd": tmp_path}
    told["JAX_COORDINATOR_ADDRESS"] = f"127.0.0.1:{free_port()}"
    numbers = []
    for more, count in (([], 1), (["--devices", "all"], 2)):
        environments = [environment(**(told if more else {}), JAX_PROCESS_ID=str(rank)) for rank in range(count)]
        processes = [subprocess.Popen([*evaluate, *more], env=env, **pipes) for env in environments]
        outputs = [process.communicate(timeout=300) for process in processes]
        assert all(process.returncode == 0 for process in processes), outputs
        said = [[line for line in out.splitlines() if not line.startswith("[Gloo]")] for out, _ in outputs]
        assert said[0] and not any(said[1:]), "the first one speaks"
        numbers.append((tmp_path / "two" / "metrics.json").read_text())
    assert numbers[0] == numbers[1]
    one, two = (checkpoint.opened(tmp_path / name)[1] for name in ("one", "two"))
    assert max(float(np.abs(two[name] - x).max(initial=0.0)) for name, x in one.items()) <= BOUND


def read_from_a_file(folder):
    """What each of two processes of two devices does."""
    state, rows = from_a_file("jax", Path(folder), devices="all")
    np.savez(f"{folder}/{jax.process_index()}.npz", rows=rows, **state)


def test_a_process_reads_the_rows_of_its_devices(tmp_path):
    code = f"from backends.jax.tests.test_several_devices import read_from_a_file; read_from_a_file({str(tmp_path)!r})"
    told = {"JAX_COORDINATOR_ADDRESS": f"127.0.0.1:{free_port()}", "JAX_NUM_PROCESSES": "2"}
    options = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True, "cwd": Path(__file__).parents[3]}
    processes = [
        subprocess.Popen([sys.executable, "-c", code], env=environment(**told, JAX_PROCESS_ID=str(rank)), **options)
        for rank in range(2)
    ]
    for process in processes:
        out, err = process.communicate(timeout=300)
        assert process.returncode == 0, out + err
    want, rows = from_a_file("jax", tmp_path)
    assert rows == 3 * SMALL["batch_size"] * 2, "three steps of two minibatches"
    for rank in range(2):
        with np.load(tmp_path / f"{rank}.npz") as found:
            assert found["rows"] == rows // 2
            assert all(np.abs(found[name] - x).max(initial=0.0) <= BOUND for name, x in want.items())


def test_hosts_are_met_only_where_the_environment_names_them(monkeypatch):
    asked = []
    monkeypatch.setattr("jax.distributed.initialize", lambda **told: asked.append(told))
    names = ("JAX_COORDINATOR_ADDRESS", "JAX_NUM_PROCESSES", "JAX_PROCESS_ID", "SLURM_STEP_NUM_TASKS")
    for name in (*names, "OMPI_COMM_WORLD_SIZE", "TPU_WORKER_HOSTNAMES"):
        monkeypatch.delenv(name, raising=False)
    join_hosts()
    assert asked == []
    for name, value in zip(names, ("10.0.0.1:1234", "4", "3", "8"), strict=True):
        monkeypatch.setenv(name, value)
    join_hosts()
    monkeypatch.delenv("JAX_COORDINATOR_ADDRESS")
    join_hosts()
    assert asked == [{"num_processes": 4, "process_id": 3}, {}]
