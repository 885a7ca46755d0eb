"""Which instructions a processor has, and when bf16 is said to be emulated."""

from pathlib import Path

import pytest
import torch

from lightning_spx.cli import main
from lightning_spx.evaluation.benchmark.processor import BF16, Processor


@pytest.mark.parametrize(
    ("line", "found"),
    [
        ("flags\t\t: fpu avx avx2 avx512f avx512_bf16 amx_bf16", ("amx_bf16", "avx512_bf16")),
        ("flags\t\t: fpu avx avx2", ()),
        ("Features\t: fp asimd svebf16 bf16", ("svebf16", "bf16")),
        ("model name : a processor without flags", None),
    ],
)
def test_flags_are_read_from_the_first_core(line: str, found: tuple[str, ...] | None, tmp_path: Path) -> None:
    second = "" if found is None else "processor : 1\nflags : avx\n"
    (tmp_path / "cpuinfo").write_text(f"processor : 0\n{line}\n{second}")
    assert Processor.here(tmp_path / "cpuinfo").bf16 == found


def test_a_system_that_does_not_tell_is_not_warned_of(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("ONEDNN_MAX_CPU_ISA", raising=False)
    unknown = Processor.here(tmp_path / "nothing")
    assert unknown.bf16 is None
    assert not unknown.emulates_bf16
    assert "unknown" in str(unknown)


@pytest.mark.parametrize(("limit", "emulated"), [("AVX2", True), ("avx512_core", True), ("AVX512_CORE_AMX", False)])
def test_a_limit_of_onednn_counts(limit: str, emulated: bool) -> None:
    assert Processor("AVX512", BF16[:2], limit).emulates_bf16 is emulated


@pytest.mark.parametrize("precision", ["fp32", "bf16"])
def test_the_command_says_it_and_warns_where_bf16_is_asked_for(
    precision: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("ONEDNN_MAX_CPU_ISA", "AVX2")  # read once by oneDNN, before this test: nothing else changes
    method = f"--methods=[{{class_path: Gradient, init_args: {{precision: {precision}}}}}]"
    words = ["--network.network=lightning_spx.models.SmallResNet", "--image_size=16", "--superpixels=[Grid]", method]
    words += ["--sections=[segments]", "--batch_sizes=[1]", "--repeats=1", "--device=cpu", f"--out={tmp_path}/run"]
    main(["bench", *words])
    printed = capsys.readouterr().out
    assert f"processor: {torch.backends.cpu.get_cpu_capability()}" in printed
    assert "ONEDNN_MAX_CPU_ISA=AVX2 limits" in printed
    assert ("Warning: bf16 is emulated" in printed) == (precision == "bf16")
