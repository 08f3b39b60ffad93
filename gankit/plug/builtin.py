"""Core's own parts. They go the same road as everybody else's."""

from __future__ import annotations

from collections.abc import Iterator

from gankit.plug.hookspecs import PLUGIN_API, Entry, hookimpl


def _entry(name: str, target: str, summary: str) -> Entry:
    return Entry(name=name, target=f"gankit.{target}", api=PLUGIN_API, summary=summary)


@hookimpl
def gankit_generators() -> Iterator[Entry]:
    yield _entry("mlp", "networks.mlp:generator", "dense relu layers, for any array")
    yield _entry("series", "networks.series:generator", "convolutions along time, for series")
    yield _entry("gan-2014", "networks.gan_2014:generator", "the paper's MNIST generator")
    yield _entry("gan-2014-tfd", "networks.gan_2014:tfd_generator", "the paper's generator for faces")
    yield _entry(
        "gan-2014-cifar", "networks.gan_2014:cifar_generator", "the paper's fully connected CIFAR-10 generator"
    )
    yield _entry(
        "deconvolutional-2014",
        "networks.gan_2014:deconvolutional_generator",
        "the paper's convolutional one for CIFAR-10",
    )
    yield _entry("dcgan", "networks.dcgan:generator", "transposed convolutions, batch norm, tanh")
    yield _entry("u-net", "networks.pictures:u_net", "an image to one of the same size, a U-Net")
    yield _entry("super-resolution", "networks.pictures:super_resolution", "an image to a larger one, residual blocks")
    yield _entry("completion", "networks.completion:generator", "fills in what a mask hides, a modulated U-Net")
    yield _entry("tabular", "networks.tabular:generator", "rows of a table: dense layers, a softmax per category")
    yield _entry("translation", "networks.pictures:translation", "an image to one of another domain")


@hookimpl
def gankit_discriminators() -> Iterator[Entry]:
    yield _entry("mlp", "networks.mlp:discriminator", "dense leaky-relu layers, for any array")
    yield _entry("series", "networks.series:discriminator", "convolutions along time, for series")
    yield _entry("gan-2014", "networks.gan_2014:discriminator", "the paper's maxout and dropout discriminator")
    yield _entry("convolutional-2014", "networks.gan_2014:convolutional_discriminator", "the paper's, for CIFAR-10")
    yield _entry("dcgan", "networks.dcgan:discriminator", "strided convolutions, batch norm, leaky relu")
    yield _entry("k-class", "networks.k_class:discriminator", "an image classifier; any class means real")
    yield _entry("k-class-mlp", "networks.k_class:dense_discriminator", "the same with dense layers, for any array")
    yield _entry("completion", "networks.completion:discriminator", "one logit for a completed image and its mask")
    yield _entry("tabular", "networks.tabular:discriminator", "rows of a table, one by one or in packs")
    yield _entry("patches", "networks.pictures:patches", "logits for patches of an image and its condition")


@hookimpl
def gankit_encoders() -> Iterator[Entry]:
    yield _entry("mlp", "networks.encoders:mlp", "dense leaky-relu layers, for any array")
    yield _entry("convolutional", "networks.encoders:convolutional", "strided convolutions, for images")


@hookimpl
def gankit_losses() -> Iterator[Entry]:
    yield _entry("minimax", "parts.losses:Minimax", "G minimises log(1 - D(G(z))), which saturates (eq. 1)")
    yield _entry("non-saturating", "parts.losses:NonSaturating", "G maximises log D(G(z)) (section 3)")
    yield _entry("conditional", "parts.losses:Conditional", "any other loss on D(x|y) and G(z|y)")


@hookimpl
def gankit_penalties() -> Iterator[Entry]:
    yield _entry("r1", "parts.penalties:R1", "squared gradient of D at real examples")
    yield _entry("r2", "parts.penalties:R2", "squared gradient of D at generated examples")
    yield _entry("l1", "parts.terms:Paired", "mean distance of G(z|c) to the example that c belongs to")
    yield _entry("cycle", "parts.terms:Cycle", "mapping there and back gives the original (CycleGAN)")
    yield _entry("class-cross-entropy", "parts.terms:ClassCrossEntropy", "D predicts the classes of labelled examples")
    yield _entry("class-consistency", "parts.terms:ClassConsistency", "D predicts the same class with other dropout")
    yield _entry("inversion", "parts.terms:Inversion", "an encoder finds the z of samples and real examples")
    yield _entry("diversity", "parts.terms:Diversity", "samples for one condition must differ with z")
    yield _entry("mismatched", "parts.terms:Mismatched", "D rejects real examples under the conditions of others")


@hookimpl
def gankit_conditions() -> Iterator[Entry]:
    yield _entry("downsample", "parts.conditions:downsample", "the example at a fraction of its size")
    yield _entry("grey", "parts.conditions:grey", "the example without its colours")
    yield _entry("edges", "parts.conditions:edges", "where the example changes from dark to light")
    yield _entry("mask", "parts.conditions:mask", "the example with a part hidden, and the mask")
    yield _entry("column", "parts.columns:column", "a category of one column of a table")
    yield _entry("spectrum", "parts.conditions:spectrum", "amplitudes of a series' lowest frequencies")
    yield _entry("previous", "parts.conditions:previous", "the frames before the last one of a short film")
    yield _entry("unpaired", "parts.conditions:unpaired", "unrelated examples of another source")


