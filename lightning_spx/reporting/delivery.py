"""Sends something to each of a run's loggers, none of which can end the run by failing."""

from collections.abc import Callable, Sequence
from typing import Any
from weakref import WeakValueDictionary

from lightning.pytorch.loggers import CometLogger, Logger, MLFlowLogger, TensorBoardLogger, WandbLogger
from lightning.pytorch.utilities import rank_zero_only, rank_zero_warn

from lightning_spx.reporting.comet_sink import CometSink
from lightning_spx.reporting.mlflow_sink import MlflowSink
from lightning_spx.reporting.sink import Sink
from lightning_spx.reporting.tensorboard_sink import TensorBoardSink
from lightning_spx.reporting.wandb_sink import WandbSink

# loggers that failed, by their id and by what they did not take, for as long as they live
_failed: WeakValueDictionary[tuple[int, str], Logger] = WeakValueDictionary()


def sink_of(logger: Logger) -> Sink[Any]:
    """Return what sends to a logger; one of an unknown kind gets settings and numbers.

    Example:
        >>> from lightning.pytorch.loggers import CSVLogger
        >>> type(sink_of(CSVLogger("logs"))).__name__, type(sink_of(TensorBoardLogger("logs"))).__name__
        ('Sink', 'TensorBoardSink')
    """
    match logger:
        case WandbLogger():
            return WandbSink(logger)
        case TensorBoardLogger():
            return TensorBoardSink(logger)
        case MLFlowLogger():
            return MlflowSink(logger)
        case CometLogger():
            return CometSink(logger)
        case _:
            return Sink(logger)


@rank_zero_only
def deliver(loggers: Sequence[Logger], what: str, send: Callable[[Sink[Any]], None]) -> None:
    """Send something to every logger, on the first process.

    A logger that raises an error, because a server is gone or a disk is full, gets nothing of this kind any more: every
    further try could wait for the server. The first error of a logger is a warning; none stops the run, whose files
    hold the same. Interruptions by the user or the system (`KeyboardInterrupt`, `SystemExit`) are no errors.

    Args:
        loggers: of any kind.
        what: is sent, in the plural, for the warning.
        send: sends it.

    Example:
        >>> import tempfile
        >>> from lightning.pytorch.loggers import CSVLogger
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     logger = CSVLogger(folder)
        ...     deliver([logger], "numbers", lambda sink: sink.logger.log_metrics({"mege": 0.5}, 7))
        ...     logger.experiment.metrics
        [{'mege': 0.5, 'step': 7}]
    """
    for logger in loggers:
        if _failed.get((id(logger), what)) is logger:
            continue
        try:
            send(sink_of(logger))
        except Exception as error:  # a logger is the user's, so this can be any error, and none is worth a training
            if not any(known is logger for known in _failed.values()):
                rank_zero_warn(
                    f"{type(logger).__name__} failed at {what}, and the run goes on without them there, for its files "
                    f"hold everything: {type(error).__name__}: {error}"
                )
            _failed[id(logger), what] = logger
