"""What training asks of any network: a gradient for every parameter, a second one, the same draws from the same key."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np

from gankit.arrays import Array
from gankit.config import LABELLED
from gankit.conformance.compare import require
from gankit.conformance.games import Recorder, small
from gankit.conformance.open_games import begin
from gankit.conformance.parts.common import exact
from gankit.conformance.parts.net import MASK, Net, Rows, smallest
from gankit.conformance.subject import Candidate
from gankit.data.dataset import Dataset
from gankit.play.game import ENCODER


def check_network_gradient_reaches_every_parameter(candidate: Candidate) -> None:
    """Some parameters would keep their initial values for the whole run."""
    net = smallest(candidate, exact(candidate).dtype)
    for name, gradient in _gradient(net, net.generic(), penalised=False).items():
        require(bool(np.isfinite(gradient).all()), f"{net.what}: the gradient in {name} is not finite.")
        require(
            bool(np.any(gradient)),
            f"{net.what}: no gradient reaches {name}. Likely cause: a layer whose output is not used, a stopped "
            "gradient, or a step that has no derivative.",
        )


def check_network_learns_from_its_start(candidate: Candidate) -> None:
    """The network would never learn: at its initial values no gradient passes."""
    net = smallest(candidate, exact(candidate).dtype)
    gradient = _gradient(net, net.arrays, penalised=False)
    finite = all(np.isfinite(array).all() for array in gradient.values())
    require(finite, f"{net.what}: at its start the gradient is not finite.")
    kernels = [array for array in gradient.values() if array.ndim > 1] or list(gradient.values())
    require(
        any(np.any(array) for array in kernels),
        f"{net.what}: at its start no gradient reaches any kernel. Likely cause: kernels that all start at 0.",
    )


def check_network_second_derivatives(candidate: Candidate) -> None:
    """Gradient penalties such as R1 could not be used with the network, or would give NaN."""
    net = smallest(candidate, exact(candidate).dtype)
    for situation, arrays in {"at its start": net.arrays, "away from its start": net.generic()}.items():
        for name, gradient in _gradient(net, arrays, penalised=True).items():
            require(
                bool(np.isfinite(gradient).all()),
                f"{net.what}, {situation}: the gradient of a squared gradient is not finite in {name}. Likely cause: a "
                "root of 0, or a division by a spread of 0, without an epsilon inside.",
            )


def check_network_trains_by_its_key(candidate: Candidate) -> None:
    """A resumed run would differ from the uninterrupted one: dropout uses a state that no checkpoint has."""
    net = smallest(candidate, exact(candidate).dtype)
    x, y, arrays = net.inputs(), net.given(), net.generic()
    first, again = (net.outputs(arrays, x, y, train=True, seed=3) for _ in range(2))
    for name, array in first.items():
        require(
            np.array_equal(array, again[name]),
            f"{net.what}: {name} in training is another one for the same key. Likely cause: noise that is drawn "
            "from the framework's global state or by NumPy; use gankit.layers.Dropout.",
        )


def check_network_plays(candidate: Candidate) -> None:
    """The network would not train in a game."""
    found = smallest(candidate, "float32")
    spec, recorder = found.spec, Recorder()
    rng = np.random.default_rng(5)
    shape = (16, *spec.shape)
    x = rng.integers(0, 256, shape).astype(np.uint8) if spec.bounded else rng.normal(size=shape)
    classes = spec.num_classes
    few = spec.sources[LABELLED].num_classes if LABELLED in spec.sources else None  # classes that some examples tell
    known = classes or few
    labels = None if known is None else np.arange(16) % known
    bounds = (0, 255) if spec.bounded else None
    pictures = {
        name: rng.integers(0, 256, (16, *port.shape)).astype(np.uint8)
        for name, port in spec.given.items()
        if port.kind == "image"
    }
    completes = MASK in spec.given  # what is known of a picture is made of the picture
    dataset = Dataset(x, labels, known, bounds, "conformance", {} if completes else pictures)
    dataset = replace(dataset, codec=Rows(spec.choices)) if spec.choices else dataset
    loss: Any = "non-saturating" if classes is None else {"name": "conditional", "base": "non-saturating"}
    network = {"name": candidate.name, **found.settings}
    encodes = found.role == ENCODER
    own: dict[str, Any] = {"players": {ENCODER: {"network": network}}} if encodes else {found.role: network}
    own["given"] = [{"name": "mask"}] if completes else []
    config = small(dtype="float32", latent_dim=spec.latent_dim, loss=loss, ema=0.0, labelled=few or 0, **own)
    trainer = begin(found.backend, config, dataset)
    before = trainer.players[found.role].parameters
    trainer.fit(steps=3, callbacks=[recorder])
    for step, terms in enumerate(recorder.terms, 1):
        finite = bool(np.isfinite(list(terms.values())).all())
        require(finite, f"{found.what}, a small game: step {step} is not finite: {terms}.")
    after: dict[str, Array] = trainer.players[found.role].parameters
    wrong = [name for name, array in after.items() if not np.isfinite(array).all()]
    require(not wrong, f"{found.what}, after 3 steps: {', '.join(wrong)} is not finite.")
    moved = any((array != before[name]).any() for name, array in after.items())
    require(moved, f"{found.what}: 3 steps of a game left all its parameters where they were.")
    asked = {name: values[:4] for name, values in pictures.items()}
    if completes:
        asked[MASK] = np.round(rng.random((4, *spec.given[MASK].shape)))
    made = trainer.sample(4, given=asked or None)
    require(made.shape == (4, *spec.shape), f"{found.what}: samples have shape {made.shape}.")


def _gradient(net: Net, arrays: dict[str, Array], *, penalised: bool) -> dict[str, Array]:
    """By parameter, of an energy of all outputs; penalised: of its squared gradient in the inputs, in training."""
    ops, given = net.backend.ops, net.on_device(net.given())
    rng = np.random.default_rng(8)
    weights: dict[str, Array] = {}

    def energy(params: Any, held: Any, x: Any) -> Any:
        outputs, _ = net.apply(params, held, x, given, train=penalised)
        total: Any = 0.0
        for name, out in outputs.items():
            if name.startswith("features") or (penalised and name != net.main):
                continue
            weights.setdefault(name, rng.normal(size=tuple(out.shape)))
            total = total + ops.xp.sum(ops.asarray(weights[name]) * out)
        return total

    def slope(params: Any, held: Any, x: Any) -> Any:
        gradient = ops.grad(lambda x: energy(params, held, x))(x)
        return 0.5 * ops.xp.sum(gradient * gradient)

    f = slope if penalised else energy
    run = ops.compile(lambda params, held, x: ops.grad(lambda p: f(p, held, x))(params))
    return net.network.export(run(*net.held(arrays), ops.asarray(net.inputs())))


CHECKS: tuple[Callable[[Candidate], None], ...] = (
    check_network_gradient_reaches_every_parameter,
    check_network_learns_from_its_start,
    check_network_second_derivatives,
    check_network_trains_by_its_key,
    check_network_plays,
)
