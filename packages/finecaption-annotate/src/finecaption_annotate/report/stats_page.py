"""The page of `finecaption data stats`."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from finecaption.data.problems import Problem
from finecaption.io.html import bars, card, escape, figure, histogram, page, table
from finecaption_annotate.report.statistics import Histogram, Statistics, bin_labels

_PAPER_IOU = 56.11  # per cent, CompositionCap: the paper's figure for its own masks
_TASKS = {
    "aarc": "an attribute of a region",
    "rdc": "a region in detail",
    "cgic": "the whole picture",
}


def stats_html(
    statistics: Statistics, title: str, problems: Sequence[Problem] = (), lead: str = ""
) -> str:
    """The page.

    Args:
        statistics: finished.
        title: heading, usually the dataset's path.
        problems: records that were left out, listed at the end.
        lead: a line under the heading.
    """
    s = statistics
    body = [f'<h1>{escape(title)}</h1><p class="lead">{escape(lead)}</p>']
    regions = s.region_count
    body.append(
        '<div class="figures">'
        + figure(f"{s.samples:,}", "samples")
        + figure(f"{s.pictures:,}", "pictures")
        + figure(f"{s.regions:,}", "regions")
        + figure(f"{s.length.mean:.1f}", "words a text, mean")
        + figure(f"{len(s.words):,}", "distinct words")
        + figure(f"{len(problems):,}", "records left out")
        + "</div>"
    )
    parts = [
        card(
            "Samples by task",
            bars([(f"{task}: {_TASKS[task]}", s.tasks[task]) for task in _TASKS if s.tasks[task]]),
        ),
        card("Samples by source and split", _counts(s)),
    ]
    if s.attributes:
        names = s.attribute_order()
        parts += [
            card("Samples by attribute", bars([(n, s.attributes[n]) for n in names])),
            card(
                "Mean words by attribute",
                bars([(n, s.attribute_words[n] / s.attributes[n]) for n in names], "{:.1f}"),
            ),
        ]
    repeated = f"{100 * s.repeated / s.samples:.1f} %" if s.samples else "none"
    parts += [
        card(
            "Words in a text",
            _plot(s.length, "words"),
            f"Mean {s.length.mean:.1f}; {repeated} of the texts stand elsewhere word for word.",
        ),
        card(
            "Most frequent words",
            bars([(word, count) for word, count in s.words.most_common(12)]),
        ),
    ]
    if s.regions:
        parts += [
            card(
                "Share of the picture that a region takes",
                histogram(
                    bin_labels([100 * min(edge, 1) for edge in s.area.edges]),
                    s.area.counts.tolist(),
                    "per cent of the picture's pixels; uneven bins",
                ),
                f"Mean {100 * s.area.mean:.1f} %."
                + (f" {s.broken_masks:,} masks cannot be read." if s.broken_masks else ""),
            ),
            card(
                "IoU of a region with its box",
                _plot(s.box_iou, "intersection over union", "{:.1f}"),
                f"Mean {100 * s.box_iou.mean:.1f} %: what a box says of the region. "
                f"CompositionCap has {_PAPER_IOU} % by its paper.",
            ),
            card(
                "Regions in a picture",
                _plot(regions, "regions", whole=True),
                f"Mean {regions.mean:.1f}, at most {regions.most:.0f}.",
            ),
        ]
    parts.append(
        card(
            "Longer side of the pictures",
            _plot(s.long_side, "pixels"),
            "Most frequent: "
            + ", ".join(f"{w} x {h} ({n:,})" for (w, h), n in s.sizes.most_common(3))
            + ".",
        )
    )
    licences = [(name or "(none given)", f"{n:,}") for name, n in s.licences.most_common(10)]
    parts.append(card("Licence notes", table(("note", "samples"), licences), wide=True))
    if problems:
        shown = [(str(problem),) for problem in problems[:200]]
        note = f"The first 200 of {len(problems):,}." if len(problems) > 200 else ""
        parts.append(card("Left out", table(("record, and what is wrong",), shown), note, True))
    body.append(f'<div class="cards">{"".join(parts)}</div>')
    return page(f"{title}: statistics", "\n".join(body))


def _plot(values: Histogram, axis: str, form: str = "{:g}", whole: bool = False) -> str:
    """A histogram up to its last bin that holds anything."""
    counts = values.counts.tolist()
    last = max((k for k, count in enumerate(counts) if count), default=0) + 1
    last = min(len(counts), max(last, 5))
    labels = (
        [f"{edge:g}" for edge in values.edges[:last]]
        if whole
        else bin_labels(values.edges[: last + 1], form)
    )
    if values.most > values.edges[-1]:
        axis += "; the last bin holds all that is larger"
    return histogram(labels, counts[:last], axis)


def _counts(s: Statistics) -> str:
    def rows(kind: str, counts: Counter[str]) -> list[tuple[str, str]]:
        named = [(name or "(none)", count) for name, count in counts.most_common(8)]
        return [(f"{kind} {name}", f"{count:,}") for name, count in named]

    return table(("", "samples"), [*rows("source", s.sources), *rows("split", s.splits)])
