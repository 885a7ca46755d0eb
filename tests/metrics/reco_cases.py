"""ReCo as a slow loop over thresholds."""


def slow_reco(agree: list[float], differ: list[float]) -> float:
    best = 0.0
    for t in agree + differ:
        below_agree = sum(d <= t for d in agree) / len(agree)
        below_differ = sum(d <= t for d in differ) / len(differ)
        best = max(best, below_agree - below_differ)
    return best
