"""What a library user relies on, on every installed backend."""

import signal
import threading

import numpy as np
import pytest

import gankit
from gankit import checkpoint
from gankit.play.batches import Batches, Stock
from gankit.play.inference import PARTS_AHEAD
from gankit.play.streams import Streams

SMALL = {"generator": {"hidden": [16]}, "discriminator": {"hidden": [16]}}


def game(backend, **settings):
    return gankit.build(backend=backend, **{**SMALL, **settings})


def state(trainer, tmp_path):
    return checkpoint.read(trainer.save(tmp_path / "state"))[0]


def assert_equal_states(a, b):
    assert a.keys() == b.keys()
    for name in a:
        assert np.array_equal(a[name], b[name]), name


def test_the_readme_s_four_lines(backend):
    g = gankit.build(backend=backend)
    g.fit(steps=20)
    assert g.sample(4).shape == (4, 8, 8, 1) and g.sample(4).dtype == np.uint8
    assert g.steps_done == 20


@pytest.mark.parametrize("cuts", [[21], [7, 13, 1], [1] * 21], ids=str)
def test_a_run_does_not_depend_on_how_fit_is_called(backend, tmp_path, cuts):
    """Dropout and averages included; 130 steps cross the blocks in which noise is drawn."""
    settings = {"recipe": "gan-2014", "data": "digits", "generator": {"units": 16}, "ema": 0.9}
    settings["discriminator"] = {"units": 8}
    whole = gankit.build(backend=backend, **settings).fit(steps=130)
    cut = gankit.build(backend=backend, **settings).fit(steps=109)
    for steps in cuts:
        cut.fit(steps=steps)
    assert_equal_states(state(whole, tmp_path), state(cut, tmp_path))


def test_callbacks_see_their_steps_and_change_nothing(backend, tmp_path):
    class Seen:
        def __init__(self, every):
            self.every, self.steps = every, []

        def __call__(self, trainer, step, terms):
            assert trainer.steps_done == step and np.isfinite(list(terms.values())).all()
            assert list(terms) == ["d_loss", "g_loss", "D(x)", "D(G(z))", "r1"]
            self.steps.append(step)

    each, tens, often = Seen(1), Seen(10), Seen(0)
    watched = game(backend).fit(steps=25, callbacks=[each, tens, often])
    assert each.steps == list(range(1, 26)) and tens.steps == [10, 20] and often.steps
    assert_equal_states(state(watched, tmp_path), state(game(backend).fit(steps=25), tmp_path))


def test_step_on_the_same_examples_is_fit(backend, tmp_path):
    """float64: the two are compiled apart, so they agree to rounding."""
    data = gankit.build(backend=backend, **SMALL)._dataset
    settings = {"recipe": "cgan", "k": 2, "dtype": "float64"}
    fitted, stepped = game(backend, **settings).fit(steps=3), game(backend, **settings)
    batches = Batches(fitted.config, fitted._game.optimizer_specs, wants=fitted._game.wants)
    for step in range(3):
        draws = batches.make(step, step + 1, Stock(len(data), data.labels))
        index = np.concatenate([draws.discriminator.real[0], draws.discriminator.real[0][-1:]])
        labels = np.concatenate([draws.discriminator.labels[0], draws.generator.labels])
        stepped.step(data.x[index], labels)
    a, b = state(fitted, tmp_path), state(stepped, tmp_path)
    assert max(np.abs(a[name] - b[name]).max() for name in a) < 1e-12


def test_data_too_large_for_the_device_trains_the_same(backend, tmp_path, monkeypatch):
    resident = game(backend).fit(steps=70)
    monkeypatch.setattr("gankit.play.feed.RESIDENT_BYTES", 0)
    sent = game(backend).fit(steps=70)
    a, b = state(resident, tmp_path), state(sent, tmp_path)
    assert max(np.abs(a[name] - b[name]).max() for name in a) < 1e-4


def test_memory_mapped_data_trains(backend, tmp_path):
    np.save(tmp_path / "x.npy", np.random.default_rng(0).normal(size=(500, 3)).astype(np.float32))
    trainer = game(backend, data=tmp_path / "x.npy").fit(steps=5)
    assert trainer.sample(3).shape == (3, 3) and trainer.sample(3).dtype == np.float32


