"""From a config to a game that is ready to be played: its players, their places, and what plugs into it."""

from __future__ import annotations

import math
from collections.abc import Callable, Container, Mapping
from dataclasses import replace
from functools import partial
from types import MappingProxyType
from typing import Any, cast

from gankit.config import Config
from gankit.data.dataset import Dataset
from gankit.data.spec import DataSpec
from gankit.data.stream import BatchStream
from gankit.errors import ConfigError, one_of
from gankit.interfaces import LABEL, LATENT, Backend, Network, Port, Prior, Trainer
from gankit.layers import ClassesHead, ClassHead, Layers, buffers, conditions_of, draw, parameters, place
from gankit.layers.base import Parameter, Placed
from gankit.networks.native import Native, wrapped
from gankit.networks.spec import GameSpec
from gankit.play.assembled import Assembled, Start
from gankit.play.balance import Balance
from gankit.play.batches import Wants
from gankit.play.conditions import makers_of
from gankit.play.game import ENCODER, PHASES, D, G, Game, Seat
from gankit.play.plans import Plan, plans
from gankit.plug import registry
from gankit.plug.capabilities import demand, needs
from gankit.plug.making import distinct, make, prior_of
from gankit.plug.spelling import check_needs, check_spelling
from gankit.sealed import memory

NATIVE = "native"
"""The name that a module of the user's own goes by in a config."""
Brought = Mapping[str, Native]
Look = Callable[[str, Mapping[str, tuple[int, ...]]], None]
"""(role, shapes of its arrays as a checkpoint names them)."""
NOTHING: Brought = MappingProxyType({})


def architecture(plan: Plan, spec: GameSpec, brought: Brought) -> Layers | Native:
    """The layer records of a player, or its module."""
    if plan.network.name != NATIVE:
        return cast(Layers | Native, make(f"{plan.kind}s", plan.network, spec))
    if plan.role not in brought:
        asked = f"{plan.role}=..." if plan.role in PHASES else f"players={{{plan.role!r}: ...}}"
        raise ConfigError(
            f"The {plan.role} of this game is your own module, {plan.network.settings.get('module')}. Pass one like "
            f"it: gankit.load(path, {asked})."
        )
    return brought[plan.role]


def game_spec(config: Config, spec: DataSpec, source: str = "", without: Container[str] = ()) -> GameSpec:
    """What a network of the game's own data, or of a further source, has to know. without: conditions that it is not
    given."""
    own = spec.sources[source] if source else spec
    sources = {name: Port("image", other.shape, other.num_classes) for name, other in spec.sources.items()}
    # Labels of a further source are there for terms, unless the whole game is played with labels.
    told = {name: port for name, port in own.given.items() if name != LABEL or config.conditional}
    given = {name: port for name, port in told.items() if name not in without}
    return GameSpec(
        own.shape, config.latent_dim, bounded=own.bounded, given=given, sources=sources, choices=own.choices
    )


