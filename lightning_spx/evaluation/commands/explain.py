"""`spx explain`: explains photos that the user names and writes pictures and arrays."""

from collections.abc import Iterator, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any, Literal

import numpy as np
from matplotlib.figure import Figure
from numpy.typing import NDArray
from rich.progress import track
from torch import Tensor

from lightning_spx.attribution import Attribution, saliency_map
from lightning_spx.attribution.saliency import Magnitude
from lightning_spx.data import Background
from lightning_spx.data.photos import check_there, find_images, read_images
from lightning_spx.evaluation.commands.class_names import read_classes
from lightning_spx.evaluation.commands.photo_answers import ExplainedPhotos, PhotoAnswers
from lightning_spx.evaluation.commands.shown_photos import with_background, with_translations
from lightning_spx.evaluation.maps.colors import check_channels, chosen_colors
from lightning_spx.evaluation.maps.colors import shown as color_images
from lightning_spx.evaluation.maps.guides import Guidance, check_poolings, guide_images, segments_among
from lightning_spx.evaluation.maps.pooling_lists import pooling_of
from lightning_spx.evaluation.publish import PAPER_DPI, save_figure
from lightning_spx.evaluation.training.model_reading import ModelReading, described_normalization, said_in_words
from lightning_spx.evaluation.training.named_networks import (
    NamedNetwork,
    name_models,
    stems_or_paths,
)
from lightning_spx.formats import Percentiles, Window
from lightning_spx.models import Part, PatchScore, Region
from lightning_spx.models.checkpoint_file import ModelFactory
from lightning_spx.models.image_model import Head, ImageModel
from lightning_spx.models.judge import load_judge
from lightning_spx.models.network_name import network_name
from lightning_spx.models.preprocess import Preprocess
from lightning_spx.reporting import PhotoMaps, maps_grid, photo_figure
from lightning_spx.reporting.display_names import unique_names
from lightning_spx.runs.files import file_name, write_atomic
from lightning_spx.runs.folder import default_folder, open_run_folder
from lightning_spx.runs.processes import say
from lightning_spx.runs.settings import plain
from lightning_spx.superpixels import ImagePooling

Layout = Literal["photos", "methods", "models"]
Format = Literal["png", "pdf", "svg"]
PHOTOS_ON_A_PAGE = 5


