"""The run folder of `gankit train`: what lies where, and what happens to it when a run is begun or taken up again.

    config.toml                          the game, written once
    env.json                             what it ran on
    metrics.jsonl                        one line every `log_every` steps
    vitals.jsonl                         what the alarms looked at
    alarms.jsonl                         what they told
    samples/step-001000.png              the same latents every time
    samples.png                          those of the step at which it ended
    checkpoints/step-001000.safetensors  the last few
    changes.jsonl                        one line each time it went on with other settings, with `--resume`
    rollbacks.jsonl                      one line each time it went back from NaN, with `--on-nan rollback`
    data.json                            what tells the data from other data, where it lies in files
    skipped.txt                          pictures that could not be read, with `--skip-broken`
    .lock                                while it is trained: by whom
    evaluations.jsonl                    one line every `evaluate_every` steps, if asked for
    checkpoints/best.safetensors         the one that was best on validation data

A run stopped at any step and resumed leaves the metrics, pictures and final checkpoint of the uninterrupted one, byte
for byte. So nothing in them comes from the clock, and what lies beyond the checkpoint taken up is dropped.
"""

from __future__ import annotations

import json
import os
import platform
import tomllib
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from gankit import __version__, checkpoint, disk, header
from gankit.config import Config
from gankit.data.broken import SKIP
from gankit.errors import CheckpointError, ConfigError, RunInUseError
from gankit.runs import data_file
from gankit.runs.lines import lines, parsed, read_json
from gankit.runs.owner import NAME as LOCK
from gankit.runs.owner import Owner

Arrays = Mapping[str, Any]


