"""What this distribution brings."""

from collections.abc import Iterator

from gankit import Entry, hookimpl


@hookimpl
def gankit_loggers() -> Iterator[Entry]:
    yield Entry(
        name="wandb",
        target="gankit_loggers.wandb:WeightsAndBiases",
        api=2,
        summary="Weights & Biases: terms and samples, on a server or offline",
    )
    yield Entry(
        name="trackio",
        target="gankit_loggers.trackio:Trackio",
        api=2,
        summary="trackio: terms and samples, on this machine or a Hugging Face Space",
    )
