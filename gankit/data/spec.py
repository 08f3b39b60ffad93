"""What a game remembers of its data, with and without the data."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from gankit.arrays import Array
from gankit.data.dataset import Codec, Scaling
from gankit.data.tables.codec import Codec as TableCodec
from gankit.interfaces.values import LABEL, Choice, Port

NOTHING: Mapping[str, Any] = {}


@dataclass(frozen=True, eq=False)
class DataSpec:
    """What a game remembers of its data.

    shape: of one example. num_classes: of the labels; None in a game without.
    scaling: to and from the user's units.
    given: what the conditions are, by name, labels included.
    units: the scalings of those conditions that have units of their own.
    sources: the same of the further sources, by name.
    codec: what makes rows of numbers into what the user knows, such as rows of a table; None where they are that.
    """

    shape: tuple[int, ...]
    num_classes: int | None
    scaling: Scaling
    given: Mapping[str, Port] = field(default_factory=dict)
    units: Mapping[str, Scaling] = field(default_factory=dict)
    sources: Mapping[str, DataSpec] = field(default_factory=dict)
    codec: Codec | None = None

    def __post_init__(self) -> None:
        if self.num_classes is not None and LABEL not in self.given:
            label = Port("class", num_classes=self.num_classes)
            object.__setattr__(self, "given", {LABEL: label, **self.given})

    @property
    def bounded(self) -> bool:
        """Whether examples have a known least and greatest value."""
        return self.scaling.low is not None

    @property
    def value_range(self) -> tuple[float, float] | None:
        """The least and greatest value of the user's units; None when unbounded."""
        low, high = self.scaling.low, self.scaling.high
        return None if low is None or high is None else (low, high)

    def unit(self, name: str) -> Scaling | None:
        """The scaling of a condition; None where networks see it as it is."""
        port = self.given[name]
        if port.kind == "part" or not port.scaled:
            return self.scaling if port.scaled else None
        return self.units.get(name, self.scaling if self.scaling.offset.ndim == 0 else None)

    @property
    def choices(self) -> tuple[Choice, ...]:
        """The places in an example where one of several numbers is 1."""
        return () if self.codec is None else self.codec.choices

    def to_user(self, model: Array) -> Any:
        """Examples (n, *shape) in model units as the user knows them: an array, or what a codec makes of it."""
        x = self.scaling.to_user(model)
        return x if self.codec is None else self.codec.decode(x)

    def as_array(self, examples: Any) -> Any:
        """What the user knows as an array (n, *shape), where there is a codec; an array stays what it is."""
        coded = self.codec is not None and not isinstance(examples, np.ndarray)
        return self.codec.encode(examples) if coded and self.codec is not None else examples

    def arrays(self) -> dict[str, Array]:
        """What of it goes into a checkpoint as arrays, by name."""
        scalings = {"data": self.scaling} | {f"data/given/{name}": s for name, s in self.units.items()}
        own = {f"{name}/{key}": getattr(s, key) for name, s in scalings.items() for key in ("offset", "scale")}
        for source, spec in self.sources.items():
            own |= {name.replace("data/", f"data/{source}/", 1): array for name, array in spec.arrays().items()}
        return own

    def to_plain(self) -> dict[str, Any]:
        """What of it goes into a checkpoint's header. Games that have labels at most are told as they always were."""
        plain: dict[str, Any] = {"shape": list(self.shape), "num_classes": self.num_classes, **_bounds(self.scaling)}
        further = {name: port.to_plain() for name, port in self.given.items() if name != LABEL}
        units = {name: _bounds(scaling) for name, scaling in self.units.items()}
        sources = {source: spec.to_plain() for source, spec in self.sources.items()}
        codec = None if self.codec is None else self.codec.to_plain()
        own = {"given": further, "units": units, "sources": sources, "table": codec}
        return plain | {k: v for k, v in own.items() if v}

    @classmethod
    def from_checkpoint(cls, arrays: Mapping[str, Array], meta: Mapping[str, Any]) -> DataSpec:
        """The inverse of `to_plain`, with the arrays of the file."""
        return cls._from_plain("data", arrays, meta["data"])

    @classmethod
    def _from_plain(cls, prefix: str, arrays: Mapping[str, Array], plain: Mapping[str, Any]) -> DataSpec:
        def scaling(name: str, bounds: Mapping[str, Any]) -> Scaling:
            offset, scale = arrays[f"{name}/offset"], arrays[f"{name}/scale"]
            return Scaling(offset, scale, bounds["low"], bounds["high"], bounds["dtype"])

        return cls(
            tuple(plain["shape"]),
            plain["num_classes"],
            scaling(prefix, plain),
            {name: Port.from_plain(port) for name, port in plain.get("given", NOTHING).items()},
            {name: scaling(f"{prefix}/given/{name}", s) for name, s in plain.get("units", NOTHING).items()},
            {
                source: cls._from_plain(f"{prefix}/{source}", arrays, own)
                for source, own in plain.get("sources", NOTHING).items()
            },
            TableCodec.from_plain(plain["table"]) if "table" in plain else None,
        )


def _bounds(scaling: Scaling) -> dict[str, Any]:
    return {"low": scaling.low, "high": scaling.high, "dtype": scaling.dtype}
