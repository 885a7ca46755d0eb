"""Every form that a trained network may have: the name of its input, its output, its head, and its preprocessing."""

from collections import namedtuple
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from lightning_spx.attribution import GradCAM, Gradient
from lightning_spx.models import ImageModel, Normalize, ZScore
from lightning_spx.models.image_model import Head
from lightning_spx.models.preprocess import check_gradient


def network(channels: int = 3, num_outputs: int = 4) -> nn.Sequential:
    torch.manual_seed(0)
    layers = (nn.Conv2d(channels, 6, 3, padding=1), nn.Tanh(), nn.AdaptiveAvgPool2d(2), nn.Flatten())
    return nn.Sequential(*layers, nn.Linear(24, num_outputs)).eval()


def images(channels: int = 3) -> Tensor:
    return torch.rand(3, channels, 12, 12, generator=torch.Generator().manual_seed(1))


class Returning(nn.Module):
    """A network that returns its logits in some form."""

    def __init__(self, form: Callable[[Tensor], object]) -> None:
        super().__init__()
        self.net = network()
        self.form = form

    def forward(self, images: Tensor) -> object:
        return self.form(self.net(images))


Pair = namedtuple("Pair", ["features", "scores"])


@pytest.mark.parametrize(
    ("form", "output"),
    [
        (lambda logits: logits, None),
        (lambda logits: (logits, "features"), None),
        (lambda logits: {"loss": torch.ones(()), "logits": logits}, None),
        (lambda logits: SimpleNamespace(logits=logits, hidden=None), None),
        (lambda logits: {"scores": logits, "logits": -logits}, "scores"),
        (lambda logits: Pair(-logits, logits), "scores"),
        (lambda logits: (-logits, logits), 1),
        (lambda logits: [-logits, logits], -1),
        (lambda logits: {"deep": [logits]}, lambda returned: returned["deep"][0]),
    ],
)
def test_logits_are_read_out_of_any_output(form: Callable[[Tensor], object], output: Any) -> None:  # noqa: ANN401
    model = ImageModel(Returning(form), output=output)
    assert torch.equal(model(images()), network()(images()))


@pytest.mark.parametrize(
    ("form", "output", "message"),
    [
        (
            lambda logits: {"scores": logits},
            "score",
            "`output` to name what the model returns, got 'score': it returns scores",
        ),
        (lambda logits: {"scores": logits}, None, "got dict with scores: name one as `output`"),
        (lambda logits: (logits,), 3, "Expected `output` to be a position among 1 outputs, got 3"),
        (lambda logits: logits, 1, "Expected the model to return a tuple for `output` 1, got Tensor"),
        (lambda logits: {"scores": "none"}, "scores", "Expected a tensor of logits as `output` 'scores', got str"),
        (lambda logits: logits, len, "Expected `output` len to return a tensor of logits, got int"),
    ],
)
def test_an_output_that_is_not_there_is_refused_with_near_names(
    form: Callable[[Tensor], object],
    output: Any,  # noqa: ANN401
    message: str,
) -> None:
    with pytest.raises((ValueError, TypeError), match=message):
        ImageModel(Returning(form), output=output)(images())


