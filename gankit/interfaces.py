"""The contracts between the game and everything that plugs into it: losses, penalties, backends, trainers.

An `Array` is whatever the backend computes with. "In the array-API standard? Use `ops.xp`. Otherwise it is one of
the functions of `Ops`, native to the backend."
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar, Literal, NamedTuple, Protocol

import numpy as np

from gankit.config import Config
from gankit.data.spec import DataSpec
from gankit.layers import Placed

Array = Any
Key = Any
Tree = Any
Tensors = dict[str, Array]
"""Arrays by canonical name (`dense0/kernel`), in the backend's own layout."""


@dataclass(frozen=True)
class Scores:
    """What D says of a batch.

    logits: (N,) raw scores; D(x) of the paper is sigmoid(logits).
    labels: (N,) integer classes in a conditional game.
    class_logits: (N, num_classes) when D also classifies.
    features: activations inside D, for losses that match them.
    mismatched: (N,) logits of the same examples with wrong labels, when a loss asks for them (`needs_mismatched`).
    """

    logits: Array
    labels: Array | None = None
    class_logits: Array | None = None
    features: tuple[Array, ...] = ()
    mismatched: Array | None = None


class Draw(NamedTuple):
    """One minibatch of Algorithm 1, m examples and m latents.

    real: (m, *shape) examples in model units; None when the phase needs none.
    labels: (m,) classes of the real examples; None when unconditional.
    z: (m, latent_dim) noise.
    fake_labels: (m,) classes of the fakes, those of the real examples in the same places unless the game draws others.
    wrong_labels: (m,) classes that the real examples do not have, for losses that ask for mismatched pairs.
    """

    real: Array | None
    labels: Array | None
    z: Array
    fake_labels: Array | None = None
    wrong_labels: Array | None = None


class Batch(NamedTuple):
    """Everything random or changing that one iteration of Algorithm 1 consumes. Noise is data.

    discriminator: a Draw whose arrays lead with an axis of k, a fresh minibatch for each of D's steps.
    generator: the Draw of G's step; `real` is there only for losses that ask for it.
    numbers: what changes over time, each one number: "discriminator/lr", "generator/lr", "ema", "r1", ...
    key: two 32-bit words, for the randomness inside networks.
    """

    discriminator: Draw
    generator: Draw
    numbers: Mapping[str, Any]
    key: tuple[Any, Any]


class Player(NamedTuple):
    """One network's share of the state: parameters, buffers (running statistics), optimizer slots."""

    params: Tensors
    buffers: Tensors
    slots: Mapping[str, Any]


class State(NamedTuple):
    """All that training changes. The state given to a step is consumed: use only the one it returns.

    ema: the moving average of G's parameters; empty when it is switched off.
    memory: what penalties keep from step to step, by penalty.
    """

    generator: Player
    discriminator: Player
    ema: Tensors
    memory: dict[str, Tensors]


Terms = dict[str, Array]
"""What a step reports, 0-d arrays by name: "d_loss", "g_loss", "D(x)", "D(G(z))", and a name for each penalty."""

Step = Callable[[State, Batch], tuple[State, Terms]]