@dataclass(frozen=True)
class Run:
    """The paths of one run folder."""

    folder: Path

    @property
    def config_file(self) -> Path:
        return self.folder / "config.toml"

    @property
    def env_file(self) -> Path:
        return self.folder / "env.json"

    @property
    def metrics_file(self) -> Path:
        return self.folder / "metrics.jsonl"

    @property
    def vitals_file(self) -> Path:
        return self.folder / "vitals.jsonl"

    @property
    def alarms_file(self) -> Path:
        return self.folder / "alarms.jsonl"

    @property
    def logs(self) -> tuple[Path, ...]:
        """Files of JSON lines, each with its step."""
        return self.metrics_file, self.vitals_file, self.alarms_file, self.evaluations_file, self.rollbacks_file

    @property
    def rollbacks_file(self) -> Path:
        return self.folder / "rollbacks.jsonl"

    @property
    def changes_file(self) -> Path:
        return self.folder / "changes.jsonl"

    @property
    def evaluations_file(self) -> Path:
        return self.folder / "evaluations.jsonl"

    @property
    def best_checkpoint(self) -> Path:
        """The one that was best on validation data, where a run was evaluated; a copy, not among `checkpoints`."""
        return self.folder / "checkpoints" / f"best{checkpoint.SUFFIX}"

    @property
    def skipped_file(self) -> Path:
        """The pictures that could not be read and were left out."""
        return self.folder / "skipped.txt"

    @property
    def data_file(self) -> Path:
        """What tells the data from other data."""
        return self.folder / "data.json"

    @property
    def picture(self) -> Path:
        """The latest samples."""
        return self.folder / "samples.png"

    def sample_file(self, step: int) -> Path:
        """The samples after that step."""
        return self.folder / "samples" / f"step-{step:06d}.png"

    def checkpoint_file(self, step: int) -> Path:
        """The checkpoint after that step."""
        return self.folder / "checkpoints" / f"step-{step:06d}{checkpoint.SUFFIX}"

    def checkpoints(self) -> list[Path]:
        """All that are there, oldest first."""
        return checkpoint.in_folder(self.folder)

    def exists(self) -> bool:
        """Whether a run was begun here. Raises ConfigError when the folder holds something else."""
        if self.config_file.is_file():
            return True
        if _is_empty(self.folder):
            return False
        raise ConfigError(
            f"{self.folder} exists and is not a run folder: it has no config.toml. "
            "Nothing was changed. Choose another with --out."
        )

    def config(self) -> Config:
        """The game of this run; raises ConfigError when its file cannot be read."""
        try:
            plain = tomllib.loads(self.config_file.read_text("utf-8"))
        except (OSError, ValueError) as error:
            raise ConfigError(f"{self.config_file} cannot be read: {error}. Start over with --new.") from error
        return Config().with_settings({"penalties": (), **plain})

    def begin(self, config: Config) -> None:
        """Make the folder, or take an empty one."""
        # The config comes first and whole, so a folder without one holds nothing of ours.
        checkpoint.write_atomically(self.config_file, config.to_toml().encode())

    def note_environment(self, environment: Mapping[str, Any], from_step: int) -> None:
        """Write env.json; a resumed run adds to it."""
        first = read_json(self.env_file)
        if from_step and first:
            earlier = first.get("resumed")
            first["resumed"] = [
                *(earlier if isinstance(earlier, list) else []),
                {"from_step": from_step, **environment},
            ]
        else:
            first = dict(environment)
        checkpoint.write_atomically(self.env_file, (json.dumps(first, indent=2) + "\n").encode())

    def usable_checkpoint(self, say: Callable[[str], None]) -> tuple[Path, Arrays, Mapping[str, Any]] | None:
        """(path, arrays, header) of the latest checkpoint that is whole; None where none was ever written.

        Says which damaged ones were passed over. Raises CheckpointError when all are damaged, or one is of a format
        that this gankit does not know.
        """
        found = self.checkpoints()
        return checkpoint.newest(found, say, self.folder) if found else None

    def check_played(self, path: Path, meta: Mapping[str, Any], *possible: Config) -> None:
        """Raise ConfigError, with the difference, unless the game of a checkpoint is the one in config.toml."""
        with header.of_the_file(path):
            played = Config().with_settings({"penalties": (), **meta.get("config", {})})
        first = [unlike(config, played) for config in possible][-1]
        if all(unlike(config, played) for config in possible):
            raise ConfigError(
                f"{self.config_file} differs from the game in {path.name} (config.toml → checkpoint):\n  "
                + "\n  ".join(first)
                + "\nRestore config.toml, or start over with --new."
            )

    def change(self, step: int, config: Config) -> None:
        """From that step on the run is trained otherwise: note how it was until then, and write how it is now."""
        line = {"step": step, "until_here": self.config().to_plain()}
        disk.append(self.changes_file, (json.dumps(line) + "\n").encode())
        checkpoint.write_atomically(self.config_file, config.to_toml().encode())

    def configs_before(self, step: int) -> list[Config]:
        """How the run was trained before changes that a checkpoint of that step may not have seen."""
        found = [line.get("until_here") for line in lines(self.changes_file) if line["step"] >= step]
        return [Config().with_settings({"penalties": (), **plain}) for plain in found if isinstance(plain, Mapping)]

    def changed_since(self, step: int) -> dict[str, Any]:
        """The settings that changed after a checkpoint of that step, as they are now."""
        now = self.config().to_plain()
        return {k: now[k] for old in self.configs_before(step) for k, v in old.to_plain().items() if v != now.get(k)}

    def note_data(self, config: Config) -> None:
        """Write what tells the data from other data, where it lies in files."""
        data_file.note(self.data_file, config, self.config_file.is_file)

    def check_data(self, config: Config) -> None:
        """Raise DataError, with the difference, where the data is not what the run began with."""
        data_file.check(self.data_file, config, self.config_file.is_file)

    def skip_broken(self, config: Config) -> Config:
        """The same game, which from now on does without pictures that cannot be read."""
        changed = replace(config, data=config.data + SKIP)
        data_file.call_also(self.data_file, config.data, changed.data)
        self.begin(changed)
        return changed

    def note_skipped(self, config: Config, trainer: Any) -> int:
        """Write which pictures the data did without, where it may; how many."""
        if SKIP not in config.data or not trainer.data.skipped:
            return 0
        checkpoint.write_atomically(self.skipped_file, "".join(f"{line}\n" for line in trainer.data.skipped).encode())
        return len(trainer.data.skipped)

    def sync_logs(self) -> None:
        """Put the logs on the disk, before a checkpoint: they may lose lines after the last one, but never before."""
        for path in self.logs:
            if path.exists():
                with open(path, "ab") as file:
                    os.fsync(file.fileno())

    def collect(self) -> None:
        """Remove what processes that were killed left half written."""
        for folder in (self.folder, self.folder / "checkpoints", self.folder / "samples", self.folder / "figures"):
            disk.collect(folder)

    def rewind(self, step: int) -> None:
        """Drop the lines and pictures of later steps: they will come again."""
        for path in (self.folder / "samples").glob("step-*.png"):
            if checkpoint.step_of(path) > step:
                path.unlink()
        self.picture.unlink(missing_ok=True)  # of where the last process ended; the next one draws it anew
        self.collect()
        for path in self.logs:
            old = path.read_bytes() if path.exists() else b""
            new = b"".join(line for line in old.splitlines(keepends=True) if _step_of_line(line) <= step)
            if new != old:
                checkpoint.write_atomically(path, new)
        if self.best_checkpoint.is_file() and _step_of_best(self.best_checkpoint) > step:
            self.best_checkpoint.unlink()


