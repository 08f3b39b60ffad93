"""Wasserstein GANs: the loss, and both ways to keep the critic Lipschitz."""
