"""What this distribution brings."""

from collections.abc import Iterator

from gankit import Entry, hookimpl


def _entry(name: str, target: str, summary: str) -> Entry:
    return Entry(name=name, target=f"gankit_relativistic.{target}", api=2, summary=summary)


@hookimpl
def gankit_losses() -> Iterator[Entry]:
    yield _entry("relativistic", "losses:Relativistic", "compares pairs of real and fake (RpGAN)")
    yield _entry("relativistic-average", "losses:RelativisticAverage", "compares with the other side's mean (RaGAN)")


@hookimpl
def gankit_generators() -> Iterator[Entry]:
    yield _entry("modern", "networks:generator", "R3GAN: residual blocks without normalisation")
    yield _entry("modern-small", "small:generator", "sub-pixel convolutions, for a few minutes on a CPU")


@hookimpl
def gankit_discriminators() -> Iterator[Entry]:
    yield _entry("modern", "networks:discriminator", "R3GAN: residual blocks without normalisation")
    yield _entry("modern-small", "small:discriminator", "two strided convolutions, labels projected")


@hookimpl
def gankit_recipes() -> Iterator[Entry]:
    yield _entry("modern-small", "recipes.small:RECIPE", "start with this one: images by class in minutes on a CPU")
    yield _entry("modern", "recipes.modern:RECIPE", "R3GAN: relativistic, R1, R2, no normalisation; what we recommend")
    yield _entry("modern-vectors", "recipes.vectors:RECIPE", "the same idea for points and other short vectors")
