"""Class activation maps of transformers: patches are found among the tokens, and the layer by what it lets through."""

import re

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from lightning_spx.attribution import Attribution, GradCAM, GradCAMPlusPlus, LayerCAM
from lightning_spx.attribution.cam_layers import default_layer
from lightning_spx.attribution.token_maps import quarters_replaced, token_grid
from tests.attribution.cases import relative

METHODS: list[Attribution] = [GradCAM(), GradCAMPlusPlus(), LayerCAM()]
CLASSES = torch.tensor([0, 0, 0])


class Attention(nn.Module):
    """Each token gets the mean of all tokens, because keys with a mean of zero weight all of them equally."""

    def __init__(self, size: int, normalizes: bool, axis: int) -> None:
        super().__init__()
        self.axis = axis
        # normalizes its own input in some implementations, and its keys in others
        self.norm = nn.LayerNorm(size) if normalizes else nn.Identity()
        self.value, self.key_norm = nn.Linear(size, size), nn.LayerNorm(size)
        nn.init.eye_(self.value.weight)
        nn.init.zeros_(self.value.bias)

    def forward(self, tokens: Tensor) -> Tensor:
        values = self.value(self.norm(tokens))
        weights = self.key_norm(values).sum(2, keepdim=True).softmax(self.axis)
        attended: Tensor = (weights * values).sum(self.axis, keepdim=True).expand_as(values)
        return attended


class Block(nn.Module):
    def __init__(self, size: int, form: str, axis: int) -> None:
        super().__init__()
        self.form, self.norm2 = form, nn.LayerNorm(size)
        self.norm1 = nn.Identity() if form == "inside" else nn.LayerNorm(size)
        self.attention, self.linear = Attention(size, form == "inside", axis), nn.Linear(size, size)
        nn.init.zeros_(self.linear.weight)
        nn.init.zeros_(self.linear.bias)

    def forward(self, tokens: Tensor) -> Tensor:
        if self.form == "post":
            tokens = self.norm1(tokens + self.attention(tokens))
            result: Tensor = self.norm2(tokens + self.linear(tokens))
        else:
            tokens = tokens + self.attention(self.norm1(tokens))
            result = tokens + self.linear(self.norm2(tokens))
        return result


class Planted(nn.Module):
    """A vision transformer by hand, whose first logit says how bright the image's patches are.

    Args:
        before: Number of tokens before the patches; without any the patches' mean is read, else the first token.
        after: Number of tokens after them.
        batch_axis: The axis of images in the blocks.
        form: Where a block normalizes: "pre" or "post" attention, or "inside" of it.
    """

    def __init__(self, before: int = 1, after: int = 0, batch_axis: int = 0, form: str = "pre", depth: int = 1) -> None:
        super().__init__()
        self.before, self.after, self.batch_axis = before, after, batch_axis
        self.patches = nn.Conv2d(3, 4, 4, 4)
        # brightness, its negative, and two numbers that keep the normalization from enlarging what is dark
        brightness = torch.tensor([1.0, -1.0, 0.0, 0.0]).view(4, 1, 1, 1)
        self.patches.weight = nn.Parameter(brightness.expand(4, 3, 4, 4) / 48)
        self.patches.bias = nn.Parameter(torch.tensor([0.0, 0.0, 1.0, -1.0]))
        self.others = nn.Parameter(torch.tensor([0.0, 0.0, 1.0, -1.0]).expand(1, before + after, 4).clone())
        self.blocks = nn.ModuleList([Block(4, form, 1 - batch_axis) for _ in range(depth)])
        self.norm, self.head = nn.LayerNorm(4), nn.Linear(4, 2, bias=False)
        self.head.weight = nn.Parameter(torch.tensor([[1.0, 0.0, 0.0, 0.0], [0.0, 1.0, 0.0, 0.0]]))

    def forward(self, images: Tensor) -> Tensor:
        others = self.others.expand(len(images), -1, -1)
        patches = self.patches(images).flatten(2).mT
        tokens = torch.cat([others[:, : self.before], patches, others[:, self.before :]], 1)
        for block in self.blocks:
            tokens = block(tokens.movedim(0, self.batch_axis)).movedim(self.batch_axis, 0)
        tokens = self.norm(tokens)
        logits: Tensor = self.head(tokens[:, 0] if self.before else tokens[:, : patches.shape[1]].mean(1))
        return logits


