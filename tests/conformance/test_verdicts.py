"""What the suite says: outcomes, the floor, the table's other forms, and what a command line may ask for."""

from __future__ import annotations

import json
from types import SimpleNamespace
from typing import ClassVar
from xml.etree import ElementTree

import pytest

from gankit.conformance import Candidate, NotApplicable, Subject, run_checks
from gankit.conformance.__main__ import main
from gankit.conformance.asking import everything, parts, wanting
from gankit.conformance.results import run
from gankit.conformance.showing import as_json, line, write_junit
from gankit.conformance.subject import SINGULAR
from gankit.conformance.suite import FLOORS, GROUPS, PARTS, shortfalls, summary
from gankit.plug.capabilities import ALL, EVERY_LAYER


def backend(capabilities=ALL, **attributes):
    return SimpleNamespace(name="mine", device="cpu", capabilities=frozenset(capabilities), **attributes)


def subject(capabilities=ALL, **attributes):
    return Subject("mine", lambda *how: backend(capabilities, **attributes))


def check_that_passes(subject):
    """A user loses nothing."""


def check_that_fails(subject):
    """A user loses everything.

    More about it.
    """
    raise AssertionError("3 is not 4")


def check_that_breaks(subject):
    """A user loses patience."""
    raise ZeroDivisionError("division by zero")


def check_that_asks_too_much(subject):
    """A user loses hope."""
    raise NotApplicable("array-api-strict is not installed")


def check_in_float64(subject):
    """A user loses digits."""
    subject.open("float64")


def outcomes(**attributes):
    checks = (check_that_passes, check_that_fails, check_that_breaks, check_that_asks_too_much)
    return [run("step", check, subject(**attributes)) for check in checks]


def test_a_check_passes_fails_breaks_or_does_not_apply():
    assert [r.outcome for r in outcomes()] == ["pass", "fail", "fail", "not applicable"]
    assert summary(outcomes()) == "1 passed, 2 failed, 1 not applicable"


def test_a_failure_says_what_a_user_loses():
    passed, failed, broke, _ = outcomes()
    assert passed.message == ""
    assert failed.message == "3 is not 4\nA user loses everything."
    assert broke.message == "It raised ZeroDivisionError: division by zero\nA user loses patience."


def test_what_a_backend_does_not_declare_does_not_apply():
    result = run("step", check_in_float64, subject(EVERY_LAYER))
    assert (result.outcome, result.lacks) == ("not applicable", True)
    assert "float64" in result.message
    assert run("step", check_in_float64, subject()).outcome == "pass"


def test_a_known_failure_is_expected_with_its_reason_and_strict():
    known = {"check_that_fails": "the device rounds sums its own way", "check_that_passes": "it did once"}
    passed, failed, broke, _ = outcomes(known_failures=known)
    assert failed.outcome == "expected failure"
    assert failed.message.startswith("the device rounds sums its own way\n3 is not 4")
    assert passed.outcome == "fail"
    assert "take it off that list" in passed.message
    assert broke.outcome == "fail"


@pytest.fixture
def full():
    """A result for every check of the group that has the lowest floor, all passed."""
    return [run("same seed", check_that_passes, subject()) for _ in range(FLOORS["same seed"])]


def test_the_floor_catches_a_suite_that_judges_nothing(full):
    assert shortfalls(full) == []
    idle = run("same seed", check_that_asks_too_much, subject())
    (said,) = shortfalls([*full[1:], idle])
    assert said == f"backend mine: only {len(full) - 1} checks of 'same seed' ran; at least {FLOORS['same seed']} must."


def test_for_want_of_capabilities_half_of_the_floor_may_be_missing_and_no_more(full):
    lacking = [run("same seed", check_in_float64, subject(EVERY_LAYER)) for _ in full]
    half = len(full) // 2
    assert shortfalls([*full[half:], *lacking[:half]]) == []
    assert len(shortfalls([*full[half + 1 :], *lacking[: half + 1]])) == 1


