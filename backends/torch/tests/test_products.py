"""torch's fast paths on the CPU against the plain ones: products by oneDNN, convolutions of size 1, dropout, Adam."""

import copy
from contextlib import nullcontext
from itertools import pairwise

import gankit_torch.optimizers
import numpy as np
import pytest
import torch
import torch.nn.functional as F
from gankit_torch import products
from gankit_torch.layers import Conv, Dense, Dropout, Maxout
from gankit_torch.products import NARROW, WORTH_IT, faster, linear

import gankit
from gankit.parts.optimizers import Adam

ROWS, INPUTS, OUTPUTS = 96, 250, 256


def normal(*shape, seed=0, dtype=torch.float32):
    return torch.from_numpy(np.random.default_rng([seed, *shape]).normal(size=shape)).to(dtype)


def close(got, want, what=""):
    """To float32's rounding, measured by the largest number there is."""
    got, want = got.detach().double().numpy(), np.asarray(want)
    np.testing.assert_allclose(got, want, rtol=0, atol=2e-6 * np.abs(want).max(), err_msg=what)


class Calls(list):
    """oneDNN's product, counted by the shapes of its two factors."""

    def __init__(self, monkeypatch):
        native = products._LINEAR
        monkeypatch.setattr(
            products, "_LINEAR", lambda x, w, *rest: (self.append((x.shape, w.shape)), native(x, w, *rest))[1]
        )


@pytest.fixture
def calls(monkeypatch):
    """The products that oneDNN makes in a test."""
    if products._LINEAR is None:
        pytest.skip("this torch has no oneDNN")
    return Calls(monkeypatch)


# ---- products


LAYOUTS = {
    "as it is": lambda x: x,
    "transposed": lambda x: x.T.contiguous().T,
    "strided": lambda x: x.repeat(1, 2)[:, : x.shape[1]],
}


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("biased", [True, False], ids=["bias", "no bias"])
def test_value_and_gradients_are_those_in_float64(calls, biased, layout):
    """Closed forms: y = x w' + b, and for the gradient of 1/2 sum of c y^2: c y w, (c y)' x and the sum of c y."""
    x, w = (LAYOUTS[layout](normal(*shape)).requires_grad_() for shape in ((ROWS, INPUTS), (OUTPUTS, INPUTS)))
    b = normal(OUTPUTS).requires_grad_() if biased else None
    c = normal(ROWS, OUTPUTS)
    y = linear(x, w, b)
    (0.5 * c * y * y).sum().backward()
    x64, w64, c64 = (t.detach().double().numpy() for t in (x, w, c))
    y64 = x64 @ w64.T + (b.detach().double().numpy() if biased else 0.0)
    close(y, y64, "value")
    close(x.grad, (c64 * y64) @ w64, "gradient in x")
    close(w.grad, (c64 * y64).T @ x64, "gradient in w")
    if biased:
        close(b.grad, (c64 * y64).sum(0), "gradient in b")
    assert len(calls) == 3, "one product forward, two backward"


def penalty(product, x, layers):
    """R1 of a critic: the squared gradient of its logits in x, and its gradient in every parameter."""
    x = x.clone().requires_grad_()
    params = [p.clone().requires_grad_() for layer in layers for p in layer]
    hidden = x
    for w, b in zip(params[::2], params[1::2], strict=True):
        hidden = torch.tanh(product(hidden, w, b))
    (slope,) = torch.autograd.grad(hidden.sum(), x, create_graph=True)
    value = 0.5 * (slope * slope).sum() / len(x)
    return [slope, value, *torch.autograd.grad(value, params)]


