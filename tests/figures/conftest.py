"""What has been painted, before it became pixels."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from gankit.figures import style


@pytest.fixture
def painted(monkeypatch: pytest.MonkeyPatch) -> Callable[[], list[Any]]:
    """Asks for the matplotlib figures that were painted since the test began."""
    pytest.importorskip("matplotlib", reason="figures with axes are drawn with matplotlib")
    seen: list[Any] = []
    paint_all = style.painted

    def spy(paint: Callable[[Any], None], *size: Any, **how: Any) -> Any:
        def watched(figure: Any) -> None:
            paint(figure)
            seen.append(figure)

        return paint_all(watched, *size, **how)

    monkeypatch.setattr(style, "painted", spy)
    return lambda: seen
