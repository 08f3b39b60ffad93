"""Broken parts, broken installs, no network: the rest works, and says what does not."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import textwrap
import time
from pathlib import Path

from tests.broken_plugins import BROKEN, Site
from tests.cli_runner import COMMAND, Cli, run
from tests.faults.conftest import BACKENDS, Counting
from tests.faults.processes import SMALL

ROOT = Path(__file__).parents[2]
BEHAVIOURS = {
    "exits in a step": ("raise SystemExit(0)", "tried to end the program"),
    "exits with text": ("raise SystemExit('bye')", "tried to end the program"),
    "a generator's end": ("raise GeneratorExit", "tried to end the program"),
    "an error": ("raise ValueError('mine')", "mine"),
    "a pair": ("return (1, 2)", ""),
    "nothing": ("return None", ""),
}


def python(*arguments: str, path: Path, cwd: Path, **more: str) -> subprocess.CompletedProcess[str]:
    env = {key: value for key, value in os.environ.items() if not key.startswith("GANKIT_")}
    env |= {"PYTHONPATH": f"{path}{os.pathsep}{os.environ.get('PYTHONPATH', '')}{os.pathsep}{ROOT}", **more}
    return subprocess.run([*arguments], cwd=cwd, env=env, capture_output=True, text=True, timeout=120)


def test_28_a_loss_that_breaks_in_a_step_ends_in_an_error(tmp_path: Path, counting: Counting) -> None:
    count = counting(28, len(BEHAVIOURS), None, "in a step")
    (tmp_path / "site").mkdir()
    site = Site(tmp_path / "site")
    for i, (body, _) in enumerate(BEHAVIOURS.values()):
        code = f"""
            class Bad:
                name = "bad-{i}"
                generator_needs_real = False
                def discriminator(self, ops, real, fake):
                    {body}
                def generator(self, ops, real, fake):
                    {body}
        """
        site.write(f"bad_parts_{i}", textwrap.dedent(code))
        hook = f'@hookimpl\ndef gankit_losses():\n    yield Entry(name="bad-{i}", target="bad_parts_{i}:Bad", api=1)\n'
        site.install(f"gankit-bad-{i}", hook)
    for i, (body, message) in enumerate(BEHAVIOURS.values()):
        command = ["train", "--data", "ring", *SMALL, "--loss", f"bad-{i}", "--steps", "10", "--out", f"run-{i}"]
        done = python(*COMMAND, *command, path=site.folder, cwd=tmp_path)
        assert done.returncode != 0 and message in done.stderr, (body, done.returncode, done.stderr[-500:])
        count()


def test_28_interrupts_and_exits_of_plugins_stop_no_command(tmp_path: Path, counting: Counting) -> None:
    (tmp_path / "site").mkdir()
    site = Site(tmp_path / "site")
    codes = {name: code for name, (code, _) in BROKEN.items() if name != "built-in-name"} | {
        "interrupt": "raise KeyboardInterrupt"
    }
    for name, code in codes.items():
        site.install(f"gankit-broken-{name}", code)
    count = counting(28, len(codes), None, "at import")
    done = python(*COMMAND, "plugins", "--json", path=site.folder, cwd=tmp_path)
    assert done.returncode == 0, done.stderr[-500:]
    problems = " ".join(map(json.dumps, json.loads(done.stdout)["problems"]))
    for name in codes:
        assert f"gankit-broken-{name}" in problems, name
        count()


def test_29_any_install_imports_helps_lists_and_examines(tmp_path: Path, counting: Counting) -> None:
    """None, one, a broken one, all: by a finder that hides or breaks what is installed."""
    count = counting(29, 4)
    commands = (["--help"], ["plugins"], ["doctor"])
    hide = (
        "import sys, importlib.metadata as m\n"
        "class Finder:\n"
        "    def find_spec(self, name, path=None, target=None):\n"
        "        if name.split('.')[0] in {hidden}: raise ImportError(name + ' is broken')\n"
        "sys.meta_path.insert(0, Finder())\n"
        "real = m.distributions\n"
        "from gankit.cli import main; main()"
    )
    worlds = {
        "none": ["torch", "jax", "mlx", "gankit_torch", "gankit_jax", "gankit_mlx"],
        "one": ["jax", "mlx", "gankit_jax", "gankit_mlx"],
        "broken": ["torch"],
        "all": [],
    }
    for name, hidden in worlds.items():
        for command in commands:
            begun = time.perf_counter()
            done = python(sys.executable, "-c", hide.format(hidden=hidden), *command, path=tmp_path, cwd=tmp_path)
            assert "Traceback" not in done.stderr, (name, command, done.stderr[-800:])
            assert done.returncode in (0, 1), (name, command, done.returncode)
            if command == ["--help"]:
                assert time.perf_counter() - begun < 10
        count()


def test_30_nothing_needs_the_network(tmp_path: Path, counting: Counting) -> None:
    count = counting(30, len(BACKENDS))
    code = (
        "import socket\n"
        "def no(*a, **k): raise AssertionError('the network was asked')\n"
        "socket.socket.connect = socket.getaddrinfo = socket.create_connection = no\n"
        "from gankit.cli import main; main()"
    )
    for backend in BACKENDS:
        command = ["demo", "--backend", backend, "--steps", "20", "--out", backend]
        done = python(sys.executable, "-c", code, *command, path=tmp_path, cwd=tmp_path)
        assert done.returncode == 0 and "asked" not in done.stderr, done.stderr[-800:]
        assert (tmp_path / backend / "samples.png").is_file()
        count()


def test_a_player_larger_than_memory_is_refused_before_it_is_made(cli: Cli, tmp_path: Path) -> None:
    code, _, err = cli("train", "--set", "generator.hidden=[1000000000]", "--steps", "3", "--out", "big")
    assert code == 2 and "'mlp' (generator) would have 97,000,000,064 parameters" in err
    assert not (tmp_path / "big").exists()


def test_a_damaged_latest_is_one_line_that_names_both(cli: Cli, tmp_path: Path) -> None:
    assert cli("train", "--steps", "20", "--checkpoint-every", "10", "--out", "run").code == 0
    path = tmp_path / "run" / "checkpoints" / "step-000020.safetensors"
    content = bytearray(path.read_bytes())
    content[-100] ^= 1
    path.write_bytes(content)
    found = run("sample", "run", "--n", "2", "--out", "x.npz", cwd=tmp_path)
    assert found.code == 0 and len(found.err.strip().splitlines()) == 1
    assert found.err.startswith("CheckpointWarning: ") and path.name in found.err and "step-000010" in found.err
