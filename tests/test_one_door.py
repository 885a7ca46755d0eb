"""One place knows how images are normalized, what of an output are the logits, and how a layer is found by name."""

import re
from pathlib import Path

import pytest

PACKAGE = Path(__file__).parents[1] / "lightning_spx"

# what only one idea's home may say, and the files that are this home
HOMES = {
    "the values of a normalization": (
        r"IMAGENET_MEAN|IMAGENET_STD|pretrained_cfg|\"image_mean\"|\bNormalize\(",
        {
            "models/normalize.py",
            "models/preprocess.py",
            "models/said_normalization.py",
            "models/image_processor.py",
            # a user's words become a normalization here, and an ImageClassifier keeps its own in its checkpoint
            "evaluation/training/model_reading.py",
            "models/classifier.py",
        },
    ),
    "the arithmetic of a normalization": (
        r"-\s*\S*mean\S*\)\s*/\s*\S*std|\*\s*\S*std\b.*\+\s*\S*mean\b",
        {"models/normalize.py"},
    ),
    "the logits in an output": (
        r"\bLOGITS\b|\.get\(\"logits\"\)|\[\"logits\"\]|\.logits\b(?! import)|getattr\([^)]*\"logits\"",
        {"guard/model_output.py"},
    ),
    "near names of layers": (r"get_close_matches\(.*layer|def layer_names|def find_layer", {"guard/layer_names.py"}),
    "the usual names of an input": (
        r"\"pixel_values\"",
        {"models/model_input.py", "evaluation/callbacks/named_batch.py"},
    ),
    "the keyword of a forward": (r"signature\(.*\.forward", {"models/model_input.py", "evaluation/callbacks/trial.py"}),
}


def code_of(path: Path) -> str:
    """The code of a file without docstrings and comments, which may speak of anything."""
    text = re.sub(r'"""(?:.|\n)*?"""', '""', path.read_text(encoding="utf-8"))
    return re.sub(r"#.*", "", text)


@pytest.mark.parametrize("idea", HOMES)
def test_an_idea_has_one_home(idea: str) -> None:
    pattern, home = HOMES[idea]
    found = {
        str(path.relative_to(PACKAGE).as_posix()) for path in PACKAGE.rglob("*.py") if re.search(pattern, code_of(path))
    }
    assert found <= home
    assert found, "the pattern finds nothing, not even the home"