@hookimpl
def gankit_priors() -> Iterator[Entry]:
    yield _entry("normal", "parts.priors:Normal", "N(0, 1)")
    yield _entry("uniform", "parts.priors:Uniform", "U(-sqrt 3, sqrt 3), as in the paper for MNIST")
    yield _entry("sphere", "parts.priors:Sphere", "uniform on a sphere")
    yield _entry("truncated", "parts.priors:Truncated", "a normal without its tails")
    yield _entry("mixture", "parts.priors:Mixture", "Gaussians whose means are learnt")


@hookimpl
def gankit_constraints() -> Iterator[Entry]:
    yield _entry("max-norm", "parts.constraints:MaxNorm", "limits the norm of each unit's incoming weights")


@hookimpl
def gankit_augmentations() -> Iterator[Entry]:
    yield _entry("colour", "parts.augmentations:colour", "brightness, saturation and contrast (DiffAugment)")
    yield _entry("translation", "parts.augmentations:translation", "shifts of an eighth of the side (DiffAugment)")
    yield _entry("cutout", "parts.augmentations:cutout", "a square of half the side blanked (DiffAugment)")


@hookimpl
def gankit_optimizers() -> Iterator[Entry]:
    yield _entry("sgd", "parts.optimizers:Sgd", "gradient descent with momentum")
    yield _entry("adam", "parts.optimizers:Adam", "Adam, betas of DCGAN by default")
    yield _entry("adamw", "parts.optimizers:AdamW", "Adam with decoupled weight decay")
    yield _entry("rmsprop", "parts.optimizers:RmsProp", "gradients divided by their running size, as in WGAN")
    yield _entry("optimistic-sgd", "parts.optimistic:OptimisticSgd", "descent that also uses the last gradient")
    yield _entry("optimistic-adam", "parts.optimistic:OptimisticAdam", "Adam that also uses its last direction")


@hookimpl
def gankit_trainers() -> Iterator[Entry]:
    yield _entry("adversarial", "play.trainer:AdversarialTrainer", "Algorithm 1")


@hookimpl
def gankit_recipes() -> Iterator[Entry]:
    yield _entry("mlp", "cookbook.mlp:RECIPE", "small dense networks for any array; the default")
    yield _entry("cgan", "cookbook.cgan:RECIPE", "the same with labels")
    yield _entry("gan-2014", "cookbook.gan_2014:MNIST", "the paper's MNIST model")
    yield _entry("gan-2014-tfd", "cookbook.gan_2014:TFD", "the paper's model for 48x48 faces, or data of any size")
    yield _entry("gan-2014-cifar", "cookbook.gan_2014:CIFAR", "the paper's fully connected CIFAR-10 model")
    yield _entry("gan-2014-cifar-conv", "cookbook.gan_2014:CIFAR_CONV", "the paper's convolutional CIFAR-10 model")
    yield _entry("dcgan", "cookbook.dcgan:DCGAN", "DCGAN, for images of 28, 32, 48 or 64 pixels")
    yield _entry("cdcgan", "cookbook.dcgan:CONDITIONAL", "DCGAN with labels, as extra channels for D")
    yield _entry("cdcgan-projection", "cookbook.dcgan:PROJECTION", "DCGAN with labels, as a projection of D's features")

    yield _entry("super-resolution", "cookbook.pictures:SUPER_RESOLUTION", "images at four times their size")
    yield _entry("image-to-image", "cookbook.pictures:IMAGE_TO_IMAGE", "pix2pix: edges to images, grey to colour")
    yield _entry("masked", "cookbook.completion:MASKED", "section 7.3: completes any part of an image")
    yield _entry("bigan", "cookbook.inference:BIGAN", "section 7.2: an encoder beside G, D sees pairs")
    yield _entry("masked-rows", "cookbook.completion:MASKED_ROWS", "section 7.3: completes any columns of a row")
    yield _entry("cycle", "cookbook.pictures:CYCLE", "CycleGAN: two domains, without pairs")
    yield _entry("next-frame", "cookbook.pictures:NEXT_FRAME", "the next frame of a film, from the two before")
    yield _entry("semi-supervised", "cookbook.semi_supervised:RECIPE", "a classifier from few labels and many examples")
    yield _entry("series", "cookbook.series:RECIPE", "series (steps, channels), by convolutions over time")
    yield _entry(
        "tabular", "cookbook.tabular:RECIPE", "rows of a table with numbers, categories and dates: a .csv file"
    )
    yield _entry("spectrum", "cookbook.spectrum:RECIPE", "one-dimensional signals, from their spectrum")


