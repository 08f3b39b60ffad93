"""scikit-learn's KernelDensity: a Parzen window by a tree of the centres."""

from __future__ import annotations

from sklearn.neighbors import KernelDensity

from benchmarks import parzen
from benchmarks.loop import Loop, Setup


def window(setup: Setup) -> Loop:
    """Its tree is built once, and not timed; all the queries would take minutes, so an iteration is a few of them."""
    density, few = KernelDensity(bandwidth=parzen.SIGMA).fit(setup.data["x"]), setup.data["queries"][: parzen.FEW]
    direct = parzen.direct_sum(setup)

    def play(n: int) -> dict[str, float]:
        for _ in range(n):
            found = density.score_samples(few)
        return parzen.off(found, direct)

    return Loop(play, (), share=len(few) / len(setup.data["queries"]))
