"""The contracts between a game and everything that plugs into it. They import nothing else of gankit.

- `values`: arrays, draws, scores, the state.
- `ops`: the functions that a backend computes with. `backend`: the rest of a backend.
- `parts`: losses, terms and other parts of a game. `trainer`: the object that a user holds.
- `workers`: the processes or devices that share a game. `exporting`: how to write a generator to a file.

An `Array` is whatever the backend computes with. If a function is in the array-API standard, use `ops.xp`. Otherwise
use the function of `Ops`, which is native to the backend.
"""

from gankit.interfaces.backend import Backend as Backend
from gankit.interfaces.backend import Network as Network
from gankit.interfaces.backend import Optimizer as Optimizer
from gankit.interfaces.backend import OptimizerSpec as OptimizerSpec
from gankit.interfaces.exporting import Exporter as Exporter
from gankit.interfaces.exporting import Written as Written
from gankit.interfaces.ops import Ops as Ops
from gankit.interfaces.parts import Augmentation as Augmentation
from gankit.interfaces.parts import ConditionMaker as ConditionMaker
from gankit.interfaces.parts import Constraint as Constraint
from gankit.interfaces.parts import Loss as Loss
from gankit.interfaces.parts import Moment as Moment
from gankit.interfaces.parts import Penalty as Penalty
from gankit.interfaces.parts import Prior as Prior
from gankit.interfaces.parts import Term as Term
from gankit.interfaces.trainer import Callback as Callback
from gankit.interfaces.trainer import Discriminator as Discriminator
from gankit.interfaces.trainer import Generator as Generator
from gankit.interfaces.trainer import Logger as Logger
from gankit.interfaces.trainer import Trainer as Trainer
from gankit.interfaces.values import CHANCE as CHANCE
from gankit.interfaces.values import COLUMN as COLUMN
from gankit.interfaces.values import LABEL as LABEL
from gankit.interfaces.values import LATENT as LATENT
from gankit.interfaces.values import Array as Array
from gankit.interfaces.values import Batch as Batch
from gankit.interfaces.values import Choice as Choice
from gankit.interfaces.values import Draw as Draw
from gankit.interfaces.values import Given as Given
from gankit.interfaces.values import Key as Key
from gankit.interfaces.values import Player as Player
from gankit.interfaces.values import Port as Port
from gankit.interfaces.values import Scores as Scores
from gankit.interfaces.values import State as State
from gankit.interfaces.values import Step as Step
from gankit.interfaces.values import Tensors as Tensors
from gankit.interfaces.values import Terms as Terms
from gankit.interfaces.values import Tree as Tree
from gankit.interfaces.values import as_given as as_given
from gankit.interfaces.values import beside as beside
from gankit.interfaces.workers import Workers as Workers