def test_every_group_has_a_floor():
    assert set(FLOORS) == {*GROUPS, *(SINGULAR[kind] for kind in PARTS)}


def test_a_line_has_the_message_below_it():
    failed = outcomes()[1]
    first, *rest = line(failed).splitlines()
    assert first.split()[:3] == ["step", "check_that_fails", "fail"]
    assert rest == ["    3 is not 4", "    A user loses everything."]


def test_json_has_every_result_and_counts_for_each_subject():
    plain = json.loads(as_json(outcomes(), ["too few"]))
    assert plain["counts"] == {"backend mine": {"pass": 1, "fail": 2, "expected failure": 0, "not applicable": 1}}
    assert plain["shortfalls"] == ["too few"]
    assert plain["results"][1]["check"] == "check_that_fails"
    assert set(plain["results"][0]) == {"subject", "group", "check", "outcome", "message", "seconds", "lacks"}


def test_junit_counts_what_it_holds(tmp_path):
    write_junit(tmp_path / "out.xml", outcomes(), ["backend mine: only 1 check ran"])
    (suite,) = ElementTree.parse(tmp_path / "out.xml").getroot()
    assert {key: suite.get(key) for key in ("name", "tests", "failures", "skipped", "errors")} == {
        "name": "backend mine",
        "tests": "5",
        "failures": "3",
        "skipped": "1",
        "errors": "0",
    }
    assert len(suite.findall("testcase")) == 5
    assert len(suite.findall("testcase/failure")) == 3
    failed = suite.find("testcase[@name='check_that_fails']/failure")
    assert failed.get("message") == "fail: 3 is not 4"
    assert failed.text.endswith("A user loses everything.")


def said(capsys, *argv):
    with pytest.raises(SystemExit) as stopped:
        main(argv)
    assert stopped.value.code == 2
    return capsys.readouterr().err


def test_a_command_that_asks_for_nothing_is_told_what_it_could_ask_for(capsys):
    text = said(capsys)
    for word in ("--backend", "--loss", "--penalty", "--network", "--metric", "--all"):
        assert word in text.splitlines()[-1]


def test_groups_are_those_of_a_backend(capsys):
    assert "--only chooses among the groups of a backend" in said(capsys, "--loss", "minimax", "--only", "ops")


def test_an_unknown_backend_is_answered_with_those_that_are_installed(capsys):
    assert main(["--backend", "troch"]) == 2
    assert "No 'troch' among the backends." in capsys.readouterr().err


def test_all_leaves_out_what_would_be_fetched_and_a_name_does_not(monkeypatch, tmp_path):
    monkeypatch.setenv("GANKIT_DATA", str(tmp_path))
    names = [each.name for each in everything([subject()]) if isinstance(each, Candidate) and each.kind == "data"]
    assert "digits" in names and "mnist" not in names and "cifar10" not in names
    assert [each.name for each in parts("data", "mnist", [subject()])] == ["mnist"]
    (tmp_path / "train-images-idx3-ubyte").touch()
    assert wanting("data", "mnist") == "" and wanting("data", "ring") == ""


def test_a_part_that_fails_its_contract_is_asked_nothing_more(monkeypatch):
    monkeypatch.setitem(PARTS, "losses", (check_that_fails, check_that_passes, check_that_passes))
    results = run_checks(Told("losses", "mine", subject()))
    assert [(r.check, r.outcome) for r in results] == [("check_that_fails", "fail")]
    assert shortfalls(results) == []


class Told(Candidate):
    """A candidate that is not registered."""

    known_failures: ClassVar[dict[str, str]] = {}


def test_a_failure_after_another_names_the_first(monkeypatch):
    monkeypatch.setitem(GROUPS, "step", (check_that_passes, check_that_fails, check_that_breaks))
    _, first, second = run_checks(subject(), only=["step"])
    assert "look there first" not in first.message
    assert "It may follow from check_that_fails, the first that failed: look there first." in second.message
