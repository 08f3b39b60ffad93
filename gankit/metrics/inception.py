"""The Inception network of "FID", from torch-fidelity: an extractor for images of any size.

Its weights were converted from the TensorFlow graph of 2015 that Heusel et al. 2017 used, and it resizes images as that
graph does. It runs on PyTorch, whatever backend the game uses. torch-fidelity is an extra, imported when the extractor
is opened.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable
from functools import cached_property
from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np

from gankit.arrays import Array
from gankit.errors import DataError, PluginError, ShapeError
from gankit.interfaces import Backend

WEIGHTS = "GANKIT_INCEPTION_WEIGHTS"
"""The environment variable that names a file of weights, where they are not to be fetched."""
PUBLISHED = "6726825d"
"""How the SHA-256 of the published weights begins; they are fetched by a name that says so."""
AT_ONCE = 32
"""Pictures in a piece: at 299x299 their activations take some 700 MB."""


class Inception:
    """Features are the 2,048 numbers below the last layer, averaged over places. `gankit.metrics.Extractor`.

    weights: a state dict of torch-fidelity's network, saved by PyTorch; by default what GANKIT_INCEPTION_WEIGHTS names,
        else the published ones, which torch-fidelity fetches once and keeps.
    """

    shape: tuple[int | None, ...] = (None, None, None)
    num_features = 2048
    num_classes: int | None = None  # it has 1,008, none of them a digit or a face

    def __init__(self, weights: str | os.PathLike[str] | None = None) -> None:
        named = weights or os.environ.get(WEIGHTS)
        self._weights = Path(named) if named else None

    @cached_property
    def name(self) -> str:
        """Weights that are not the published ones see another picture, so the name tells them apart."""
        other = None if self._weights is None else _digest(self._weights)
        own = "" if other in (None, PUBLISHED) else f", weights {other}"
        return f"inception-v3-compat (torch-fidelity{own})"

    def open(self, backend: Backend) -> Callable[[Array], tuple[Array, None]]:
        """Pictures (n, H, W, 1 or 3) uint8 to features (n, 2048) float32, in pieces. Grey is three equal colours.

        On the device of a torch backend, else on the CPU; in the backend's dtype. Raises PluginError without
        torch-fidelity, DataError without the weights; what is returned raises ShapeError for any other pictures.
        """
        torch, network = _network(self._weights, backend.dtype)
        like = backend.ops.asarray(np.zeros(1))
        device = like.device if isinstance(like, torch.Tensor) else torch.device("cpu")
        network.to(device)

        def look(x: Array) -> tuple[Array, None]:
            if x.ndim != 4 or x.shape[3] not in (1, 3) or x.dtype != np.uint8:
                raise ShapeError(
                    f"{self.name} looks at pictures (n, H, W, 1 or 3) of bytes, 0 to 255; "
                    f"got shape {x.shape}, {x.dtype}."
                )
            features = np.empty((len(x), self.num_features), np.float32)
            for start in range(0, len(x), AT_ONCE):
                piece = np.broadcast_to(x[start : start + AT_ONCE], (*x[start : start + AT_ONCE].shape[:3], 3))
                pictures = torch.from_numpy(np.ascontiguousarray(piece.transpose(0, 3, 1, 2))).to(device)
                with torch.no_grad():
                    features[start : start + AT_ONCE] = network(pictures)[0].float().cpu().numpy()
            return features, None

        return look


def _network(weights: Path | None, dtype: str) -> tuple[Any, Any]:
    """(torch, the network with its weights)."""
    try:
        torch: Any = import_module("torch")
        theirs: Any = import_module("torch_fidelity.feature_extractor_inceptionv3")
    except ImportError as error:
        raise PluginError(
            f"The extractor inception-v3-compat needs torch-fidelity ({error}). "
            "To get it: pip install 'gankit[inception]'"
        ) from error
    except RuntimeError as error:  # torchvision, which torch-fidelity imports, beside a torch that it is not built for
        raise PluginError(
            f"torch-fidelity cannot be imported: {error}. "
            "It needs a torchvision that was built for the torch that is installed."
        ) from error
    if weights is not None:
        _require_state_dict(torch, weights)
    options = {"feature_extractor_weights_path": weights, "feature_extractor_internal_dtype": dtype}
    try:
        with torch.random.fork_rng():  # its layers draw first weights, which are then written over
            return torch, theirs.FeatureExtractorInceptionV3("inception-v3-compat", ["2048"], **options)
    except OSError as error:
        raise DataError(
            f"The weights of inception-v3-compat cannot be fetched: {error}. "
            f"Download {theirs.URL_INCEPTION_V3} on another machine, and set {WEIGHTS}=FILE"
        ) from error
    except RuntimeError as error:  # of load_state_dict, which lists every name
        raise DataError(f"{weights} has the weights of a network other than torch-fidelity's Inception.") from error


def _require_state_dict(torch: Any, path: Path) -> None:
    """Raises DataError unless the file holds arrays and nothing else: torch-fidelity would run whatever it pickles."""
    if not path.is_file():
        raise DataError(f"{WEIGHTS}: there is no file {str(path)!r}.")
    try:
        torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:  # of zipfile, pickle and torch, by what is wrong with the file
        raise DataError(f"{path} is not a state dict saved by PyTorch.") from error


def _digest(path: Path) -> str:
    """The first 8 digits of a file's SHA-256; "missing" where there is none."""
    if not path.is_file():
        return "missing"
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()[: len(PUBLISHED)]
