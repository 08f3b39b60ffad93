"""What the author of a module has frozen stays as it is, in training and through checkpoints."""

import numpy as np
import torch
from torch import nn

import gankit

X = np.random.default_rng(0).normal(size=(40, 3)).astype(np.float32)


class Critic(nn.Module):
    def __init__(self):
        super().__init__()
        self.features, self.head = nn.Linear(3, 8), nn.Linear(8, 1)
        self.features.requires_grad_(False)

    def forward(self, x):
        return self.head(self.features(x).relu())[:, 0]


def test_frozen_parameters_are_saved_and_not_trained(tmp_path):
    torch.manual_seed(0)
    critic = Critic()
    before = {name: tensor.clone() for name, tensor in critic.state_dict().items()}
    game = gankit.build("torch", data=X, discriminator=critic, generator={"hidden": [8]}, batch_size=8).fit(steps=3)
    trained = game.discriminator.native
    assert torch.equal(trained.features.weight, before["features.weight"])
    assert not torch.equal(trained.head.weight, before["head.weight"])
    assert isinstance(trained.features.weight, nn.Parameter) and not trained.features.weight.requires_grad
    loaded = gankit.load(game.save(tmp_path / "game"), discriminator=Critic())
    assert torch.equal(loaded.discriminator.native.features.weight, before["features.weight"])
    assert np.array_equal(loaded.score(X), game.score(X))
