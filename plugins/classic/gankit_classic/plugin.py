"""What this distribution brings."""

from collections.abc import Iterator

from gankit import Entry, hookimpl


def _entry(name: str, target: str, summary: str) -> Entry:
    return Entry(name=name, target=f"gankit_classic.{target}", api=2, summary=summary)


@hookimpl
def gankit_losses() -> Iterator[Entry]:
    yield _entry("least-squares", "losses:LeastSquares", "pulls scores to targets (LSGAN)")
    yield _entry("hinge", "losses:Hinge", "ignores scores beyond a margin (geometric GAN, SNGAN)")
    yield _entry("one-sided-smoothing", "losses:OneSidedSmoothing", "D aims at 0.9 on real examples, at 0 on fakes")
    yield _entry("f-gan", "f_gan:FGan", "any of eight f-divergences: KL, Pearson, Hellinger, ...")
    yield _entry("feature-matching", "feature_matching:FeatureMatching", "G matches the means of D's features")


@hookimpl
def gankit_penalties() -> Iterator[Entry]:
    yield _entry("dragan", "dragan:Dragan", "gradients of norm 1 around real examples (DRAGAN)")
    yield _entry("lecam", "lecam:LeCam", "scores kept near the other side's running mean (LeCam)")


@hookimpl
def gankit_generators() -> Iterator[Entry]:
    yield _entry("sngan", "networks:generator", "residual blocks, batch norm, tanh")


@hookimpl
def gankit_discriminators() -> Iterator[Entry]:
    yield _entry("sngan", "networks:discriminator", "residual blocks, spectral norm")


@hookimpl
def gankit_recipes() -> Iterator[Entry]:
    yield _entry("sngan", "recipes.sngan:RECIPE", "SNGAN: ResNets, spectral norm, hinge; images of 32 pixels")