@pytest.mark.parametrize("biased", [True, False], ids=["bias", "no bias"])
def test_a_squared_gradient_has_the_gradient_that_it_has_in_float64(calls, biased):
    def of(product):
        return lambda x, w, b: product(x, w, b) if biased else product(x, w, None) + 0.0 * b

    sizes = [INPUTS, OUTPUTS, 2 * OUTPUTS]
    layers = [(normal(after, before) / before**0.5, 0.1 * normal(after)) for before, after in pairwise(sizes)]
    x = normal(ROWS, INPUTS)
    got = penalty(of(linear), x, layers)
    want = penalty(of(F.linear), x.double(), [(w.double(), b.double()) for w, b in layers])
    for i, (a, b) in enumerate(zip(got, want, strict=True)):
        close(a, b.detach().numpy(), f"number {i}")
    assert len(calls) >= 2 * (1 + 1 + 3), "forward, slope and the three products of its gradient went by oneDNN"


def test_gradcheck_twice(monkeypatch):
    """In float64, with oneDNN's product, which has none, replaced by torch's: only our derivatives are on trial."""
    monkeypatch.setattr(products, "_LINEAR", lambda x, w, b, *rest: F.linear(x, w, b))
    for bias in (normal(2, dtype=torch.float64).requires_grad_(), None):
        x, w = (normal(*shape, dtype=torch.float64).requires_grad_() for shape in ((4, 3), (2, 3)))
        assert torch.autograd.gradcheck(products._Linear.apply, (x, w, bias))
        assert torch.autograd.gradgradcheck(products._Linear.apply, (x, w, bias))


@pytest.mark.parametrize(
    "needy", [(), ("x",), ("weight",), ("bias",), ("x", "weight"), ("x", "weight", "bias")], ids=str
)
def test_nothing_is_multiplied_for_inputs_that_need_no_gradient(calls, needy):
    """G's phase needs none for D's weights, D's phase none for the examples: a third of the products each."""
    given = {"x": normal(ROWS, INPUTS), "weight": normal(OUTPUTS, INPUTS), "bias": normal(OUTPUTS)}
    for name in needy:
        given[name].requires_grad_()
    y = linear(**given)
    assert calls == [((ROWS, INPUTS), (OUTPUTS, INPUTS))]
    if needy:
        y.sum().backward()
        backward = {"x": ((ROWS, OUTPUTS), (INPUTS, OUTPUTS)), "weight": ((OUTPUTS, ROWS), (INPUTS, ROWS))}
        assert calls[1:] == [backward[name] for name in needy if name != "bias"]
    assert {name for name in given if given[name].grad is not None} == {*needy}


def shaped(rows, outputs, inputs, **options):
    return torch.empty(rows, inputs, **options), torch.empty(outputs, inputs, **options)


