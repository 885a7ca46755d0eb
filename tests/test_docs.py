"""The pages of three users work as they stand: their files, their code and their commands, with less of everything."""

import re
import shlex
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from lightning_spx.cli import main

USERS = ("hugging_face", "one_channel_findings", "timm_transformer")
PAGES = [Path(__file__).parents[1] / "docs" / f"{user}.md" for user in USERS]
BLOCK = re.compile(r"^```(python|sh)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
MOST = {"num_train": 48, "num_test": 24, "num_images": 8, "max_epochs": 1, "num_resamples": 50}
# a page may need a package that is no dependency
NEEDS = {"timm_transformer": "timm", "hugging_face": "transformers"}


def with_less(text: str) -> str:
    """Take fewer images and epochs, which change numbers and not what works."""

    def less(found: re.Match[str]) -> str:
        return f"{found[1]}{found[2]}{min(int(found[3]), MOST[found[1]])}"

    return re.sub(rf"({'|'.join(MOST)})(=| )(\d+)", less, text)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_a_page_works_as_it_stands(
    page: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    if page.stem in NEEDS:
        pytest.importorskip(NEEDS[page.stem])
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setattr(sys, "argv", ["spx"])
    pixels = np.random.default_rng(0).integers(0, 255, (32, 32, 3), dtype=np.uint8)
    Image.fromarray(pixels).save("photo.png")
    Image.fromarray(pixels[:, :, 0]).save("scan.png")
    commands = 0
    for language, block in BLOCK.findall(page.read_text(encoding="utf-8")):
        source = with_less(block)
        named = re.match(r"# (\w+)\.py\n", source)
        if language == "sh":
            for line in source.splitlines():
                program, *words = shlex.split(line)
                assert program == "spx"
                if words[0] == "stability":
                    words += ["--num_resamples", "20", "--trainer.accelerator", "cpu"]
                main(words)
                commands += 1
        elif named:
            Path(f"{named[1]}.py").write_text(source)
            # another page may have a module of this name
            monkeypatch.delitem(sys.modules, named[1], raising=False)
        else:
            exec(compile(source, str(page), "exec"), {"__name__": page.stem})
    assert commands >= 2
    printed = capsys.readouterr().out
    assert printed.count("explanations: ") + printed.count("results: ") == commands
    assert "accuracy" in printed
    assert list(Path("runs").glob("stability-*/results.csv"))
