"""Ten lines of Python that open an export without gankit, and draw from it what `gan.sample` draws."""

from __future__ import annotations

from gankit.exporting.generator import Generator, Input
from gankit.interfaces import LABEL, Prior
from gankit.interfaces.exporting import Exporter
from gankit.parts.priors import Mixture, Normal, Sphere, Truncated, Uniform

RNG = 'rng = np.random.Generator(np.random.Philox(np.random.SeedSequence([seed, zlib.crc32(b"sample"), 0])))'
"""The stream of `gan.sample(n, seed=seed)`."""
QUANTILES = "np.vectorize(NormalDist().inv_cdf)"


def snippet(generator: Generator, exporter: Exporter, file: str) -> str:
    """The lines, for a file of that name in the folder where they are run."""
    drawing = latents(generator.prior)
    imports, opening, call = exporter.snippet(file, ["z", *(own.name for own in generator.inputs)])
    body = [RNG, *drawing] if drawing else ["n = len(z)"] if generator.inputs else []
    dtype = generator.config.dtype
    body.append(f'z = z.astype("{dtype}")' if drawing else f'z = np.ascontiguousarray(z, "{dtype}")')
    lines = [
        f"# Opens {file} without gankit: pip install numpy {exporter.opens_with}",
        *(["import zlib"] if drawing else []),
        *(["from statistics import NormalDist"] if any(QUANTILES in line for line in drawing) else []),
        *([""] if drawing else []),
        "import numpy as np",
        imports,
        "",
        opening,
        "",
        "",
        f"def sample({arguments(generator, bool(drawing))}):",
        *(f"    {line}" if line else "" for line in _docstring(generator, bool(drawing))),
        *(f"    {line}" for line in (*body, *map(_prepared, generator.inputs))),
        f"    return {call}",
    ]
    return "\n".join(lines) + "\n"


def latents(prior: Prior) -> tuple[str, ...]:
    """Lines that draw z (n, width) from `rng` as the prior does, bit for bit; none for a prior of a plugin's."""
    if isinstance(prior, Normal):
        return (f"z = rng.standard_normal((n, {prior.width}))",)
    if isinstance(prior, Uniform):
        return (f"z = rng.random((n, {prior.width})) * (2 * np.sqrt(3)) - np.sqrt(3)",)
    if isinstance(prior, Sphere):
        return (
            f"z = rng.standard_normal((n, {prior.width}))",
            f"z *= np.sqrt({prior.width}) / np.linalg.norm(z, axis=1, keepdims=True)",
        )
    if isinstance(prior, Truncated):
        below = prior.below
        return (
            f"u = {below!r} + {1 - 2 * below!r} * rng.random((n, {prior.width}))",
            f"z = {QUANTILES}(u) / {prior.deviation!r}",
        )
    if isinstance(prior, Mixture):
        return (
            f"u = rng.random((n, {1 + prior.latent_dim}))",
            f"component = np.floor(u[:, :1] * {prior.components}) == np.arange({prior.components})",
            f"z = np.concatenate([component, {QUANTILES}(u[:, 1:] + 2.0**-54)], axis=1)",
        )
    return ()


def arguments(generator: Generator, draws: bool) -> str:
    """Of `sample`: what has no default comes first."""
    needed = [own.name for own in generator.inputs if own.of != LABEL]
    optional = [f"{own.name}=None" for own in generator.inputs if own.of == LABEL]
    return ", ".join(["n" if draws else "z", *needed, *optional, *(["seed=0"] if draws else [])])


def _docstring(generator: Generator, draws: bool) -> list[str]:
    shape = ", ".join(map(str, ("n", *generator.spec.shape)))
    prior = f"z: (n, {generator.prior.width}), drawn from the prior {generator.prior!r}."
    told = [*([] if draws else [prior]), *(f"{own.name}: {_told(own)}." for own in generator.inputs)]
    same = ": the numbers of gan.sample(n, seed=seed)" if draws else ""
    first = f'"""({shape}) {generator.dtype}{same}.'
    return [first, "", *told, '"""'] if told else [first + '"""']


def _told(own: Input) -> str:
    if own.of == LABEL:
        return f"classes below {own.port.num_classes}, one or several in turn; by default every class in turn"
    if own.port.kind == "class":
        return f"classes below {own.port.num_classes}, one or n"
    shape = ", ".join(map(str, own.port.shape)) + ("," if len(own.port.shape) == 1 else "")
    return f"one ({shape}) or n of them, {own.dtype}"


def _prepared(own: Input) -> str:
    if own.of == LABEL:
        every = f"np.arange({own.port.num_classes}) if {own.name} is None else {own.name}"
        return f'{own.name} = np.resize({every}, n).astype("{own.dtype}")'
    shape = ", ".join(map(str, ("n", *own.port.shape))) + ("" if own.port.shape else ",")
    return f'{own.name} = np.array(np.broadcast_to({own.name}, ({shape})), "{own.dtype}")'
