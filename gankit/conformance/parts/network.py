"""What any network is judged by, a stranger's included, on a backend: no file of its author's.

    python -m gankit.conformance --network dcgan

Shapes are judged at full size, by inference alone; everything else in the smallest game that the network accepts, at a
sixteenth of its size where a setting such as `width` says how large it is.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

import numpy as np

from gankit.arrays import Array
from gankit.conformance.compare import require
from gankit.conformance.parts import network_shape, network_training
from gankit.conformance.parts.common import exact
from gankit.conformance.parts.net import (
    CLASSES,
    PICTURE,
    REFUSALS,
    N,
    Net,
    close,
    game,
    opened,
    smallest,
    specs,
)
from gankit.conformance.subject import Candidate, NotApplicable
from gankit.errors import CapabilityError
from gankit.layers import end_shape, output_range
from gankit.networks import Native
from gankit.plug.capabilities import OWN_MODULES, demand

RANGES = {"unit": (0.0, 1.0), "symmetric": (-1.0, 1.0)}
NAME = re.compile(r"\w+(/\w+)*")
TURNED = (0, 2, 3, 1)
SCALES = ((1.0, 1.0), (4.0, 1.0), (10.0, 100.0))
"""Of parameters and of inputs, in which a network shows its range."""


def check_network_shapes(candidate: Candidate) -> None:
    """The network would fit no data, or fail in the middle of a run instead of saying what it takes."""
    accepted, refusals = [], []
    for spec in specs():
        what = f"{candidate.name!r} for {game(spec)}"
        latents = candidate.kind == "generators"
        want: Any = {"generators": spec.shape, "encoders": (spec.latent_dim,)}.get(candidate.kind, ())
        try:
            architecture = candidate.made(spec)
            if isinstance(architecture, Native):
                ends = opened(candidate, spec, candidate.on.open("float32"), {}).ends
            else:
                ends = end_shape(architecture, (spec.latent_dim,) if latents else spec.shape)
        except CapabilityError:
            raise
        except REFUSALS as error:
            refusals.append(f"{what}: {error}")
            continue
        except Exception as error:
            raise AssertionError(
                f"{what}: {type(error).__name__}: {error}. What it cannot play it must refuse in words: raise "
                "gankit.ConfigError, or ask by spec.require(...)."
            ) from error
        hint = " End in Reshape(())." if ends == (1,) and want == () else ""
        require(ends == want, f"{what} ends in shape {ends}; it must end in {want}.{hint}")
        accepted.append(spec)
    require(bool(accepted), f"{candidate.name!r} accepts none of these games:\n" + "\n".join(refusals))


def check_network_outputs(candidate: Candidate) -> None:
    """Losses would silently broadcast arrays of the wrong shape."""
    for dtype in candidate.on.dtypes:
        net = smallest(candidate, dtype)
        got = net.outputs(net.arrays, net.inputs(), net.given())
        of_one = {"generator": net.spec.shape, "encoder": (net.spec.latent_dim,)}.get(net.role, ())
        shapes = {net.main: (N, *of_one)}
        if net.spec.num_classes is not None:
            shapes["class_logits"] = (N, net.spec.num_classes)
        require(net.main in got, f"{net.what} returns {sorted(got)}, and no {net.main}.")
        for name, array in got.items():
            shape = shapes.get(name, (N, *array.shape[1:]))
            require(array.shape == shape, f"{net.what}: {name} has shape {array.shape}, expected {shape}.")
            # A module of a framework computes in what its author chose; the step casts what comes out.
            own = net.native or str(array.dtype) == dtype
            require(own, f"{net.what}: {name} is {array.dtype} in a game of {dtype}.")
            require(bool(np.isfinite(array).all()), f"{net.what}: {name} is not finite before the first step.")
            most = float(np.abs(array).max())
            small = most < 1e4 or name.startswith("features")
            what = f"{net.what}: {name} starts at {most:.3g}."
            require(small, f"{what} Likely cause: initial kernels that are too large.")


def check_network_range(candidate: Candidate) -> None:
    """D's scores would pass through a sigmoid twice, or G could not reach parts of the data."""
    dtype = exact(candidate).dtype
    net = smallest(candidate, dtype)
    in_range(net)
    if not net.spec.bounded:
        try:
            net = smallest(candidate, dtype, bounded=True)
        except NotApplicable:
            return
        in_range(net)


