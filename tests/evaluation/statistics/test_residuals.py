"""What is left of maps' agreement, against a regression image by image with NumPy, and for maps with nothing left."""

import numpy as np
import pandas as pd
import pytest
import torch
from numpy.typing import NDArray
from scipy.stats import pearsonr
from torch import Tensor

from lightning_spx.evaluation.maps.findings import Items
from lightning_spx.evaluation.maps.guides import Guidance, Guide
from lightning_spx.evaluation.maps.model_free import centre, edges
from lightning_spx.evaluation.maps.pooled_maps import PooledMaps
from lightning_spx.evaluation.maps.pooling_lists import make_poolings, pooling_of, reference_poolings
from lightning_spx.evaluation.maps.poolings import Pooling
from lightning_spx.evaluation.maps.shards import derangement
from lightning_spx.evaluation.statistics import comparison
from lightning_spx.evaluation.statistics.comparison import ComparisonSettings, compare
from lightning_spx.evaluation.statistics.floors import permute_pixels
from lightning_spx.evaluation.statistics.image_facts import ImageFacts
from lightning_spx.evaluation.statistics.residuals import References, correlations
from lightning_spx.superpixels import ImageFilter, Voronoi, segment_pool

NUM_IMAGES, SIZE = 4, 12
ROWS = ["correlation", "residual_correlation"]
BASELINE = (0.2, 0.4, 0.6)


class Smooth(ImageFilter):
    """Weights that fall with the difference of gray, over the whole image."""

    channels = None

    def weights(self, images: Tensor) -> Tensor:
        gray = images.double().mean(1).flatten(1)
        weights = torch.exp(-10 * (gray[:, :, None] - gray[:, None]).abs())
        return weights / weights.sum(2, keepdim=True)

    def pool(self, attribution: Tensor, images: Tensor) -> Tensor:
        flat = attribution.double().flatten(2)
        return (flat @ self.weights(images).mT).view_as(attribution).float()

    def pooled_variance(self, variance: Tensor, images: Tensor) -> Tensor:
        return (variance.double().flatten(2) @ self.weights(images).square().mT).view_as(variance).float()


def images() -> Tensor:
    return torch.rand(NUM_IMAGES, 3, SIZE, SIZE, generator=torch.Generator().manual_seed(1))


def attributions() -> Tensor:
    return torch.randn(3, NUM_IMAGES, 3, SIZE, SIZE, generator=torch.Generator().manual_seed(0))


def facts() -> ImageFacts:
    labels = torch.zeros(NUM_IMAGES, dtype=torch.int64)
    return ImageFacts(torch.arange(NUM_IMAGES), labels, labels.expand(3, -1), None, derangement(NUM_IMAGES, 0))


def segments() -> Tensor:
    return Voronoi(20)(images())


def poolings() -> list[Pooling]:
    guides: dict[str, Guidance] = {"Voronoi": segments(), "Smooth": Guide(Smooth(), images())}
    permutation = derangement(NUM_IMAGES, 0)
    return make_poolings(guides, torch.arange(NUM_IMAGES), permutation, 0) + reference_poolings(images())


def compared(maps: Tensor | None = None, ways: list[Pooling] | None = None) -> pd.DataFrame:
    return compare(
        attributions() if maps is None else maps,
        poolings() if ways is None else ways,
        facts(),
        ComparisonSettings(magnitudes=["after", "before"], has_one_order=False, seed=0),
        distances=["l2"],
        references=References.of(images(), [torch.tensor(BASELINE)[:, None, None]]),
    )


def pooled(weights: NDArray[np.float64], attribution: NDArray[np.float64], order: str) -> NDArray[np.float64]:
    """Pool (C, D) with weights (D, D), and take the magnitude (D,)."""
    signed = np.abs(attribution) if order == "before" else attribution
    return np.asarray(np.abs(signed @ weights.T).sum(0))


def expected_strengths(image: Tensor, weights: NDArray[np.float64], order: str) -> list[NDArray[np.float64]]:
    distance = np.abs(image.numpy().astype(float) - np.array(BASELINE)[:, None, None]).reshape(3, -1)
    plain = [edges(image[None])[0].numpy().ravel(), centre(SIZE, SIZE).numpy().ravel()]
    plain = [np.ones(SIZE**2), *(each.astype(float) for each in plain)]
    found = [weights @ each for each in (*plain, distance.sum(0))]
    if order == "after":
        found += [np.sqrt(weights**2 @ each**2) for each in plain]
        found.append(np.sqrt(distance**2 @ (weights**2).T).sum(0))
    return found


def left_of(values: NDArray[np.float64], references: list[NDArray[np.float64]]) -> NDArray[np.float64]:
    design = np.stack([np.ones_like(values), *references], axis=1)
    return np.asarray(values - design @ np.linalg.lstsq(design, values, rcond=None)[0])