class Ops(Protocol):
    """The functions of a backend that no array standard has, or that frameworks get wrong in different ways."""

    @property
    def xp(self) -> Any:
        """The array-API namespace: `jax.numpy`, `array_api_compat.torch`."""

    def softplus(self, x: Array) -> Array:
        """log(1 + exp(x)); finite for every finite x, twice differentiable everywhere, 0 included."""

    def log_sigmoid(self, x: Array) -> Array:
        """-softplus(-x)."""

    def sigmoid(self, x: Array) -> Array:
        """1 / (1 + exp(-x))."""

    def relu(self, x: Array) -> Array:
        """max(x, 0), with derivative 0 at exactly 0."""

    def log_softmax(self, x: Array) -> Array:
        """Over the last axis."""

    def one_hot(self, labels: Array, num_classes: int) -> Array:
        """(N,) integers -> (N, num_classes) in the backend's float dtype."""

    def take(self, x: Array, indices: Array) -> Array:
        """Rows of x: (n, ...), (...) integers -> (..., *x.shape[1:])."""

    def asarray(self, x: Any) -> Array:
        """Onto the device; floats take the backend's float dtype, integers and bytes keep theirs."""

    def to_float(self, x: Array) -> Array:
        """Cast to the backend's float dtype."""

    def to_numpy(self, x: Array) -> np.ndarray[Any, Any]:
        """Off the device, C-ordered, owning its memory."""

    def stop_gradient(self, x: Array) -> Array:
        """x, through which no derivative passes."""

    def grad(self, f: Callable[[Tree], Array]) -> Callable[[Tree], Tree]:
        """The gradient of a scalar function; may be nested. Inputs that f does not use have gradient 0."""

    def value_and_grad(
        self, f: Callable[[Tree], tuple[Array, Any]]
    ) -> Callable[[Tree], tuple[tuple[Array, Any], Tree]]:
        """f returns (scalar, aux); the result returns ((scalar, aux), gradient of the scalar)."""

    def when(self, number: Any, f: Callable[[], Array], otherwise: Array | None = None) -> Array:
        """f() where number is not 0, else `otherwise`, by default 0, without paying for f; f returns a 0-d float."""

    def tree_map(self, f: Callable[..., Array], *trees: Tree) -> Tree:
        """f over the leaves of dicts, tuples and named tuples of one structure."""

    def average(self, mean: Tensors, new: Tensors, decay: Any) -> Tensors:
        """decay * mean + (1 - decay) * new for each tensor; consumes `mean`."""

    def copy(self, tree: Tree) -> Tree:
        """The same numbers in memory of their own."""

    def key(self, words: tuple[Any, Any]) -> Key:
        """A random key from two 32-bit words."""

    def fold_in(self, key: Key, index: int) -> Key:
        """An independent key for each index."""

    def uniform(self, key: Key, shape: tuple[int, ...]) -> Array:
        """U[0, 1)."""

    def normal(self, key: Key, shape: tuple[int, ...]) -> Array:
        """N(0, 1)."""

    def compile(self, f: Callable[..., Array]) -> Callable[..., Array]:
        """The same function, faster, for use outside training: no gradients, no arguments consumed."""

    def run(
        self, step: Callable[..., tuple[State, Terms]], state: State, batches: Batch, *shared: Any, capacity: int
    ) -> tuple[State, Terms]:
        """Many steps in one call: `state, terms = step(state, batch, *shared)` for each.

        batches: a Batch of host arrays that lead with an axis of steps; a leaf without another is one number a step.
        shared: arrays already on the device that every step reads, such as the data set.
        capacity: the most steps any call with this `step` brings, so that one compiled program serves them all.
        Returns the last state and the last step's terms, still on the device. Consumes `state`.

        A backend whose `run` returns before the device is done may have a method `stage(batches, capacity)`, called
        while earlier steps are still played, on a thread of its own; what it returns then comes in the place of
        `batches`.

        A backend may have a method `recorded(phase)` for its gradients: the step hands it each function (state, draw,
        numbers, key) -> (gradient, what else moves, terms) once, and calls what it returns at every iteration. Such a
        function is pure, and does the same operations whenever its arrays have the same shapes and the same numbers
        are 0.
        """


