"""Data from anybody: read, or refused in one line; nothing in it is executed or fetched, or fills the memory."""

from __future__ import annotations

import contextlib
import gzip
import io
import json
import os
import pickle
import random
import resource
import struct
import subprocess
import sys
import tarfile
import time
import zipfile
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

import gankit
from gankit import checkpoint
from gankit.config import Config
from gankit.data.idx import read_idx
from gankit.data.sources import open_data
from gankit.report import write
from gankit.runs.folder import Run
from tests.cli_runner import Cli
from tests.faults.conftest import Counting
from tests.faults.processes import SMALL

MARK = "GANKIT_CANARY"


class Canary:
    """Unpickled, it leaves a file behind."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> tuple[Callable[..., object], tuple[str, ...]]:
        return os.system, (f"touch {self.path}",)


def canaries(folder: Path, path: Path) -> dict[str, Path]:
    """Files that execute something when they are unpickled, under every name that somebody may open."""
    bad = pickle.dumps(Canary(path))
    objects = np.empty(2, object)
    objects[:] = [Canary(path), 1]
    np.save(folder / "objects.npy", objects, allow_pickle=True)
    np.savez(folder / "objects.npz", x=objects)
    np.savez(folder / "labels.npz", x=np.zeros((2, 2), "f4"), labels=objects)
    np.savez(folder / "condition.npz", **{"x": np.zeros((2, 2), "f4"), "given/image": objects})
    np.save(folder / "beside.npy", np.zeros((2, 2), "f4"))
    np.save(folder / "beside.labels.npy", objects, allow_pickle=True)
    for name in ("plain.npy", "plain.npz", "plain.safetensors", "joblib.npy"):
        (folder / name).write_bytes(bad)
    with zipfile.ZipFile(folder / "torch.safetensors", "w") as archive:
        archive.writestr("archive/data.pkl", bad)
    (folder / "cifar-10-batches-py").mkdir()
    for name in (*(f"data_batch_{i}" for i in range(1, 6)), "test_batch"):
        (folder / "cifar-10-batches-py" / name).write_bytes(bad)
    with tarfile.open(folder / "cifar-10-python.tar.gz", "w:gz") as tar:
        for name in (*(f"data_batch_{i}" for i in range(1, 6)), "test_batch"):
            tar.add(folder / "cifar-10-batches-py" / name, f"cifar-10-batches-py/{name}")
    return {str(p.relative_to(folder)): p for p in folder.iterdir() if p.name != "beside.labels.npy"}


WATCHED = """
import sys, json
seen = []
def hook(event, arguments):
    if event in ("os.system", "subprocess.Popen", "os.exec", "os.posix_spawn", "pickle.find_class", "socket.connect",
                 "urllib.Request") or (event == "compile" and watching):
        seen.append([event, str(arguments)[:200]])
watching = False
import gankit, gankit.building, numpy, tokenize, ast, PIL.Image, gzip, tarfile, pickle
from gankit import checkpoint, sealed, header
from gankit.data.sources import open_data
sys.addaudithook(hook)
for path in sys.argv[1:]:
    before = len(seen)
    try:
        (gankit.load if path.endswith(".safetensors") else open_data)(path)
        end = "opened"
    except (gankit.CheckpointError, gankit.DataError) as error:
        end = type(error).__name__
    print(json.dumps([path, end, seen[before:]]))
