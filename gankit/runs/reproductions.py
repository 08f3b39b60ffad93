"""Published results that `gankit reproduce` plays again, with the numbers that were published beside ours."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

from gankit.errors import UnknownNameError, did_you_mean, one_of

FILE = "published.json"
"""In a run folder: the numbers that its own are compared with."""


@dataclass(frozen=True)
class Published:
    """One number of a paper.

    metric: ours of the same kind. what: which model, and where it is printed.
    """

    metric: str
    what: str
    value: float
    error: float | None = None


@dataclass(frozen=True)
class Reproduction:
    """A run as a paper describes it, and how far.

    settings: of the game, as `--set` has them. steps: of a whole run; `note` says why, where the paper does not.
    figures: drawn of it. published: what the paper says of the same.
    """

    name: str
    summary: str
    recipe: str
    data: str
    steps: int
    note: str
    settings: tuple[str, ...] = ()
    figures: tuple[str, ...] = ()
    published: tuple[Published, ...] = field(default=())

    def to_plain(self) -> Mapping[str, Any]:
        """What is written into the run folder."""
        return {"name": self.name, "note": self.note, "published": [asdict(row) for row in self.published]}


TABLE_1 = "Goodfellow et al. 2014, table 1"

REPRODUCTIONS: Mapping[str, Reproduction] = {
    row.name: row
    for row in (
        Reproduction(
            name="gan-2014-mnist",
            summary="the paper's MNIST game, its Parzen score and figures 2 and 3",
            recipe="gan-2014",
            data="mnist",
            steps=500_000,
            note="The authors' released configuration, mnist.yaml, which moves both players at once. Neither it nor "
            "the paper says when to stop: 500,000 steps are 1,000 epochs, and momentum rises in the first 250.",
            figures=("samples", "interpolation", "curves"),
            published=(
                Published("parzen", f"deep belief net, {TABLE_1}", 138, 2),
                Published("parzen", f"stacked contractive auto-encoder, {TABLE_1}", 121, 1.6),
                Published("parzen", f"deep generative stochastic network, {TABLE_1}", 214, 1.1),
                Published("parzen", f"adversarial nets, {TABLE_1}", 225, 2),
            ),
        ),
    )
}


def find(name: str) -> Reproduction:
    """The reproduction of that name; raises UnknownNameError, naming the closest."""
    if name not in REPRODUCTIONS:
        hint = did_you_mean(name, REPRODUCTIONS)
        raise UnknownNameError(f"No reproduction {name!r}.{hint} Possible: {one_of(REPRODUCTIONS)}.")
    return REPRODUCTIONS[name]