def test_samples_repeat_and_a_longer_draw_begins_with_the_shorter(backend):
    trainer = game(backend, recipe="cgan").fit(steps=3)
    long = trainer.sample(300, labels=np.arange(300) % 10, seed=4)
    assert np.array_equal(trainer.sample(20, labels=np.arange(20) % 10, seed=4), long[:20])
    assert not np.array_equal(trainer.sample(20, seed=5), long[:20])
    assert trainer.sample(0).shape == (0, 8, 8, 1)


def test_many_parts_on_their_way_at_once_keep_their_order_and_their_numbers(backend):
    """More than the device is given ahead, and a last one that is not full."""
    trainer = game(backend, recipe="cgan").fit(steps=3)
    z, labels = np.random.default_rng(0).normal(size=(100, trainer.config.latent_dim)), np.arange(100) % 10
    assert len(z) > 3 * 2 * PARTS_AHEAD
    whole = trainer.generate(z, labels, piece=100)
    assert len(np.unique(whole.reshape(100, -1), axis=0)) == 100
    np.testing.assert_allclose(trainer.generate(z, labels, piece=3), whole, atol=1e-5)


def test_labels_matter(backend):
    trainer = game(backend, recipe="cgan").fit(steps=20)
    assert not np.array_equal(trainer.sample(8, labels=1), trainer.sample(8, labels=2))
    x = trainer.sample(8, labels=1)
    assert not np.array_equal(trainer.score(x, np.full(8, 1)), trainer.score(x, np.full(8, 2)))


def test_samples_come_from_the_moving_average(backend):
    trainer = game(backend, ema=0.999).fit(steps=30)
    assert not np.array_equal(trainer.sample(8), trainer.sample(8, ema=False))
    with pytest.raises(gankit.ConfigError, match="has no moving average"):
        game(backend, ema=0.0).sample(8, ema=True)


def test_native_modules_hold_the_current_parameters(backend):
    trainer = game(backend).fit(steps=3)
    z = np.random.default_rng(0).normal(size=(5, trainer.config.latent_dim))
    for _ in range(2):
        out = trainer.generator.native(trainer.backend.ops.asarray(z))
        np.testing.assert_allclose(trainer.backend.ops.to_numpy(out), trainer.generate(z, ema=False), atol=1e-6)
        trainer.fit(steps=2)
    assert trainer.generator.num_parameters == sum(a.size for a in trainer.generator.parameters.values())


def test_toys_come_back_in_their_own_units(backend):
    trainer = game(backend, data="ring").fit(steps=10)
    x = trainer.sample(100)
    assert x.shape == (100, 2) and x.dtype == np.float64 and trainer.score(x).shape == (100,)


@pytest.mark.parametrize("recipe", ["mlp", "cgan"])
def test_bytes_come_back_rounded_and_clipped(backend, recipe):
    """Against the same pictures in float, unless one lies within rounding of the middle between two grey levels."""
    trainer = game(backend, recipe=recipe).fit(steps=10)
    x, labels = trainer.sample(40, seed=7), trainer._inputs.sample_given(40, None, None).get("label")
    z = Streams(7).first_latents("sample", 40, trainer.config.latent_dim, trainer.config.prior)
    low, high = (0.0, 1.0) if trainer.generate(z, labels).min() >= 0 else (-1.0, 1.0)
    grey = np.clip((trainer.generate(z, labels).astype(np.float64) - low) / (high - low), 0, 1) * 255
    assert x.dtype == np.uint8 and x.shape == grey.shape and x.std() > 10
    assert np.abs(x - grey).max() < 0.501
    assert trainer.sample(0).shape == (0, *x.shape[1:]) and trainer.sample(0).dtype == np.uint8


