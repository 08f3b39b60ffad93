"""What any network has to be, beyond its interface: it bends, its settings act, it reads every pixel, it starts well.

A linear network, a setting that nothing reads, a picture whose last columns are left out: all of these train, and look
like a game that is hard.
"""

from __future__ import annotations

import inspect
import math
from collections.abc import Callable, Iterable, Iterator
from dataclasses import fields
from typing import Any

import numpy as np

from gankit.arrays import Array
from gankit.conformance.compare import require
from gankit.conformance.parts.common import exact, target
from gankit.conformance.parts.net import LATENT, MASK, PICTURE, REFUSALS, Net, opened, small_settings, smallest, specs
from gankit.conformance.parts.settings_act import others
from gankit.conformance.subject import Candidate, NotApplicable
from gankit.errors import CapabilityError
from gankit.interfaces import Port
from gankit.layers import Layer, Layers, output_range
from gankit.networks import GameSpec, Native

OBLONG = ((8, 12, 1), (16, 8, 1), (28, 56, 1), (32, 64, 3), (64, 32, 3))
"""Pictures whose sides differ."""
LEAST, MOST = 0.005, 50.0
"""Of the root mean square of a kernel times the root of its inputs: He's rule gives 1.4, the first of the published
networks 0.006 (uniform on [-0.005, 0.005]), and the largest 26."""


def check_network_bends(candidate: Candidate) -> None:
    """The network is linear: D could separate examples only by a plane, and G could only make a cloud of one shape."""
    net = smallest(candidate, exact(candidate).dtype)
    if net.role == "generator" and PICTURE in net.spec.given and MASK not in net.spec.given:
        raise NotApplicable("A G that is given a picture may do without z.")
    y = {name: np.repeat(values[:1], 3, axis=0) for name, values in net.given().items()}
    bends, most = 0.0, 0.0
    for seed in range(8):
        a, b = net.inputs(2, seed=seed)
        arrays = net.generic(seed, scale=0.5)
        out = _before_its_end(net, net.outputs(arrays, np.stack([a, (a + b) / 2, b]), y)[net.main])
        bends = max(bends, float(np.abs(out[1] - (out[0] + out[2]) / 2).max()))
        most = max(most, float(np.abs(out[0] - out[2]).max()))
    require(
        bends > 1e-5 * most,
        f"{net.what}: half way between two inputs its answer is half way between its answers, whatever its parameters: "
        "it is linear. Likely cause: no activation between its layers.",
    )


def _before_its_end(net: Net, out: Array) -> Array:
    """G's examples before the activation that gives them their range: that it bends is no merit of the network's."""
    architecture = net.architecture
    ends = architecture.output if isinstance(architecture, Native) else output_range(architecture)
    if net.role != "generator" or ends == "free":
        return out
    unit = out if ends == "unit" else (out + 1) / 2
    unit = np.clip(unit, 1e-12, 1 - 1e-12)
    return np.asarray(np.log(unit) - np.log1p(-unit))


def check_network_settings_act(candidate: Candidate) -> None:
    """You would set a number in vain: a setting does not change the network."""
    parameters = list(inspect.signature(target(candidate)).parameters.values())[1:]
    settings = [p for p in parameters if p.kind is p.KEYWORD_ONLY or p.default is not p.empty]
    settings = [p for p in settings if p.name not in candidate.settings]  # which are settled
    if not settings:
        raise NotApplicable("It has no settings.")
    for setting in settings:
        tried = []
        for spec in specs():
            with_default = _made(candidate, spec)
            if with_default is None:
                continue
            if isinstance(with_default, Native):
                raise NotApplicable("A module of a framework is compared by nothing but what it computes.")
            for value in others(setting):
                changed = _made(candidate, spec, **{setting.name: value})
                tried += [] if changed is None else [changed != with_default]
                if changed is not None and isinstance(setting.default, float):
                    _reaches_all(candidate, setting, with_default, changed)
            if any(tried) and not isinstance(setting.default, float):  # a number may be in layers of larger games only
                break
        require(
            any(tried) or not tried,
            f"{candidate.name!r}: its layers are the same whatever {setting.name} is. Use the setting, or remove it.",
        )


def _reaches_all(candidate: Candidate, setting: inspect.Parameter, before: Layers, after: Layers) -> None:
    """Require that a setting changes every layer that has a number of its name and value, if it changes any."""
    pairs = list(zip(_held(before, setting.name), _held(after, setting.name), strict=False))
    own = [new for old, new in pairs if old == setting.default]
    kept = own.count(setting.default)
    require(
        kept in (0, len(own)),
        f"{candidate.name!r}: {setting.name} changes {len(own) - kept} layers, and {kept} others keep "
        f"{setting.name}={setting.default}. Use the setting in all of them.",
    )


