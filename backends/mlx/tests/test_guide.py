"""`docs/write-a-backend.md` shows pieces of this very package."""

import re
from pathlib import Path

import pytest

HERE = Path(__file__).parents[1]
GUIDE = Path(__file__).parents[3] / "docs" / "write-a-backend.md"
SOURCES = {
    "python": [path.read_text() for path in sorted((HERE / "gankit_mlx").glob("*.py"))],
    "toml": [(HERE / "pyproject.toml").read_text()],
}
PIECES = re.findall(r"^```(python|toml)\n(.*?)^```$", GUIDE.read_text(), re.DOTALL | re.MULTILINE)


@pytest.mark.parametrize("language, piece", PIECES, ids=[piece.strip().partition("\n")[0] for _, piece in PIECES])
def test_every_piece_of_the_guide_is_a_piece_of_the_package(language, piece):
    assert any(piece in source for source in SOURCES[language])


def test_the_guide_has_pieces():
    assert len(PIECES) >= 10