class Network(Protocol):
    """A native network seen as a pure function."""

    @property
    def native(self) -> Any:
        """The `torch.nn.Module` or `flax.nnx.Module`."""

    @property
    def mixes_samples(self) -> bool:
        """Whether real and fake must go through in passes of their own (batch norm)."""

    @property
    def shapes(self) -> tuple[dict[str, tuple[int, ...]], dict[str, tuple[int, ...]]]:
        """The canonical shape of each parameter, and of each buffer, by canonical name."""

    def init(self, arrays: Mapping[str, np.ndarray[Any, Any]]) -> tuple[Tensors, Tensors]:
        """(params, buffers) on the device from canonical float64 arrays."""

    def apply(
        self, params: Tensors, buffers: Tensors, x: Array, labels: Array | None, *, train: bool, key: Key | None
    ) -> tuple[Any, Tensors]:
        """(output, new buffers). The key feeds dropout, and is needed only in training.

        Running statistics move in training only, and the buffers that were given stay as they are.
        """

    def with_params(self, params: Tensors, buffers: Tensors) -> Any:
        """The native module holding these numbers."""

    def canonical(self, tensors: Tensors) -> Tensors:
        """Tensors of this network (or slots shaped like them) seen in the canonical layout, on the device."""

    def own(self, tensors: Tensors) -> Tensors:
        """The inverse of canonical."""

    def export(self, tensors: Tensors) -> dict[str, np.ndarray[Any, Any]]:
        """Tensors of this network (or slots shaped like them) as canonical NumPy arrays."""

    def restore(self, arrays: Mapping[str, np.ndarray[Any, Any]]) -> Tensors:
        """The inverse of export."""


class OptimizerSpec(Protocol):
    """An optimizer as plain data; see `gankit.parts.optimizers`."""

    name: ClassVar[str]
    slots: ClassVar[tuple[str, ...]]

    def numbers(self, steps: np.ndarray[Any, Any]) -> Mapping[str, np.ndarray[Any, Any]]:
        """The values that change over time, for each of these iterations.

        "again/lr" is what lr is for D's updates after the first in an iteration with k > 1, where it is another.
        """


class Optimizer(Protocol):
    """A native optimizer seen as a pure function, which consumes the slots and parameters it is given."""

    def init(self, params: Tensors, updates: int = 0) -> dict[str, Any]:
        """Fresh slots after so many updates: the names of the spec's `slots`, each a dict shaped like params, and
        whatever count of updates the native optimizer keeps."""

    def updates(self, slots: Mapping[str, Any]) -> int:
        """How many updates these slots have seen; 0 where the optimizer does not count them."""

    def update(
        self, slots: Mapping[str, Any], params: Tensors, grads: Tensors, numbers: Mapping[str, Any]
    ) -> tuple[Mapping[str, Any], Tensors]:
        """One step downhill: (new slots, new params)."""


class Backend(Protocol):
    """An array framework, made as `Backend(device="auto", dtype="float32", precision="full")`. Holds no mathematics of
    the game.

    A backend that does not pass a check of the suite, and cannot, says so: `known_failures`, a mapping of the check's
    name to the reason.
    """

    @property
    def name(self) -> str: ...

    @property
    def ops(self) -> Ops: ...

    @property
    def device(self) -> str:
        """The device in the framework's words, for messages and env.json."""

    @property
    def dtype(self) -> str: ...

    @property
    def capabilities(self) -> frozenset[str]:
        """What it can do on this device, of the names in `gankit.plug.capabilities`."""

    @property
    def versions(self) -> Mapping[str, str]:
        """The framework's packages and their versions."""

    def network(self, placed: Sequence[Placed]) -> Network:
        """A native network from layer records."""

    def wrap(self, module: Any) -> tuple[Network, dict[str, np.ndarray[Any, Any]]]:
        """A module of this framework as a network, and the numbers it holds; raises ConfigError for anything else."""

    def optimizer(self, spec: OptimizerSpec) -> Optimizer:
        """The native optimizer for a spec; raises ConfigError when there is none."""


class Loss(Protocol):
    """D's scores on real and fake to one number for each player, both to be minimised. Pure: it never sees parameters.

    generator_needs_real: G's objective compares fakes with real examples, so G's phase draws some.
    conditional: D and G are given labels.
    A loss with `needs_mismatched = True` finds D's logits of real examples with wrong labels in `real.mismatched`.
    A loss with `pairs_examples = True` compares the i-th fake with the i-th real example, so both must have one label.
    A loss around another takes it as `base`, which a user writes as a name or a table.
    """

    generator_needs_real: bool
    conditional: bool

    def discriminator(self, ops: Ops, real: Scores, fake: Scores) -> Array:
        """0-d mean over the batch."""

    def generator(self, ops: Ops, real: Scores | None, fake: Scores) -> Array:
        """0-d mean over the batch."""


