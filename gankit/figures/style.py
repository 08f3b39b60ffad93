"""How figures with axes look: quiet, readable at 800 pixels, the same bytes every time."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from importlib import import_module
from typing import Any

import numpy as np

from gankit.data.images import Picture
from gankit.errors import GankitError

# Okabe & Ito 2008: colour-blind eyes tell them apart too. As in the paper's figure 1, data is black, p_g green, D blue.
BLACK, GREY, BLUE, GREEN, ORANGE = "#000000", "#767676", "#0072B2", "#009E73", "#D55E00"
LIGHT, PALE = "#BBBBBB", "#8FC1DF"

SHARP = 200
"""Dots per inch: a figure 8 inches wide has twice the 800 pixels that it is looked at with."""

STYLE: dict[str, Any] = {
    "font.family": "DejaVu Sans",  # comes with matplotlib, so text is the same everywhere
    "font.size": 11,
    "axes.titlesize": 11,
    "axes.titlelocation": "left",
    "axes.labelsize": 11,
    "axes.edgecolor": GREY,
    "axes.labelcolor": "#333333",
    "axes.linewidth": 0.8,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "xtick.color": GREY,
    "ytick.color": GREY,
    "xtick.labelcolor": "#333333",
    "ytick.labelcolor": "#333333",
    "lines.linewidth": 1.8,
    "lines.solid_capstyle": "round",
    "legend.frameon": False,
}


def painted(paint: Callable[[Any], None], width: float = 8.0, height: float = 5.0, dpi: int = SHARP) -> Picture:
    """What `paint` puts on an empty `matplotlib.figure.Figure`, as (height * dpi, width * dpi, 3) uint8.

    width, height: in inches, with text of 11 points. No window, no pyplot, and the user's own settings neither seen nor
    touched. Raises GankitError where matplotlib is not installed.
    """
    try:
        matplotlib = import_module("matplotlib")
        figures, agg = import_module("matplotlib.figure"), import_module("matplotlib.backends.backend_agg")
    except ImportError as error:
        raise GankitError(f"Figures with axes need matplotlib ({error}): pip install 'gankit[figures]'") from error
    with matplotlib.rc_context():
        matplotlib.rcdefaults()
        matplotlib.rcParams.update(STYLE)
        figure = figures.Figure(figsize=(width, height), dpi=dpi, layout="constrained")
        canvas = agg.FigureCanvasAgg(figure)
        paint(figure)
        canvas.draw()
        return np.array(canvas.buffer_rgba(), np.uint8)[..., :3].copy().view(Picture)


def told(figure: Any, names: Sequence[tuple[str, dict[str, Any]]]) -> None:
    """One line above everything: each name beside the line, or the point, that it goes by."""
    line = import_module("matplotlib.lines").Line2D
    handles = [line([], [], label=name, **look) for name, look in names]
    figure.legend(handles=handles, loc="outside upper left", ncols=len(handles), handlelength=2.0, columnspacing=1.6)
