"""The type of NumPy arrays, for annotations: docstrings say their shapes and dtypes."""

from __future__ import annotations

from typing import Any

import numpy as np

Array = np.ndarray[Any, Any]
