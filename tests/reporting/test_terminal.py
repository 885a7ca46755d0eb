"""What a study prints at its end: models, answer, one table, and where the rest is."""

from functools import partial
from pathlib import Path

import pytest

from lightning_spx.reporting.answer import Answer
from lightning_spx.reporting.main_table import main_table
from lightning_spx.reporting.tables import stability_table
from lightning_spx.reporting.terminal import print_answer
from tests.reporting.cases import row, table

RESULTS = table(
    *(
        row(name, method=method, **({} if name == "pixel" else {"gain": 0.2, "gain_low": 0.1, "gain_high": 0.3}))
        for method in ("Gradient", "InputXGradient", "IntegratedGradients", "SmoothGrad")
        for name in ("pixel", "Slic", "Felzenszwalb")
    )
)
ANSWER = Answer(
    "birds [red]",
    ["Partly: SmoothGrad's maps agree best, excess 0.43 [0.41, 0.45] by pixel.", "Super-pixels (SSIM): no gain."],
    models=["model 0: test accuracy 91.0 %"],
    warnings=["Only 12 images."],
    notes=["Maps explain the findings."],
)


def printed(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], width: int, run: Path, *more: str
) -> list[str]:
    monkeypatch.setenv("COLUMNS", str(width))
    shown = partial(main_table, RESULTS, "saliency_ssim", "", ANSWER)
    print_answer(run, ANSWER, shown, [stability_table(RESULTS, "saliency_ssim", ""), *more] if more else None)
    return capsys.readouterr().out.splitlines()


@pytest.mark.parametrize("width", [80, 120])
def test_the_answer_stands_before_the_table_and_in_the_last_lines(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], width: int
) -> None:
    lines = printed(monkeypatch, capsys, width, Path("runs/my birds"))
    text = "\n".join(lines)
    order = ["birds [red]", "model 0:", "Partly:", "Super-pixels (SSIM)", "Warning: Only 12", "Maps explain", "floor"]
    assert [text.index(words) for words in order] == sorted(text.index(words) for words in order)
    assert "Partly: SmoothGrad's maps agree best" in " ".join(lines[-3:])
    assert "spx report 'runs/my birds'" in text
    assert "--tables" in text
    assert max(len(line.rstrip()) for line in lines if "results.csv" not in line) <= width
    # a line for each row of the results: nothing wraps
    assert sum(line.startswith(("Gradient ", "InputX", "Integrated", "SmoothGrad ", "  S- ")) for line in lines) == 12


def test_all_tables_follow_if_they_are_wanted(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    text = "\n".join(printed(monkeypatch, capsys, 80, Path("runs"), "said [beside] them"))
    assert text.count("SSIM of saliency maps between models") == 2
    assert "gain over best control" in text
    assert "said [beside] them" in text
    assert "--tables" not in text
