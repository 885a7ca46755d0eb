"""Names of findings, and the keys that numbers of a finding are logged under."""

from collections.abc import Sequence
from typing import Literal

from lightning_spx.evaluation.maps.findings import Targets, check_targets
from lightning_spx.reporting.safe_keys import safe_key

# what is explained of several findings: the names or numbers of some, or those of each image
FindingTargets = Literal["present", "predicted"] | Sequence[str | int]
# parts of keys that a finding's name must not be mistaken for
RESERVED = ("floor", "excess", "previous", "all", "value", "ci_low", "ci_high", "gain", "gain_low", "gain_high")


def finding_keys(findings: Sequence[str]) -> dict[str, str]:
    """Return the last part of the keys of each finding, by its name: a slash would begin another part.

    Raises:
        ValueError: two names have the same key, or one is that of another number.

    Example:
        >>> finding_keys(["wing", "beak/bill"])
        {'wing': 'wing', 'beak/bill': 'beak-bill'}
    """
    keys: dict[str, str] = {}
    for finding in findings:
        key = finding.replace("/", "-").strip()
        twin = next((name for name, known in keys.items() if safe_key(known) == safe_key(key)), None)
        if twin is not None:
            raise ValueError(
                f"Expected `findings` whose names are different keys, got {twin!r} and {finding!r}, both {key!r}."
            )
        if not key or safe_key(key) in RESERVED:
            raise ValueError(f"Expected `findings` to be names other than {', '.join(RESERVED)}, got {finding!r}.")
        keys[finding] = key
    return keys


def name_findings(given: Sequence[str] | None, count: int) -> tuple[str, ...]:
    """Return the names of a number of findings: those given, or `finding 0` and so on.

    Args:
        given: names in the order of the labels' columns, or None.
        count: number of columns, K.

    Raises:
        ValueError: there are not as many names, or their keys are not different.

    Example:
        >>> name_findings(None, 2)
        ('finding 0', 'finding 1')
    """
    names = tuple(f"finding {number}" for number in range(count)) if given is None else tuple(given)
    if len(names) != count:
        raise ValueError(
            f"Expected `findings` to name the {count} columns of the labels (N, {count}), got {len(names)} names: "
            f"{', '.join(names)}."
        )
    finding_keys(names)
    return names


def name_targets(targets: FindingTargets, findings: Sequence[str]) -> Targets:
    """Return the targets with the names of the findings that they number.

    Raises:
        ValueError: there is no finding of a name or number.

    Example:
        >>> name_targets([1, "wing"], ["wing", "crest"])
        ['crest', 'wing']
    """
    if isinstance(targets, str):
        check_targets(targets, findings)
        return targets
    beyond = [each for each in targets if isinstance(each, int) and not 0 <= each < len(findings)]
    if beyond:
        raise ValueError(f"Expected `targets` to number findings from 0 to {len(findings) - 1}, got {beyond[0]}.")
    named = [findings[each] if isinstance(each, int) else each for each in targets]
    check_targets(named, findings)
    return named
