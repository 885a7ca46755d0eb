"""The environment in which a run is made: versions, commit, machine, and the settings that change rounding."""

import os
import platform
import subprocess
from collections.abc import Callable
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

import lightning_spx

# numba and triton compute segments and SSIM where they have wheels; captum computes its own methods
PACKAGES = (
    *("torch", "torchvision", "lightning", "torchmetrics", "scikit-image", "numpy", "scipy", "pandas", "pyarrow"),
    *("pillow", "numba", "triton", "captum", "timm"),
)
# these variables change rounding, or how work is split, and the configuration does not show them
ENVIRONMENT = (
    *("OMP_NUM_THREADS", "MKL_NUM_THREADS", "MKL_CBWR", "ONEDNN_MAX_CPU_ISA", "ATEN_CPU_CAPABILITY"),
    *("CUBLAS_WORKSPACE_CONFIG", "NVIDIA_TF32_OVERRIDE", "TORCH_ALLOW_TF32_CUBLAS_OVERRIDE", "PYTHONHASHSEED"),
)


def environment() -> dict[str, object]:
    """Return versions, the source's commit, the machine, and the settings of the process that change rounding.

    Call it after the Trainer is made, because the Trainer chooses deterministic algorithms.

    Example:
        >>> here = environment()
        >>> sorted(here)[:8]
        ['commit', 'cpu', 'deterministic', 'device', 'environment', 'gpu', 'host', 'platform']
        >>> sorted(here)[8:]
        ['precision', 'python', 'threads', 'versions']
    """
    import torch  # imported late: what only reads a record does without it

    return {
        "versions": {"lightning_spx": lightning_spx.__version__, **{name: _version(name) for name in PACKAGES}},
        "commit": _commit(),
        "python": platform.python_version(),
        "platform": platform.platform(),
        "host": platform.node(),
        "device": torch.cuda.get_device_name() if torch.cuda.is_available() else "cpu",
        "cpu": {"model": _cpu_model(), "instructions": torch.backends.cpu.get_cpu_capability()},
        "gpu": _gpu() if torch.cuda.is_available() else None,
        "threads": torch.get_num_threads(),
        "deterministic": {
            "algorithms": torch.are_deterministic_algorithms_enabled(),
            "warn_only": torch.is_deterministic_algorithms_warn_only_enabled(),
            "cudnn_deterministic": torch.backends.cudnn.deterministic,
            "cudnn_benchmark": torch.backends.cudnn.benchmark,
        },
        "precision": {
            "float32_matmul": torch.get_float32_matmul_precision(),
            "cudnn_tf32": torch.backends.cudnn.allow_tf32,
        },
        "environment": {name: os.environ.get(name) for name in ENVIRONMENT},
    }


def _version(name: str) -> str | None:
    try:
        return version(name)
    except PackageNotFoundError:
        return None


def _commit() -> str | None:
    """Return the commit of the package's checkout; None for an installed package or without git."""
    folder = str(Path(lightning_spx.__file__).parent)
    return _said(["git", "-C", folder, "describe", "--always", "--dirty", "--abbrev=40"])


def _cpu_model() -> str:
    """Return the name of the processor; Linux knows it better than Python does."""
    known = Path("/proc/cpuinfo")
    lines = known.read_text(encoding="utf-8", errors="replace").splitlines() if known.is_file() else []
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.processor()


def _gpu() -> dict[str, object]:
    import torch

    major, minor = torch.cuda.get_device_capability()
    cudnn: Callable[[], int | None] = torch.backends.cudnn.version
    return {
        "count": torch.cuda.device_count(),
        "capability": f"{major}.{minor}",
        "cuda": torch.version.cuda,
        "cudnn": cudnn(),
        "driver": _said(["nvidia-smi", "--query-gpu=driver_version", "--format=csv,noheader", "--id=0"]),
    }


def _said(command: list[str]) -> str | None:
    """Return what a program prints; None if it is missing or fails."""
    try:
        return subprocess.run(command, capture_output=True, text=True, check=True, timeout=10).stdout.strip()
    except (OSError, subprocess.SubprocessError):
        return None