def assemble(
    config: Config,
    backend: Backend,
    spec: DataSpec,
    dataset: Dataset | BatchStream | None,
    brought: Brought = NOTHING,
    sources: Mapping[str, Dataset] = MappingProxyType({}),
    look: Look = lambda role, shapes: None,
) -> Trainer:
    """The trainer of a game on an open backend; raises ConfigError when its parts don't fit each other or the data.

    look: is shown what arrays a player is to have before any of them is made, and may raise.
    """
    config = replace(config, conditions=tuple(spec.given))  # checkpoints from before conditions had names say none
    loss = make("losses", config.loss)
    check_spelling("losses", loss)
    _check_labels(config, spec, loss)
    terms = distinct("penalties", config.penalties)
    everybody = plans(config)
    encoded = {plan.source: plan.role for plan in everybody if plan.kind == ENCODER}
    own_spec = game_spec(config, spec)
    makers = makers_of(config, own_spec)
    # Fakes are made from examples of another domain; which of them belong to the reals, nobody says.
    unpaired = {name for maker in makers if getattr(maker, "source", None) for name in maker.ports}

    def tells_classes() -> bool:
        layers = architecture(everybody[1], game_spec(config, spec, without=unpaired), brought)
        # Of a module of the user's own it is not known before it is called.
        return isinstance(layers, Native) or any(isinstance(layer, ClassHead | ClassesHead) for layer in layers)

    check_needs(terms, (*config.source_names, *(plan.role for plan in everybody)), spec.given, tells_classes)
    seats, starts, specs = {}, {}, {}
    for plan in everybody:
        prior = prior_of(config.prior, config.latent_dim) if plan.kind == G else None
        own = game_spec(config, spec, plan.source, unpaired if plan.kind == D else ())
        if plan.kind == D and plan.source in encoded and not plan.frozen:
            own = replace(own, given={**own.given, LATENT: Port("vector", (config.latent_dim,))})
        network, starts[plan.role], takes, placed = network_of(plan, own, prior, brought, backend, look)
        specs[plan.role] = optimizer = make("optimizers", plan.optimizer)
        averaged = bool(config.ema) and (plan.kind in (G, ENCODER) or config.averages == "both")
        seats[plan.role] = Seat(
            network,
            backend.optimizer(optimizer),
            plan.phase,
            plan.kind,
            plan.source,
            takes,
            averaged,
            plan.frozen,
            placed,
        )
    _check_taken(spec, seats)
    _check_encoders(config, seats)
    span = 1.0 if spec.scaling.low is not None and spec.scaling.offset == spec.scaling.low else 2.0
    rules = Game(
        ops=backend.ops,
        seats=seats,
        loss=loss,
        terms=terms,
        constraints=distinct("constraints", config.constraints),
        augmentations=tuple(make("augmentations", part, own_spec, span) for part in config.augmentations),
        k=config.k,
        schedule=cast(Any, config.schedule),
        gradient_clip=config.gradient_clip,
        accumulate=config.accumulate,
        consensus=float(config.consensus),
        balance=Balance(**config.balance, k=config.k) if config.balance else None,
    )
    asked: dict[str, Any] = {"sources": config.source_names, "makers": makers, "encoders": bool(encoded)}
    wants = Wants.of(loss, terms, num_classes=spec.num_classes, **asked)
    assembled = Assembled(config, backend, spec, rules, starts, specs, wants, makers)
    make_trainer = cast(Callable[..., Trainer], registry.load("trainers", config.trainer))
    return make_trainer(assembled, dataset, **({"sources": sources} if sources else {}))


def network_of(
    plan: Plan, spec: GameSpec, prior: Prior | None, brought: Brought, backend: Backend, look: Look
) -> tuple[Network, Start, frozenset[str], tuple[Placed, ...]]:
    """A player's network on the backend, how its arrays are drawn, the conditions that it reads, and its layers; raises
    ConfigError when its shapes don't fit. prior: what a G is given."""
    inside, outside, what = {
        G: ((prior.width if prior else 0,), spec.shape, "an example"),
        D: (spec.shape, (), "one logit an example"),
        ENCODER: (spec.shape, (spec.latent_dim,), "a latent"),
    }[plan.kind]
    layers, name = architecture(plan, spec, brought), plan.network.name
    placed: tuple[Placed, ...] = ()
    if isinstance(layers, Native):
        if prior and prior.layers:
            raise ConfigError(
                f"The {plan.role} {layers.name} is a module of its own, in front of which a prior that learns has no "
                "place. Choose another, such as 'normal' or 'sphere', or learn the means in your module."
            )
        try:
            network, arrays, got = wrapped(layers, plan.kind, spec, backend)
        except ConfigError as error:
            if name == NATIVE:
                raise
            raise ConfigError(f"{name!r} ({plan.role}): {error}") from error
        start: Start = lambda purpose, streams, mean: arrays  # noqa: E731
        takes, name = frozenset(spec.given), layers.name
    else:
        layers = (*prior.layers, *layers) if prior else layers
        placed = place(layers, inside)
        demand(backend, needs(layers), f"{name!r} ({plan.role})")
        families = {"params": parameters(placed), "buffers": buffers(placed)}
        _check_size(plan.role, name, families)
        look(plan.role, {f"{kind}/{key}": own.shape for kind, each in families.items() for key, own in each.items()})
        network, got, takes = backend.network(placed), placed[-1].output_shape, conditions_of(layers)
        start = partial(draw, families["params"] | families["buffers"])
        if missing := sorted(takes - spec.given.keys()):
            raise ConfigError(
                f"{name!r} ({plan.role}) takes the condition {missing[0]!r}, which this game lacks. Its conditions: "
                f"{one_of(spec.given) if spec.given else 'none'}."
            )
    if got != outside:
        flatten = " Flatten (N, 1) to (N,)." if got == (1,) and plan.kind == D else ""
        raise ConfigError(f"{name!r} ends in shape {got}; it must end in {outside}, {what}.{flatten}")
    return network, start, takes, placed


