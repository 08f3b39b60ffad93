"""Faults of several workers. They play in processes of their own, so each fault is planted there, by its name."""

from __future__ import annotations

from functools import partial
from pathlib import Path

import numpy as np
from planting import Mutant

from gankit.conformance import workers

SHARED = {"jax": "one program is compiled for all its devices"}


def plant(name):
    """By a worker: the fault of that name in this process."""
    FAULTS[name][1]()


def clipped_before():
    from gankit.play import step

    real, limit = step.averaged_over_workers, 0.05

    def averaged(ops, gradient):
        def shortened(*given):
            found = gradient(*given)
            own = {role: step.clipped(ops, tensors, limit) for role, tensors in found.gradient.items()}
            return found._replace(gradient=own)

        return real(ops, shortened)

    step.averaged_over_workers = averaged


def not_averaged():
    from gankit.play import step

    step.averaged_over_workers = lambda ops, gradient: gradient


def average_of_one():
    from gankit.play import step

    real = step.averaged
    step.averaged = lambda ops, state, numbers: state if ops.workers.rank else real(ops, state, numbers)


def penalty_of_one():
    from gankit.play import phases

    def weighted(weight, term, moment):
        group = moment.ops.workers
        return weight * term(moment) * (0.0 if group.rank else group.count)

    phases._weighted = weighted


def local_statistics():
    from gankit_torch.workers import TorchWorkers

    TorchWorkers.dealt = property(lambda self: False)


def own_rows_compared():
    from gankit.layers import composite

    composite.batch_rows = composite.own_rows = lambda ops, x: x


def others_teach_nothing():
    from gankit_torch.workers import _Returned

    def forward(ctx, gradient, workers):
        ctx.workers = workers
        return workers.own(gradient)

    _Returned.forward = staticmethod(forward)


def equal_masks():
    from gankit_torch.workers import TorchWorkers

    TorchWorkers.drawn = lambda self, draw, shape: draw(tuple(shape))


def equal_latents():
    from gankit_torch import workers as own

    real = own.part_major
    own.part_major = lambda x, axis, parts, rank, count: real(x, axis, parts, 0, count)


def out_of_order():
    from gankit.play.sharing import Shares

    Shares.whole = lambda self, own, lengths: np.concatenate(self._workers.collected(own))


def all_write():
    from gankit.play import trainer

    trainer.writes = lambda ops: True


def each_for_itself():
    from gankit_torch.workers import TorchWorkers

    TorchWorkers.highest = lambda self, numbers: list(numbers)


FAULTS = {
    "gradients are clipped before they are averaged": ("check_workers_average_their_gradients", clipped_before),
    "gradients are not averaged": ("check_workers_average_their_gradients", not_averaged),
    "one worker moves the average": ("check_workers_average_their_gradients", average_of_one),
    "a penalty holds for one worker's rows": ("check_workers_average_their_penalties", penalty_of_one),
    "batch norm sees a worker's own rows": ("check_batch_norm_is_by_all_workers", local_statistics),
    "a worker compares its own rows": ("check_workers_compare_with_all_rows", own_rows_compared),
    "the rows of other workers teach nothing": ("check_workers_compare_with_all_rows", others_teach_nothing),
    "workers draw equal masks": ("check_workers_draw_as_one_would", equal_masks),
    "workers play on equal latents": ("check_workers_draw_as_one_would", equal_latents),
    "shared samples come back by worker": ("check_workers_share_samples", out_of_order),
    "every worker writes": ("check_one_worker_writes", all_write),
    "workers stop each for itself": ("check_workers_stop_at_one_step", each_for_itself),
}


def planted(name, monkeypatch):
    first = f"import sys; sys.path.insert(0, {str(Path(__file__).parent)!r}); "
    first += f"import mutants_of_workers; mutants_of_workers.plant({name!r}); "
    monkeypatch.setattr(workers, "PROGRAM", first + workers.PROGRAM)


WORKERS = tuple(Mutant(name, check, core=partial(planted, name), immune=SHARED) for name, (check, _) in FAULTS.items())