def _held(layers: Iterable[Any], name: str) -> Iterator[float]:
    """The numbers of that name which layers have, and those inside of them, from the input on."""
    for layer in layers:
        for field in fields(layer):
            value = getattr(layer, field.name)
            if field.name == name and isinstance(value, float):
                yield value
            inside = value if isinstance(value, tuple) else (value,)
            yield from _held((each for each in inside if isinstance(each, Layer)), name)


def _made(candidate: Candidate, spec: GameSpec, **settings: Any) -> Any:
    """The architecture, or None where it is not for this game or not with these settings."""
    try:
        return candidate.made(spec, **settings)
    except REFUSALS:
        return None


def check_network_reads_every_number(candidate: Candidate) -> None:
    """Some columns of an image would never be scored, or never be drawn: rows and columns are mixed up, or cut off."""
    net = oblong(candidate)
    if net.role == "generator":  # what it makes depends on z everywhere
        out = net.outputs(net.generic(), net.inputs(), net.given())[net.main]
        still = np.argwhere(np.ptp(out, axis=0) == 0)
        said = "are the same for every z"
    else:
        slopes = sum(np.abs(_slopes(net, seed)).max(axis=0) for seed in range(2))
        still = np.argwhere(slopes == 0)
        said = "change no score"
    require(
        not len(still),
        f"{net.what}: {len(still)} numbers of an example, the first at {still[:1].tolist()}, {said}. "
        "Likely cause: height and width exchanged, or a picture that is cut off.",
    )


def oblong(candidate: Candidate) -> Net:
    """The network for a picture that is not square; raises NotApplicable where it takes none."""
    backend = exact(candidate)
    for shape in OBLONG:
        part = {PICTURE: Port("image", shape), MASK: Port("mask", (*shape[:2], 1))}
        for given in ({}, part, {PICTURE: part[PICTURE]}):
            spec = GameSpec(shape, LATENT, None, True, given)
            if candidate.kind == "generators" and given:
                continue  # what is known of a picture is no matter of z
            for settings in small_settings(candidate):
                try:
                    return opened(candidate, spec, backend, settings)
                except CapabilityError:
                    raise
                except REFUSALS:
                    continue
    raise NotApplicable("It takes no picture whose sides differ.")


def _slopes(net: Net, seed: int) -> Array:
    """Of D's logits in its examples, away from its start."""
    ops = net.backend.ops
    params, held = net.held(net.generic(seed))
    given = net.on_device(net.given())

    def total(x: Any) -> Any:
        return ops.xp.sum(net.apply(params, held, x, given)[0][net.main])

    return np.asarray(ops.to_numpy(ops.compile(ops.grad(total))(ops.asarray(net.inputs(seed=seed)))))


def check_network_starts_in_scale(candidate: Candidate) -> None:
    """The first steps would diverge, or nothing would reach the next layers: a kernel starts far out of scale."""
    net = smallest(candidate, exact(candidate).dtype)
    if net.native:
        raise NotApplicable("A module of a framework starts from the numbers that it holds.")
    trained = net.network.shapes[0]
    for name, array in net.arrays.items():
        if name not in trained or array.ndim < 2 or not name.endswith("kernel") or not array.any():
            continue  # kernels of 0, as at the end of a residual branch, are on purpose
        size = float(np.sqrt(np.square(array).mean() * math.prod(array.shape[:-1])))
        require(
            LEAST < size < MOST,
            f"{net.what}: {name} starts at {size:.2g} times what would keep a signal's size. He's rule gives 1.4, "
            f"published networks are between {LEAST:g} and {MOST:g}. Likely cause: a spread that does not fall with "
            "the number of inputs, or is given as a variance.",
        )
    for name, array in net.arrays.items():
        if name in trained and array.ndim == 1 and name.endswith("scale") and array.any():
            size = float(np.sqrt(np.square(array).mean()))
            cause = "an initializer around 0, where it should be around 1."
            require(0.1 < size < 10, f"{net.what}: {name} starts at a size of {size:.2g}. Likely cause: {cause}")


def check_network_starts_awake(candidate: Candidate) -> None:
    """G would begin with one picture for every z, or D with one score for every example, and lose its first steps."""
    net = smallest(candidate, exact(candidate).dtype)
    if net.native or any(name.endswith("kernel") and not array.any() for name, array in net.arrays.items()):
        raise NotApplicable("It holds numbers of its own, or has kernels that start at 0, which is on purpose.")
    one, other = (net.outputs(net.arrays, net.inputs(seed=seed), net.given(seed=seed))[net.main] for seed in range(2))
    cause = "a scale that starts at 0, in front of which everything is lost."
    require(bool((one != other).any()), f"{net.what}: at its start every input gives the same output. Likely: {cause}")


CHECKS: tuple[Callable[[Candidate], None], ...] = (
    check_network_bends,
    check_network_settings_act,
    check_network_reads_every_number,
    check_network_starts_in_scale,
    check_network_starts_awake,
)