def _check_size(role: str, name: str, families: Mapping[str, Mapping[str, Parameter]]) -> None:
    """Raise ConfigError for a player that is larger than this machine's memory, before any array is made."""
    count = sum(math.prod(each.shape) for arrays in families.values() for each in arrays.values())
    if (asked := 8.0 * count) > (there := memory()):  # what it starts with is drawn in float64
        raise ConfigError(
            f"{name!r} ({role}) would have {count:,} parameters, {asked / 1e9:,.0f} GB, and this machine has "
            f"{there / 1e9:,.0f} GB of memory. Make its layers smaller."
        )


def _check_labels(config: Config, spec: DataSpec, loss: Any) -> None:
    if getattr(loss, "needs_mismatched", False) and spec.num_classes == 1:
        raise ConfigError("mismatched=True needs wrong labels, but there is only one class.")
    if config.conditional and config.fake_labels != "data" and getattr(loss, "pairs_examples", False):
        raise ConfigError(
            f"fake_labels={config.fake_labels!r}: the loss compares each fake with the real example in its row, and "
            "both must have the same label. Use fake_labels='data'."
        )


def _check_encoders(config: Config, seats: Mapping[str, Seat]) -> None:
    """Every D beside an encoder must be given the latent, and a latent must be what is drawn."""
    encoders = {seat.source: role for role, seat in seats.items() if seat.kind == ENCODER}
    if encoders and prior_of(config.prior, config.latent_dim).layers:
        name = getattr(config.prior, "name", config.prior)
        raise ConfigError(
            f"The prior {name!r} learns, and an encoder finds the z that was drawn. Choose a prior that is fixed, such "
            "as 'normal'."
        )
    for role, seat in seats.items():
        if seat.kind == D and seat.source in encoders and LATENT not in seat.takes and not seat.frozen:
            raise ConfigError(
                f"The {role} is not given the latent, so the {encoders[seat.source]} would learn nothing. Choose a "
                "network that takes conditions, such as 'mlp', or begin yours with spec.conditions()."
            )
    for source, role in encoders.items():
        alone = all(LATENT not in seat.takes for seat in seats.values() if (seat.kind, seat.source) == (D, source))
        if alone and seats[role].network.shapes[1]:
            raise ConfigError(
                f"The {role} learns by terms alone, whose passes move no running statistics. Choose a network without "
                "batch norm: norm=False."
            )


def _check_taken(spec: DataSpec, seats: Mapping[str, Seat]) -> None:
    """Every condition but labels, which D may be left to guess, must be read by G: else nothing depends on it."""
    for name, port in spec.given.items():
        if port.kind != "class" and name not in seats[G].takes:
            raise ConfigError(
                f"The generator does not take the game's condition {name!r} ({port}). Choose a network that does, such "
                "as 'mlp' or 'image-to-image', or leave out the condition."
            )