@pytest.fixture
def ctrl_c_is_heard():
    """A test runner in the background ignores Ctrl-C."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


@pytest.mark.usefixtures("ctrl_c_is_heard")
def test_ctrl_c_stops_between_steps_and_keeps_the_work(backend, tmp_path):
    trainer = game(backend).fit(steps=5)
    timer = threading.Timer(0.5, signal.raise_signal, [signal.SIGINT])
    timer.start()
    with pytest.raises(KeyboardInterrupt):
        trainer.fit(steps=10**6)
    done = trainer.steps_done
    assert 5 < done < 10**6
    again = game(backend).fit(steps=done)
    assert_equal_states(state(trainer, tmp_path), state(again, tmp_path))


def test_a_failed_restore_changes_nothing(backend, tmp_path):
    trainer = game(backend).fit(steps=3)
    before = state(trainer, tmp_path)
    other = game(backend, recipe="cgan").save(tmp_path / "other")
    with pytest.raises(gankit.CheckpointError, match=r"dense0/kernel: \(74, 16\) in the file, \(64, 16\) in this game"):
        trainer.restore(other)
    assert_equal_states(before, state(trainer, tmp_path))


def test_float32_state_is_float32_and_float64_is_float64(backend, tmp_path):
    for dtype in ("float64", "float32"):
        arrays = state(game(backend, dtype=dtype).fit(steps=2), tmp_path)
        assert {str(a.dtype) for name, a in arrays.items() if not name.startswith("data/")} == {dtype}


@pytest.mark.parametrize(
    ("wrong", "error", "message"),
    [
        (lambda b: gankit.build(b, device="cuda:7"), gankit.DeviceError, "no device 'cuda:7' here.*Possible: 'auto'"),
        (lambda b: gankit.build(b, device="quantum"), gankit.DeviceError, "Possible: 'auto'"),
        (lambda b: gankit.build(b, loss="non-saturatng"), gankit.UnknownNameError, "Did you mean 'non-saturating'"),
        (lambda b: gankit.build(b, generator={"hiden": [3]}), gankit.ConfigError, "Did you mean 'hidden'"),
        (lambda b: gankit.build(b, penalties=["r1", "r1"]), gankit.ConfigError, "you can give each name only once"),
        (lambda b: game(b).step(np.zeros((4, 28, 28, 1), np.uint8)), gankit.DataError, r"Pass \(m, 8, 8, 1\)"),
        (lambda b: game(b).step(np.zeros((4, 8, 8, 1), np.uint8), np.zeros(4, int)), gankit.ConfigError, "cgan"),
        (lambda b: game(b, recipe="cgan").step(np.zeros((4, 8, 8, 1), np.uint8)), gankit.DataError, "pass labels"),
        (lambda b: game(b, recipe="cgan").sample(2, labels=10), gankit.DataError, "classes 0 to 9"),
        (lambda b: game(b).score(np.zeros((4, 8, 8, 1))), gankit.DataError, "Convert them first"),
        (lambda b: game(b).fit(np.zeros((9, 28, 28), np.uint8), steps=1), gankit.DataError, "8, 8, 1"),
        (lambda b: game(b).fit(steps=-1), gankit.ConfigError, "0 or more"),
        (
            lambda b: gankit.build(b, loss="conditional", data=(np.zeros((4, 2)), np.arange(4))),
            gankit.ConfigError,
            "Pass num_classes=4",
        ),
        (lambda b: gankit.build(b, loss="conditional", data=np.zeros((4, 2))), gankit.DataError, r"\(x, labels\)"),
    ],
)
def test_bad_input_is_one_clear_error(backend, wrong, error, message):
    with pytest.raises(error, match=message):
        wrong(backend)


def test_the_history_is_the_log_and_a_checkpoint_goes_back_in_it(backend, tmp_path):
    seen = {}

    def look(trainer, step, terms):
        seen[step] = dict(terms)

    g = game(backend).fit(steps=250, callbacks=look)
    assert list(seen) == [100, 200] == [int(step) for step in g.history["step"][-2:]]
    assert g.history[-1] == {"step": 200, **seen[200]} and len(g.history) == 11
    path = g.save(tmp_path / "at-250")
    g.fit(steps=100)
    assert g.history[-1]["step"] == 300
    assert g.restore(path).history[-1]["step"] == 200
    with pytest.raises(gankit.ConfigError, match="is not a function"):
        g.fit(steps=10, callbacks=[3])
    assert g.steps_done == 250


def test_an_interrupted_fit_is_one_line_in_a_notebook(backend):
    def interrupt(trainer, step, terms):
        signal.raise_signal(signal.SIGINT)

    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        with pytest.raises(KeyboardInterrupt) as stopped:
            game(backend).fit(steps=500, callbacks=interrupt)
    finally:
        signal.signal(signal.SIGINT, before)
    assert stopped.value._render_traceback_() == [
        "Interrupted between two steps: the game is kept. To go on, call fit again."
    ]


def test_a_notebook_shows_a_game_in_progress_in_one_line(backend):
    g = game(backend)
    assert not g._repr_html_().startswith("<details>")
    shown = g.fit(steps=105)._repr_html_()
    assert shown.startswith("<details><summary>gankit: mlp on digits, 105 steps; at step 100: loss D ")
