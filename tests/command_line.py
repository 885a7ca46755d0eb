"""Words of short commands, and what these print."""

import pytest

from lightning_spx.cli import main

TRAINER = ["--trainer.accelerator=cpu", "--trainer.max_epochs=1", "--trainer.enable_progress_bar=false"]
BIRDS = ["--data.num_train=60", "--data.num_test=24", "--data.num_classes=2", "--data.batch_size=10"]
NETWORK = ["--model.network.num_classes=2", "--model.network.width=4"]
STUDY = ["--num_images=6", "--batch_size=4", "--num_resamples=20", "--distances=[l2]", *TRAINER]
STABILITY = ["stability", *STUDY, *BIRDS, *NETWORK, "--methods=[Gradient]"]
FIT = [
    *("--data=SyntheticBirdsDataModule", *BIRDS, "--model=ImageClassifier", "--model.network=SmallResNet", *NETWORK),
    *("--trainer.accelerator=cpu", "--trainer.enable_progress_bar=false", "--trainer.logger=false"),
]

Captured = pytest.CaptureFixture[str]


def printed(capsys: Captured, words: list[str]) -> str:
    """What a command prints before it ends well by itself, as `--help` and `--print_config` do."""
    capsys.readouterr()
    with pytest.raises(SystemExit) as end:
        main(words)
    assert end.value.code == 0
    return capsys.readouterr().out


def refusal(capsys: Captured, words: list[str]) -> str:
    """The last line on bad input, after a check that it ends as bad input must."""
    capsys.readouterr()
    with pytest.raises(SystemExit) as end:
        main(words)
    assert end.value.code == 2
    captured = capsys.readouterr()
    assert "Traceback" not in captured.err + captured.out
    last = captured.err.splitlines()[-1]
    assert last.startswith("error: ")
    return last
