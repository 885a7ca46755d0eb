"""Makes the names of numbers and pictures safe for every logger, whatever the user's classes and layers are called."""

import hashlib
import re

# what W&B, TensorBoard, Comet and Lightning's MLflow logger all keep as it is; a slash begins another part
REPLACED = re.compile(r"[^A-Za-z0-9_. -]")
# of the text of an object with settings, as in `Grid(n_segments=[4, 8])`, where a hyphen tells as much
PUNCTUATION = "()[]{}<>=,:;'\"\\|"
# MLflow takes keys of 250 characters, and a key has at most three parts that are as long as a user likes
LONGEST_PART = 60


def safe_key(key: str) -> str:
    """Return a key that every logger takes: parts of letters, digits, `_`, `.`, `-` and spaces, with slashes between.

    Brackets and the like become hyphens. Any other character becomes its code point, so that names in all scripts stay
    apart. A part of more than 60 characters ends with a digest of it.

    Example:
        >>> safe_key("val/mege/S-SmoothGrad(num_samples=4)/Slic/value")
        'val/mege/S-SmoothGrad-num_samples-4/Slic/value'
        >>> safe_key("val/mege/Gradient/50%/value"), safe_key("../a//b")
        ('val/mege/Gradient/50-x25/value', 'x2e2e/a/b')
    """
    parts = [_safe_part(part) for part in key.split("/")]
    return "/".join(part for part in parts if part) or "-"


def _safe_part(part: str) -> str:
    safe = REPLACED.sub(lambda found: "-" if found[0] in PUNCTUATION else f"-x{ord(found[0]):x}-", part)
    safe = safe.rstrip("- ").lstrip(" ")
    if set(safe) == {"."}:
        # a store of folders would take it for the folder above
        safe = f"x{'2e' * len(safe)}"
    if len(safe) > LONGEST_PART:
        digest = hashlib.sha256(part.encode()).hexdigest()[:8]
        safe = f"{safe[: LONGEST_PART - 9]}-{digest}"
    return safe
