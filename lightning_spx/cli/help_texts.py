"""The words of the short help, and nothing that takes time to import; a test compares settings and defaults."""

from collections.abc import Sequence
from dataclasses import dataclass

FIRST = "stability"
LIGHTNING = ("fit", "validate", "test", "predict")
ALL_METHODS = "Gradient, InputXGradient, IntegratedGradients, SmoothGrad"


@dataclass(frozen=True)
class Setting:
    """One setting in the short help.

    Args:
        name: of the setting.
        words: what it is.
        default: as it is shown; empty without one.
        option: whether it is written with two dashes.
    """

    name: str
    words: str
    default: str = ""
    option: bool = True


@dataclass(frozen=True)
class Help:
    """The short help of one command.

    Args:
        summary: what the command does, for the list of commands.
        more: what a user needs to know before the first start.
        examples: command lines that run.
        settings: those that matter.
    """

    summary: str
    more: str
    examples: Sequence[str]
    settings: Sequence[Setting]


RUN = Setting("run", "the folder of a finished study", option=False)
PHOTOS = Setting("images", "files, folders and patterns such as 'birds/*.jpg'", option=False)
CONFIG = Setting("config", "a YAML file with settings, as --print_config prints it; later words override it")
OUT = Setting("out", "the run folder; by default under runs/, named after the settings")
PHOTOS_OUT = Setting("out", "the folder of the files; by default under runs/, named after the settings")
DATA = Setting("data", "the images, a data module, with settings such as --data.root", "SyntheticBirdsDataModule")
MODEL = Setting("model", "what is trained, or what the checkpoints are of: a class or function", "ImageClassifier")
METHODS = "attribution methods; `spx methods` lists them"
SEGMENTERS = "super-pixel algorithms; `spx superpixels` lists them"
SUPERPIXELS = "super-pixel algorithms and filters; `spx superpixels` lists them"
EPOCHS = Setting("trainer.max_epochs", "epochs of each training", "8")
MEAN = Setting("mean", "channel means of a model's own normalization, with --std; by default what the model says")
TABLES = Setting("tables", "print all tables, not only the one that fits on a screen", "false")
SEED = Setting("seed", "seeds weights, noise, the choice of images, controls and intervals", "0")
PHOTO_SIZE = Setting("image_size", "side in pixels of the central square that is taken", "224")

TRAINER = (
    CONFIG,
    Setting("data", "the images, a data module of this package or yours, with settings such as --data.root"),
    Setting("model", "a LightningModule of this package, such as ImageClassifier, or yours"),
    Setting("ckpt_path", "the checkpoint to go on from, or `last`"),
    Setting("seed_everything", "the seed of all random numbers; true draws one", "true"),
    Setting("trainer.accelerator", "cpu, gpu or other hardware", "auto"),
    Setting("trainer.devices", "number of devices, or a list of them", "auto"),
    Setting("trainer.logger", "a logger such as WandbLogger; by default TensorBoard or CSV files"),
    Setting("trainer.callbacks", "callbacks such as SaliencyEvaluator; --trainer.callbacks+ adds one"),
)
FIT = (
    *TRAINER,
    Setting("trainer.max_epochs", "number of epochs; by default 1000"),
    Setting("optimizer", "an optimizer in the place of the model's own"),
)

