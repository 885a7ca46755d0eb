"""RISE: how much a model's answer owes to each pixel, from its answers to randomly masked images."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal, get_args

import torch
from torch import Tensor

from lightning_spx.attribution.alone import Neighbors
from lightning_spx.attribution.chunks import check_chunk_size, check_integer, in_chunks
from lightning_spx.attribution.guards import Precision, check_precision, explaining
from lightning_spx.attribution.logits import checked_output, chosen_logits
from lightning_spx.attribution.method import Attribution, Model, checked
from lightning_spx.attribution.noise import DRAWS_AT_ONCE, image_generators
from lightning_spx.attribution.path import checked_baseline, expanded_baseline
from lightning_spx.attribution.targets import Target
from lightning_spx.guard import are_probabilities
from lightning_spx.guard.layer_names import module_of, users_name

Score = Literal["probability", "sigmoid", "logit"]


@dataclass(frozen=True)
class RISE(Attribution):
    """The mean of random masks, each weighted by the model's answer to the image seen through it.

    A mask is a grid of random zeros and ones, scaled up bilinearly and shifted by less than a cell. The map estimates
    the mean score of images whose pixel is shown (equation 4). The paper's estimate, equation 6 and
    `control_variate=False`, is `sum(score * mask) / (num_masks * keep_probability)`. Where scores hardly depend on what
    is shown, it draws the mean of these very masks: two models with the same masks then agree, and two seeds do not,
    whatever the models see. By default that mean is replaced by its expectation, which the estimate leaves as it is:
    `mean score + sum((score - mean score) * mask) / (num_masks * keep_probability)`, and 0 where that is negative. For
    the score "logit", whose zero means nothing, the mean score is left out: the map is signed, and independent of a
    constant that is added to the logit. Every channel gets the map divided by the number of channels, so that the sum
    over them is the map.

    It differs from the authors' program in two more things. Each image has its own masks, so that they depend on
    neither its batch nor the other images. And the images are masked before the model normalizes them: what a mask
    hides is black, where their program shows the mean color of ImageNet (`baseline=(0.485, 0.456, 0.406)`).

    It costs `num_masks` forward passes per image, and no gradients.

    Source: Petsiuk et al., RISE: Randomized Input Sampling for Explanation of Black-box Models, BMVC 2018, equations 4
    and 6.

    Args:
        num_masks: Number of masks of each image.
        grid_size: Number of cells of a mask along each side of the image, s in the paper.
        keep_probability: Probability that a cell is shown, in (0, 1), p in the paper.
        baseline: What a mask shows in place of the image: one value for all channels (default black) or one for each,
            in units of the image.
        score: "probability", as in the paper: the target's softmax over all classes, or the sigmoid if the model gives
            one output only or says that its `head` is multi_label; "sigmoid": the sigmoid of the target's logit, for
            other models of several findings, each with its own probability; "logit": the raw logit, which the gradient
            methods explain, and the only score of a model whose `head` is scalar.
        control_variate: Whether the random mean of the masks is replaced by its expectation; of no effect for logits.
        seed: Seed of the masks; with the same seed every model sees the same masks for the same image.
        precision: "fp32", also inside mixed-precision training, or "bf16" for bfloat16 autocast.
        chunk_size: Masked images evaluated at once; None chooses by their size. The number is halved when memory runs
            out.

    Example:
        >>> method = RISE(num_masks=200, grid_size=2, score="logit")
        >>> result = method.attribute(lambda x: 9 * x[:, :, 0, 0], torch.ones(1, 1, 8, 8), torch.tensor([0]))
        >>> bool(result[0, 0, 0, 0] > result[0, 0, 7, 7])
        True
    """

    num_masks: int = 4000
    grid_size: int = 7
    keep_probability: float = 0.5
    baseline: tuple[float, ...] = (0.0,)
    score: Score = "probability"
    control_variate: bool = True
    seed: int = 0
    precision: Precision = "fp32"
    chunk_size: int | None = None

    def __post_init__(self) -> None:
        """Check the settings."""
        for name in ("num_masks", "grid_size"):
            check_integer(name, getattr(self, name))
            if getattr(self, name) < 1:
                raise ValueError(f"Expected `{name}` to be positive, got {getattr(self, name)}.")
        if not 0 < self.keep_probability < 1:
            raise ValueError(f"Expected `keep_probability` to be in (0, 1), got {self.keep_probability}.")
        if self.score not in get_args(Score):
            raise ValueError(f"Expected `score` to be 'probability', 'sigmoid' or 'logit', got {self.score!r}.")
        # a list, as from YAML, would not equal the same settings from Python
        object.__setattr__(self, "baseline", checked_baseline(self.baseline))
        # only the map of a logit has signs
        object.__setattr__(self, "non_negative", self.score != "logit")
        check_precision(self.precision)
        check_chunk_size(self.chunk_size)

    def attribute(self, model: Model, inputs: Tensor, target: Target) -> Tensor:
        """Return the weighted mean of the masks, `(N, C, H, W)`, equal in all channels; non-negative but for logits.

        Raises:
            TypeError: As in `Attribution.attribute`.
            ValueError: As in `Attribution.attribute`, if `baseline` has not one value or one for each channel, or if
                the model returns probabilities or a number without classes and `score` is not "logit".
        """
        inputs, target = checked(inputs, target)
        score = self._score_of(model)
        fill = torch.tensor(self.baseline, dtype=inputs.dtype, device=inputs.device)[:, None, None]
        hidden = expanded_baseline(fill, inputs)
        alone = Neighbors(model, self.precision, at_once=inputs.device.type == "cpu")
        # a few logits may look like probabilities by chance, but not those of all masked images
        only_probabilities = torch.tensor(True, device=inputs.device)

        def evaluate(points: Tensor, chosen: Tensor | None) -> Tensor:
            nonlocal only_probabilities
            images, masks = points[:, :-1], points[:, -1:]
            with explaining(model, images.device, self.precision) as network, torch.no_grad():
                output = checked_output(network, images.clone())
                logits = chosen_logits(output, chosen)
            if output.ndim == 2 and output.shape[1] > 1:
                only_probabilities = only_probabilities & are_probabilities(output).all()
            else:
                only_probabilities = only_probabilities & False
            alone.look(images, chosen, logits)
            scores = _scores(score, output, logits)[:, None, None, None]
            # the score as a second channel of equal values
            return torch.cat([masks, scores.expand_as(masks)], dim=1).float()

        weighted, shown = torch.zeros_like(inputs[:, :1].float()), torch.zeros_like(inputs[:, :1].float())
        first, moved = torch.zeros_like(weighted[:, :, :1, :1]), torch.zeros_like(weighted[:, :, :1, :1])
        done = 0
        for image, rows in in_chunks("RISE", evaluate, self._points(inputs, hidden), target, self.chunk_size):
            masks, scores = rows[:, :1], rows[:, 1:, :1, :1]
            if not done:
                first[image] = scores[0]
            # relative to the first, so that equal scores have no part in the map, not even from rounding
            apart = scores - first[image]
            weighted[image] += (apart * masks).sum(0)
            shown[image] += masks.sum(0)
            moved[image] += apart.sum(0)
            done = (done + len(rows)) % self.num_masks
        alone.finish()
        if self.score != "logit" and len(inputs) and bool(only_probabilities):
            raise ValueError(
                f"Expected {users_name(model)} to return logits, got probabilities, not negative and with the sum 1: "
                "give the model without its softmax, or set `score` to 'logit', which takes its outputs as they are."
            )
        expected = self.num_masks * self.keep_probability
        mean = moved / self.num_masks
        if score == "logit":
            maps = (weighted - mean * shown) / expected
        elif self.control_variate:
            maps = (first + mean + (weighted - mean * shown) / expected).clamp(min=0)
        else:
            maps = (weighted + first * shown) / expected
        return maps.expand_as(inputs) / inputs.shape[1]

    def _score_of(self, model: Model) -> Score:
        module = module_of(model)
        # models of this package say by a word of what kind their head is; elsewhere a `head` is mostly a layer
        words = [
            word for part in (module.modules() if module else ()) if isinstance(word := vars(part).get("head"), str)
        ]
        head = words[0] if words else None
        if head == "scalar" and self.score != "logit":
            raise ValueError(
                f"Expected `score` to be 'logit' for {users_name(model)}, whose `head` is scalar and whose number is "
                f"of no class, got {self.score!r}."
            )
        return "sigmoid" if head == "multi_label" and self.score == "probability" else self.score

    def _points(self, inputs: Tensor, hidden: Tensor) -> Iterator[tuple[int, Tensor]]:
        """Yield masked images with their masks as a last channel, `(k, C + 1, H, W)`."""
        for position, generator in enumerate(image_generators(inputs, self.seed)):
            image, fill = inputs[position], hidden[position]
            settings = self.num_masks, self.grid_size, self.keep_probability
            for masks in random_masks(image, generator, *settings):
                yield position, torch.cat([fill + masks * (image - fill), masks], dim=1)


def _scores(score: Score, output: Tensor, logits: Tensor) -> Tensor:
    if score == "logit":
        return logits
    if score == "sigmoid" or output.ndim == 1 or output.shape[1] == 1:
        return logits.sigmoid()
    # the softmax of the target, from its logit and the sum over all classes
    return (logits - output.logsumexp(1)).exp()


def random_masks(
    image: Tensor, generator: torch.Generator, num_masks: int, grid_size: int = 7, keep_probability: float = 0.5
) -> Iterator[Tensor]:
    """Yield RISE's masks, a few at a time.

    A cell has `ceil(H / grid_size)` by `ceil(W / grid_size)` pixels. The grid is scaled up to one cell more than the
    image needs, and the image's part of it begins at a random place of its first cell. Beyond the middle of the outer
    cells the values are mirrored, as in the authors' program (`skimage.transform.resize` with mode "reflect").

    Args:
        image: `(C, H, W)`, of which only size, type and device matter.
        generator: Draws the masks, on the device of the image.
        num_masks: Number of masks.
        grid_size: Number of cells along each side.
        keep_probability: Probability that a cell is 1.

    Yields:
        `(k, 1, H, W)` in [0, 1], whose expected value is `keep_probability` at every pixel.

    Example:
        >>> generator = torch.Generator().manual_seed(0)
        >>> [masks.shape for masks in random_masks(torch.zeros(3, 9, 6), generator, num_masks=10, grid_size=3)]
        [torch.Size([8, 1, 9, 6]), torch.Size([2, 1, 9, 6])]
    """
    sizes = image.shape[1:]
    cells = [-(-size // grid_size) for size in sizes]
    enlarge = [_enlarging(grid_size, cell).to(image) for cell in cells]
    device = image.device
    for start in range(0, num_masks, DRAWS_AT_ONCE):
        # always drawn in full, so that fewer masks are a prefix of more masks
        draws = torch.rand(DRAWS_AT_ONCE, grid_size, grid_size, generator=generator, device=device)
        grids = (draws < keep_probability).to(image)
        rows, columns = (
            matrix[
                torch.randint(cell, (DRAWS_AT_ONCE, 1), generator=generator, device=device)
                + torch.arange(size, device=device)
            ]
            for matrix, cell, size in zip(enlarge, cells, sizes, strict=True)
        )
        # an outer autocast would round masks to bfloat16
        with torch.autocast(device.type, enabled=False):
            masks = rows @ grids @ columns.mT
        yield masks[: num_masks - start, None]


def _enlarging(grid_size: int, cell: int) -> Tensor:
    """Return the matrix that interpolates `grid_size` values linearly at `(grid_size + 1) * cell` places."""
    length = (grid_size + 1) * cell
    places = (torch.arange(length, dtype=torch.float64) + 0.5) * grid_size / length - 0.5
    last = grid_size - 1
    # mirrored at the middle of the first and of the last value; a single value is the same everywhere
    places = last - (last - places.abs()).abs() if last else places * 0
    return (1 - (places[:, None] - torch.arange(grid_size)).abs()).clamp(min=0)
