"""Which room may import which: a contract stands on nothing, a part knows no loop, a game needs no figure."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

import gankit

CORE = Path(gankit.__file__).parent
SURROUNDINGS = {"metrics", "figures", "report", "alarms", "cli", "conformance", "exporting", "sweeping"}
NOT_FOR = {
    "interfaces": {p.name for p in CORE.iterdir() if p.is_dir()} - {"interfaces"} | {"config", "building"},
    "layers": SURROUNDINGS | {"data", "networks", "cookbook", "runs", "plug", "building"},
    "parts": SURROUNDINGS | {"play", "runs", "cookbook", "building"},
    "networks": SURROUNDINGS | {"play", "runs", "cookbook", "building"},
    "cookbook": SURROUNDINGS | {"play", "runs", "data", "plug", "building"},
    "data": SURROUNDINGS | {"play", "runs", "parts", "cookbook", "building"},
    "plug": SURROUNDINGS | {"play", "runs", "cookbook", "building"},
    "play": SURROUNDINGS | {"cookbook", "building"},
    "runs": SURROUNDINGS,
}
"""By room, the rooms that its files must not import when they are imported."""
KNOWN = {
    ("play", "runs"): "the trainer shows itself in a notebook",
}


def imports(path: Path) -> set[str]:
    """The rooms, or files beside them, that a file imports at once; not those for types, nor inside functions."""
    found = set()
    for node in ast.parse(path.read_text("utf-8")).body:
        if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("gankit."):
            found.add(str(node.module).split(".")[1])
        elif isinstance(node, ast.ImportFrom) and node.module == "gankit":
            found |= {alias.name for alias in node.names}
    return found


@pytest.mark.parametrize("room", NOT_FOR)
def test_a_room_imports_only_what_it_may(room: str) -> None:
    wrong = {
        f"{path.relative_to(CORE)} imports {other}"
        for path in sorted((CORE / room).rglob("*.py"))
        for other in imports(path) & NOT_FOR[room]
        if (room, other) not in KNOWN
    }
    assert not wrong


def test_every_room_says_what_it_is() -> None:
    for room in CORE.iterdir():
        if (room / "__init__.py").is_file():
            assert ast.get_docstring(ast.parse((room / "__init__.py").read_text("utf-8"))), room.name


def test_no_file_of_core_is_long() -> None:
    lengths = {path: len(path.read_text("utf-8").splitlines()) for path in CORE.rglob("*.py")}
    assert not {path: n for path, n in lengths.items() if n > 350}


def test_what_plugins_imported_before_there_were_rooms_is_where_it_was() -> None:
    from gankit import initializers, losses, penalties, schedules
    from gankit.parts import initializers as i
    from gankit.parts import losses as lo
    from gankit.parts import penalties as p
    from gankit.parts import schedules as s

    assert penalties.R1 is p.R1 and penalties.input_gradient is p.input_gradient and penalties.safe_norm is p.safe_norm
    assert losses.Conditional is lo.Conditional and schedules.schedule is s.schedule
    assert initializers.Normal is i.Normal
