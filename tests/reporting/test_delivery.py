"""A logger that fails is one warning, and everything else goes on."""

import warnings
from collections.abc import Mapping
from pathlib import Path

import pandas as pd
import pytest
from lightning import Trainer
from lightning.pytorch.loggers import CSVLogger, Logger, MLFlowLogger

from lightning_spx.reporting import log_picture, log_scalars, log_summary, log_table
from lightning_spx.reporting.trainer_folder import trainer_folder
from tests.reporting.sent_cases import KEPT, PICTURE, SENTENCE, VALUES, results_in, send_everything


class Own(Logger):
    """A user's own logger, which knows numbers and settings and nothing else."""

    def __init__(self, error: BaseException | None = None) -> None:
        super().__init__()
        self.error = error
        self.tried: list[str] = []
        self.numbers: dict[str, float] = {}

    @property
    def name(self) -> str:
        return "own"

    @property
    def version(self) -> str:
        self.fail("version")
        return "1"

    def log_metrics(self, metrics: Mapping[str, float], step: int | None = None) -> None:
        self.fail("numbers")
        self.numbers |= metrics

    def log_hyperparams(self, params: object, *_: object) -> None:
        self.fail("settings")

    def finalize(self, status: str) -> None:
        self.fail(status)

    def fail(self, what: str) -> None:
        self.tried.append(what)
        if self.error is not None:
            raise self.error


def test_a_logger_of_the_users_own_gets_numbers_and_settings(tmp_path: Path) -> None:
    own = Own()
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        send_everything([own], results_in(tmp_path / "results"))
    assert own.tried == ["settings", "numbers", "numbers", "success"]
    assert own.numbers == {**KEPT, "val/ssim/Gradient/gain": 0.25}


@pytest.mark.parametrize(
    "error", [OSError(28, "No space left on device"), ConnectionError("gone"), ValueError("x"), AssertionError("y")]
)
def test_a_failing_logger_is_one_warning_that_names_it_and_the_others_get_everything(
    tmp_path: Path, error: Exception
) -> None:
    broken, whole = Own(error), Own()
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        for folder in ("first", "second"):
            send_everything([broken, whole], results_in(tmp_path / folder))
    (warning,) = [str(each.message) for each in caught]
    assert warning.startswith("Own failed at settings, and the run goes on")
    assert warning.endswith(f"{type(error).__name__}: {error}")
    # what failed once is not tried again, for every try could wait for a server
    assert broken.tried == ["settings", "numbers", "success"]
    assert whole.tried == ["settings", "numbers", "numbers", "success"] * 2


def test_what_a_logger_does_not_fail_at_still_reaches_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    own = Own()
    monkeypatch.setattr(own, "log_hyperparams", lambda params: own.numbers[params])
    with pytest.warns(UserWarning, match="Own failed at settings"):
        send_everything([own], results_in(tmp_path / "results"))
    assert own.numbers == {**KEPT, "val/ssim/Gradient/gain": 0.25}


@pytest.mark.parametrize("error", [KeyboardInterrupt(), SystemExit(1)])
def test_an_interruption_is_no_failure(error: BaseException) -> None:
    with pytest.raises(type(error)):
        log_scalars([Own(error)], {"val/value": 0.5})


def test_two_failing_loggers_are_two_warnings() -> None:
    loggers = [Own(OSError("a")), Own(OSError("b"))]
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        for _ in range(3):
            log_summary(loggers, {"val/value": 0.5})
    assert [str(each.message)[-1] for each in caught] == ["a", "b"]


def test_a_folder_that_cannot_be_written_and_a_server_that_is_gone_are_warnings(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "file").write_text("in the place of a folder")
    with pytest.warns(UserWarning, match="CSVLogger failed at numbers.*NotADirectoryError"):
        log_scalars([CSVLogger(tmp_path / "file")], {"val/value": 0.5})
    pytest.importorskip("mlflow")
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "0")
    gone = MLFlowLogger(tracking_uri="http://127.0.0.1:9")
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        log_scalars([gone], {"val/value": 0.5})
        log_table([gone], "results", VALUES)
        log_picture([gone], "panel", PICTURE, 7)
    (warning,) = [str(each.message) for each in caught if "failed at" in str(each.message)]
    assert warning.startswith("MLFlowLogger failed at numbers")


def test_a_run_whose_logger_cannot_name_its_folder_has_another() -> None:
    trainer = Trainer(logger=Own(ConnectionError(SENTENCE)), enable_progress_bar=False, accelerator="cpu")
    with pytest.warns(UserWarning, match="Own failed at folders"):
        assert trainer_folder(trainer) is None


def test_numbers_are_saved_at_once(tmp_path: Path) -> None:
    logger = CSVLogger(tmp_path)
    log_scalars([logger], {"val/value": 0.5}, 7)
    assert pd.read_csv(Path(logger.log_dir, "metrics.csv")).to_dict("records") == [{"step": 7, "val/value": 0.5}]
