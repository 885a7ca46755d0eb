"""In a `MetricCollection` every metric has the value that it has alone, whatever the first batch is."""

import copy
import pickle
from collections.abc import Mapping
from itertools import permutations
from pathlib import Path

import pytest
import torch
from lightning.pytorch import LightningModule, Trainer
from torch import Tensor
from torch.utils.data import DataLoader, TensorDataset
from torchmetrics import MetricCollection
from torchmetrics.classification import MulticlassPrecision, MulticlassRecall

from lightning_spx.metrics import TopKOverlap
from tests.metrics.collection_cases import BUILD, FIRST, LATER, alone, value


def same(found: Mapping[str, Tensor], right: Mapping[str, Tensor]) -> None:
    assert found.keys() == right.keys()
    for name, expected in right.items():
        torch.testing.assert_close(found[name], expected, rtol=0, atol=0, equal_nan=True, msg=name)


pytestmark = [
    pytest.mark.filterwarnings("ignore:MeGe is NaN:UserWarning"),
    pytest.mark.filterwarnings("ignore:ReCo is NaN:UserWarning"),
    pytest.mark.filterwarnings("ignore:The ``compute`` method of metric:UserWarning"),
]


@pytest.mark.parametrize("first", FIRST)
def test_any_two_in_either_order_keep_their_values(first: str) -> None:
    right = alone(FIRST[first], LATER)
    after_first = {name: build() for name, build in BUILD.items()}
    for metric in after_first.values():
        value(metric, FIRST[first])
    for one, other in permutations(BUILD, 2):
        # a collection sorts its names; what was measured of the first batch is copied, so that all pairs take no time
        both = MetricCollection({f"1 {one}": after_first[one].clone(), f"2 {other}": after_first[other].clone()})
        both._merge_compute_groups()
        assert len(both.compute_groups) == 2, (one, other)
    together = MetricCollection({name: build() for name, build in BUILD.items()})
    turned = MetricCollection({f"{99 - place} {name}": BUILD[name]() for place, name in enumerate(BUILD)})
    for collection in (together, turned):
        collection.update(**FIRST[first])
        collection.update(**LATER)
    same(together.compute(), right)
    same({name.partition(" ")[2]: found for name, found in turned.compute().items()}, right)


def test_forward_reset_and_copies_keep_them_apart() -> None:
    collection = MetricCollection({name: build() for name, build in BUILD.items()})
    same(collection(**FIRST["identical"]), alone(FIRST["identical"]))
    collection.update(**FIRST["blank"])
    for copied in (collection.clone(), copy.deepcopy(collection)):
        copied.update(**LATER)
        same(copied.compute(), alone(FIRST["identical"], FIRST["blank"], LATER))
    collection.reset()
    collection.update(**FIRST["one pixel"])
    collection.update(**LATER)
    same(collection.compute(), alone(FIRST["one pixel"], LATER))


def test_saved_states_go_on_where_they_were_and_older_ones_load() -> None:
    names = [name for name in BUILD if name.startswith(("mass", "pointing", "top", "reco", "mege"))]
    first = MetricCollection({name: BUILD[name]() for name in names})
    first.persistent(True)
    first.update(**FIRST["blank"])
    saved = pickle.loads(pickle.dumps(first.state_dict()))
    older = {key: state for key, state in saved.items() if not key.endswith("unshared")}
    assert len(older) == len(saved) - len(names)
    for states in (saved, older):
        second = MetricCollection({name: BUILD[name]() for name in names})
        second.load_state_dict(copy.deepcopy(states))
        for _ in range(2):
            second.update(**LATER)
        right = alone(FIRST["blank"], LATER, LATER)
        same(second.compute(), {name: right[name] for name in names})
    assert not MetricCollection({name: BUILD[name]() for name in names}).state_dict()


def test_metrics_of_others_still_share_their_states() -> None:
    classes = torch.randint(0, 2, (2, 3, 4, 4), generator=torch.Generator().manual_seed(0))
    collection = MetricCollection(
        {"precision": MulticlassPrecision(2), "recall": MulticlassRecall(2), "top": TopKOverlap(0.05)}
    )
    for _ in range(2):
        collection.update(*classes)
    assert sorted(collection.compute_groups.values()) == [["precision", "recall"], ["top"]]
    precision = MulticlassPrecision(2)
    precision.update(*classes)
    torch.testing.assert_close(collection.compute()["precision"], precision.compute())


class Measured(LightningModule):
    """A module that owns a collection and measures two batches in validation."""

    def __init__(self) -> None:
        super().__init__()
        self.metrics = MetricCollection({name: build() for name, build in BUILD.items()})

    def validation_step(self, _: list[Tensor], batch_idx: int) -> None:
        self.metrics.update(**(FIRST["identical"], LATER)[batch_idx])

    def on_validation_epoch_end(self) -> None:
        self.log_dict(self.metrics.compute())
        self.metrics.reset()


def test_a_lightning_module_logs_each_value(tmp_path: Path) -> None:
    trainer = Trainer(
        accelerator="cpu",
        default_root_dir=tmp_path,
        logger=False,
        enable_progress_bar=False,
        enable_model_summary=False,
    )
    module = Measured()
    for _ in range(2):
        logged = trainer.validate(module, DataLoader(TensorDataset(torch.zeros(2, 1)), batch_size=1), verbose=False)[0]
        assert logged == {name: found.item() for name, found in alone(FIRST["identical"], LATER).items()}
