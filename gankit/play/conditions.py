"""Conditions on their way: brought with the data, or made of the examples, on the device, inside the step."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any, NamedTuple

from gankit.config import Config, Part
from gankit.data.dataset import Dataset, Scaling, port_of, scaling
from gankit.data.spec import DataSpec
from gankit.data.stream import BatchStream
from gankit.errors import ConfigError, DataError, did_you_mean, one_of
from gankit.interfaces import LABEL, Array, ConditionMaker, Draw, Given, Ops, Port
from gankit.networks.spec import GameSpec
from gankit.play.batches import NOISE
from gankit.plug import registry
from gankit.plug.making import make

Makers = tuple[ConditionMaker, ...]


def makers_of(config: Config, spec: GameSpec) -> Makers:
    """The makers of conditions that act in the step."""
    return tuple(make("conditions", part, spec) for part in config.given if not _splits(part))


def _splits(part: Part) -> bool:
    return bool(getattr(registry.load("conditions", part.name), "splits", False))


def split_by(config: Config, data: Dataset | BatchStream) -> Dataset | BatchStream:
    """The data with each example cut in two, an example and its condition, where a maker of conditions does that."""
    for part in filter(_splits, config.given):
        if isinstance(data, BatchStream):
            raise DataError(f"given={part.name!r} cuts examples in two, which batches that come by cannot be.")
        data = make("conditions", part, bare_spec(config, data, {})).split(data)
    return data


def bare_spec(config: Config, dataset: Dataset, others: Mapping[str, Dataset]) -> GameSpec:
    """What is known of a game before its conditions are."""
    sources = {source: Port("image", data.shape, classes_of(data)) for source, data in others.items()}
    bounded = dataset.value_range is not None
    choices = () if dataset.codec is None else dataset.codec.choices
    return GameSpec(dataset.shape, config.latent_dim, bounded=bounded, sources=sources, choices=choices)


def classes_of(data: Dataset) -> int | None:
    """How many classes the examples of a source are of; None without labels."""
    return data.num_classes if data.labels is not None else None


def settled(config: Config, dataset: Dataset, makers: Makers, labelled: bool) -> Config:
    """The config with the names of all its conditions: labels where the loss plays with them, those that the data
    brings, and those that are made of the examples."""
    asked = set(config.conditions)
    made = [name for maker in makers for name in maker.ports]
    labels = [LABEL] if labelled or LABEL in asked else []
    names = dict.fromkeys([*labels, *(n for n in dataset.given if not asked or n in asked), *made])
    if missing := sorted(asked - names.keys()):
        possible = [LABEL, *dataset.given, *made]
        raise ConfigError(
            f"conditions={list(config.conditions)}: {dataset.name} brings no {missing[0]!r}."
            f"{did_you_mean(missing[0], possible)} Possible: {one_of(possible)}."
        )
    if twice := sorted({name for name in made if made.count(name) > 1} | (dataset.given.keys() & set(made))):
        raise ConfigError(f"given: {twice[0]!r} exists twice. Give one another name: name='...'.")
    return replace(config, conditions=tuple(names))


def data_spec(
    config: Config,
    dataset: Dataset,
    others: Mapping[str, Dataset],
    makers: Makers,
    outputs: Mapping[str, str],
    num_classes: int | None,
) -> DataSpec:
    """What a settled game remembers of its data and conditions. outputs: what the G of each source ends in."""
    ends = outputs.get("", "free")
    given, units = ports(config, dataset, makers, num_classes), {}
    for name in dataset.given.keys() & given.keys():
        if (unit := _units_of(dataset, name, ends)) is not None:
            units[name] = unit
    sources = {}
    for source, data in others.items():
        own = {name: port_of(name, values) for name, values in data.given.items()}
        crossed = {
            name: Port("image", dataset.shape)
            for maker in makers
            if getattr(maker, "source", None) == source
            for name in maker.ports
        }
        own_units = {name: unit for name in data.given if (unit := _units_of(data, name, ends)) is not None}
        # What no G makes is seen by players of the game's own data, and so in its units, where it brings none.
        alike = source not in outputs and data.value_range is None
        own_scaling = scaling(dataset if alike else data, outputs.get(source, ends))
        sources[source] = DataSpec(data.shape, classes_of(data), own_scaling, {**own, **crossed}, own_units)
    return DataSpec(dataset.shape, num_classes, scaling(dataset, ends), given, units, sources, dataset.codec)


def ports(config: Config, dataset: Dataset, makers: Makers, num_classes: int | None) -> dict[str, Port]:
    """What a settled game's conditions are, by name."""
    found = {name: port_of(name, values) for name, values in dataset.given.items()}
    if num_classes is not None:
        found[LABEL] = Port("class", num_classes=num_classes)
    for maker in makers:
        found |= maker.ports
    return {name: found[name] for name in config.conditions}