"""


def test_16_nothing_is_unpickled_executed_or_fetched(tmp_path: Path, counting: Counting) -> None:
    folder, proof = tmp_path / "files", tmp_path / "executed"
    folder.mkdir()
    found = canaries(folder, proof)
    assert len(found) == 12
    count = counting(16, 12)
    command = [sys.executable, "-c", WATCHED, *map(str, found.values())]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    for line in done.stdout.splitlines():
        path, end, events = json.loads(line)
        # CIFAR's own reader asks its Unpickler, whose find_class knows three names and refuses all others.
        allowed = [["pickle.find_class"]] if "cifar" in path else []
        assert end in ("CheckpointError", "DamagedError", "DataError"), path
        assert all(event[:1] in allowed for event in events), events
        count()
    assert not proof.exists()


def picture(size: tuple[int, int] = (8, 8), form: str = "PNG") -> bytes:
    from PIL import Image

    file = io.BytesIO()
    Image.fromarray(np.arange(size[0] * size[1] * 3, dtype=np.uint8).reshape(*size, 3)).save(file, form)
    return file.getvalue()


def idx(shape: tuple[int, ...] = (4, 8, 8)) -> bytes:
    return bytes([0, 0, 8, len(shape)]) + struct.pack(f">{len(shape)}I", *shape) + bytes(int(np.prod(shape)))


def npy(x: object = np.zeros((4, 3), "f4")) -> bytes:
    file = io.BytesIO()
    np.save(file, np.asarray(x))
    return file.getvalue()


def npz() -> bytes:
    file = io.BytesIO()
    np.savez_compressed(file, x=np.zeros((4, 3), "f4"), labels=np.arange(4))
    return file.getvalue()


def tar() -> bytes:
    file = io.BytesIO()
    with tarfile.open(fileobj=file, mode="w:gz") as archive:
        for name in ("cifar-10-batches-bin/data_batch_1.bin", "../../escaped", "/tmp/escaped"):
            info = tarfile.TarInfo(name)
            info.size = 3073
            archive.addfile(info, io.BytesIO(bytes(3073)))
    return file.getvalue()


def broken(content: bytes, draw: random.Random) -> bytes:
    data = bytearray(content)
    for _ in range(draw.randint(1, 4)):
        at = draw.randrange(len(data))
        match draw.randrange(5):
            case 0:
                data[at] ^= 1 << draw.randrange(8)
            case 1:
                del data[at : at + draw.randint(1, 50)]
            case 2:
                data[at:at] = draw.randbytes(draw.randint(1, 30))
            case 3:
                data[at : at + 4] = draw.choice((b"\xff\xff\xff\xff", b"\0\0\0\0", b"\x7f\xff\xff\xff", b"9999"))
            case _:
                del data[at:]
        if len(data) < 4:
            return bytes(data) + b"    "
    return bytes(data)


def test_17_mutated_files_are_read_or_refused(tmp_path: Path, counting: Counting) -> None:
    count, draw = counting(17, 1_000, 20_000), random.Random(17)
    kinds: dict[str, tuple[bytes, Callable[[Path], object]]] = {
        "x.idx": (idx(), read_idx),
        "x.idx.gz": (gzip.compress(idx()), read_idx),
        "f/x.png": (picture(), lambda path: open_data(str(path.parent) + "@8")),
        "g/x.jpg": (picture(form="JPEG"), lambda path: open_data(str(path.parent) + "@8")),
        "x.npy": (npy(), open_data),
        "x.npz": (npz(), open_data),
        "cifar-10-binary.tar.gz": (tar(), open_data),
    }
    wrong: Counter[str] = Counter()
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    for i in range(count.cases):
        name = sorted(kinds)[i % len(kinds)]
        content, read = kinds[name]
        path = tmp_path / name
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(broken(content, draw))
        begun = time.process_time()
        try:
            read(path)
        except gankit.DataError as error:
            str(error).encode()
        except Exception as error:
            wrong[f"{name}: {type(error).__name__}: {str(error)[:120]}"] += 1
        if time.process_time() - begun > 3:
            wrong[f"{name}: slow"] += 1
        count()
    assert not wrong, wrong.most_common(20)
    assert not Path("/tmp/escaped").exists() and not (tmp_path.parent / "escaped").exists()
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 2**20, "in KB"


def test_17_claims_bombs_pipes_and_loops(tmp_path: Path, counting: Counting, monkeypatch: pytest.MonkeyPatch) -> None:
    count = counting(17, 14, None, "claims, bombs, pipes, loops")
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss

    def refused(source: str | Path, match: str | None = None) -> None:
        with pytest.raises(gankit.DataError, match=match) as error:
            open_data(str(source))
        assert len(str(error.value).splitlines()) <= 3
        count()

    def folder(name: str, files: dict[str, bytes]) -> Path:
        made = tmp_path / name
        made.mkdir()
        for file, content in files.items():
            (made / file).write_bytes(content)
        return made

    # a header that promises 4 terabytes; and 3 GB that are really there, packed
    (tmp_path / "huge.npy").write_bytes(npy().replace(b"(4, 3), }            ", b"(4000000000, 300), } "))
    refused(tmp_path / "huge.npy", "cannot be read")
    packed_well = zipfile.ZipFile(tmp_path / "bomb.npz", "w", zipfile.ZIP_DEFLATED)
    with packed_well as archive, archive.open("x.npy", "w", force_zip64=True) as member:
        member.write(npy(np.zeros((1, 1), "u1"))[:128])
        for _ in range(400):
            member.write(bytes(2**20))
    refused(tmp_path / "bomb.npz", "like a zip bomb")
    with gzip.open(tmp_path / "bomb.gz", "wb") as packed:
        packed.write(bytes([0, 0, 8, 3]) + struct.pack(">3I", 60_000, 280, 280))
    with pytest.raises(gankit.DataError, match="at most"):
        read_idx(tmp_path / "bomb.gz", 60_000 * 784)
    count()
    from PIL import Image

    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 50)
    refused(folder("pixels", {"a.png": picture()}), "pixels")
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 10**8)
    os.mkfifo(folder("pipe", {}) / "a.png")
    refused(tmp_path / "pipe", "it is no file")
    os.mkfifo(tmp_path / "pipe.npy")
    refused(tmp_path / "pipe.npy")
    (folder("loop", {}) / "a.png").symlink_to("a.png")
    refused(tmp_path / "loop", "symbolic links")
    (folder("classes", {}) / "again").symlink_to(tmp_path / "classes")
    refused(tmp_path / "classes")
    (folder("named", {}) / "x.png").mkdir()
    refused(tmp_path / "named", "no images")
    refused(folder("empty", {"a.png": b""}), "cannot be read as an image")
    refused(folder("text", {"a.png": b"%!PS\nquit"}), "cannot be read as an image")
    os.mkfifo(tmp_path / "step-000001.safetensors")
    with pytest.raises(gankit.CheckpointError, match="no file"):
        gankit.load(tmp_path / "step-000001.safetensors")
    count()
    (tmp_path / "bad.npy").write_bytes(npy().replace(b"{'descr'", b"{'descr\n"))
    refused(tmp_path / "bad.npy")
    os.truncate(folder("sparse", {"x.npz": b"PK"}) / "x.npz", 2**40)
    refused(tmp_path / "sparse" / "x.npz")
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 2**20, "in KB"


def test_17_broken_pictures_are_named_or_skipped(cli: Cli, tmp_path: Path, counting: Counting) -> None:
    count = counting(17, 4, None, "--skip-broken")
    faces = tmp_path / "faces"
    faces.mkdir()
    for i in range(40):
        (faces / f"{i:02d}.png").write_bytes(picture()[: 40 if i % 3 == 0 else None])
    code, _, err = cli("train", "--data", "./faces", *SMALL, "--steps", "2", "--out", "run")
    assert code == 2 and err.count(".png cannot be read") == 10 and "--skip-broken" in err
    assert not (tmp_path / "run").exists()
    count()
    code, _, err = cli("train", "--data", "./faces", "--skip-broken", *SMALL, "--steps", "2", "--out", "run")
    assert code == 0 and "14 images cannot be read" in err, err
    assert len((tmp_path / "run" / "skipped.txt").read_text().splitlines()) == 14
    count()
    code, out, err = cli("train", "--out", "run", "--steps", "4")
    assert code == 0 and "Resuming" in out, err
    assert len(open_data("./faces@4+skip-broken")) == 26
    count()
    (faces / "01.png").write_bytes(picture((8, 8)) + b"changed")
    code, _, err = cli("train", "--out", "run", "--steps", "6")
    assert code == 2 and "is not the data" in err and "sha256" in err
    count()


def test_19_hostile_names_stay_text_and_inside(cli: Cli, tmp_path: Path, counting: Counting) -> None:
    names = [
        "<script>alert(1)<script>.npy", "a](javascript:alert(1)).npy", "x' onerror='1.npy", "`rm -rf ~`.npy",
        "a&amp;b.npy", "\x1b[2Jx.npy", "{{7*7}}.npy", "<!--x.npy", "a|b.npy", "$(touch pwned).npy", "\u202ex.npy",
        "--help.npy",
    ]  # fmt: skip
    count = counting(19, len(names))
    secret = tmp_path / "secret.png"
    secret.write_bytes(b"\x89PNG secret of this machine")
    for i, name in enumerate(names):
        np.save(tmp_path / name, np.random.default_rng(0).normal(size=(16, 2)))
        run = Run(tmp_path / f"run-{i}")
        if i % 4 == 0:
            code, _, err = cli("train", f"--data=./{name}", *SMALL, "--steps", "2", "--out", run.folder)
            assert code == 0, err
        else:
            run.begin(Config(data=f"./{name}", recipe=name))
        (run.folder / "figures").mkdir()
        (run.folder / "figures" / "z.png").symlink_to(secret)
        os.mkfifo(run.folder / "figures" / "pipe.png")
        page, *_ = write(run.folder)
        text = page.read_text()
        assert "<script>alert" not in text and "secret of this" not in text and name not in ("<script>", "")
        import base64

        assert base64.b64encode(secret.read_bytes()).decode()[:24] not in text
        assert set(run.folder.rglob("*")) >= {page} and not (tmp_path / "pwned").exists()
        count()


def test_20_every_flipped_bit_is_noticed(tmp_path: Path, counting: Counting) -> None:
    path = tmp_path / "x.safetensors"
    game = gankit.build(data="ring", generator={"hidden": [8]}, discriminator={"hidden": [8]})
    game.save(path)
    whole, draw = path.read_bytes(), random.Random(20)
    count = counting(20, 1_000)
    for _ in range(count.cases):
        at = draw.randrange(8 * len(whole))
        flipped = bytearray(whole)
        flipped[at // 8] ^= 1 << at % 8
        path.write_bytes(flipped)
        with pytest.raises(gankit.CheckpointError):
            checkpoint.read(path)
        count()
    path.write_bytes(whole)
    with contextlib.suppress(ImportError):
        from safetensors.numpy import load_file  # an independent reader finds the same arrays

        assert all((array == load_file(path)[name]).all() for name, array in checkpoint.read(path)[0].items())
