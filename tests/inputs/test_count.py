"""How many malformed inputs there are, each of them another."""

from collections import Counter

from tests.inputs import checkpoint_files, image_files, label_maps, models, saliency_maps, segment_tensors, split_files
from tests.inputs.test_wrong_settings import WITH_SETTINGS
from tests.inputs.wrong_settings import wrong_settings

FILES = {
    "image files": [each[0] for each in image_files.REFUSED.values()]
    + [each[1] for each in image_files.DEFINED.values()],
    "label maps": [each[1] for each in (label_maps.REFUSED_MAPS | label_maps.DEFINED_MAPS).values()],
    "checkpoints": [
        each
        for table in ("BROKEN", "FOREIGN", "UNBUILDABLE", "NOT_RESUMABLE")
        for each in getattr(checkpoint_files, table).values()
    ],
    "split files": list(split_files.SPLIT_FILES.values()),
}
OTHERS = {
    "segments": len(segment_tensors.WRONG | segment_tensors.LOOSE | segment_tensors.OTHERS),
    "saliency maps": len(
        saliency_maps.NOT_FINITE | saliency_maps.CONSTANT | saliency_maps.SCALED | saliency_maps.WRONG
    ),
    "models": len(models.WRONG | models.PACKED | models.NO_GRADIENT | models.CHANGING | models.RAISING | models.PRECISE)
    + len(models.NOT_FINITE),
}


def counts() -> dict[str, int]:
    """Distinct inputs of each class."""
    return {
        **{name: len(set(files)) for name, files in FILES.items()},
        **OTHERS,
        "settings": sum(len(wrong_settings(command, every=False)) for command in WITH_SETTINGS),
    }


def test_no_file_is_there_twice_but_as_another_kind() -> None:
    for name, files in FILES.items():
        twice = [count for count in Counter(files).values() if count > 1]
        # nothing and text are tried under three endings of label maps, as is an image under other names
        assert sum(twice) <= 12, name


def test_there_are_more_than_three_hundred() -> None:
    found = counts()
    assert sum(found.values()) - found["settings"] >= 300, found
    assert found["settings"] >= 100, found
    assert min(found.values()) >= 28, found