class Seen(NamedTuple):
    """The units in which makers see examples, as an affine map of the model's: (x - offset) / scale.

    Pictures of a known range are numbers in [0, 1], all else is in the units of the data.
    """

    offset: Any
    scale: Any
    pictures: bool

    @classmethod
    def of(cls, spec: DataSpec) -> Seen:
        s = spec.scaling
        if s.low is not None and s.high is not None and len(spec.shape) == 3:
            return cls(float((s.low - s.offset) / s.scale), float((s.high - s.low) / s.scale), True)
        return cls(-s.offset / s.scale, 1.0 / s.scale, False)

    def made_by(self, maker: ConditionMaker, ops: Ops, x: Array, noise: Array | None) -> dict[str, Array]:
        """A maker's conditions of examples in model units, pictures in these too."""
        offset, scale = (v if isinstance(v, float) else ops.asarray(v) for v in (self.offset, self.scale))
        plain = self.pictures and (offset, scale) == (0.0, 1.0)
        out = maker(ops, x if plain else (x - offset) / scale, noise)
        scaled = ("image", "part") if self.pictures else ("part",)
        back = set() if plain else {name for name, port in maker.ports.items() if port.kind in scaled}
        return {name: v * scale + offset if name in back else v for name, v in out.items()}


def made(makers: Makers, ops: Ops, draw: Draw, seen: Seen) -> Draw:
    """The draw, its examples in model units, with the conditions that are made of them."""
    if not makers:
        return draw
    assert draw.real is not None  # `Wants` asks for them where there are makers
    lead = draw.z.shape[:-1]  # (m,), or (k, m)
    x = ops.xp.reshape(draw.real, (-1, *draw.real.shape[len(lead) :]))
    own: dict[str, Any] = {}
    for i, maker in enumerate(makers):
        source = getattr(maker, "source", None)
        if source is not None:
            draw = _crossed(draw, source, *maker.ports)
            continue
        noise = draw.given.get(f"{NOISE}{i}")
        flat = None if noise is None else ops.xp.reshape(noise, (-1, noise.shape[-1]))
        for name, values in seen.made_by(maker, ops, x, flat).items():
            own[name] = ops.xp.reshape(values, (*lead, *values.shape[1:]))

    def kept(given: Given) -> dict[str, Any]:
        return {name: values for name, values in given.items() if not name.startswith(NOISE)} | own

    given = kept(draw.given)
    return draw._replace(given=given, fake_given=given if draw.fake_given is draw.given else kept(draw.fake_given))


def _crossed(draw: Draw, source: str, name: str) -> Draw:
    """Unpaired domains: each G is given the examples of the other's, which belong to none of its own."""
    other = draw.others[source]
    others = {**draw.others, source: other._replace(fake_given={**other.fake_given, name: draw.real})}
    return draw._replace(others=others, fake_given={**draw.fake_given, name: other.real})


def _units_of(dataset: Dataset, name: str, ends: str) -> Scaling | None:
    """The scaling of a picture that the data brings as a condition: into the range of the examples."""
    values = dataset.given[name]
    if port_of(name, values).kind != "image":
        return None
    from gankit.data.sources import told_range

    bounds = told_range(values, f"{dataset.name}, {name!r}")
    return None if bounds is None else scaling(Dataset(values, value_range=bounds, name=name), ends)
