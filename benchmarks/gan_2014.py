"""`Trainer.fit` against a plain hand-written loop of the same framework, taking turns in one run.

    python benchmarks/gan_2014.py torch jax

The game is `gan-2014` on MNIST, batch 100. Each contender is a process of its own; in every round each one plays the
same number of iterations in turn, and the ratio is taken within the round. Machines drift: quote the median ratio.
"""

import importlib
import json
import statistics
import subprocess
import sys
import time
from pathlib import Path

ROUNDS, ITERATIONS = 7, 40


def contender(kind: str, framework: str):
    """A function that plays n iterations to their end."""
    import gankit
    from gankit.data import open_data

    if kind == "plain":
        sys.path.insert(0, str(Path(__file__).parent))
        return importlib.import_module(f"plain_{framework}").game(open_data("mnist").x)
    trainer = gankit.build(backend=framework, recipe="gan-2014")
    log = type("Log", (), {"every": 100, "__call__": lambda self, trainer, step, terms: None})()
    return lambda n: trainer.fit(steps=n, callbacks=[log])


def serve(kind: str, framework: str) -> None:
    """Play as many iterations as each line of stdin says and answer with the seconds."""
    play = contender(kind, framework)
    for line in sys.stdin:
        start = time.perf_counter()
        play(int(line))
        print(time.perf_counter() - start, flush=True)


def compare(framework: str) -> dict[str, float]:
    players = {
        kind: subprocess.Popen(
            [sys.executable, __file__, "--serve", kind, framework],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        for kind in ("gankit", "plain")
    }

    def play(kind: str, n: int) -> float:
        players[kind].stdin.write(f"{n}\n")
        players[kind].stdin.flush()
        return n / float(players[kind].stdout.readline())

    for kind in players:
        play(kind, 20)
    rounds = [{kind: play(kind, ITERATIONS) for kind in players} for _ in range(ROUNDS)]
    for process in players.values():
        process.stdin.close()
        process.wait()
    ratios = [r["gankit"] / r["plain"] for r in rounds]
    return {
        "gankit it/s": statistics.median(r["gankit"] for r in rounds),
        "plain it/s": statistics.median(r["plain"] for r in rounds),
        "ratio": statistics.median(ratios),
        "least ratio": min(ratios),
        "greatest ratio": max(ratios),
    }


if __name__ == "__main__":
    if sys.argv[1:2] == ["--serve"]:
        serve(*sys.argv[2:])
    else:
        print(json.dumps({framework: compare(framework) for framework in sys.argv[1:] or ["torch", "jax"]}, indent=2))
