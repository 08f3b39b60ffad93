"""What this distribution brings."""

from collections.abc import Iterator

from gankit import Entry, hookimpl


def _entry(name: str, target: str, summary: str) -> Entry:
    return Entry(name=name, target=f"gankit_wasserstein.{target}", api=2, summary=summary)


@hookimpl
def gankit_losses() -> Iterator[Entry]:
    yield _entry("wasserstein", "losses:Wasserstein", "the earth mover's distance, by a Lipschitz critic (WGAN)")


@hookimpl
def gankit_constraints() -> Iterator[Entry]:
    yield _entry("weight-clipping", "constraints:WeightClipping", "parameters of D within +-limit (WGAN)")


@hookimpl
def gankit_penalties() -> Iterator[Entry]:
    yield _entry("gradient-penalty", "penalties:GradientPenalty", "gradients of norm 1 between real and fake (WGAN-GP)")