class ByKeyword(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.net = network()

    def forward(self, *, pixel_values: Tensor, labels: Tensor | None = None) -> object:
        return {"logits": self.net(pixel_values)}


class SecondByName(nn.Module):
    """Takes text first, as models of text and images do."""

    def __init__(self) -> None:
        super().__init__()
        self.net = network()

    def forward(self, input_ids: Tensor | None = None, pixel_values: Tensor | None = None) -> object:
        return self.net(pixel_values)


class WholeBatch(nn.Module):
    def __init__(self, key: str) -> None:
        super().__init__()
        self.net, self.key = network(), key

    def forward(self, **batch: Tensor) -> object:
        return self.net(batch[self.key])


class Inner(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.inner = ByKeyword()

    def forward(self, **batch: Tensor) -> object:
        return self.inner(**batch)


@pytest.mark.parametrize(
    ("module", "input_name"),
    [
        (ByKeyword(), None),
        (SecondByName(), None),
        (WholeBatch("pixel_values"), None),
        (WholeBatch("image"), None),
        (WholeBatch("x"), None),
        (WholeBatch("scan"), "scan"),
        (Inner(), None),
        (lambda z: network()(z), None),
        (network().forward, None),
    ],
)
def test_images_reach_the_parameter_that_takes_them(module: Callable[..., object], input_name: str | None) -> None:
    model = ImageModel(module, input_name=input_name)
    assert torch.equal(model(images()), network()(images()))
    gradient = Gradient().attribute(model, images(), torch.tensor([0, 1, 2]))
    assert torch.equal(gradient, Gradient().attribute(network(), images(), torch.tensor([0, 1, 2])))


def test_a_parameter_that_is_not_there_is_refused() -> None:
    message = r"`input_name` to be a parameter of ByKeyword.forward, such as pixel_values, got 'pixels'"
    with pytest.raises(ValueError, match=message):
        ImageModel(ByKeyword(), input_name="pixels")
    message = r"Expected WholeBatch.forward\(\*\*batch\) to need images alone, but it reads 'scan': name the keyword"
    with pytest.raises(TypeError, match=message):
        ImageModel(WholeBatch("scan"))(images())


@pytest.mark.parametrize(
    ("head", "num_outputs", "shape"),
    [
        ("single_label", 4, (3, 4)),
        ("single_label", 1, (3,)),
        ("multi_label", 4, (3, 4)),
        ("multi_label", 1, (3, 1)),
        ("scalar", 1, (3,)),
    ],
)
def test_outputs_have_the_shape_of_their_head(head: Head, num_outputs: int, shape: tuple[int, ...]) -> None:
    assert ImageModel(network(num_outputs=num_outputs), head=head)(images()).shape == shape


def test_an_output_that_does_not_fit_its_head_is_refused() -> None:
    with pytest.raises(ValueError, match=r"one number per image, \(N,\) or \(N, 1\), for `head` scalar, got \(3, 4\)"):
        ImageModel(network(), head="scalar")(images())
    maps = nn.Conv2d(3, 4, 1)
    with pytest.raises(ValueError, match=r"one logit for each finding, .* multi_label, got \(3, 4, 12, 12\)"):
        ImageModel(maps, head="multi_label")(images())


@pytest.mark.parametrize("channels", [1, 2, 3, 10])
def test_any_number_of_channels_is_normalized(channels: int) -> None:
    mean, std = np.linspace(0.2, 0.6, channels).tolist(), np.linspace(0.5, 0.1, channels).tolist()
    net, given = network(channels), images(channels)
    by_hand = torch.stack([(given[:, band] - mean[band]) / std[band] for band in range(channels)], 1)
    torch.testing.assert_close(ImageModel(net, mean, std)(given), net(by_hand), atol=1e-5, rtol=1e-5)
    torch.testing.assert_close(ImageModel(net, [0.3], [0.2])(given), net((given - 0.3) / 0.2), atol=1e-5, rtol=1e-5)
    with pytest.raises(ValueError, match=rf"`mean` and `std` to have {channels} numbers, .* got 4"):
        ImageModel(net, [0.5] * 4, [0.5] * 4)(given)


@pytest.mark.parametrize("per_channel", [False, True])
def test_the_z_score_and_its_gradient_are_those_by_hand(per_channel: bool) -> None:
    net, given = network(), images().double()
    net.double()
    axes = (2, 3) if per_channel else (1, 2, 3)
    z = given.numpy()
    expected = (z - z.mean(axes, keepdims=True)) / z.std(axes, keepdims=True)
    layer = ZScore(per_channel)
    np.testing.assert_allclose(layer(given).numpy(), expected, atol=1e-12)
    assert torch.autograd.gradcheck(layer, (given[:1, :, :3, :3].clone().requires_grad_(),))
    model = ImageModel(net, preprocess=layer)
    found = Gradient().attribute(model, given, torch.tensor([0, 1, 2]))
    small = 1e-6
    bumped = given.clone()
    bumped[1, 2, 4, 5] += small
    slope = (model(bumped)[1, 1] - model(given)[1, 1]).item() / small
    assert found[1, 2, 4, 5].item() == pytest.approx(slope, rel=1e-3)


def test_a_constant_image_has_the_z_score_zero_and_a_finite_gradient() -> None:
    given = torch.full((2, 3, 4, 4), 0.7).requires_grad_()
    scored = ZScore()(given)
    scored.sum().backward()
    assert given.grad is not None
    assert not scored.any()
    assert given.grad.isfinite().all()


def test_a_z_score_does_not_depend_on_the_batch() -> None:
    layer = ZScore()
    torch.testing.assert_close(layer(images())[1:2], layer(images()[1:2]), atol=0, rtol=0)


def rounded(given: Tensor) -> Tensor:
    return (given * 255).round() / 255


def detached(given: Tensor) -> Tensor:
    return torch.from_numpy(given.detach().numpy() - 0.5)


@pytest.mark.parametrize(
    ("preprocess", "message"),
    [
        (rounded, "Expected `preprocess` rounded to be differentiable, got a gradient that is zero for every pixel"),
        (detached, "Expected `preprocess` detached to be differentiable, got a result that is cut off"),
        (lambda given: given.sum(0), r"to return 3 images \(N, C, H, W\), got \(3, 12, 12\)"),
        (lambda given: (given * 255).byte(), "to return floating point images, got torch.uint8"),
    ],
)
def test_a_preprocess_that_breaks_the_gradient_is_named(preprocess: Callable[[Tensor], Tensor], message: str) -> None:
    model = ImageModel(network(), preprocess=preprocess)
    with pytest.raises((ValueError, TypeError), match=message):
        check_gradient(model.normalize, images())


def test_layers_are_known_by_the_users_own_names() -> None:
    net = network()
    model = ImageModel(net, mean=(0.5,), std=(0.5,), image_size=8)
    resized = F.interpolate(images(), 8, mode="bilinear", antialias=True)
    torch.testing.assert_close(model.features(images(), "1"), net[:2]((resized - 0.5) / 0.5), atol=1e-5, rtol=1e-5)
    with pytest.raises(ValueError, match="a module of Sequential, such as 0, 1, 2, 3, 4, got 'stem'"):
        model.features(images(), "stem")
    target = torch.tensor([0, 1, 2])
    plain = ImageModel(net)
    cam = GradCAM(layer="1")
    assert torch.equal(cam.attribute(plain, images(), target), cam.attribute(net, images(), target))


def test_a_processor_of_hugging_face_stands_for_its_normalization() -> None:
    transformers = pytest.importorskip("transformers")
    processor = transformers.ViTImageProcessor(image_mean=[0.1, 0.2, 0.3], image_std=[0.5, 0.4, 0.3])
    model = ImageModel(network(), preprocess=processor)
    assert isinstance(model.normalize, Normalize)
    pixels = (images() * 255).round().byte()
    prepared = processor(list(pixels), do_resize=False, return_tensors="pt")["pixel_values"]
    torch.testing.assert_close(model.normalize(pixels / 255), prepared, atol=1e-6, rtol=1e-5)


def test_a_model_of_hugging_face_says_its_processors_normalization(tmp_path: Any) -> None:  # noqa: ANN401
    transformers = pytest.importorskip("transformers")
    size = {"hidden_size": 16, "num_hidden_layers": 1, "num_attention_heads": 2, "intermediate_size": 16}
    config = transformers.ViTConfig(**size, image_size=12, patch_size=4, num_labels=3)
    transformers.ViTForImageClassification(config).save_pretrained(tmp_path)
    transformers.ViTImageProcessor(image_mean=[0.5, 0.4, 0.3], image_std=[0.2, 0.2, 0.1]).save_pretrained(tmp_path)
    loaded = transformers.ViTForImageClassification.from_pretrained(tmp_path)
    model = ImageModel(loaded).eval()
    assert isinstance(model.normalize, Normalize)
    expected = loaded.eval()(pixel_values=Normalize([0.5, 0.4, 0.3], [0.2, 0.2, 0.1])(images())).logits
    torch.testing.assert_close(model(images()), expected, atol=1e-6, rtol=1e-6)
    with pytest.raises(ValueError, match=r"Expected `mean` \(0.5, 0.4, 0.3\) .*the image processor of ViTForImage"):
        ImageModel(loaded, mean=(0.5,) * 3, std=(0.5,) * 3)
    explained = Gradient().attribute(loaded, images(), torch.tensor([0, 1, 2]))
    assert torch.equal(explained, Gradient().attribute(lambda x: loaded(x).logits, images(), torch.tensor([0, 1, 2])))


def test_a_configuration_of_colors_says_nothing_to_a_network_of_one_channel() -> None:
    timm = pytest.importorskip("timm")
    unequal = timm.create_model("resnet10t", in_chans=1, num_classes=3)
    with pytest.warns(UserWarning, match="ResNet takes 1 channels and says a normalization of others"):
        assert ImageModel(unequal).normalize is None
    assert isinstance(ImageModel(unequal, [0.4], [0.2]).normalize, Normalize)
    equal = timm.create_model("vit_tiny_patch16_224", in_chans=1, img_size=32, depth=1, num_classes=3)
    layer = ImageModel(equal).normalize
    assert isinstance(layer, Normalize)
    assert (layer.mean.flatten().tolist(), layer.std.flatten().tolist()) == ([0.5], [0.5])
