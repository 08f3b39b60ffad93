"""What this distribution brings; imported when plugins are listed, so MLX isn't."""

from collections.abc import Iterator

from gankit.plug.hookspecs import Entry, hookimpl


@hookimpl
def gankit_backends() -> Iterator[Entry]:
    yield Entry(name="mlx", target="gankit_mlx.backend:MlxBackend", api=2, summary="MLX, for Apple silicon")
