"""Discriminators of a CycleGAN, explained like any model: pictures, and stability between two of them."""

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
from PIL import Image

from lightning_spx.attribution import input_gradient, saliency_map
from lightning_spx.cli import main
from lightning_spx.metrics import saliency_ssim
from lightning_spx.models import CycleGAN, separation_auc
from tests.command_line import BIRDS, Captured, refusal
from tests.models.test_cyclegan import quiet, tiny
from tests.models.test_original_cyclegan import discriminator, generator


@pytest.fixture(autouse=True)
def in_a_folder_of_its_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("sys.argv", ["spx"])


@pytest.fixture
def domains() -> str:
    generator = np.random.default_rng(0)
    for name, count in (("trainA", 8), ("trainB", 8), ("testA", 5), ("testB", 6)):
        Path("photos", name).mkdir(parents=True)
        for number in range(count):
            pixels = generator.integers(0, 256, (16, 16, 3), dtype=np.uint8)
            Image.fromarray(pixels).save(Path("photos", name, f"{number}.png"))
    return "photos"


def checkpoint(seed: int) -> str:
    torch.manual_seed(seed)
    trainer = quiet()
    trainer.strategy.connect(tiny())
    trainer.save_checkpoint(f"{seed}.ckpt")
    return f"{seed}.ckpt"


def images_of(folder: str) -> torch.Tensor:
    arrays = [np.array(Image.open(path)) for path in sorted(Path(folder).iterdir())]
    return torch.from_numpy(np.stack(arrays)).permute(0, 3, 1, 2) / 255


@pytest.mark.parametrize("part", ["discriminator_a", "discriminator_b"])
def test_explain_shows_real_and_translated_photos(domains: str, part: str) -> None:
    path = checkpoint(0)
    own, other = ("A", "B") if part.endswith("a") else ("B", "A")
    words = ["explain", f"{domains}/test{own}", f"--ckpt={path}", f"--part={part}", "--image_size=16"]
    words += [f"--translated_from=[{domains}/test{other}]", "--methods=[Gradient]", "--layout=methods", "--out=out"]
    main(words)
    model = CycleGAN.load_from_checkpoint(path, weights_only=True).eval()
    score = model.discriminator_a if own == "A" else model.discriminator_b
    real, translated = images_of(f"{domains}/test{own}"), images_of(f"{domains}/test{other}")
    with torch.no_grad():
        translated = model.translate(translated, to="a" if own == "A" else "b")
    for images, ending in ((real, ""), (translated, "_translated")):
        for number, image in enumerate(images):
            arrays = np.load(f"out/{number}{ending}.npz")
            assert np.allclose(arrays["image"], image, atol=1e-6)
            with torch.no_grad():
                expected = score(image[None]).mean()
            assert arrays["probability"] == pytest.approx(float(expected), abs=1e-5)
            inputs = image[None].clone().requires_grad_()
            (gradient,) = torch.autograd.grad(score(inputs).mean(), inputs)
            assert np.allclose(arrays["attribution/Gradient"], gradient[0], atol=1e-6)
    assert Path("out/methods_0_page01.png").is_file()


def test_a_single_patch_can_be_chosen(domains: str) -> None:
    path = checkpoint(0)
    words = ["explain", f"{domains}/testA", f"--ckpt={path}", "--part=discriminator_a", "--image_size=16"]
    main([*words, "--region=[1,2,1,2]", "--methods=[Gradient]", "--out=out"])
    model = CycleGAN.load_from_checkpoint(path, weights_only=True).eval()
    image = images_of(f"{domains}/testA")[:1].requires_grad_()
    (gradient,) = torch.autograd.grad(model.discriminator_a(image)[0, 0, 1, 2], image)
    assert np.allclose(np.load("out/0.npz")["attribution/Gradient"], gradient[0], atol=1e-6)


def test_stability_between_two_discriminators(domains: str) -> None:
    paths = [checkpoint(0), checkpoint(1)]
    main([*STUDY, f"--data.root={domains}", f"--checkpoints=[{','.join(paths)}]", "--part=discriminator_b"])
    results = pd.read_csv("run/results.csv")
    record = json.loads(Path("run/run.json").read_text())
    real = images_of(f"{domains}/testB")
    models = [CycleGAN.load_from_checkpoint(path, weights_only=True).eval() for path in paths]
    maps = [saliency_map(input_gradient(model.score("discriminator_b"), real, None)) for model in models]
    row = results.query("superpixels == 'pixel' and metric == 'saliency_ssim'").iloc[0]
    assert row["num_images"] == 6
    assert row["value"] == pytest.approx(float(saliency_ssim(maps[0], maps[1]).mean()), abs=1e-4)
    assert results["superpixels"].str.startswith("control:").any()
    with torch.no_grad():
        fake = models[0].translate(images_of(f"{domains}/testA"), to="b")
        auc, low, high = separation_auc(
            models[0].score("discriminator_b")(real), models[0].score("discriminator_b")(fake)
        )
    entry = record["models"]["repeat0-model0"]
    assert (entry["auc"], entry["auc_low"], entry["auc_high"]) == pytest.approx((auc, low, high), abs=1e-6)
    assert entry["network"] == "CycleGAN discriminator_b"


