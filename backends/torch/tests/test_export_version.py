"""What an old torch cannot export is said before anything is written."""

from __future__ import annotations

import pytest
import torch

import gankit
from gankit.exporting import export


def test_an_old_torch_is_named_with_what_to_type(monkeypatch, tmp_path):
    gan = gankit.build("torch", data="ring", generator={"hidden": [4]}, discriminator={"hidden": [4]}, batch_size=4)
    monkeypatch.setattr(torch, "__version__", "2.5.1+cu124")
    with pytest.raises(
        gankit.ConfigError, match=r"needs torch 2\.6 or newer, and this is 2\.5\.1.*pip install -U torch"
    ):
        export(gan, "torch", out=tmp_path / "g.pt2")
    assert not (tmp_path / "g.pt2").exists()
