"""The device is a parameter everywhere; tried on several virtual CPU devices, which only a fresh process can make."""

import os
import subprocess
import sys

CODE = """
import jax, numpy as np, gankit
here = gankit.build("jax", "cgan", device="cpu").fit(steps=20)
there = gankit.build("jax", "cgan", device="cpu:2").fit(steps=20)
devices = {device for leaf in jax.tree.leaves(there._state) for device in leaf.devices()}
assert devices == {jax.devices("cpu")[2]}, devices
assert np.array_equal(here.sample(30), there.sample(30)), "the device changes no number"
there.save("game")
assert gankit.load("game", device="cpu:1").fit(steps=2).backend.device == str(jax.devices("cpu")[1])
try:
    gankit.build("jax", device="cpu:7")
except gankit.DeviceError as error:
    assert "'cpu:0', 'cpu:1', 'cpu:2'" in str(error), error
else:
    raise AssertionError("cpu:7 does not exist")
"""


def test_a_game_lives_on_the_device_it_was_given(tmp_path):
    environment = {**os.environ, "XLA_FLAGS": "--xla_force_host_platform_device_count=3"}
    done = subprocess.run([sys.executable, "-c", CODE], cwd=tmp_path, env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