STUDY = [
    *("stability", "--data=UnpairedDataModule", "--data.image_size=16", "--data.batch_size=2", "--model=CycleGAN"),
    *("--model.num_blocks=1", "--model.generator_channels=4", "--model.num_layers=1"),
    *(
        "--model.optimizer=null",
        "--model.discriminator_channels=4",
        "--model.pool_size=3",
        "--methods=[Gradient]",
        "--distances=[l2]",
    ),
    *("--num_images=6", "--num_resamples=20", "--trainer.accelerator=cpu", "--trainer.enable_progress_bar=false"),
    *("--trainer.max_epochs=1", "--out=run", "--superpixels=[{class_path: Grid, init_args: {n_segments: 16}}]"),
]


def test_two_are_trained_on_disjoint_parts_and_compared(domains: str) -> None:
    plan = ["--data.plan=disjoint", "--data.num_parts=2", "--num_images=5", "--sanity_stages=1"]
    main([*STUDY, f"--data.root={domains}", *plan, "--part=discriminator_a"])
    parts = json.loads(Path("run/splits.json").read_text())[0]["parts"]
    assert not set(parts[0]) & set(parts[1])
    weights = [
        torch.load(path, weights_only=True)["state_dict"] for path in sorted(Path("run").glob("checkpoints/*.ckpt"))
    ]
    assert len(weights) == 2
    assert not torch.equal(*(each["discriminator_a.layers.0.weight"] for each in weights))
    assert "sanity_ssim" in set(pd.read_csv("run/results.csv")["metric"])
    main(["report", "run"])
    assert "AUC of real against translated" in Path("run/report.html").read_text()


def original_file(seed: int, name: str) -> tuple[str, torch.nn.Module]:
    """A discriminator as the original code of CycleGAN saves it."""
    torch.manual_seed(seed)
    network = discriminator(1, 4)
    torch.save(network.state_dict(), f"{seed}_net_{name}.pth")
    return f"{seed}_net_{name}.pth", network


def test_a_file_of_the_original_code_is_explained(domains: str, capsys: Captured) -> None:
    path, original = original_file(0, "D_A")
    words = ["explain", f"{domains}/testB", f"--ckpt={path}", "--image_size=16", "--methods=[Gradient]", "--out=out"]
    main([*words, "--part=discriminator_b"])
    image = images_of(f"{domains}/testB")[:1].requires_grad_()
    (gradient,) = torch.autograd.grad(original(2 * image - 1).mean(), image)
    assert np.allclose(np.load("out/0.npz")["attribution/Gradient"], gradient[0], atol=1e-6)
    # D_A judges what G_A makes: images of B
    assert "to be discriminator_b for" in refusal(capsys, [*words, "--part=discriminator_a"])
    assert "of a whole CycleGAN for `translated_from`" in refusal(
        capsys, [*words, "--part=discriminator_b", f"--translated_from=[{domains}/testA]"]
    )
    torch.save(generator(2, 1, False).state_dict(), "latest_net_G_A.pth")
    words = ["explain", f"{domains}/testB", "--ckpt=latest_net_G_A.pth", "--image_size=16", "--part=discriminator_b"]
    assert "but it is a generator of the original CycleGAN code" in refusal(capsys, words)


def test_stability_between_two_files_of_the_original_code(domains: str) -> None:
    (first, one), (second, other) = original_file(0, "D_A"), original_file(1, "D_A")
    words = [*STUDY, f"--data.root={domains}", f"--checkpoints=[{first},{second}]", "--part=discriminator_b"]
    main(words)
    row = pd.read_csv("run/results.csv").query("superpixels == 'pixel' and metric == 'saliency_ssim'").iloc[0]
    images = images_of(f"{domains}/testB").requires_grad_()
    maps = []
    for network in (one, other):
        (gradient,) = torch.autograd.grad(network(2 * images - 1).mean((1, 2, 3)).sum(), images)
        maps.append(saliency_map(gradient))
    assert row["value"] == pytest.approx(float(saliency_ssim(maps[0], maps[1]).mean()), abs=1e-4)
    assert json.loads(Path("run/run.json").read_text())["models"]["repeat0-model0"]["network"].startswith("original")
    main(["report", "run"])


def test_bad_words_are_refused_in_a_line(domains: str, capsys: Captured) -> None:
    path = checkpoint(0)
    explain = ["explain", f"{domains}/testA", "--image_size=16", "--methods=[Gradient]"]
    assert "discriminator_b" in refusal(capsys, [*explain, f"--ckpt={path}", "--part=generator"])
    assert "`part` with `checkpoints`" in refusal(capsys, [*explain, "--part=discriminator_a"])
    assert "`part` with `region`" in refusal(capsys, [*explain, f"--ckpt={path}", "--region=[0,0,0,0]"])
    broken = [*explain, f"--ckpt={path}", "--part=discriminator_a"]
    assert "`region` within 6 x 6 patches" in refusal(capsys, [*broken, "--region=[0,0,7,7]"])
    assert "no `target` for 0, which gives one number" in refusal(capsys, [*broken, "--target=0"])
    assert "or `part` for one of CycleGAN" in refusal(capsys, [*explain, f"--ckpt={path}"])
    assert "Expected `part`, discriminator_a or" in refusal(capsys, [*STUDY, f"--data.root={domains}"])
    Path("text.ckpt").write_text("no checkpoint")
    assert "checkpoint of CycleGAN" in refusal(capsys, [*explain, "--ckpt=text.ckpt", "--part=discriminator_a"])
    words = [*STUDY, f"--data.root={domains}", f"--checkpoints=[{path},{path}]"]
    assert "at most 5, the images of discriminator_a, got 6" in refusal(capsys, [*words, "--part=discriminator_a"])
    others = ["stability", *BIRDS, "--part=discriminator_a", "--methods=[Gradient]", "--out=other"]
    assert "`data` to be UnpairedDataModule" in refusal(capsys, others)
