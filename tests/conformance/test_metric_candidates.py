"""Every check of a metric catches a broken one, and the ones that we ship are green."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
import pytest

from gankit.conformance.parts import metric
from gankit.conformance.results import judge
from gankit.conformance.subject import Candidate, registered
from gankit.metrics import Measurement, NotMeasurable
from gankit.plug import registry

CHECKS = {check.__name__: check for check in metric.CHECKS}
BACKENDS = registry.names("backends")
SHIPPED = registry.names("metrics")

pytestmark = pytest.mark.skipif(not BACKENDS, reason="No backend is installed: pip install 'gankit[torch]'.")


@dataclass(frozen=True)
class Gap:
    """How far the mean sample lies from the mean real example: right as it is, and broken below."""

    name: ClassVar[str] = "broken"

    def __call__(self, evidence):
        real = evidence.split("test").x.astype(np.float64)
        yield self.said(float(np.abs(evidence.samples.mean(axis=0, dtype=np.float64) - real.mean(axis=0)).mean()))

    def said(self, value: Any, **changes: Any) -> Measurement:
        protocol = {"n": metric.N, "split": "test"}
        return Measurement(**{"metric": "gap", "value": value, "protocol": protocol, "better": "lower", **changes})


class Nameless(Gap):
    name = "gap"


class Silent(Gap):
    def __call__(self, evidence):
        return iter(())


class Uncounted(Gap):
    def said(self, value):
        return super().said(value, protocol={"split": "test"})


class Infinite(Gap):
    def said(self, value):
        return super().said(float("inf"))


class Twice(Gap):
    def __call__(self, evidence):
        return [*super().__call__(evidence), *super().__call__(evidence)]


class Splitless(Gap):
    def said(self, value):
        return super().said(value, protocol={"n": metric.N})


class Featureless(Gap):
    """A number of features that does not say whose."""

    def __call__(self, evidence):
        if evidence.look is None:
            raise NotMeasurable("no features")
        fake, real = (evidence.look(x)[0].mean(axis=0) for x in (evidence.samples, evidence.split("test").x))
        yield self.said(float(np.abs(fake - real).mean()))


class Idle(Gap):
    """By the training split, and its label says the test split."""

    def __call__(self, evidence):
        real = evidence.split("train").x.astype(np.float64)
        value = float(np.abs(evidence.samples.mean(axis=0, dtype=np.float64) - real.mean(axis=0)).mean())
        yield self.said(value, protocol={"n": metric.N, "by": "train", "split": "test"})


class Unlooked(Gap):
    """By pixels, and its label says by features."""

    def __call__(self, evidence):
        name = "none" if evidence.extractor is None else evidence.extractor.name
        for m in super().__call__(evidence):
            yield self.said(m.value, protocol={**m.protocol, "features": name})


@dataclass(frozen=True)
class Fixed(Gap):
    """A number of samples to look at, and all are looked at."""

    n: int = metric.N // 2


@dataclass(frozen=True)
class Unsplit(Gap):
    """A split to compare with, and it is always the same."""

    split: str = "test"


class Paired(Gap):
    """Each sample against the example in its place."""

    def __call__(self, evidence):
        real = evidence.split("test").x.astype(np.float64)
        yield self.said(float(np.abs(evidence.samples - real).mean()))


class Hasty(Gap):
    """The first ten samples stand for all."""

    def __call__(self, evidence):
        real = evidence.split("test").x.astype(np.float64)
        yield self.said(float(np.abs(evidence.samples[:10].mean(axis=0) - real.mean(axis=0)).mean()))


class Moody(Gap):
    def said(self, value, rng=np.random.default_rng(0)):  # noqa: B008
        return super().said(value + 1e-6 * rng.random())


class Upside(Gap):
    def said(self, value):
        return super().said(value, better="higher")


class Greedy(Gap):
    """Stretches the samples to their own extremes, in place."""

    def __call__(self, evidence):
        evidence.samples[...] = evidence.samples - evidence.samples.min()
        evidence.samples[...] = evidence.samples // 2
        return super().__call__(evidence)


class Rude(Gap):
    """Takes labels for granted wherever there are classes."""

    def __call__(self, evidence):
        if evidence.spec.num_classes:
            evidence.labels.max()
        return super().__call__(evidence)


class Heavy(Gap):
    pass


Heavy.__module__ = "mlx.core" if BACKENDS == ("mlx",) else "torch" if "torch" in BACKENDS else "jax"

BROKEN = {
    "another name": (Nameless, "check_metric_contract"),
    "no measurement and no reason": (Silent, "check_metric_contract"),
    "no n": (Uncounted, "check_metric_contract"),
    "infinite on real examples": (Infinite, "check_metric_contract"),
    "one label for two numbers": (Twice, "check_metric_contract"),
    "no split": (Splitless, "check_metric_says_what_it_used"),
    "no extractor": (Featureless, "check_metric_says_what_it_used"),
    "a split that is named and not used": (Idle, "check_metric_uses_what_it_names"),
    "an extractor that is named and not used": (Unlooked, "check_metric_uses_what_it_names"),
    "a number to set in vain": (Fixed, "check_metric_settings_act"),
    "a split to set in vain": (Unsplit, "check_metric_settings_act"),
    "samples paired with examples": (Paired, "check_metric_ignores_order"),
    "the first ten samples": (Hasty, "check_metric_ignores_order"),
    "an unseeded draw": (Moody, "check_metric_repeats"),
    "the other direction": (Upside, "check_metric_prefers_real_examples"),
    "samples changed in place": (Greedy, "check_metric_changes_nothing"),
    "labels taken for granted": (Rude, "check_metric_refuses_in_words"),
    "a framework imported": (Heavy, "check_metric_imports_no_framework"),
}


@pytest.fixture
def broken(monkeypatch):
    """A function that makes a class the registered metric "broken", a candidate on the first backend."""
    real = registry.load

    def put(part):
        monkeypatch.setattr(registry, "load", lambda k, n: part if (k, n) == ("metrics", "broken") else real(k, n))
        return Candidate("metrics", "broken", registered(BACKENDS[0], device="cpu"))

    return put


@pytest.mark.parametrize("fault", BROKEN)
def test_a_broken_metric_is_caught(fault, broken):
    part, check = BROKEN[fault]
    outcome, message = judge(CHECKS[check], broken(part))
    assert outcome == "fail", f"{check} did not catch it: {outcome}. {message}"


def failures(candidate):
    verdicts = {name: judge(check, candidate) for name, check in CHECKS.items()}
    return [f"{name}: {message}" for name, (outcome, message) in verdicts.items() if outcome == "fail"]


def test_the_same_metric_unbroken_is_green(broken):
    assert failures(broken(Gap)) == []


@pytest.mark.parametrize("name", SHIPPED)
@pytest.mark.parametrize("backend", BACKENDS)
def test_what_we_ship_is_green(name, backend):
    assert failures(Candidate("metrics", name, registered(backend, device="cpu"))) == []


def test_every_check_has_a_broken_metric():
    assert sorted(CHECKS.keys() - {check for _, check in BROKEN.values()}) == []