@hookimpl
def gankit_data() -> Iterator[Entry]:
    yield _entry("digits", "data.digits:load", "handwritten digits, 8x8, 1,297 for training, built in")
    yield _entry("mnist", "data.mnist:load", "70,000 handwritten digits, 28x28, in GANKIT_DATA or downloaded")
    yield _entry("cifar10", "data.cifar10:load", "60,000 photos of 10 kinds, 32x32, in GANKIT_DATA or downloaded")
    yield _entry("gaussian-1d", "data.toys:gaussian", "one Gaussian on a line, as in the paper's figure 1")
    yield _entry("ring", "data.toys:ring", "8 Gaussians on a circle")
    yield _entry("grid", "data.toys:grid", "25 Gaussians on a grid")
    yield _entry("moving-digits", "data.moving:digits", "films of three frames, 16x16: a digit that bounces")
    yield _entry("signals", "data.signals:load", "series of 64 numbers: sums of slow waves")
    yield _entry("moons", "data.toys:moons", "two half circles")


@hookimpl
def gankit_metrics() -> Iterator[Entry]:
    yield _entry("parzen", "metrics.parzen:Parzen", "the paper's log-likelihood under a Parzen window of samples")
    yield _entry("frechet", "metrics.frechet:Frechet", "distance of Gaussians fitted to features, as in FID")
    yield _entry("kernel-distance", "metrics.kernel_distance:KernelDistance", "unbiased MMD of features (KID)")
    yield _entry(
        "precision-recall", "metrics.manifold:PrecisionRecall", "quality and variety, by neighbours of features"
    )
    yield _entry("density-coverage", "metrics.manifold:DensityCoverage", "the same two, less sensitive to outliers")
    yield _entry("nearest-training", "metrics.nearest:NearestTraining", "whether training examples are memorised")
    yield _entry("sliced-wasserstein", "metrics.sliced:SlicedWasserstein", "how far samples are from the data")
    yield _entry("spectral-distance", "metrics.series:SpectralDistance", "for series: power at each frequency")
    yield _entry("autocorrelation-distance", "metrics.series:AutocorrelationDistance", "for series: autocorrelation")
    yield _entry("ms-ssim", "metrics.msssim:MsSsim", "whether images look alike, as those of a collapsed G do")
    yield _entry("modes", "metrics.toys:Modes", "how many modes of toy data are covered, and how well")
    yield _entry("histogram-jsd", "metrics.toys:HistogramJsd", "divergence of histograms of one or two numbers")
    yield _entry("theory", "metrics.theory:Theory", "D against D*, and V against -log 4 + 2 JSD, on toy data")
    yield _entry(
        "classifier-score", "metrics.classes:ClassifierScore", "how certain and varied a classifier's predictions are"
    )
    yield _entry("class-balance", "metrics.classes:ClassBalance", "shares of classes compared with those of the data")
    yield _entry(
        "conditional-accuracy", "metrics.classes:ConditionalAccuracy", "samples that have the class you asked for"
    )

    yield _entry(
        "train-on-synthetic", "metrics.tables:TrainOnSynthetic", "what a classifier learns from samples of a table"
    )
    yield _entry("column-shapes", "metrics.tables:ColumnShapes", "columns and pairs of columns, against held-out rows")
    yield _entry("closest-record", "metrics.tables:ClosestRecord", "whether rows of a table are memorised")

    yield _entry("classification-error", "metrics.classes:ClassificationError", "how often D is wrong about classes")
    yield _entry("paired-error", "metrics.given:PairedError", "distance of samples to the true examples")
    yield _entry("consistency", "metrics.given:Consistency", "conditions of samples, against those you asked for")


@hookimpl
def gankit_extractors() -> Iterator[Entry]:
    yield _entry("digits-cnn", "metrics.cnn:DigitsCnn", "a small classifier of the built-in digits")
    yield _entry("mnist-cnn", "metrics.cnn:MnistCnn", "a small classifier of MNIST, right about 99.5 %")
    yield _entry("inception-v3-compat", "metrics.inception:Inception", "FID's network, from torch-fidelity; any image")


@hookimpl
def gankit_figures() -> Iterator[Entry]:
    yield _entry("samples", "figures.kinds:SAMPLES", "random samples beside the nearest training images")
    yield _entry("interpolation", "figures.kinds:INTERPOLATION", "from one latent to another")
    yield _entry("classes", "figures.kinds:CLASSES", "the same noise for every class")
    yield _entry("conditions", "figures.kinds:CONDITIONS", "conditions, samples for each, and the truth")
    yield _entry("reconstructions", "figures.kinds:RECONSTRUCTIONS", "real images, and G's images of their latents")
    yield _entry("completions", "figures.kinds:COMPLETIONS", "images with a hidden part, completed, and the truth")
    yield _entry("game-1d", "figures.kinds:GAME_1D", "p_data, p_g, D and G on a line, over training")
    yield _entry("scatter", "figures.kinds:SCATTER", "samples in green, real points in black, level lines of D")
    yield _entry("series", "figures.kinds:SERIES", "samples of series beside real ones")
    yield _entry("curves", "figures.kinds:CURVES", "losses, D(x) and D(G(z))")


@hookimpl
def gankit_loggers() -> Iterator[Entry]:
    yield _entry("tensorboard", "runs.loggers:TensorBoard", "event files for TensorBoard, with tensorboardX")