def matrix_of(name: str, image: int) -> NDArray[np.float64]:
    if name == "pixel":
        return np.eye(SIZE**2)
    if name == "Smooth":
        return np.asarray(Smooth().weights(images())[image].numpy())
    same = (segments()[image].flatten()[:, None] == segments()[image].flatten()).double()
    return np.asarray((same / same.sum(1, keepdim=True)).numpy())


@pytest.mark.parametrize(
    ("name", "order"),
    [("pixel", "either"), *((name, order) for name in ("Voronoi", "Smooth") for order in ("after", "before"))],
)
def test_values_and_nulls_equal_a_regression_image_by_image(name: str, order: str) -> None:
    frame = compared().query("superpixels == @name and magnitude == @order", local_dict={"name": name, "order": order})
    maps, permutation = attributions(), derangement(NUM_IMAGES, 0)
    for image in range(NUM_IMAGES):
        weights = matrix_of(name, image)
        references = expected_strengths(images()[image], weights, order)

        def of(attribution: Tensor, weights: NDArray[np.float64] = weights) -> NDArray[np.float64]:
            return pooled(weights, attribution.double().flatten(1).numpy(), order)

        permuted = [permute_pixels(maps[model, [image]], [image], model, 0)[0] for model in (0, 2)]
        pairs = {
            "value": (of(maps[0, image]), of(maps[2, image])),
            "permuted": (of(permuted[0]), of(permuted[1])),
            # pooled as this image is, and regressed on its references
            "mismatched": (of(maps[0, image]), of(maps[2, int(permutation[image])])),
        }
        rows = frame[(frame["pair"] == "0-2") & (frame["index"] == image)].set_index("metric")
        for variant, (one, two) in pairs.items():
            plain = pearsonr(one, two).statistic
            left = pearsonr(left_of(one, references), left_of(two, references)).statistic
            assert rows.loc["correlation", variant] == pytest.approx(plain, abs=1e-5)
            assert rows.loc["residual_correlation", variant] == pytest.approx(left, abs=1e-4)


def test_segments_weigh_as_many_pixels_as_they_have() -> None:
    """The same maps as values of pixels and as values of segments."""
    own = pooling_of("Voronoi", segments())
    short = PooledMaps.of([attributions()], own, "after", slice(None))
    long = PooledMaps(short.on_pixels(short.magnitude).flatten(2), short.on_pixels(short.saliency), short.shape)
    known = References.of(images()).of_maps(own, "after", slice(None))
    on_pixels = short.on_pixels(known.movedim(1, 0)).movedim(0, 1).flatten(2)
    sides = [(0, 1), (1, 2)]
    for one, two in zip(correlations(short, sides, known), correlations(long, sides, on_pixels), strict=True):
        torch.testing.assert_close(one, two, atol=1e-6, rtol=0)


@pytest.mark.parametrize("is_mean", [False, True])
def test_what_whole_segments_get_knows_their_image_and_their_size(is_mean: bool) -> None:
    """Values of segments by linear models that share nothing: sums over the segment of noise times the image."""
    draw = torch.Generator().manual_seed(0)
    photos = torch.rand(120, 3, 4, 4, generator=draw).repeat_interleave(4, 2).repeat_interleave(4, 3)
    cells = Voronoi(24)(photos)
    own = Pooling("own segments", "own", cells)
    sums = segment_pool(
        torch.randn(2, *photos.shape, generator=draw).flatten(0, 1) * photos.repeat(2, 1, 1, 1),
        cells.repeat(2, 1, 1),
        "mean" if is_mean else "sum",
    )
    one_each = sums.sum(1, keepdim=True).view(2, len(photos), 1, 16, 16)
    maps = PooledMaps.of([one_each], own, "either", slice(None))
    whole, left = correlations(maps, [(0, 1)], References.of(photos).of_maps(own, "either", slice(None)))
    assert whole.mean() > 3 * whole.std() / len(photos) ** 0.5
    assert abs(float(left.mean())) < 2.5 * float(left.std()) / len(photos) ** 0.5


def test_a_batch_of_one_image_gives_the_same_numbers(monkeypatch: pytest.MonkeyPatch) -> None:
    whole = compared()
    monkeypatch.setattr(comparison, "CHUNK_ELEMENTS", 1)
    numbers = ["value", "permuted", "mismatched"]
    np.testing.assert_allclose(compared()[numbers], whole[numbers], atol=1e-6)


def test_without_references_the_rows_are_those_of_before() -> None:
    settings = ComparisonSettings(magnitudes=["after", "before"], has_one_order=False, seed=0)
    before = compare(attributions(), poolings(), facts(), settings, distances=["l2"])
    after = compared()
    pd.testing.assert_frame_equal(after[~after["metric"].isin(ROWS)].reset_index(drop=True), before)


