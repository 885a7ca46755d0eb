"""The numbers of a dashboard that compare maps with objects' masks, against loops over images."""

import numpy as np
import pytest
import torch
from torch import Tensor

from lightning_spx.attribution.saliency import Magnitude
from lightning_spx.evaluation.callbacks.agreement import (
    localization,
    row_name,
)
from lightning_spx.evaluation.callbacks.explained_images import ExplainedImages
from lightning_spx.evaluation.maps.model_maps import ModelMaps
from tests.evaluation.callbacks.agreement_cases import (
    LABEL,
    METHODS,
    NUM_IMAGES,
    SEED,
    SEGMENTERS,
    SIZE,
    explained,
    model,
    pooled,
    scaled,
)


def box() -> Tensor:
    mask = torch.zeros(NUM_IMAGES, SIZE, SIZE, dtype=torch.bool)
    for image in range(NUM_IMAGES):
        mask[image, 2 : 5 + image, 3:9] = True
    return mask


@pytest.mark.parametrize("magnitude", ["after", "before"])
def test_localization_equals_a_loop_over_images(magnitude: Magnitude) -> None:
    mask = box()
    own = model(0)
    scalars = localization(own, ["Gradient"], explained(mask=mask), magnitude)
    images = explained()
    for segmenter in (None, *SEGMENTERS):
        mass, hits, areas, precisions = [], [], [], []
        for image in range(NUM_IMAGES):
            segments = None if segmenter is None else images.segments[segmenter][image]
            values = scaled(pooled(own.attributions["Gradient"][image], segments, magnitude)).astype(np.float32)
            inside = mask[image].numpy()
            mass.append(values[inside].sum() / values.sum())
            hits.append(inside[values == values.max()].mean())
            difference = values[inside][:, None] - values[~inside][None]
            areas.append(((difference > 1e-6) + 0.5 * (np.abs(difference) <= 1e-6)).mean())
            precisions.append(np.mean([inside[values >= value - 1e-6].mean() for value in values[inside]]))
        name = row_name("Gradient", segmenter or "pixel")
        assert scalars[f"mass_accuracy/{name}/value"] == pytest.approx(np.mean(mass), abs=1e-5)
        assert scalars[f"pointing_game/{name}/value"] == pytest.approx(np.mean(hits), abs=1e-5)
        assert scalars[f"mask_auc/{name}/value"] == pytest.approx(np.mean(areas), abs=1e-4)
        assert scalars[f"mask_auprc/{name}/value"] == pytest.approx(np.mean(precisions), abs=1e-4)
    assert len(scalars) == 12


def test_an_image_without_an_object_is_left_out_of_localization() -> None:
    mask = box()
    mask[0] = False
    others = torch.arange(1, NUM_IMAGES)
    whole = explained(mask=mask)
    cells = {name: segments[others] for name, segments in whole.segments.items()}
    rest = ExplainedImages(whole.images[others], LABEL[others], mask[others], cells, whole.photos[others], SEED)
    own = model(0)
    part = ModelMaps(LABEL[others], own.probability[others], {k: v[others] for k, v in own.attributions.items()})
    expected_scalars = localization(part, list(METHODS), rest, "after")
    assert localization(own, list(METHODS), whole, "after") == pytest.approx(expected_scalars, abs=1e-6)


def test_what_no_image_has_is_left_out_of_localization() -> None:
    everywhere = torch.ones(NUM_IMAGES, SIZE, SIZE, dtype=torch.bool)
    scalars = localization(model(0), ["Gradient"], explained(mask=everywhere), "after")
    assert {name.split("/")[0] for name in scalars} == {"mass_accuracy", "pointing_game"}
    assert set(scalars.values()) == {1.0}
    assert localization(model(0), ["Gradient"], explained(mask=~everywhere), "after") == {}


def test_without_masks_there_is_no_localization() -> None:
    assert localization(model(0), ["Gradient"], explained(), "after") == {}