# the way in comes first
HELP: dict[str, Help] = {
    "stability": Help(
        "Train models and measure how far their saliency maps agree",
        "The models train on disjoint data. Without settings it draws birds, trains two small networks and answers in "
        "minutes. The same command resumes a run that was stopped.",
        (
            "spx stability",
            "spx stability --data ImageFolderDataModule --data.root DATA --data.num_parts 4",
            'spx stability --model my_module.Net --checkpoints "[a.ckpt,b.ckpt]" --out runs/mine',
        ),
        (
            CONFIG,
            DATA,
            MODEL,
            Setting("plans", "what differs between models: seeds, disjoint (images), models; or several"),
            Setting("checkpoints", "load these weights instead of training, one file for each part of the data"),
            Setting("models", "compare these networks with their weights instead of training"),
            Setting("methods", METHODS, ALL_METHODS),
            Setting("superpixels", SUPERPIXELS, "Slic"),
            Setting("num_images", "number of images to explain", "200"),
            Setting("repeats", "independent splits and seeds; intervals cover them", "1"),
            Setting("sanity_stages", "randomize each model in so many stages, and see whether its maps change", "0"),
            EPOCHS,
            TABLES,
            OUT,
        ),
    ),
    "explain": Help(
        "Explain photos with a model, as pictures and arrays",
        "It explains each photo's prediction, by pixel and by super-pixel.",
        (
            "spx explain photos --checkpoints last.ckpt",
            "spx explain a.jpg b.jpg --model timm.create_model --model.model_name resnet18 --weights resnet18.pth",
            "spx explain photos --checkpoints last.ckpt --methods GradCAM --layout methods",
        ),
        (
            PHOTOS,
            Setting("checkpoints", "a file of weights for each model"),
            Setting("model", "class or function of the model, for weights that do not come from this package"),
            Setting("weights", "weights of a single model"),
            Setting("methods", METHODS, ALL_METHODS),
            Setting("superpixels", SUPERPIXELS, "Slic"),
            MEAN,
            Setting("target", "the class to explain, by index or name; by default each photo's prediction"),
            Setting("layout", "a picture for each photo, or grids of `methods` or `models`", "photos"),
            PHOTO_SIZE,
            PHOTOS_OUT,
        ),
    ),
    "tradeoff": Help(
        "Measure stability against fidelity, and recommend super-pixels",
        "It goes over methods, algorithms and sizes. Stability alone favors maps that show nothing; this asks what "
        "stable maps still say about the model.",
        (
            "spx tradeoff",
            'spx tradeoff --sizes "[16,64,256]" --against insertion',
            'spx tradeoff --images photos --checkpoints "[a.ckpt,b.ckpt]" --out runs/tradeoff',
        ),
        (
            CONFIG,
            DATA,
            MODEL,
            Setting("checkpoints", "load these weights instead of training"),
            Setting("images", "photos instead of --data: files, folders and patterns"),
            Setting("methods", METHODS, "Gradient, IntegratedGradients"),
            Setting("superpixels", SUPERPIXELS, "Slic"),
            Setting("sizes", "numbers of segments that each algorithm is used with", "16, 64"),
            Setting("against", "the metric of fidelity: road, insertion or deletion", "road"),
            Setting("num_images", "number of images to explain", "100"),
            EPOCHS,
            TABLES,
            OUT,
        ),
    ),
    "ensemble": Help(
        "Average the maps of several models, or pool those of one",
        "How much better do mean maps of m models agree with those of m others, and how many models is pooling worth? "
        "It trains nothing: it takes the models of a run, at least four.",
        (
            "spx ensemble --run runs/mine",
            "spx ensemble --run runs/mine --methods GradCAM --num_images 500",
            'spx ensemble --model my_module.Net --checkpoints "[a.ckpt,b.ckpt,c.ckpt,d.ckpt]" --data.root DATA',
        ),
        (
            CONFIG,
            Setting("run", "a folder of `spx stability`, whose models, data and settings of both are taken"),
            Setting("checkpoints", "files of weights in the place of a run, one for each model"),
            DATA,
            MODEL,
            Setting("methods", METHODS, ALL_METHODS),
            Setting("superpixels", SUPERPIXELS, "Slic"),
            Setting("num_images", "number of images to explain", "200"),
            Setting("num_assignments", "ways to assign models to two groups, for each number of models", "50"),
            TABLES,
            OUT,
        ),
    ),
    "roar": Help(
        "Remove salient pixels, train again, measure the accuracy left",
        "A method finds what counts if accuracy falls faster than with random pixels. It trains many networks.",
        (
            "spx roar",
            'spx roar --removal kar --percentages "[10,50,90]"',
            "spx roar --data ImageFolderDataModule --data.root DATA --checkpoint last.ckpt --out runs/roar",
        ),
        (
            CONFIG,
            DATA,
            MODEL,
            Setting("checkpoint", "the network to explain; by default one is trained"),
            Setting("methods", METHODS, "Gradient"),
            Setting("superpixels", SUPERPIXELS, "Slic"),
            Setting("percentages", "percentages of pixels to remove; by default 10, 30, 50, 70 and 90"),
            Setting("removal", "roar removes the most salient pixels, kar keeps them", "roar"),
            Setting("num_seeds", "networks trained for each order and percentage", "3"),
            EPOCHS,
            TABLES,
            OUT,
        ),
    ),
    "report": Help(
        "Write a finished study as one page, and print its verdict",
        "It is an HTML page that needs no network and no other file.",
        (
            "spx report runs/mine",
            "spx report runs/mine --out mine.html",
            "spx report .",
        ),
        (RUN, Setting("out", "the file to write; by default report.html in the run folder")),
    ),
    "rerun": Help(
        "Repeat a study from its folder and compare all numbers",
        "They are compared bit for bit. It says what could make them differ: versions, machine, settings or data.",
        (
            "spx rerun runs/mine",
            "spx rerun runs/mine --out runs/again",
            "cd project && spx rerun /elsewhere/runs/mine",
        ),
        (RUN, Setting("out", "the folder of the repetition; by default the name of the run with -rerun appended")),
    ),
    "segment": Help(
        "Draw the super-pixels of photos by several algorithms",
        "It also times them, on one thread.",
        (
            "spx segment photos",
            'spx segment a.jpg --superpixels "[Slic,Grid]"',
            "spx segment 'birds/*.jpg' --superpixels Slic --superpixels.n_segments 200 --formats pdf",
        ),
        (
            PHOTOS,
            Setting("superpixels", SEGMENTERS, "Slic, Felzenszwalb, Quickshift, Watershed, Grid, Voronoi"),
            PHOTO_SIZE,
            Setting("channels", "channels of the images: 3 for color photos, 1 for gray ones", "3"),
            Setting("repeats", "how often each algorithm is timed", "3"),
            Setting("formats", "of the pictures: png, pdf, svg; by default png"),
            Setting("strict", "fail on a file that cannot be read, instead of skipping it", "false"),
            PHOTOS_OUT,
        ),
    ),
    "bench": Help(
        "Measure time and memory of methods beside other libraries",
        "What is measured is kept, and not measured again.",
        (
            "spx bench",
            "spx bench --network.network torchvision.models.resnet18 --device cpu",
            'spx bench --methods GradCAM --sections "[gradients]" --batch_sizes "[1,32]"',
        ),
        (
            CONFIG,
            Setting("network.network", "the network to explain", "resnet50"),
            Setting("methods", METHODS, "Gradient, GradCAM, IntegratedGradients, SmoothGrad"),
            Setting("superpixels", SUPERPIXELS, "Slic"),
            Setting("sections", "parts of the table to measure", "segments, metrics, pooled, gradients"),
            PHOTO_SIZE,
            Setting("batch_sizes", "numbers of images at a time; by default 1 and 8"),
            Setting("repeats", "how often each call is timed", "5"),
            Setting("device", "auto takes a GPU if there is one", "auto"),
            PHOTOS_OUT,
        ),
    ),
    "fit": Help(
        "Train a model",
        "SaliencyEvaluator, a callback, follows the stability of its maps.",
        (
            "spx fit --config configs/fit/synthetic.yaml",
            "spx fit --config configs/fit/synthetic.yaml --trainer.callbacks+ SaliencyEvaluator "
            '--trainer.callbacks.references "[other_half.ckpt]"',
            "spx fit --data ImageFolderDataModule --data.root DATA --model ImageClassifier --model.network SmallResNet",
        ),
        FIT,
    ),
    "validate": Help(
        "Score a trained model on the validation images",
        "It needs the data and the model of `spx fit`, best as the file that training kept.",
        (
            "spx validate --config fit.yaml --ckpt_path last.ckpt",
            "spx validate --config fit.yaml --ckpt_path best --trainer.accelerator cpu",
            "spx validate --config fit.yaml --ckpt_path last.ckpt --trainer.limit_val_batches 10",
        ),
        TRAINER,
    ),
    "test": Help(
        "Score a trained model on the test images",
        "It needs the data and the model of `spx fit`, best as the file that training kept.",
        (
            "spx test --config fit.yaml --ckpt_path last.ckpt",
            "spx test --config fit.yaml --ckpt_path last.ckpt --data.root OTHER",
            "spx test --config fit.yaml --ckpt_path last.ckpt --trainer.logger CSVLogger",
        ),
        TRAINER,
    ),
    "predict": Help(
        "Predict with a trained model",
        "With SaliencyEvaluator among the callbacks it writes saliency maps, too.",
        (
            "spx predict --config fit.yaml --ckpt_path last.ckpt",
            "spx predict --config fit.yaml --ckpt_path last.ckpt --return_predictions false",
            "spx predict --config fit.yaml --ckpt_path last.ckpt --trainer.limit_predict_batches 1",
        ),
        TRAINER,
    ),
}
