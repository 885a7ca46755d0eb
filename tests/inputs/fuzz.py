"""Feeds a reader with files that grow out of good ones, for as long as it is told: `python -m tests.inputs.fuzz`.

Run as a process of its own, because atheris watches the branches of what it imports, and never returns.
"""

import sys
import tempfile
import warnings
from collections.abc import Callable
from pathlib import Path

# what reads a file, its ending, and good files to begin with
Reader = tuple[Callable[[Path], object], str, list[bytes]]


def readers() -> dict[str, Reader]:
    """Import the readers, which must not be imported before atheris watches."""
    import atheris

    ours = [f"lightning_spx.{room}" for room in ("data", "formats", "superpixels")]
    with atheris.instrument_imports(include=[*ours, "PIL"]):
        from lightning_spx.data.folder_images import read_pixels
        from lightning_spx.data.split_file import load_splits
        from lightning_spx.formats.label_map import read_label_map
        from lightning_spx.models.checkpoint_file import read_state
    from tests.inputs import checkpoint_files, image_files, label_maps, split_files

    def label_map(path: Path) -> object:
        return read_label_map(path, label_maps.SHAPE)

    def splits(path: Path) -> object:
        return load_splits(path, split_files.LABELS)

    images = [*image_files.WHOLE.values(), *(content for _, content, _ in image_files.DEFINED.values())]
    return {
        "image": (read_pixels, ".png", images),
        **{suffix.removeprefix("."): (label_map, suffix, [content]) for suffix, content in label_maps.GOOD.items()},
        "checkpoint": (read_state, ".ckpt", [checkpoint_files.WHOLE, checkpoint_files.OLD]),
        "splits": (splits, ".json", [split_files.WHOLE.encode()]),
    }


def fuzz(name: str, seconds: int) -> None:
    """Try files until the time is over; ends the process, with another code than 0 if one ends in anything else."""
    import atheris

    read, suffix, seeds = readers()[name]
    from tests.inputs.outcomes import refused_or

    folder = Path(tempfile.mkdtemp())
    corpus = folder / "corpus"
    corpus.mkdir()
    for number, seed in enumerate(seeds):
        (corpus / str(number)).write_bytes(seed)
    path = folder / f"fuzzed{suffix}"

    def once(content: bytes) -> None:
        path.write_bytes(content)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            refused_or(lambda: read(path), path.name)

    limits = [f"-max_total_time={seconds}", "-timeout=20", "-rss_limit_mb=6000", "-max_len=20000", "-verbosity=0"]
    atheris.Setup([sys.argv[0], *limits, "-print_final_stats=1", f"-artifact_prefix={folder}/", str(corpus)], once)
    atheris.Fuzz()


if __name__ == "__main__":
    fuzz(sys.argv[1], int(sys.argv[2]))
