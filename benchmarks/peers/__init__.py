"""Other GAN toolkits, each playing the same game through its own trainer, with the stock torch loops' networks."""
