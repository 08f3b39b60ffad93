"""Figures of a game: the paper's, and those that one looks at while training.

    gankit.figures.samples(trainer).save("samples.png")

Each is a function from a trainer (`curves`: from a run folder) to a picture that a notebook shows.
"""

from gankit.data.images import Picture
from gankit.figures.animation import Animation
from gankit.figures.answers import conditions
from gankit.figures.class_grid import classes
from gankit.figures.filled_in import completions
from gankit.figures.kinds import Figure, applicable, find, names
from gankit.figures.latent_paths import interpolation
from gankit.figures.lines import series
from gankit.figures.one_dimension import game_1d
from gankit.figures.plane import scatter
from gankit.figures.reconstructions import reconstructions
from gankit.figures.sample_grid import samples
from gankit.figures.training_curves import curves

__all__ = [
    "Animation",
    "Figure",
    "Picture",
    "applicable",
    "classes",
    "completions",
    "conditions",
    "curves",
    "find",
    "game_1d",
    "interpolation",
    "names",
    "reconstructions",
    "samples",
    "scatter",
    "series",
]
