"""The picture of translations: what it shows, where it goes, and beside which modules it works."""

from pathlib import Path

import numpy as np
import pytest
from lightning.pytorch.loggers import CSVLogger, TensorBoardLogger
from PIL import Image

from lightning_spx.evaluation import TranslationGrid
from lightning_spx.reporting import map_grid
from tests.data.test_unpaired import make_domains
from tests.models.test_cyclegan import data, quiet, tiny
from tests.small_study import birds, classifier


def test_it_shows_photos_translations_and_the_way_back(tmp_path: Path) -> None:
    module = data(make_domains(tmp_path / "photos"))
    logger = CSVLogger(tmp_path / "logs", name="gan", version=0)
    model = tiny()
    grid = TranslationGrid(num_images=9, every_n_epochs=2)
    quiet(max_epochs=3, logger=logger, callbacks=[grid]).fit(model, datamodule=module)
    folder = tmp_path / "logs" / "gan" / "version_0" / "translations"
    # after the second epoch, which is number 1
    assert [path.name for path in folder.iterdir()] == ["epoch0001.png"]

    quiet(logger=CSVLogger(tmp_path / "again", name="gan", version=0), callbacks=[TranslationGrid()]).validate(
        model, datamodule=module, verbose=False
    )
    (file,) = (tmp_path / "again" / "gan" / "version_0" / "translations").iterdir()
    shown = np.asarray(Image.open(file))
    model.eval()
    batch = next(iter(module.val_dataloader()))
    to_b, to_a = model.translate(batch["image_a"], to="b"), model.translate(batch["image_b"], to="a")
    columns = {
        "A": batch["image_a"],
        "A to B": to_b,
        "and back to A": model.translate(to_b, to="a"),
        "B": batch["image_b"],
        "B to A": to_a,
        "and back to B": model.translate(to_a, to="b"),
    }
    # two test images of B, so two pairs; a level may be rounded either way
    assert np.abs(shown.astype(int) - map_grid(columns).astype(int)).max() <= 1


def test_tensorboard_gets_it(tmp_path: Path) -> None:
    accumulator = pytest.importorskip("tensorboard.backend.event_processing.event_accumulator")
    module = data(make_domains(tmp_path))
    logger = TensorBoardLogger(tmp_path, name="gan", version="one")
    quiet(max_epochs=1, logger=logger, callbacks=[TranslationGrid()]).fit(tiny(), datamodule=module)
    events = accumulator.EventAccumulator(logger.log_dir).Reload()
    assert events.Tags()["images"] == ["translations"]


def test_other_modules_and_numbers_are_refused() -> None:
    with pytest.raises(TypeError, match="TranslationGrid beside a CycleGAN, got ImageClassifier"):
        quiet(max_epochs=1, callbacks=[TranslationGrid()]).fit(classifier(), datamodule=birds())
    with pytest.raises(ValueError, match="`every_n_epochs` to be at least 1, got 0"):
        TranslationGrid(every_n_epochs=0)
