"""Figures of merit the slow way, straight from their definitions in words: nothing here is shared with the program."""

from math import log2


def figures(shown, wanted, popularity):
    """All figures of lists (of distinct items) against sets of wanted items, means over lists."""
    rows = [_of_one(list(items), set(targets)) for items, targets in zip(shown, wanted, strict=True)]
    means = {name: sum(row[name] for row in rows) / len(rows) for name in rows[0]}
    return means | _spread([item for items in shown for item in items], popularity)


def _of_one(items, wanted):
    found = {}
    for k in (10, 20):
        top = items[:k]
        found[f"recall@{k}"] = len(wanted.intersection(top)) / len(wanted)
        gained = sum(1 / log2(1 + place) for place, item in enumerate(top, start=1) if item in wanted)
        best = sum(1 / log2(1 + place) for place in range(1, min(k, len(wanted)) + 1))
        found[f"ndcg@{k}"] = gained / best
    found["hit_rate@10"] = 1.0 if wanted.intersection(items[:10]) else 0.0
    places = [place for place, item in enumerate(items, start=1) if item in wanted]
    found["mrr"] = 1 / places[0] if places else 0.0
    return found


def _spread(shown, popularity):
    counts = {item: shown.count(item) for item in set(shown)}
    total, least = sum(popularity), min(value for value in popularity if value > 0)
    order = sorted(range(len(popularity)), key=lambda item: (-popularity[item], item))
    entropy = -sum(count / len(shown) * log2(count / len(shown)) for count in counts.values())
    return {
        "coverage": len(counts) / len(popularity),
        "effective_items": 2**entropy,
        "novelty": sum(-log2(max(popularity[item], least) / total) for item in shown) / len(shown),
        "popularity_rank": sum(order.index(item) for item in shown) / len(shown) / (len(popularity) - 1),
    }
