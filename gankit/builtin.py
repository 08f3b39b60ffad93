"""Core's own parts. They go the same road as everybody else's."""

from __future__ import annotations

from collections.abc import Iterator

from gankit.hookspecs import PLUGIN_API, Entry, hookimpl


def _entry(name: str, target: str, summary: str) -> Entry:
    return Entry(name=name, target=f"gankit.{target}", api=PLUGIN_API, summary=summary)


@hookimpl
def gankit_generators() -> Iterator[Entry]:
    yield _entry("mlp", "networks.mlp:generator", "dense relu layers, for any array")
    yield _entry("gan-2014", "networks.gan_2014:generator", "the paper's MNIST generator")


@hookimpl
def gankit_discriminators() -> Iterator[Entry]:
    yield _entry("mlp", "networks.mlp:discriminator", "dense leaky-relu layers, for any array")
    yield _entry("gan-2014", "networks.gan_2014:discriminator", "the paper's maxout and dropout discriminator")


@hookimpl
def gankit_losses() -> Iterator[Entry]:
    yield _entry("minimax", "losses:Minimax", "G minimises log(1 - D(G(z))), which saturates (eq. 1)")
    yield _entry("non-saturating", "losses:NonSaturating", "G maximises log D(G(z)) (section 3)")
    yield _entry("conditional", "losses:Conditional", "any other loss on D(x|y) and G(z|y)")


@hookimpl
def gankit_penalties() -> Iterator[Entry]:
    yield _entry("r1", "penalties:R1", "squared gradient of D at real examples")
    yield _entry("r2", "penalties:R2", "squared gradient of D at generated examples")


@hookimpl
def gankit_optimizers() -> Iterator[Entry]:
    yield _entry("sgd", "optimizers:Sgd", "gradient descent with momentum")
    yield _entry("adam", "optimizers:Adam", "Adam, betas of DCGAN by default")


@hookimpl
def gankit_trainers() -> Iterator[Entry]:
    yield _entry("adversarial", "trainer:AdversarialTrainer", "Algorithm 1")


@hookimpl
def gankit_recipes() -> Iterator[Entry]:
    yield _entry("mlp", "recipes.mlp:RECIPE", "a small dense game for any array; the default")
    yield _entry("cgan", "recipes.cgan:RECIPE", "the same, given labels")
    yield _entry("gan-2014", "recipes.gan_2014:RECIPE", "the paper's MNIST game")


@hookimpl
def gankit_data() -> Iterator[Entry]:
    yield _entry("digits", "data.digits:load", "1,797 handwritten digits, 8x8, built in")
    yield _entry("mnist", "data.mnist:load", "70,000 handwritten digits, 28x28, from GANKIT_DATA or fetched")
    yield _entry("ring", "data.toys:ring", "8 Gaussians on a circle")
    yield _entry("grid", "data.toys:grid", "25 Gaussians on a grid")
    yield _entry("moons", "data.toys:moons", "two half circles")