class Penalty(Protocol):
    """A term of one player's objective that may call the network again, such as a gradient penalty.

    name: the term's name in the log.
    player: whose objective it joins.
    every: it acts at every so many iterations, `every` times as strong; in between it is reported as it last was.
    weight: what the step multiplies it by; a number or a schedule (`gankit.parts.schedules.schedule`).

    A penalty with a `memory`, a mapping of names to the numbers it starts from, is called with it as one more argument,
    as 0-d arrays, and returns (term, new memory), whatever the weight at that step. Checkpoints keep it.

    One that takes D's gradient at the minibatch's own examples, by `gankit.penalties.input_gradient`, may say where in
    `slopes_at`, a tuple of "real" and "fake": it then comes from the pass that judges them, at half the cost.
    """

    name: str
    player: Literal["discriminator", "generator"]
    every: int
    weight: Any

    def __call__(self, ops: Ops, net: Callable[..., Any], draw: Draw, fake: Array, key: Key, *memory: Any) -> Any:
        """0-d mean over the batch. `net` is D, (examples, labels of the reals by default) to Scores, or G, latents to
        examples."""


class Constraint(Protocol):
    """What a player's parameters are brought back to after each of its updates, such as clipped weights."""

    name: str
    player: Literal["discriminator", "generator", "both"]

    def __call__(self, ops: Ops, params: Tensors) -> Tensors:
        """Parameters by canonical name, in the canonical layout, to the same names and shapes."""


class Augmentation(Protocol):
    """A random, differentiable change of examples, real and fake alike, before D sees them."""

    def __call__(self, ops: Ops, x: Array, key: Key) -> Array:
        """(m, *shape) in model units to the same shape; each example is changed in its own way."""


class Callback(Protocol):
    """Called by `Trainer.fit` after every `every`-th step with that step's terms as floats."""

    every: int

    def __call__(self, trainer: Trainer, step: int, terms: Mapping[str, float]) -> None: ...


class Logger(Protocol):
    """Where the terms of a run go beside its own folder, such as TensorBoard. Made with its settings."""

    def start(self, folder: Path, config: Config, step: int) -> None:
        """Before the first step that this process plays; `step` were played before, and later ones may come again."""

    def log(self, step: int, terms: Mapping[str, float]) -> None:
        """After every `log_every`-th step."""

    def finish(self) -> None:
        """After the last step, or when the run is interrupted."""


class Generator(Protocol):
    """G: latents (and labels) to examples."""

    @property
    def native(self) -> Any:
        """The native module with the current parameters."""


class Discriminator(Protocol):
    """D: examples (and labels) to Scores."""

    @property
    def native(self) -> Any:
        """The native module with the current parameters."""


class Trainer(Protocol):
    """A game in progress; what `gankit.build` and `gankit.load` return. Documented at `AdversarialTrainer`."""

    @property
    def config(self) -> Config: ...

    @property
    def generator(self) -> Generator: ...

    @property
    def discriminator(self) -> Discriminator: ...

    @property
    def loss(self) -> Loss: ...

    @property
    def backend(self) -> Backend: ...

    @property
    def spec(self) -> DataSpec: ...

    @property
    def steps_done(self) -> int: ...

    def fit(self, data: Any = None, *, steps: int, callbacks: Iterable[Callback] = ()) -> Trainer: ...

    def step(self, real: Any, labels: Any = None) -> Mapping[str, float]: ...

    def sample(self, n: int, *, labels: Any = None, seed: int = 0) -> np.ndarray[Any, Any]: ...

    def score(self, x: Any, labels: Any = None) -> np.ndarray[Any, Any]: ...

    def save(self, path: str | os.PathLike[str]) -> Path: ...

    def restore(self, path: str | os.PathLike[str]) -> Trainer: ...