def planted(height: int, width: int) -> tuple[Tensor, Tensor]:
    """Dark images with one bright patch of 4 x 4 at three places, and these places."""
    places = torch.zeros(3, 1, height // 4, width // 4)
    for image, (row, column) in enumerate([(0, width // 4 - 1), (height // 4 - 1, 0), (1, 2)]):
        places[image, 0, row, column] = 1
    images = F.interpolate(places, size=(height, width)).expand(-1, 3, -1, -1)
    return images, places


@pytest.mark.parametrize("method", METHODS, ids=lambda method: type(method).__name__)
@pytest.mark.parametrize("sides", [(16, 16), (12, 20), (20, 12)])
@pytest.mark.parametrize(("before", "after"), [(1, 0), (2, 0), (5, 0), (0, 0), (1, 4), (0, 3)])
def test_the_map_is_where_the_image_is_bright(
    method: Attribution, sides: tuple[int, int], before: int, after: int
) -> None:
    inputs, places = planted(*sides)
    maps = method.attribute(Planted(before, after).eval(), inputs, CLASSES).sum(1, keepdim=True)
    expected = F.interpolate(places, size=sides, mode="bilinear", align_corners=False)
    assert maps.amax() > 0
    assert relative(maps / maps.amax((1, 2, 3), keepdim=True), expected / expected.amax((1, 2, 3), keepdim=True)) < 1e-3


@pytest.mark.parametrize(
    ("form", "layer"), [("pre", "blocks.2.norm1"), ("inside", "blocks.2.attention.norm"), ("post", "blocks.1")]
)
@pytest.mark.parametrize("before", [0, 1])
def test_the_tokens_are_read_before_they_see_one_another_last(form: str, layer: str, before: int) -> None:
    """Not a key's normalization, nor one after the last attention, where a class token alone has a gradient."""
    inputs, _ = planted(12, 20)
    assert default_layer(Planted(before, form=form, depth=3).eval(), inputs[:1]) == layer


def test_tokens_may_come_before_images() -> None:
    inputs, _ = planted(12, 20)
    expected = LayerCAM().attribute(Planted().eval(), inputs, CLASSES)
    assert relative(LayerCAM().attribute(Planted(batch_axis=1).eval(), inputs, CLASSES), expected) < 1e-6


def test_a_network_that_takes_only_one_image_is_explained() -> None:
    class Single(Planted):
        def forward(self, images: Tensor) -> Tensor:
            if len(images) != 1:
                raise ValueError("one image at a time")
            return super().forward(images)

    inputs, _ = planted(12, 20)
    expected = GradCAM().attribute(Planted().eval(), inputs[:1], CLASSES[:1])
    assert relative(GradCAM().attribute(Single().eval(), inputs[:1], CLASSES[:1]), expected) < 1e-6


def test_tokens_whose_patches_reach_no_logit_are_refused() -> None:
    inputs, _ = planted(12, 20)
    for layer in ("blocks.0", "norm"):
        with pytest.raises(ValueError, match=rf"patches in `layer` '{layer}' to have gradients, got them for other"):
            GradCAM(layer).attribute(Planted().eval(), inputs, CLASSES)


class Merged(Planted):
    """Makes five tokens of fifteen patches, each of all of them."""

    def forward(self, images: Tensor) -> Tensor:
        tokens = self.patches(images).flatten(2).mT
        tokens = torch.rand(5, 15, generator=torch.Generator().manual_seed(0)) @ tokens
        for block in self.blocks:
            tokens = block(tokens)
        logits: Tensor = self.head(tokens.mean(1))
        return logits


def test_tokens_that_are_no_grid_are_refused() -> None:
    inputs, _ = planted(12, 20)
    said = "Expected `layer` 'blocks.0.norm1' to return a feature map (N, A, h, w) or (N, h, w, A), or tokens (N, T, A)"
    for layer in (None, "blocks.0.norm1"):
        with pytest.raises(ValueError, match=re.escape(said) + ", got 5 tokens, of which .* no grid of its patches"):
            GradCAM(layer).attribute(Merged().eval(), inputs, CLASSES)


@pytest.mark.parametrize(("height", "width"), [(1, 1), (1, 7), (7, 1), (2, 2), (3, 3), (4, 6), (6, 4), (7, 7), (8, 18)])
def test_the_grid_is_measured_not_taken_from_the_sides_of_the_image(height: int, width: int) -> None:
    image = torch.rand(1, 3, 2 * height, 5 * width, generator=torch.Generator().manual_seed(0))
    patches = F.unfold(quarters_replaced(image), (2, 5), stride=(2, 5)).mT
    tokens = torch.cat([torch.ones(4, 3, patches.shape[2]), patches, torch.ones(4, 1, patches.shape[2])], 1)
    grid = token_grid(tokens)
    assert grid is not None
    assert (grid.height, grid.width, grid.places) == (height, width, tuple(range(3, 3 + height * width)))
    assert torch.equal(grid.channels_first(tokens), patches.mT.reshape(4, -1, height, width))


def test_patches_in_another_order_are_no_grid() -> None:
    image = torch.rand(1, 3, 16, 24, generator=torch.Generator().manual_seed(0))
    patches = F.unfold(quarters_replaced(image), 4, stride=4).mT
    order = torch.randperm(24, generator=torch.Generator().manual_seed(0))
    assert token_grid(patches[:, order]) is None
    by_columns = patches.reshape(4, 4, 6, -1).transpose(1, 2).flatten(1, 2)
    assert token_grid(by_columns) is None


class Stage(nn.Module):
    """A stage with its channels last, in which every place sees the whole image."""

    def __init__(self) -> None:
        super().__init__()
        self.first, self.then = nn.Conv2d(3, 6, 4, 4), nn.Linear(6, 6)

    def forward(self, images: Tensor) -> Tensor:
        features = self.first(images).movedim(1, 3)
        mixed: Tensor = self.then(features.mean((1, 2), keepdim=True)) + 1e-3 * features
        return mixed


@pytest.mark.parametrize("sides", [(32, 32), (16, 32)])
def test_a_stage_is_read_where_nothing_moves_in_it(sides: tuple[int, int]) -> None:
    class Network(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            torch.manual_seed(0)
            self.stages, self.norm, self.head = nn.Sequential(Stage()), nn.LayerNorm(6), nn.Linear(6, 2)

        def forward(self, images: Tensor) -> Tensor:
            logits: Tensor = self.head(self.norm(self.stages(images)).mean((1, 2)))
            return logits

    network = Network().eval()
    inputs = torch.rand(3, 3, *sides, generator=torch.Generator().manual_seed(1))
    assert default_layer(network, inputs[:1]) == "stages.0"
    kept: list[Tensor] = []
    network.stages.register_forward_hook(lambda _, __, output: kept.append(output))
    gradient = torch.autograd.grad(network(inputs)[:, 1].sum(), kept[0])[0]
    expected = (gradient.relu() * kept[0]).sum(3).relu()[:, None].detach()
    expected = F.interpolate(expected, size=sides, mode="bilinear", align_corners=False)
    for layer in (None, "stages.0", "stages"):
        assert relative(LayerCAM(layer).attribute(network, inputs, CLASSES + 1).sum(1, keepdim=True), expected) < 1e-5