def in_range(net: Net) -> None:
    """Raise AssertionError unless D's logits and an encoder's latents pass 1 and -1, and G's examples fill the range
    that they are said to have."""
    # Parameters and inputs of all sizes: in one of these draws an honest logit is above 1, and in one below -1. Of a
    # logsumexp of classes it is one draw in eight or so.
    sizes = [(seed, scale, far) for seed in range(24) for scale, far in SCALES]
    ops, y = net.backend.ops, net.given()
    run = ops.compile(lambda p, b, x: net.apply(p, b, x, net.on_device(y))[0][net.main])
    seen = [
        ops.to_numpy(run(*net.held(net.generic(seed, scale)), ops.asarray(far * net.inputs(seed=seed))))
        for seed, scale, far in sizes
    ]
    least, most = min(float(out.min()) for out in seen), max(float(out.max()) for out in seen)
    if net.role != "generator":
        said = "logits" if net.role == "discriminator" else "latents"
        require(
            most > 1 and least < -1,
            f"{net.what}: whatever its parameters, its {said} stay between {least:.3g} and {most:.3g}. They must be "
            "numbers without bounds. Likely cause: a sigmoid, tanh or relu at the end.",
        )
        return
    architecture = net.architecture
    output = architecture.output if isinstance(architecture, Native) else output_range(architecture)
    if output not in RANGES:
        return
    low, high = RANGES[output]
    require(
        low - 1e-6 <= least and most <= high + 1e-6,
        f"{net.what} says that its examples are in [{low:g}, {high:g}], and makes some from {least:.3g} to {most:.3g}. "
        'Say output="free", or end in the activation of that range.',
    )
    quarter = (high - low) / 4
    require(
        least < low + quarter and most > high - quarter,
        f"{net.what} says that its examples are in [{low:g}, {high:g}], and makes none outside of "
        f'[{least:.3g}, {most:.3g}]. Likely cause: a sigmoid where output="symmetric" means tanh.',
    )


def check_network_inputs_matter(candidate: Candidate) -> None:
    """G would make the same image from every z, or D would give every example the same score."""
    net = smallest(candidate, exact(candidate).dtype)
    if net.role == "generator" and PICTURE in net.spec.given:
        raise NotApplicable("A G that is given a picture may do without z, as that of pix2pix does.")
    out = net.outputs(net.generic(), net.inputs(), _alike(net))[net.main]
    what = "latents" if net.role == "generator" else "examples"
    spread = float(np.abs(out - out[:1]).max())
    require(spread > 1e-9, f"{net.what} returns the same for all {what}. Likely cause: an input that is not used.")


def check_network_conditions_matter(candidate: Candidate) -> None:
    """A conditional game would be an unconditional one: G ignores the condition, or D accepts a wrong one."""
    net = smallest(candidate, exact(candidate).dtype, conditional=True)
    x = np.repeat(net.inputs(1), CLASSES, axis=0)
    out = net.outputs(net.generic(), x, net.given(CLASSES))
    if "class_logits" in out:
        return  # the labels are in D's own answer, for the loss to compare
    array = out[net.main]
    for i in range(CLASSES):
        require(
            float(np.abs(array[i] - array[i - 1]).max()) > 1e-9,
            f"{net.what} returns the same whatever {', '.join(net.spec.given)} is. Likely cause: a condition that is "
            "not used; begin with spec.conditions(), or use an embedding, a projection or ConditionAffine.",
        )


def check_network_names(candidate: Candidate) -> None:
    """A checkpoint could not be opened again, or not by another backend, because its names would differ."""
    nets = [smallest(candidate, "float32") for _ in range(2)]
    for net in nets:
        for name in [name for family in net.network.shapes for name in family]:
            require(NAME.fullmatch(name) is not None, f"{net.what}: the name {name!r} is not like dense0/kernel.")
    (params, held), (again, held_again) = (net.network.shapes for net in nets)
    require(
        (params, held) == (again, held_again),
        f"{nets[0].what}: made twice, it has other parameters: {sorted(params.items() ^ again.items())}. Likely cause: "
        "something drawn or counted while it is made.",
    )
    require(not params.keys() & held.keys(), f"{nets[0].what}: {sorted(params.keys() & held.keys())} are there twice.")


def check_network_start(candidate: Candidate) -> None:
    """The same seed would not give the same run: the initial values do not come from the seed."""
    net = smallest(candidate, "float32")
    if net.native:
        raise NotApplicable("A module of a framework starts from the numbers that it holds.")
    same, other = (opened(candidate, net.spec, net.backend, net.settings, seed) for seed in (0, 1))
    for name, array in net.arrays.items():
        require(
            np.array_equal(array, same.arrays[name]),
            f"{net.what}: {name} starts from other numbers when it is made again. Likely cause: an initializer that "
            "draws from a generator of its own; draw from the rng that it is given.",
        )
    require(
        any(not np.array_equal(array, other.arrays[name]) for name, array in net.arrays.items()),
        f"{net.what} starts from the same numbers whatever the seed is. Likely cause: constants only, so that all "
        "units of a layer are one; or an initializer with a seed of its own.",
    )