def test_what_is_large_and_wide_goes_by_onednn(calls):
    assert faster(*shaped(ROWS, OUTPUTS, INPUTS))
    assert faster(*shaped(NARROW, NARROW, WORTH_IT // NARROW**2))
    assert faster(*shaped(WORTH_IT // NARROW**2, NARROW, NARROW))


@pytest.mark.parametrize(
    "sizes",
    [
        (NARROW, NARROW, WORTH_IT // NARROW**2 - 1),
        (NARROW - 1, 1000, 1000),
        (1000, NARROW - 1, 1000),
        (1000, 1000, NARROW - 1),
        (0, 3000, 3000),
    ],
    ids=str,
)
def test_what_is_small_or_narrow_stays_with_torch(calls, sizes):
    x, weight = shaped(*sizes)
    assert not faster(x, weight)
    assert linear(x, weight, None).shape == sizes[:2] and not calls


@pytest.mark.parametrize(
    ("options", "around"),
    [
        ({"dtype": torch.float64}, nullcontext),
        ({"dtype": torch.bfloat16}, nullcontext),
        ({"device": "meta"}, nullcontext),
        ({}, lambda: torch.autocast("cpu", torch.bfloat16)),
        ({}, lambda: torch.backends.mkldnn.flags(enabled=False)),
    ],
    ids=["float64", "bfloat16", "meta", "autocast", "mkldnn off"],
)
@pytest.mark.filterwarnings("ignore:TF32 acceleration")  # torch's, of its own flags
def test_what_onednn_is_not_for_stays_with_torch(calls, options, around):
    x, weight = shaped(ROWS, OUTPUTS, INPUTS, **options)
    with around():
        assert not faster(x, weight)
        assert linear(x, weight, None).dtype == F.linear(x, weight).dtype
    assert not calls


def test_more_axes_mixed_dtypes_and_a_torch_without_onednn_stay_with_torch(monkeypatch):
    x, weight = shaped(ROWS, OUTPUTS, INPUTS)
    assert not faster(x[None], weight) and not faster(x.double(), weight) and not faster(x, weight.double())
    monkeypatch.setattr(products, "_LINEAR", None)
    assert not faster(x, weight)
    assert torch.equal(linear(x.zero_(), weight.zero_(), None), torch.zeros(ROWS, OUTPUTS))


class Taken(Exception):
    pass


def taken(*arguments):
    raise Taken


LAYERS = {"dense": lambda: Dense(INPUTS, OUTPUTS), "maxout": lambda: Maxout(INPUTS, OUTPUTS // 2, 2)}


@pytest.mark.parametrize("kind", LAYERS)
def test_layers_multiply_through_onednn_unless_they_were_built_without_it(calls, monkeypatch, kind):
    x = normal(ROWS, INPUTS)
    monkeypatch.setenv("GANKIT_WITHOUT", "onednn")
    plain = LAYERS[kind]()
    monkeypatch.delenv("GANKIT_WITHOUT")
    fast = LAYERS[kind]()
    fast.load_state_dict(plain.state_dict())
    close(fast(x), plain(x).detach().double().numpy())
    assert len(calls) == 1
    close(copy.deepcopy(fast)(x), plain(x).detach().double().numpy())  # copies, which users make, go the same way
    assert len(calls) == 2
    monkeypatch.setattr(products, "_LINEAR", taken)
    with pytest.raises(Taken):
        fast(x)
    plain(x)


def test_a_float32_game_takes_the_path_and_ends_in_the_same_state(calls, monkeypatch):
    """Both players, R1 and R2. By plain descent: Adam's first steps are signs of gradients, which rounding may turn."""
    sgd = {"name": "sgd", "lr": 0.05}
    settings = {
        "generator": {"hidden": [256, 256]},
        "discriminator": {"hidden": [256, 256]},
        "penalties": ["r1", "r2"],
        "generator_optimizer": sgd,
        "discriminator_optimizer": sgd,
        "batch_size": 64,
    }
    arrays, counts = [], []
    for without in ("onednn", ""):
        monkeypatch.setenv("GANKIT_WITHOUT", without)
        trainer = gankit.build("torch", **settings).fit(steps=3)
        arrays.append(
            {**trainer.generator.parameters, **{f"D {k}": v for k, v in trainer.discriminator.parameters.items()}}
        )
        counts.append(len(calls))
    assert counts[0] == 0 < counts[1]
    start = gankit.build("torch", **settings).discriminator.parameters["dense1/kernel"]
    assert np.abs(arrays[0]["D dense1/kernel"] - start).max() > 1e-4, "three steps must move something"
    for name, want in arrays[0].items():
        np.testing.assert_allclose(arrays[1][name], want, rtol=0, atol=1e-6, err_msg=name)


# ---- convolutions of size 1


@pytest.mark.parametrize("biased", [True, False], ids=["bias", "no bias"])
@pytest.mark.parametrize(("channels", "features"), [(1, 1), (1, 6), (5, 1), (5, 6)])
def test_a_convolution_of_size_1_is_a_product_in_value_and_both_gradients(monkeypatch, channels, features, biased):
    conv = Conv(channels, features, 1, stride=1, padding=0, bias=biased, dtype=torch.float64)
    weights = normal(features, channels, 1, 1, dtype=torch.float64), normal(features, dtype=torch.float64)
    with torch.no_grad():
        for p, numbers in zip(conv.parameters(), weights, strict=False):
            p.copy_(numbers)

    def native(x):
        return F.conv2d(x.permute(0, 3, 1, 2), conv.weight, conv.bias).permute(0, 2, 3, 1)

    def orders(f):
        x = normal(3, 4, 5, channels, dtype=torch.float64).requires_grad_()
        y = f(x)
        (slope,) = torch.autograd.grad(torch.sin(y).sum(), x, create_graph=True)
        first = torch.autograd.grad(torch.sin(y).sum(), list(conv.parameters()), retain_graph=True)
        return [y, slope, *first, *torch.autograd.grad((slope * slope).sum(), [x, *conv.parameters()])]

    want = orders(native)
    monkeypatch.setattr(F, "conv2d", taken)
    monkeypatch.setattr(Conv, "_conv_forward", taken)
    for a, b in zip(orders(conv), want, strict=True):
        torch.testing.assert_close(a, b, rtol=1e-12, atol=1e-13)


@pytest.mark.parametrize(
    ("size", "window", "without"),
    [
        (1, {"stride": 2, "padding": 0}, ""),
        (1, {"stride": 1, "padding": 1}, ""),
        (1, {"stride": 1, "padding": 0, "groups": 2}, ""),
        (3, {"stride": 1, "padding": 0}, ""),
        (1, {"stride": 1, "padding": 0}, "pointwise"),
    ],
    ids=["stride", "padding", "groups", "3x3", "GANKIT_WITHOUT"],
)
def test_every_other_convolution_stays_one(monkeypatch, size, window, without):
    monkeypatch.setenv("GANKIT_WITHOUT", without)
    conv, x = Conv(4, 6, size, **window), normal(2, 5, 5, 4)
    monkeypatch.setattr(F, "linear", taken)
    want = F.conv2d(x.permute(0, 3, 1, 2), conv.weight, conv.bias, **window).permute(0, 2, 3, 1)
    torch.testing.assert_close(conv(x), want)
    if without:
        monkeypatch.delenv("GANKIT_WITHOUT")
        with pytest.raises(Taken):
            Conv(4, 6, size, **window)(x)


# ---- dropout by 16 bits a number


def kept(keep, shape, key, dtype=torch.float32):
    """Dropout of ones, flat, and which of them it kept."""
    layer = Dropout(keep)
    layer.key = key
    out = layer(torch.ones(shape, dtype=dtype))
    assert out.shape == tuple(shape) and out.dtype == dtype
    return out.flatten(), (out != 0).flatten().double().numpy()


@pytest.mark.parametrize("keep", [0.8, 0.5, 0.1])
def test_as_many_are_kept_as_were_asked_for_in_each_quarter_of_a_word(keep):
    """Within 5 standard deviations of the binomial; the sign bits of a word are all in one quarter."""
    n = 400_000
    _, mask = kept(keep, (n // 100, 100), key=2**63 + 5)
    deviation = (keep * (1 - keep)) ** 0.5
    assert abs(mask.mean() - keep) < 5 * deviation / n**0.5
    for quarter in mask.reshape(-1, 4).T:
        assert abs(quarter.mean() - keep) < 5 * deviation / (n / 4) ** 0.5


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("keep", [0.8, 0.5, 0.1])
def test_what_is_kept_is_divided_by_the_share_and_the_rest_is_0(keep, dtype):
    out, _ = kept(keep, (1000,), key=1, dtype=dtype)
    assert set(out.tolist()) == {0.0, torch.tensor(1 / keep, dtype=dtype).item()}
    x = normal(1000, dtype=dtype).requires_grad_()
    layer = Dropout(keep)
    layer.key = 1
    y = layer(x)
    assert torch.equal(y, x * out)
    assert torch.equal(*torch.autograd.grad(y.sum(), x), out)


def test_the_mask_is_a_function_of_the_key_alone():
    layer = Dropout(0.5)
    before = torch.get_rng_state()
    masks = {}
    for key in (7, 8, 7 + 2**31, 2**64 - 1):
        masks[key] = kept(0.5, (64, 64), key)[1]
        np.testing.assert_array_equal(kept(0.5, (64, 64), key, torch.float64)[1], masks[key])
    assert torch.equal(torch.get_rng_state(), before), "a key leaves torch's own generator where it was"
    different = [np.corrcoef(a, b)[0, 1] for i, a in enumerate(masks.values()) for b in list(masks.values())[:i]]
    assert np.abs(different).max() < 5 / 64
    torch.manual_seed(0)
    first, second = layer(torch.ones(64)), layer(torch.ones(64))
    assert not torch.equal(first, second)
    torch.manual_seed(0)
    assert torch.equal(layer(torch.ones(64)), first), "without a key it draws from torch's own"


@pytest.mark.parametrize("keep", [0.8, 0.5, 0.1])
def test_neighbours_are_kept_independently_of_each_other(keep):
    """Within one 64-bit word, which gives four numbers, and across words: at most 5 standard deviations of chance."""
    n = 400_000
    _, mask = kept(keep, (n,), key=11)
    centred = (mask - mask.mean()) / mask.std()
    for lag in (1, 2, 3, 4, 5, 8, 64, 100):
        assert abs((centred[lag:] * centred[:-lag]).mean()) < 5 / n**0.5, lag
    words = centred.reshape(-1, 4)
    within = words.T @ words / len(words)
    assert np.abs(within - np.diag(np.diag(within))).max() < 5 / len(words) ** 0.5


@pytest.mark.parametrize("shape", [(1,), (2, 3), (5, 7), (3, 3, 5), (0, 4)], ids=str)
def test_any_number_of_numbers_will_do(shape):
    """A shorter mask is the beginning of a longer one, as one stream of words is."""
    count = int(np.prod(shape))
    _, mask = kept(0.5, shape, key=3)
    np.testing.assert_array_equal(mask, kept(0.5, (4 * count + 4,), key=3)[1][:count])


def test_nothing_is_dropped_in_evaluation_or_at_1():
    x = normal(50)
    assert Dropout(1.0)(x) is x and Dropout(0.1).eval()(x) is x


# ---- Adam with one count for all parameters


@pytest.mark.parametrize("fused", [True, False], ids=["fused", "foreach"])
def test_adam_with_one_count_is_torch_s_own(monkeypatch, fused):
    """Five steps, with learning rate and b1 that change; continued at the count that a checkpoint tells."""
    monkeypatch.setattr(gankit_torch.optimizers, "_can_fuse", lambda device: fused)
    shapes = {"kernel": (5, 4), "bias": (4,), "scale": (), "conv": (3, 2, 3, 3)}
    params = {name: normal(*shape, seed=1, dtype=torch.float64) for name, shape in shapes.items()}
    theirs = [torch.nn.Parameter(p.clone()) for p in params.values()]
    reference = torch.optim.Adam(theirs, lr=0.1, betas=(0.5, 0.99), eps=1e-6, foreach=False, fused=False)
    rule = gankit_torch.optimizers.optimizer(Adam(lr=0.1, b1=0.5, b2=0.99, eps=1e-6), torch.device("cpu"), None)
    slots = rule.init(params)
    for step in range(5):
        grads = {name: normal(*shape, seed=2 + step, dtype=torch.float64) for name, shape in shapes.items()}
        numbers = {"lr": 0.1 / (1 + step), "b1": 0.5 + 0.05 * step}
        reference.param_groups[0].update(lr=numbers["lr"], betas=(numbers["b1"], 0.99))
        for p, g in zip(theirs, grads.values(), strict=True):
            p.grad = g.clone()
        reference.step()
        slots, params = rule.update(slots, params, grads, numbers)
        assert rule.updates(slots) == step + 1
        if step == 2:
            slots = {**slots, "count": rule.init(params, updates=3)["count"]}
    for p, want in zip(params.values(), theirs, strict=True):
        torch.testing.assert_close(p, want.detach(), rtol=1e-12, atol=1e-14)


@pytest.mark.parametrize("keep", [0.999995, 1e-6])
def test_rates_that_16_bits_cannot_tell_from_none_or_all_still_drop_and_keep(keep):
    dropout = Dropout(keep)
    dropout.key = 3
    kept = int((dropout(torch.ones(400_000)) != 0).sum())
    assert kept == 400_000 if keep > 0.5 else 0 < kept < 30
