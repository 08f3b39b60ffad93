"""Whether what torch records has autograd's own bits when it is replayed: each operation, and the phase as a whole."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from benchmarks.gpu.stages import Options, Save

STEPS = 9
"""By then a lazy penalty that acts at every eighth step has been met twice."""


def replays(options: Options, save: Save) -> None:
    from tests.recipe_games import GAMES

    found: dict[str, Any] = {"phases": [], "wrong": []}
    names = ("mlp", "modern-small") if options.quick else ("modern-small", *(n for n in GAMES if n != "modern-small"))
    for recipe in names:
        try:
            rows = played(recipe, options.device)
        except Exception as error:
            rows = [{"error": f"{type(error).__name__}: {error}".split("\n")[0]}]
        for row in rows:
            found["phases"].append({"recipe": recipe, **row})
            if "error" in row or row["unequal"]:
                found["wrong"].append(f"{recipe}: {row.get('error') or row['unequal'][0]}")
        save(found)


def played(recipe: str, device: str) -> list[dict[str, Any]]:
    """A row for each form of a phase that a game records: how many operations, and those whose results differ."""
    import gankit_torch.recording as recording
    from gankit_torch.keys import Trail
    from gankit_torch.program import needed, program
    from gankit_torch.tape import Tape

    import gankit
    from gankit.trees import tree_map
    from tests.parity.test_recipes import game

    rows: list[dict[str, Any]] = []
    tapes: list[tuple[Any, Any]] = []
    dispatch, replay_of, record = Tape.__torch_dispatch__, recording.Recorded._replay_of, recording.Recorded._record

    def noted(self: Any, function: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        before = len(self.calls)
        out = dispatch(self, function, types, args, kwargs)
        if len(self.calls) > before:
            results = out if isinstance(out, list | tuple) else [out]
            notes = self.__dict__.setdefault("notes", {})
            with torch._C._DisableTorchDispatch():
                notes[before] = [x.clone() if isinstance(x, Tensor) else x for x in results]
        return out

    def kept(self: Any, tape: Any, out: Any) -> Any:
        tapes.append((tape, out))
        return replay_of(self, tape, out)

    def again(self: Any, state: Any, draw: Any, numbers: Any, key: int) -> Any:
        inputs, more = ((tree_map(torch.clone, state), draw.each(torch.clone)) for _ in range(2))
        result = record(self, state, draw, numbers, key)
        if tapes:
            tape, out = tapes.pop()
            calls = needed(tape, tape.text(out))
            values = {name: self._number(value) for name, value in numbers.items()}
            row = compared(tape, calls, (*inputs, values, Trail.start(key)))
            whole = program(tape, "state, draw, numbers, key", out)(*more, values, Trail.start(key))
            pairs = zip(arrays(whole), arrays(result), strict=True)
            apart = [float((x.double() - y.double()).abs().max()) for x, y in pairs if not torch.equal(x, y)]
            if apart:
                row["unequal"].append(f"the phase as a whole: {len(apart)} arrays, by up to {max(apart):.1e}")
            rows.append(row)
        return result

    Tape.__torch_dispatch__, recording.Recorded._replay_of, recording.Recorded._record = noted, kept, again  # type: ignore[method-assign]
    try:
        gankit.build("torch", device=device, **game(recipe, dropout=True)).fit(steps=STEPS)
    finally:
        Tape.__torch_dispatch__, recording.Recorded._replay_of, recording.Recorded._record = (  # type: ignore[method-assign]
            dispatch,
            replay_of,
            record,
        )
    return rows


def arrays(tree: Any) -> list[Tensor]:
    from gankit.trees import leaves

    return [x for x in leaves(tree) if isinstance(x, Tensor)]


def compared(tape: Any, calls: list[Any], arguments: tuple[Any, ...]) -> dict[str, Any]:
    """Each call again, on what the calls before it made this time."""
    names = {**tape.globals, **tape.constants, **dict(zip(("state", "draw", "numbers", "key"), arguments, strict=True))}
    for name, expression in tape.inputs.items():
        names[name] = eval(expression, names)
    place, unequal = {id(call): i for i, call in enumerate(tape.calls)}, []
    for call in calls:
        out = eval(call.text, names)
        results = [out] if call.alone else list(out)
        names.update(zip(call.targets, results, strict=True))
        for got, want in zip(results, tape.notes[place[id(call)]], strict=True):
            if isinstance(got, Tensor) and not torch.equal(got.nan_to_num(), want.nan_to_num()):
                apart = float((got.double() - want.double()).abs().max())
                form = [(tuple(x.shape), x.stride()) for x in (got, want)]
                unequal.append(f"{call.text[:200]}: {form}, apart by up to {apart:.1e}")
    return {"operations": len(calls), "unequal": unequal[:20]}
