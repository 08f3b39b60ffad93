"""What this distribution brings; imported when plugins are listed, so JAX isn't."""

from collections.abc import Iterator

from gankit.plug.hookspecs import Entry, hookimpl


@hookimpl
def gankit_backends() -> Iterator[Entry]:
    yield Entry(name="jax", target="gankit_jax.backend:JaxBackend", api=2, summary="JAX with flax and optax")