def explain_images(
    images: list[str],
    methods: list[Attribution],
    superpixels: list[ImagePooling],
    model: ModelFactory | None = None,
    checkpoints: list[str] | None = None,
    weights: str | None = None,
    mean: list[float] | None = None,
    std: list[float] | None = None,
    preprocess: Preprocess | None = None,
    output: int | str | None = None,
    input_name: str | None = None,
    head: Head | None = None,
    channels: int | None = None,
    to_rgb: list[int] | str | None = None,
    networks: list[NamedNetwork] | None = None,
    part: Part | None = None,
    region: Region | None = None,
    translated_from: list[str] | None = None,
    masks: str | None = None,
    background: Background = "keep",
    paint_outside: bool = False,
    target: str | None = None,
    classes: str | None = None,
    layout: Layout = "photos",
    magnitude: Magnitude = "after",
    image_size: int = 224,
    window: Window | Percentiles | None = None,
    formats: list[Format] | None = None,
    batch_size: int = 16,
    strict: bool = False,
    out: str | None = None,
) -> Path:
    """Explain photos with one or several models, as pictures and as arrays.

    Args:
        images: files, folders (only the images directly in them) and patterns such as 'birds/*.jpg'.
        methods: attribution methods.
        superpixels: segmenters and filters; each gives pooled (S-) maps.
        model: makes the untrained model of the checkpoints, or with `weights` the model itself: a LightningModule, a
            network such as torchvision.models.resnet50, or a function that returns one, such as timm.create_model.
            Checkpoints of this package do not need it.
        checkpoints: one file of weights for each model: checkpoints of Lightning, files of
            `torch.save(model.state_dict(), ...)`, .safetensors, or folders of Hugging Face models.
        weights: weights of a single `model`, in any of these forms.
        mean: channel means of the images that the model was trained on. By default what a network itself says (as
            timm's and Hugging Face's do), else ImageNet's; a LightningModule gets images in [0, 1], and checkpoints of
            this package contain their own.
        std: channel standard deviations of these images.
        preprocess: a differentiable callable in the place of `mean` and `std`, such as ZScore.
        output: what picks the logits out of the model's output: a name or a position. By default a tensor, the first
            entry of a tuple, or `logits`.
        input_name: the keyword of the model's `forward` that takes images; by default the usual ones.
        head: single_label; multi_label for one logit for each finding; scalar for one number per image.
        channels: channels of the images: 3 for color photos, 1 for gray ones, other numbers for .npy and TIFF files. By
            default as many as the first model's first convolution takes.
        to_rgb: numbers of the three bands that are shown and segmented as red, green and blue, counted from 0, or the
            import path of a function from images to colors; by default their mean is shown.
        networks: more networks with their weights, for `layout` models.
        part: for a CycleGAN checkpoint, the discriminator whose mean patch score is explained. Files of the original
            code, such as latest_net_D_A.pth, work too; its D_A judges images of B, so it is `discriminator_b` here.
        region: first row, first column, last row and last column of the discriminator's patches to explain, counted
            from 0; for a single patch first and last are equal. By default all patches.
        translated_from: files, folders and patterns of the other set. They are translated first and shown after the
            real `images`.
        masks: folder with the masks of objects, as `<masks>/<folder of the photo>/<name>.png` or `<masks>/<name>.png`.
        background: what the model sees outside the masks: `keep`, `black`, or the `mean` color of the photos.
        paint_outside: paint maps black outside the masks, whatever the model saw there.
        target: the class to explain, by index or by name in `classes`; by default each photo's prediction. For a
            network with a single output z, class 0 is explained as -z.
        classes: file with the names of the classes: a text file with one per line, or a CSV file with the columns
            index and name.
        layout: one picture per photo, or grids with `methods` or `models` as columns and pixel maps above S- maps.
        magnitude: when magnitudes are taken: `after` pools the signed values first, `before` takes magnitudes first.
        image_size: resize photos by their shorter side to this many pixels and crop the central square.
        window: the numbers of the files that become black and white, such as [0, 4095], or percentiles over each file;
            by default the range that a file states.
        formats: file formats of the pictures: png, pdf, svg; by default png.
        batch_size: number of photos explained at a time.
        strict: fail on a file that cannot be read; otherwise it is skipped with a warning.
        out: folder. By default a folder under `runs/` that is named after the settings, so that the same command
            writes to the same place.

    Returns:
        The folder, with pictures and one `.npz` file for each photo and model: `image`, `target`, `probability`,
        `segments/<segmenter>`, `attribution/<method>` (signed), `pixel/<method>` and `pooled/<method>/<superpixels>`
        (saliency in [0, 1]).

    Raises:
        FileNotFoundError: a file does not exist.
        ValueError: a setting is out of its range, or a model's output is not finite.
    """
    named_methods, poolings = unique_names(methods), unique_names(superpixels)
    if not named_methods or not poolings:
        raise ValueError("Expected `methods` and `superpixels` to name at least one each, got none.")
    check_poolings(poolings)
    if batch_size < 1:
        raise ValueError(f"Expected `batch_size` to be at least 1, got {batch_size}.")
    reading = ModelReading(mean, std, preprocess, output, input_name, head)
    arguments = {name: value for name, value in locals().items() if name in explain_images.__annotations__}
    settings = {name: plain(list(value) if isinstance(value, tuple) else value) for name, value in arguments.items()}
    if window is None:
        # a folder's name and its settings are as they were before there was a choice
        del settings["window"]
    check_there(images)
    names = read_classes(Path(classes)) if classes else []
    colors = chosen_colors(to_rgb)
    if part is not None:
        if not checkpoints or masks or model or networks:
            raise ValueError(
                "Expected `part` with `checkpoints` and without `model`, `networks` and `masks`, got others."
            )
        files = [Path(path) for path in checkpoints]
        judges = {name: load_judge(path, part) for name, path in zip(stems_or_paths(files), files, strict=True)}
        scores = {name: PatchScore(each.discriminator, region) for name, each in judges.items()}
        models = {name: ImageModel(each, head="scalar").eval() for name, each in scores.items()}
        first = next(iter(judges.values())).cyclegan
        photos = read_images(find_images(images), image_size, strict, window=window)
        shown = with_translations(photos, translated_from, first, part, image_size, strict, window)
    else:
        if region is not None or translated_from:
            raise ValueError("Expected `part` with `region` and `translated_from`, got none.")
        models = name_models(checkpoints or [], model, reading, networks or [], weights)
        count = channels or next((each.channels for each in models.values() if each.channels), 3)
        check_channels(poolings, count, colors)
        photos = read_images(find_images(images, count), image_size, strict, count, window)
        shown = with_background(photos, masks, background, paint_outside, window)
    for name, asked in models.items():
        say(f"{name}: {said_in_words(described_normalization(asked))}")
    settings["model"] = sorted({network_name(asked) for asked in models.values()})
    photos = shown.photos
    said = f"{part}: {_scope(region)}" if part else shown.said
    run = open_run_folder(Path(out) if out else default_folder("explain", photos.names[0], settings), settings)
    answers = [PhotoAnswers.ask(name, model, photos.images, batch_size) for name, model in models.items()]
    # whole pages at a time, so that memory never holds the maps and pictures of many photos
    step = -(-batch_size // PHOTOS_ON_A_PAGE) * PHOTOS_ON_A_PAGE
    for start in track(range(0, len(photos.images), step), "explain", transient=True):
        here = slice(start, start + step)
        pixels = photos.images[here]
        guides = guide_images(poolings, pixels, batch_size, pixels.device, to_rgb=colors)
        found: dict[str, list[PhotoMaps]] = {}
        for answer in answers:
            explained = answer.explain(here, named_methods, target, names)
            painted = shown.mask[here].numpy() if shown.mask is not None and paint_outside else None
            said_classes = [names[each] if names else f"class {each}" for each in explained.target.tolist()]
            labels = shown.origin[here] or said_classes
            found[answer.name] = _photo_maps(
                explained, photos.names[here], color_images(pixels, colors), guides, magnitude, labels, painted
            )
            for position, each in enumerate(found[answer.name]):
                stem = file_name(each.name if len(models) == 1 else f"{each.name}_{answer.name}")
                save = partial(_save, each=each, image=pixels[position], explained=explained, position=position)
                write_atomic(run.path / f"{stem}.npz", save)
                if layout == "photos":
                    _write(run.path, stem, photo_figure(each, said), formats)
        for page in range(0, len(photos.images[here]), PHOTOS_ON_A_PAGE if layout != "photos" else step + 1):
            on_page = {name: each[page : page + PHOTOS_ON_A_PAGE] for name, each in found.items()}
            number = (start + page) // PHOTOS_ON_A_PAGE + 1
            for stem, figure in _grids(on_page, list(named_methods), layout, said):
                _write(run.path, file_name(f"{stem}_page{number:02d}"), figure, formats)
    return run.path


def _photo_maps(
    explained: ExplainedPhotos,
    names: Sequence[str],
    photos: Tensor,
    guides: Mapping[str, Guidance],
    magnitude: Magnitude,
    labels: Sequence[str],
    painted: NDArray[np.bool_] | None,
) -> list[PhotoMaps]:
    # what is painted black is black in every map
    seen = np.ones(len(labels), bool)[:, None, None] if painted is None else painted
    segments = segments_among(guides)
    poolings = [pooling_of(name, guidance) for name, guidance in guides.items()]
    pixel = {method: saliency_map(value).numpy() * seen for method, value in explained.attributions.items()}
    pooled = {
        method: {each.name: saliency_map(each.pool(value, magnitude)).numpy() * seen for each in poolings}
        for method, value in explained.attributions.items()
    }
    return [
        PhotoMaps(
            name=name,
            photo=photo.permute(1, 2, 0).numpy(),
            label=labels[row],
            probability=float(explained.probability[row]),
            segments={key: ids[row].numpy() for key, ids in segments.items()},
            pixel={method: each[row] for method, each in pixel.items()},
            pooled={method: {key: each[row] for key, each in of.items()} for method, of in pooled.items()},
        )
        for row, (name, photo) in enumerate(zip(names, photos, strict=True))
    ]


def _grids(
    found: Mapping[str, Sequence[PhotoMaps]], methods: Sequence[str], layout: Layout, said: str
) -> Iterator[tuple[str, Figure]]:
    """Yield the grids of a page with the stems of their files; titles end with what is said of the photos."""
    if layout == "methods":
        for model, maps in found.items():
            yield (
                f"methods_{model}",
                maps_grid(dict.fromkeys(methods, maps), {m: m for m in methods}, _title(model, said)),
            )
    elif layout == "models":
        for method in methods:
            yield f"models_{method}", maps_grid(found, dict.fromkeys(found, method), _title(method, said))


def _title(name: str, said: str) -> str:
    return f"{name}: {said}" if said else name


def _scope(region: Region | None) -> str:
    if region is None:
        return "the mean patch score is explained"
    return f"the mean score of patches in rows {region[0]} to {region[2]}, columns {region[1]} to {region[3]}"


def _save(path: Path, each: PhotoMaps, image: Tensor, explained: ExplainedPhotos, position: int) -> None:
    arrays: dict[str, Any] = {"image": image.numpy()}
    arrays |= {"target": explained.target[position].numpy(), "probability": np.array(each.probability)}
    arrays |= {f"segments/{name}": ids for name, ids in each.segments.items()}
    arrays |= {f"attribution/{name}": value[position].numpy() for name, value in explained.attributions.items()}
    arrays |= {f"pixel/{name}": value for name, value in each.pixel.items()}
    arrays |= {f"pooled/{method}/{name}": value for method, of in each.pooled.items() for name, value in of.items()}
    np.savez_compressed(path, **arrays)


def _write(folder: Path, stem: str, figure: Figure, formats: Sequence[Format] | None) -> None:
    save_figure(folder, stem, figure, formats or ["png"], dpi=PAPER_DPI)
