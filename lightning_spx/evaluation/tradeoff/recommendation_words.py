"""Says recommendations in plain words."""

from collections.abc import Sequence

from lightning_spx.evaluation.tradeoff.recommendation import OWN_ROW, Comparison, Recommendation
from lightning_spx.reporting.rows import OWN


def sentences(found: Sequence[Recommendation], against: str) -> list[str]:
    """Say the recommendations in plain words: one sentence for each method, and one on how they were made.

    Example:
        >>> from dataclasses import replace
        >>> number = Comparison(0.2, 0.1, 0.05, 0.01, 0.09, "blur", 0.02)
        >>> missed = replace(number, p_value=0.5)
        >>> one = Recommendation("Gradient", ("Slic", "after"), number, missed, 50, matched=number)
        >>> for matched in (number, missed, None):
        ...     print(sentences([replace(one, matched=matched)], "road")[0].partition(": ")[2].partition(" (")[0])
        pool over Slic, order after, which beats smoothing in stability
        pool over Slic, order after, which beats every control in stability, but not the blurs of equal fidelity
        pool over Slic, order after, which beats every control in stability
    """
    if not found:
        return ["Too few images for a recommendation."]
    said = [_sentence(item, against) for item in found]
    return [
        *said,
        "Rows chosen on one half of the images (of the S- rows on the front the largest scaled sum of both numbers), "
        f"numbers from the other {found[0].num_images}; 95 % intervals over images, for these models; beating "
        "smoothing means beating every control, and every blur at equal fidelity, with Holm's correction over all "
        "numbers named here.",
    ]


def _sentence(item: Recommendation, against: str) -> str:
    if item.why_none:
        return f"{item.method}: no recommendation ({item.why_none}), as with blank maps."
    if item.stability is None or item.fidelity is None:
        return f"{item.method}: stay with the pixel map, no S- row is on the front between stability and {against}."
    # deletion's sign was flipped so that higher is better; flip it back to print it
    sign = -1 if against == "deletion" else 1
    by_pixel = item.row != OWN_ROW
    numbers = [
        f"{name} {flip * each.value:.3f}, {f'pixel {flip * each.pixel:.3f}, ' if by_pixel else ''}"
        f"gain over {each.best_control} {_gain(each)}"
        for name, each, flip in (("excess SSIM", item.stability, 1), (against, item.fidelity, sign))
    ]
    if item.matched is not None:
        bound = ", a lower bound, because no blur is as faithful" if item.beyond else ""
        numbers.append(f"and over every blur at equal fidelity: {_gain(item.matched)}{bound}")
    said = f"pool over {item.row[0]}, order {item.row[1]}" if by_pixel else f"a map by {OWN}"
    return f"{item.method}: {said}, which {_verdict(item, against)} ({'; '.join(numbers)})."


def _verdict(item: Recommendation, against: str) -> str:
    named = (("stability", item.stability), (against, item.fidelity))
    beaten = " and ".join(name for name, each in named if each is not None and each.has_gain)
    if item.matched is None:
        # nobody knows what blurs of other widths would have done
        return f"beats every control in {beaten}" if beaten else "does not beat smoothing"
    if not item.matched.has_gain:
        blurs = "but not the blurs of equal fidelity"
        return f"beats every control in {beaten}, {blurs}" if beaten else "does not beat smoothing"
    if not beaten:
        return "beats the blurs of equal fidelity, but not every control, and so does not beat smoothing"
    return f"beats smoothing in {beaten}"


def _gain(number: Comparison) -> str:
    return f"{number.gain:+.3f} [{number.low:+.3f}, {number.high:+.3f}]"
