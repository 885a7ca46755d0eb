"""The default settings of the commands: small enough for any machine, and without a download."""

from typing import Any

# no file, no download, minutes on two cores; configs/stability/synthetic.yaml spells these defaults out
STABILITY_DEFAULTS: dict[str, Any] = {
    "data": {"class_path": "lightning_spx.data.SyntheticBirdsDataModule", "init_args": {"plan": "disjoint"}},
    "model": {
        "class_path": "lightning_spx.models.ImageClassifier",
        "init_args": {
            "network": {"class_path": "lightning_spx.models.SmallResNet"},
            "optimizer": {
                "class_path": "torch.optim.SGD",
                "init_args": {"lr": 0.1, "momentum": 0.9, "nesterov": True, "weight_decay": 0.0005},
            },
        },
    },
    "trainer.max_epochs": 8,
    "trainer.logger": False,
    "trainer.enable_checkpointing": False,
    "trainer.enable_model_summary": False,
    "methods": [
        {"class_path": "lightning_spx.attribution.Gradient"},
        {"class_path": "lightning_spx.attribution.InputXGradient"},
        {"class_path": "lightning_spx.attribution.IntegratedGradients", "init_args": {"num_steps": 20}},
        {"class_path": "lightning_spx.attribution.SmoothGrad", "init_args": {"num_samples": 20}},
    ],
    "superpixels": [{"class_path": "lightning_spx.superpixels.Slic", "init_args": {"n_segments": 64}}],
    "magnitudes": ["after", "before"],
    "distances": ["l2", "spearman"],
}
TRADEOFF_DEFAULTS: dict[str, Any] = {
    **{name: value for name, value in STABILITY_DEFAULTS.items() if name not in ("methods", "distances")},
    "methods": STABILITY_DEFAULTS["methods"][::2],
    "sizes": [16, 64],
    "num_images": 100,
}
ROAR_DEFAULTS: dict[str, Any] = {
    **{name: STABILITY_DEFAULTS[name] for name in STABILITY_DEFAULTS if name not in ("magnitudes", "distances")},
    "data": {"class_path": "lightning_spx.data.SyntheticBirdsDataModule"},
    "methods": STABILITY_DEFAULTS["methods"][:1],
    # a progress bar for each of many trainings would hide the study's own
    "trainer.enable_progress_bar": False,
}
# the models come from a run or from checkpoints, and nothing is trained
ENSEMBLE_DEFAULTS: dict[str, Any] = {name: value for name, value in STABILITY_DEFAULTS.items() if name != "distances"}
BENCH_DEFAULTS: dict[str, Any] = {
    "network.network": {"class_path": "torchvision.models.resnet50"},
    "methods": [
        {"class_path": "lightning_spx.attribution.Gradient"},
        {"class_path": "lightning_spx.attribution.GradCAM"},
        {"class_path": "lightning_spx.attribution.IntegratedGradients"},
        {"class_path": "lightning_spx.attribution.SmoothGrad"},
    ],
    "superpixels": [{"class_path": "lightning_spx.superpixels.Slic"}],
    "sections": ["segments", "metrics", "pooled", "gradients"],
}