def fresh(folder: Path, say: Callable[[str], None] = lambda text: None) -> Owner:
    """The folder itself if it is free, else the first free one of folder-2, folder-3, ..., and now ours."""
    for i in range(1, 1_000_000):
        candidate = folder if i == 1 else folder.with_name(f"{folder.name}-{i}")
        if not _is_empty(candidate):
            continue
        try:
            owner = Owner(candidate, say)
        except RunInUseError:
            continue
        if _is_empty(candidate):  # still
            return owner
        owner.release()
    raise ConfigError(f"{folder} and a million numbered folders exist already. Choose another with --out.")


def environment(trainer: Any, command: str) -> dict[str, Any]:
    """What a run runs on; no name of a host or a user's folder in it."""
    import numpy as np

    return {
        "gankit": __version__,
        "python": platform.python_version(),
        "platform": platform.platform(),
        "numpy": np.__version__,
        "backend": trainer.backend.name,
        "device": trainer.backend.device,
        "versions": dict(trainer.backend.versions),
        **_workers(trainer.backend.ops),
        "command": command,
    }


def _workers(ops: Any) -> dict[str, int]:
    """How many workers share each minibatch, and on how many hosts, where they are several."""
    from gankit.play.workers import hosts, shares

    return {name: count for name, count in (("workers", shares(ops)), ("hosts", hosts(ops))) if count > 1}


def differences(old: Config, new: Config) -> list[str]:
    """`["seed: 0 → 1", "generator.hidden: [64] → [256]"]`: each setting in which two games differ."""
    before, after = dict(flat("", old.to_plain())), dict(flat("", new.to_plain()))
    keys = [key for key in {**before, **after} if before.get(key) != after.get(key)]
    return [f"{key}: {_shown(before, key)} → {_shown(after, key)}" for key in keys]


def unlike(config: Config, played: Config) -> list[str]:
    """How a game differs from the one that was asked for, beside what is settled only when it is built."""
    # Files from before conditions had names say none; a config says neither them nor the classes of named data.
    if not (config.conditions and played.conditions):
        config, played = replace(config, conditions=()), replace(played, conditions=())
    # What is broken may be skipped from some step on: the number of pictures stays, and so does their order.
    config, played = (replace(each, data=each.data.removesuffix(SKIP)) for each in (config, played))
    if config.num_classes is None:
        played = replace(played, num_classes=None)
    return differences(config, played)


def flat(prefix: str, value: Any) -> Iterator[tuple[str, Any]]:
    """("generator.hidden", [64]) and so on, of nested settings."""
    if isinstance(value, Mapping):
        for key, item in value.items():
            yield from flat(f"{prefix}.{key}" if prefix else str(key), item)
    else:
        yield prefix, value


def _shown(settings: Mapping[str, Any], key: str) -> str:
    return repr(settings[key]) if key in settings else "(not set)"


def _is_empty(folder: Path) -> bool:
    """Nothing there but what a killed process left behind."""
    if not folder.exists():
        return True
    return folder.is_dir() and all(
        path.name == LOCK or (path.name.startswith(".") and path.name.endswith(".tmp")) for path in folder.iterdir()
    )


def _step_of_line(text: bytes) -> float:
    """The step of a line of metrics; infinity for one that was torn, or is none."""
    line = parsed(text)
    return float("inf") if line is None else line["step"]


def _step_of_best(path: Path) -> float:
    """The step of a checkpoint that is not named after it; infinity for a damaged one."""
    try:
        done = checkpoint.read(path)[1].get("steps_done")
    except CheckpointError:
        return float("inf")
    return done if type(done) is int else float("inf")