def check_network_evaluates_alike(candidate: Candidate) -> None:
    """The same seed would give different samples, and D would score an example differently the next time."""
    net = smallest(candidate, exact(candidate).dtype)
    x, y, arrays = net.inputs(), net.given(), net.generic()
    first, again = (net.outputs(arrays, x, y) for _ in range(2))
    for name, array in first.items():
        require(
            np.array_equal(array, again[name]),
            f"{net.what}: {name} is another one when it is evaluated again. Likely cause: dropout or noise that is on "
            "in evaluation too.",
        )
    if not net.network.shapes[1]:
        return  # no buffers that could move
    ops, (params, held) = net.backend.ops, net.held(arrays)
    _, after = net.apply(params, held, ops.asarray(x), net.on_device(y))
    before, now = net.network.export(held), net.network.export(after)
    moved = [name for name in before if not np.array_equal(before[name], now[name])]
    require(not moved, f"{net.what}: evaluation moves {', '.join(moved)}; only training may.")


def check_network_examples_are_independent(candidate: Candidate) -> None:
    """A sample would depend on the others that are drawn with it, and one pass over real and fake would not be
    exact."""
    net = smallest(candidate, exact(candidate).dtype)
    passes = {False: "evaluation"} if net.role == "generator" or not net.network.mixes_samples else {}
    if not net.network.mixes_samples:
        passes[True] = "training"
    if not passes:
        raise NotApplicable("It says that it mixes the examples of a batch.")
    x, y, arrays = net.inputs(), net.given(), net.generic()
    changed = x.copy()
    changed[-1] += 1.0
    for train, name in passes.items():
        a, b = (net.outputs(arrays, at, y, train=train) for at in (x, changed))
        for part, array in a.items():
            require(
                close(array[:-1], b[part][:-1], net.backend),
                f"{net.what}, {name}: {part} of an example changes when another example does. Likely cause: statistics "
                "of the batch in a layer that does not say mixes_samples.",
            )


def check_network_exports(candidate: Candidate) -> None:
    """A checkpoint would open as a different network."""
    net = smallest(candidate, exact(candidate).dtype)
    x, y, arrays = net.inputs(), net.given(), net.generic()
    params, held = net.held(arrays)
    exported = net.network.export(params) | net.network.export(held)
    missing = sorted(arrays.keys() ^ exported.keys())
    require(not missing, f"{net.what}: {', '.join(missing)} are not both in what it starts from and in its export.")
    want, got = net.outputs(arrays, x, y), net.outputs(exported, x, y)
    for name, array in want.items():
        require(np.array_equal(array, got[name]), f"{net.what}: exported and restored, its {name} is another one.")


def check_network_as_a_module(candidate: Candidate) -> None:
    """`gan.generator.native` would not be the network that was trained."""
    backend = exact(candidate)
    demand(backend, {OWN_MODULES}, "A module of the user's own")
    net = smallest(candidate, backend.dtype)
    x, y = net.inputs(), net.given()
    arrays = net.generic()
    want = net.outputs(arrays, x, y)
    module = net.network.with_params(*net.held(arrays))
    network, held = net.backend.wrap(module)
    outer = Net(net.role, net.spec, net.architecture, net.backend, network, held, net.ends, net.settings)
    # A module made from records takes pictures as gankit has them, (N, h, w, c), on every framework, and a wrapped one
    # is handed its framework's. Where these differ, pictures are turned so that they arrive as they were.
    pictures = x.ndim == 4 or any(values.ndim == 4 for values in y.values())
    for turning in [False, True] if pictures else [False]:
        at, given = (_turned(x), {name: _turned(c) for name, c in y.items()}) if turning else (x, y)
        try:
            got = outer.outputs(held, at, given)
        except Exception:  # the framework's own, about a shape: the pictures may have to be turned
            if pictures and not turning:
                continue
            raise
        if all(_same(array, got[name], net) for name, array in want.items()):
            return
    raise AssertionError(f"{net.what}: its native module, wrapped by the backend, computes something else.")


def _turned(x: Array) -> Array:
    """Pictures so that they arrive as they were, all else as it is."""
    return x.transpose(TURNED) if x.ndim == 4 else x


def _same(want: Array, got: Array, net: Net) -> bool:
    """Whether an output is the one that is wanted, perhaps turned as a framework's pictures are."""
    forms = [want, want.transpose(TURNED)] if want.ndim == 4 else [want]
    return any(form.shape == got.shape and close(form, got, net.backend) for form in forms)


def _alike(net: Net) -> dict[str, Array]:
    """One and the same condition for all examples."""
    return {name: np.repeat(values[:1], N, axis=0) for name, values in net.given().items()}


CHECKS: tuple[Callable[[Candidate], None], ...] = (
    check_network_shapes,
    check_network_outputs,
    check_network_range,
    check_network_inputs_matter,
    check_network_conditions_matter,
    check_network_names,
    check_network_start,
    check_network_evaluates_alike,
    check_network_examples_are_independent,
    check_network_exports,
    check_network_as_a_module,
    *network_shape.CHECKS,
    *network_training.CHECKS,
)