def test_several_items_of_an_image_have_its_references() -> None:
    """Two findings of each image, with equal maps: the numbers of an item are those of its image."""
    image = torch.arange(NUM_IMAGES).repeat_interleave(2)
    items = Items(image, torch.tensor([0, 1] * NUM_IMAGES), ("a", "b"))
    labels = torch.ones(NUM_IMAGES, 2)
    own = ImageFacts.of_items(
        torch.arange(NUM_IMAGES), labels, labels.long().expand(3, -1, -1), None, derangement(NUM_IMAGES, 0), items
    )
    settings = ComparisonSettings(magnitudes=["after"], has_one_order=False, seed=0)
    known = References.of(images(), [torch.tensor(BASELINE)[:, None, None]])
    found = compare(attributions()[:, image], poolings(), own, settings, distances=[], references=known)
    single = compared().query("magnitude != 'before'")
    for metric in ROWS:
        for name, rows in single[single["metric"] == metric].groupby("superpixels"):
            same = found[(found["metric"] == metric) & (found["superpixels"] == name) & (found["finding"] == "b")]
            np.testing.assert_allclose(same["value"], rows["value"], atol=1e-6)
            np.testing.assert_allclose(same["mismatched"], rows["mismatched"], atol=1e-6)


def test_maps_of_references_agree_fully_and_have_nothing_left() -> None:
    rows = compared().query("superpixels == 'reference:edges'").set_index("metric")
    assert rows.loc[["saliency_ssim", "correlation"], "value"].to_numpy() == pytest.approx(1.0, abs=1e-6)
    assert (rows.loc[["residual_correlation"], ["value", "mismatched"]].to_numpy() == 0).all()
    # of independent permutations, and of another image's edges
    assert np.abs(rows.loc[["correlation"], ["permuted", "mismatched"]].to_numpy(float)).max() < 0.4
    assert rows["magnitude"].unique().tolist() == ["either"]


def test_maps_that_show_a_mixture_of_references_have_nothing_left() -> None:
    shown = torch.stack([edges(images()), images().sum(1), centre(SIZE, SIZE).expand(NUM_IMAGES, -1, -1)])
    maps = torch.einsum("mr,rnhw->mnhw", torch.tensor([[1.0, 2.0, 3.0], [3.0, 1.0, 0.5], [0.1, 0.0, 9.0]]), shown)
    settings = ComparisonSettings(magnitudes=["before"], has_one_order=False, seed=0)
    known = References.of(images())
    frame = compare(maps[:, :, None], poolings(), facts(), settings, distances=[], references=known)
    own = frame[frame["metric"] == "residual_correlation"]
    assert (own["value"] == 0).all()
    assert own[["permuted", "mismatched"]].notna().all(axis=None)


@pytest.mark.parametrize("image", [torch.zeros(3, SIZE, SIZE), torch.full((3, SIZE, SIZE), 0.3)])
def test_an_image_of_one_color_and_a_constant_map_give_no_missing_number(image: Tensor) -> None:
    photos = images()
    photos[1] = image
    maps = attributions()
    maps[0, 2] = 0.7
    settings = ComparisonSettings(magnitudes=["after", "before"], has_one_order=False, seed=0)
    known = References.of(photos)
    frame = compare(maps, poolings(), facts(), settings, distances=[], references=known)
    own = frame[frame["metric"].isin(ROWS)]
    assert own[["value", "permuted", "mismatched"]].notna().all(axis=None)
    constant = own[(own["index"] == 2) & (own["pair"] != "1-2") & (own["superpixels"] == "Voronoi")]
    assert (constant["value"] == 0).all()


def test_one_segment_and_one_pixel_leave_nothing() -> None:
    whole = Pooling("whole", "segments", torch.zeros(NUM_IMAGES, SIZE, SIZE, dtype=torch.int64))
    frame = compared(ways=[whole])
    assert (frame.loc[frame["metric"].isin(ROWS), ["value", "permuted", "mismatched"]] == 0).all(axis=None)


def test_maps_that_a_method_gives_by_segments_have_references_by_segments() -> None:
    own = Pooling("own segments", "own", segments())
    maps = segment_pool(attributions().flatten(0, 1), segments().repeat(3, 1, 1)).view_as(attributions())
    settings = ComparisonSettings(magnitudes=["after"], has_one_order=True, seed=0)
    known = References.of(images(), [torch.tensor(BASELINE)[:, None, None]])
    frame = compare(maps, [own], facts(), settings, distances=[], references=known)
    rows = frame[(frame["metric"] == "residual_correlation") & (frame["pair"] == "0-1")]
    for image, value in zip(rows["index"], rows["value"], strict=True):
        weights = matrix_of("Voronoi", image)
        references = expected_strengths(images()[image], weights, "after")
        # what a pixel of a segment gets has the strength of a mean, or of a sum
        size = 1 / weights.max(1)
        references += [*(each * size for each in references[len(references) // 2 :]), size]
        one, two = (left_of(maps[model, image].abs().sum(0).double().numpy().ravel(), references) for model in (0, 1))
        assert value == pytest.approx(pearsonr(one, two).statistic, abs=1e-4)
