"""How verbs print: JSON for programs, rich tables on a terminal, plain columns elsewhere."""

import json
import sys
from collections.abc import Mapping, Sequence


def print_json(value: object) -> None:
    """Print `value` as JSON on standard output; what JSON does not know is printed as text."""
    sys.stdout.write(json.dumps(value, indent=2, ensure_ascii=False, default=str) + "\n")
    sys.stdout.flush()


def print_line(text: str) -> None:
    """Print one line on standard output, at once."""
    sys.stdout.write(text + "\n")
    sys.stdout.flush()


def print_progress(text: str) -> None:
    """Print one line on standard error: what is going on, apart from the answer."""
    sys.stderr.write(text + "\n")
    sys.stderr.flush()


def print_table(title: str, columns: Sequence[str], rows: Sequence[Sequence[object]]) -> None:
    """Print rows under a title: drawn on a terminal, tab-separated with a header line elsewhere."""
    if not sys.stdout.isatty():
        print_line("\t".join(columns))
        for row in rows:
            print_line("\t".join(str(cell) for cell in row))
        return
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    table = Table(*columns, title=title, title_justify="left")
    for row in rows:
        table.add_row(*(Text(str(cell)) for cell in row))
    Console().print(table)


def print_recommendation(answer: Mapping[str, object], *, title: str) -> None:
    """Print an answer of the gateway (contracts.recommendations.Recommendation as JSON): the list, then why."""
    from evershelf.contracts.recommendations import Recommendation

    shelf = Recommendation.model_validate(answer)
    rows = [
        (
            item.rank,
            item.item.title or item.item_id,
            f"{item.score:.3f}",
            item.source,
            item.reason,
            ", ".join(f"{because.item_id} ({because.share:.0%})" for because in item.because),
        )
        for item in shelf.items
    ]
    print_table(title, ("rank", "title", "score", "source", "reason", "because"), rows)
    tried = "; ".join(f"{a.source} {a.outcome} {a.items} in {a.elapsed_ms:.1f} ms" for a in shelf.attempts)
    print_line(
        f"source {shelf.source}, reason {shelf.reason}, degraded {str(shelf.degraded).lower()}, "
        f"model {shelf.model_version or 'none'}, snapshot {shelf.snapshot.version} ({shelf.snapshot.age_s:.0f} s old), "
        f"{shelf.elapsed_ms:.1f} of {shelf.deadline_ms} ms; tried: {tried or 'nothing'}"
    )
