"""What a CPU computes with: its vector instructions, and whether bf16 has any or is emulated."""

import os
import platform
import re
from dataclasses import dataclass
from pathlib import Path

import torch

# flags of /proc/cpuinfo: x86-64 with AVX-512 or AMX, 64-bit ARM with NEON or SVE
BF16 = ("amx_bf16", "avx512_bf16", "svebf16", "bf16")
LIMIT = "ONEDNN_MAX_CPU_ISA"
# limits of oneDNN under which it computes bf16 with other instructions
LIMITS_WITHOUT_BF16 = ("SSE41", "AVX", "AVX2", "AVX2_VNNI", "AVX2_VNNI_2", "AVX512_CORE", "AVX512_CORE_VNNI")


@dataclass(frozen=True)
class Processor:
    """Instructions of a processor, as far as PyTorch uses them.

    Args:
        vectors: vector instructions that PyTorch has chosen, such as AVX2.
        bf16: names of the instructions for bf16; None if the system does not tell.
        limit: what `ONEDNN_MAX_CPU_ISA` allows; None if it is not set.

    Example:
        >>> print(Processor("AVX2", (), None))
        processor: AVX2, no bf16 instructions
        >>> print(Processor("AVX512", ("amx_bf16", "avx512_bf16"), "AVX2"))
        processor: AVX512, bf16 by amx_bf16 and avx512_bf16; ONEDNN_MAX_CPU_ISA=AVX2 limits convolutions and products
    """

    vectors: str
    bf16: tuple[str, ...] | None
    limit: str | None

    @classmethod
    def here(cls, known: Path = Path("/proc/cpuinfo")) -> "Processor":
        """Return the processor of this machine.

        Args:
            known: where Linux lists the flags of each core.

        Example:
            >>> Processor.here().vectors == torch.backends.cpu.get_cpu_capability()
            True
        """
        text = known.read_text(encoding="utf-8", errors="replace") if known.is_file() else ""
        lines = re.findall(r"^(?:flags|Features)\s*:(.*)$", text, re.MULTILINE)
        flags = set(lines[0].split()) if lines else None
        found = None if flags is None else tuple(name for name in BF16 if name in flags)
        vectors = torch.backends.cpu.get_cpu_capability()
        return cls(vectors if vectors != "NO AVX" else platform.machine(), found, os.environ.get(LIMIT))

    def __str__(self) -> str:
        """Return one line that says what there is."""
        has = "whether bf16 has instructions is unknown" if self.bf16 is None else "no bf16 instructions"
        if self.bf16:
            has = f"bf16 by {' and '.join(self.bf16)}"
        limited = f"; {LIMIT}={self.limit} limits convolutions and products" if self.limit else ""
        return f"processor: {self.vectors}, {has}{limited}"

    @property
    def emulates_bf16(self) -> bool:
        """Whether bf16 is computed with instructions for other types, which takes many times as long.

        Example:
            >>> [Processor("AVX512", ("amx_bf16",), limit).emulates_bf16 for limit in (None, "AVX2")]
            [False, True]
        """
        return self.bf16 == () or (self.limit or "").upper() in LIMITS_WITHOUT_BF16
