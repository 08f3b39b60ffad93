"""A game that was compiled once starts quickly in the next process, and nobody's own cache is touched."""

import os
import subprocess
import sys

import numpy as np
import pytest

import gankit

CODE = """
import gankit, jax
gankit.build("jax").fit(steps=1)
print(jax.config.jax_compilation_cache_dir)
"""


def play(**environment):
    env = {**os.environ, **{name: str(value) for name, value in environment.items()}}
    return subprocess.run([sys.executable, "-c", CODE], capture_output=True, text=True, env=env, check=True)


def programs(folder):
    return {path.name for path in folder.rglob("*-cache")}


def test_programs_are_kept_and_used_again(tmp_path):
    first = play(XDG_CACHE_HOME=tmp_path)
    kept = programs(tmp_path / "gankit" / "jax")
    assert kept and first.stdout.strip() == str(tmp_path / "gankit" / "jax")
    play(XDG_CACHE_HOME=tmp_path)
    assert programs(tmp_path) == kept, "compiled anew"


def test_a_folder_of_the_user_s_own_stays_theirs(tmp_path):
    play(XDG_CACHE_HOME=tmp_path / "home", JAX_COMPILATION_CACHE_DIR=tmp_path / "own")
    assert not programs(tmp_path / "home")


def test_it_can_be_switched_off(tmp_path):
    assert play(XDG_CACHE_HOME=tmp_path, JAX_ENABLE_COMPILATION_CACHE="false").stdout.strip() == "None"


@pytest.mark.skipif(sys.platform != "linux", reason="where cache folders lie is the platform's")
def test_a_home_that_cannot_be_written_to_is_no_obstacle(tmp_path):
    (tmp_path / "file").write_text("")
    done = play(XDG_CACHE_HOME=tmp_path / "file")
    assert done.stdout.strip() == "None" and "Error" not in done.stderr


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux limits the areas, and lists them in /proc")
def test_programs_of_games_that_are_gone_do_not_fill_the_memory_map(tmp_path, monkeypatch):
    """XLA crashes where it is full, after some 270 small games in a process."""
    from gankit_jax import backend

    def areas():
        return len(backend.AREAS.read_bytes().splitlines())

    small = {"data": "ring", "discriminator": {"hidden": [8]}}
    kept = gankit.build("jax", generator={"hidden": [9]}, **small).fit(steps=2)
    sample = kept.sample(4, seed=1)
    for width in range(10, 13):
        gankit.build("jax", generator={"hidden": [width]}, **small).fit(steps=2)
    before = areas()
    (tmp_path / "most").write_text(f"{2 * before + 1000}\n")
    monkeypatch.setattr(backend, "MOST_AREAS", tmp_path / "most")
    gankit.build("jax", **small)
    assert areas() >= before, "there is room"
    (tmp_path / "most").write_text(f"{2 * before - 1000}\n")
    gankit.build("jax", **small)
    assert areas() < before - 500
    assert np.array_equal(kept.sample(4, seed=1), sample) and kept.fit(steps=1).steps_done == 3
