"""`--set`: a part is judged as it will be played, not by its defaults alone."""

from __future__ import annotations

from dataclasses import dataclass

import pytest

from gankit.conformance import check_loss
from gankit.conformance.__main__ import main
from gankit.parts.losses import NonSaturating
from gankit.plug import registry

BACKENDS = registry.names("backends")


@dataclass(frozen=True)
class Turned(NonSaturating):
    """Right as it comes, and D's sign is wrong with `sign = -1`."""

    sign: float = 1.0

    def discriminator(self, ops, real, fake):
        return self.sign * super().discriminator(ops, real, fake)


@pytest.fixture
def backend(monkeypatch):
    if not BACKENDS:
        pytest.skip("No backend is installed: pip install 'gankit[torch]'.")
    load, names = registry.load, registry.names
    monkeypatch.setattr(registry, "load", lambda k, n: Turned if (k, n) == ("losses", "turned") else load(k, n))
    monkeypatch.setattr(registry, "names", lambda k: (*names(k), "turned") if k == "losses" else names(k))
    return BACKENDS[0]


def test_what_is_wrong_with_a_setting_is_found_with_it(backend, capsys):
    asked = ["--loss", "turned", "--backend", backend, "--quick"]
    assert main(asked) == 0
    assert main([*asked, "--set", "sign=-1.0"]) == 1
    said = capsys.readouterr().out
    assert f"loss turned, sign=-1.0 on {backend}" in said
    assert "D would not learn to tell real from fake" in said


@pytest.mark.parametrize(
    "asked",
    [
        ["--loss", "non-saturating", "--set", "d_weight=0.5"],
        ["--loss", "conditional", "--set", "mismatched=true"],
        ["--network", "patches", "--set", "norm=true"],
        ["--metric", "parzen", "--set", "split=validation"],
        ["--penalty", "r1", "--set", "every=2"],
    ],
    ids=lambda asked: " ".join(asked[1::2]),
)
def test_right_parts_are_green_with_other_settings(asked):
    if not BACKENDS:
        pytest.skip("No backend is installed: pip install 'gankit[torch]'.")
    assert main([*asked, "--backend", BACKENDS[0], "--quick"]) == 0


def test_in_python_settings_are_arguments(backend):
    check_loss("turned", on=[backend], quick=True)
    with pytest.raises(AssertionError, match="turned, sign=-1.0"):
        check_loss("turned", on=[backend], quick=True, sign=-1.0)


def test_a_setting_of_d_alone_judges_d_alone(backend, capsys):
    asked = ["--network", "dcgan", "--backend", backend, "--quick", "--set"]
    assert main([*asked, "slope=0.1"]) == 0
    said = capsys.readouterr().out
    assert "discriminator" in said and "generator" not in said
    assert main([*asked, "slop=0.1"]) == 2
    assert "'dcgan' (discriminators) has no setting 'slop'. Did you mean 'slope'?" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("assignment", "said"),
    [
        ("sing=2.0", "'turned' (losses) has no setting 'sing'. Did you mean 'sign'?"),
        ("sign=up", "'turned' (losses): sign='up'; expected a number, such as 1.0."),
    ],
)
def test_a_setting_that_is_not_there_or_does_not_fit_is_told_before_anything_is_judged(
    assignment, said, backend, capsys
):
    assert main(["--loss", "turned", "--backend", backend, "--set", assignment]) == 2
    captured = capsys.readouterr()
    assert said in captured.err
    assert captured.out == ""


def test_a_setting_of_nothing_is_a_mistake(capsys):
    with pytest.raises(SystemExit):
        main(["--all", "--set", "sign=2"])
    assert "--set sets something of a part" in capsys.readouterr().err
