"""What this distribution brings; imported when plugins are listed, so torch isn't."""

from collections.abc import Iterator

from gankit.plug.hookspecs import Entry, hookimpl


@hookimpl
def gankit_backends() -> Iterator[Entry]:
    yield Entry(name="torch", target="gankit_torch.backend:TorchBackend", api=2, summary="PyTorch, on CPU or CUDA")
