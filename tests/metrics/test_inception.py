"""FID's own network: its features are torch-fidelity's, on every backend, and what it lacks is said in one line."""

from __future__ import annotations

import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

import gankit
from gankit.data import open_data
from gankit.data.dataset import Scaling
from gankit.data.spec import DataSpec
from gankit.errors import DataError, PluginError, ShapeError
from gankit.metrics.frechet import frechet_distance, moments
from gankit.metrics.inception import WEIGHTS, Inception
from gankit.metrics.looking import find_extractor

NUMPY: Any = SimpleNamespace(dtype="float32", ops=SimpleNamespace(asarray=np.asarray))
"""A backend whose device is none of torch's: all that the extractor asks of one."""


@pytest.fixture(scope="module")
def fidelity() -> Any:
    try:
        from torch_fidelity import feature_extractor_inceptionv3
    except (ImportError, RuntimeError) as error:  # RuntimeError: a torchvision that was built for another torch
        pytest.skip(f"torch-fidelity cannot be imported: {error}")
    return feature_extractor_inceptionv3


@pytest.fixture(scope="module")
def weights(fidelity: Any, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Random weights of a size that keeps signals alive through all layers (He et al. 2015), saved by PyTorch."""
    import torch

    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(fidelity, "load_state_dict_from_url", lambda *args, **kwargs: {})
        patched.setattr(fidelity.FeatureExtractorInceptionV3, "load_state_dict", lambda self, state: None)
        network = fidelity.FeatureExtractorInceptionV3("random", ["2048"])
    torch.manual_seed(0)
    for module in network.modules():
        if isinstance(module, torch.nn.Conv2d):
            torch.nn.init.kaiming_normal_(module.weight)
    path = tmp_path_factory.mktemp("weights") / "random.pth"
    torch.save(network.state_dict(), path)
    return path


@pytest.fixture(scope="module")
def pictures() -> tuple[np.ndarray, np.ndarray]:
    """Grey ones that are soft, and colourful ones that are harsh."""
    rng = np.random.default_rng(0)
    return (
        rng.integers(60, 200, (5, 28, 28, 1), dtype=np.uint8),
        (255 * rng.beta(0.3, 0.3, (4, 20, 24, 3))).astype(np.uint8),
    )


def in_colour(x: np.ndarray) -> Any:
    """(n, 3, H, W), as torch-fidelity takes them."""
    import torch

    return torch.from_numpy(np.ascontiguousarray(np.repeat(x, 3 // x.shape[3], axis=3).transpose(0, 3, 1, 2)))


def test_features_and_distance_are_those_of_torch_fidelity(
    fidelity: Any, weights: Path, pictures: tuple[np.ndarray, np.ndarray]
) -> None:
    import torch
    import torch_fidelity

    look = Inception(weights).open(NUMPY)
    grey, colour = (look(x)[0] for x in pictures)
    assert grey.shape == (5, 2048) and grey.dtype == np.float32 and grey.std() > 0.1
    theirs = fidelity.FeatureExtractorInceptionV3("theirs", ["2048"], feature_extractor_weights_path=weights)
    for ours, x in zip((grey, colour), pictures, strict=True):
        np.testing.assert_allclose(ours, theirs(in_colour(x))[0].numpy(), rtol=1e-4, atol=1e-4)

    class Pictures(torch.utils.data.Dataset[Any]):
        def __init__(self, x: Any) -> None:
            self.x = x

        def __len__(self) -> int:
            return len(self.x)

        def __getitem__(self, i: int) -> Any:
            return self.x[i]

    inputs = {f"input{i}": Pictures(in_colour(x)) for i, x in enumerate(pictures, 1)}
    quietly = {"cuda": False, "verbose": False, "cache": False, "save_cpu_ram": True}
    found = torch_fidelity.calculate_metrics(**inputs, **quietly, fid=True, feature_extractor_weights_path=str(weights))
    ours = frechet_distance(moments(grey), moments(colour))
    assert ours == pytest.approx(found["frechet_inception_distance"], rel=1e-5)


def test_pieces_and_precision_change_nothing_but_rounding(
    weights: Path, pictures: tuple[np.ndarray, np.ndarray], monkeypatch: pytest.MonkeyPatch
) -> None:
    x = pictures[0][:3]
    whole = Inception(weights).open(NUMPY)(x)[0]
    monkeypatch.setattr("gankit.metrics.inception.AT_ONCE", 2)
    wide: Any = SimpleNamespace(dtype="float64", ops=NUMPY.ops)
    np.testing.assert_allclose(Inception(weights).open(wide)(x)[0], whole, rtol=1e-3, atol=1e-3)
    assert Inception(weights).open(NUMPY)(x[:0])[0].shape == (0, 2048)


def test_an_evaluation_names_the_extractor_and_its_weights(weights: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(WEIGHTS, str(weights))
    small: dict[str, Any] = {"generator": {"hidden": [4]}, "discriminator": {"hidden": [4]}}
    gan = gankit.build("torch", "mlp", open_data("digits").x[:6], batch_size=2, **small)  # few: it looks at them all
    metric = {"name": "precision-recall", "n": 5}
    [row, *_] = gankit.evaluate(gan, n=5, metrics=metric, extractor="inception-v3-compat", weights="raw")
    label = row["precision"].label
    assert label.startswith("precision[features=inception-v3-compat (torch-fidelity, weights ")
    assert "n=5, reals=5, split=" in label


def test_looking_leaves_torchs_random_numbers_alone(weights: Path) -> None:
    import torch

    before = torch.random.get_rng_state()
    Inception(weights).open(NUMPY)
    assert torch.equal(torch.random.get_rng_state(), before)


def test_weights_of_another_network_are_refused(fidelity: Any, tmp_path: Path) -> None:
    import torch

    torch.save({"layer": torch.zeros(2)}, tmp_path / "other.pth")
    with pytest.raises(DataError, match="weights of a network other than torch-fidelity's Inception"):
        Inception(tmp_path / "other.pth").open(NUMPY)
    (tmp_path / "torn.pth").write_bytes(b"torn")
    with pytest.raises(DataError, match="not a state dict saved by PyTorch"):
        Inception(tmp_path / "torn.pth").open(NUMPY)


def test_without_a_network_one_line_says_what_to_fetch(fidelity: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    def unreachable(*args: object, **kwargs: object) -> None:
        raise OSError("<urlopen error [Errno 101] Network is unreachable>")

    monkeypatch.delenv(WEIGHTS, raising=False)
    monkeypatch.setattr(fidelity, "load_state_dict_from_url", unreachable)
    with pytest.raises(
        DataError, match=r"unreachable>\. Fetch .*\.pth where there is a network, .* GANKIT_INCEPTION_WEIGHTS=FILE"
    ) as told:
        Inception().open(NUMPY)
    assert "\n" not in str(told.value)


def test_pictures_of_other_kinds_are_refused(fidelity: Any, weights: Path) -> None:
    look = Inception(weights).open(NUMPY)
    for wrong in (np.zeros((2, 8, 8, 1)), np.zeros((2, 8, 8, 4), np.uint8), np.zeros((8, 8, 3), np.uint8)):
        with pytest.raises(ShapeError, match=r"looks at pictures \(n, H, W, 1 or 3\) of bytes, 0 to 255; got shape"):
            look(wrong)


# ---- without torch-fidelity


def test_what_to_install_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("torch")
    for module in ("torch_fidelity", "torch_fidelity.feature_extractor_inceptionv3"):
        monkeypatch.setitem(sys.modules, module, None)
    with pytest.raises(PluginError, match=r"needs torch-fidelity .* pip install 'gankit\[inception\]'"):
        Inception().open(NUMPY)


def test_published_weights_need_no_mention_and_others_do(tmp_path: Path) -> None:
    assert Inception().name == "inception-v3-compat (torch-fidelity)"
    (tmp_path / "mine.pth").write_bytes(b"mine")
    assert Inception(tmp_path / "mine.pth").name == "inception-v3-compat (torch-fidelity, weights 3fd30542)"


def test_it_looks_at_images_of_any_size_and_only_where_it_is_asked_for() -> None:
    def images(*shape: int) -> DataSpec:
        return DataSpec(shape, None, Scaling(np.full((), 127.5), np.full((), 127.5), 0.0, 255.0, "uint8"))

    for shape in ((28, 28, 1), (64, 48, 3)):
        assert isinstance(find_extractor(images(*shape), "inception-v3-compat"), Inception)
    default = find_extractor(images(28, 28, 1))
    assert default is not None and default.name == "mnist-cnn" and find_extractor(images(32, 32, 3)) is None
    with pytest.raises(ShapeError, match=r"looks at examples of shape \(any, any, any\)"):
        find_extractor(images(2), "inception-v3-compat")
