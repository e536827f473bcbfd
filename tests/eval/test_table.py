from __future__ import annotations

from typing import Any

import pytest

from finecaption.errors import InputError
from finecaption.eval.stages import find_scores, stage_table, write_stages
from finecaption.eval.table import HEADER, attribute_rows, markdown, report, rich_table
from finecaption.io.atomic import write_json


def made_up(accuracy: float, **more: Any) -> dict[str, Any]:
    """A scores.json with one attribute."""
    return {
        "attributes": {
            "Hair": {
                "accuracy": accuracy, "exact": 0.5, "count": 40, "interval": [0.6, 0.81234],
                "facets": {
                    "style": {"accuracy": 0.75, "count": 40},
                    "colour": {"accuracy": 0.5, "count": 30},
                },
            }
        },
        "mean_accuracy": accuracy, "mean_interval": [0.6, 0.8], "mean_exact": 0.5,
        "regions": 40, "pictures": 9, "questions": 40, "unseen_only": True,
        "twins": {"accuracy": 0.975, "count": 40, "pairs": 20, "both_right": None,
                  "box_iou_at_least": 0.6},
        "clicks": {"wholes": {"mean_iou": {"1": 0.85, "3": 0.9, "5": 0.95}, "count": 30}},
        "abstention": {"accuracy": 1.0, "count": 12},
        "settings": {"model": {"name": "mini"}, "data": {"name": "synth:test-unseen"}},
        **more,
    }  # fmt: skip


def test_rows_are_percent_with_facets() -> None:
    first, mean = attribute_rows(made_up(0.7))
    assert first == ["Hair", "70.0", "60.0–81.2", "50.0", "40", "style 75.0 (40), colour 50.0 (30)"]
    assert mean == ["Mean over attributes", "70.0", "60.0–80.0", "50.0", "40", ""]


def test_the_report_says_what_was_measured() -> None:
    text = report(made_up(0.7))
    assert (
        "mini on synth:test-unseen: 40 regions of combinations that never occur in training" in text
    )
    assert "97.5 % of 40 regions in 20 pairs" in text and "both of a pair – %" in text
    assert "wholes 0.850 / 0.900 / 0.950 (30)" in text
    assert "100.0 % of 12" in text
    assert "| Hair | 70.0 | 60.0–81.2 |" in text


def test_the_report_leaves_out_what_was_not_measured() -> None:
    text = report(made_up(0.7, twins=None, clicks=None, abstention=None, unseen_only=False))
    assert "Twins" not in text and "clicks" not in text and "never shows" not in text


def test_markdown_and_rich_have_the_same_cells() -> None:
    assert markdown(["a", "b"], [["x", "1"]], left=(0,)) == "| a | b |\n| --- | ---: |\n| x | 1 |\n"
    table = rich_table(HEADER, attribute_rows(made_up(0.7)), left=(0, 5))
    assert table.row_count == 2 and [c.header for c in table.columns] == list(HEADER)


def test_stages_are_joined_in_natural_order(tmp_path: Any) -> None:
    for name, accuracy in (("stage-10/test", 0.9), ("stage-2/test", 0.4), ("stage-2/unseen", 0.3)):
        (tmp_path / name).mkdir(parents=True)
        write_json(tmp_path / name / "scores.json", made_up(accuracy))
    write_json(tmp_path / "stage-10/test/scores.json", made_up(0.9, twins=None, clicks=None))
    header, rows = stage_table(find_scores(tmp_path))
    assert header == ["", "stage-2/test", "stage-2/unseen", "stage-10/test"]
    by_name = {row[0]: row[1:] for row in rows}
    assert by_name["Hair"] == ["40.0", "30.0", "90.0"]
    assert by_name["Near-duplicate boxes named right"] == ["97.5", "97.5", "–"]
    assert by_name["One click, wholes (IoU)"] == ["0.850", "0.850", "–"]
    assert by_name["One click, parts (IoU)"] == ["–", "–", "–"]
    assert by_name["Regions"] == ["40", "40", "40"]
    path = write_stages(tmp_path)
    assert path == tmp_path / "stages.md" and "| Hair | 40.0 | 30.0 | 90.0 |" in path.read_text()
    assert write_stages(tmp_path, tmp_path / "new").parent.name == "new"


def test_an_attribute_that_one_stage_was_not_asked(tmp_path: Any) -> None:
    _, rows = stage_table({"a": made_up(0.4), "b": made_up(0.5, attributes={})})
    assert rows[0] == ["Hair", "40.0", "–"]


def test_stages_without_scores(tmp_path: Any) -> None:
    with pytest.raises(InputError, match=r"no scores\.json"):
        find_scores(tmp_path)
    write_json(tmp_path / "scores.json", [1])
    with pytest.raises(InputError, match="is not a scores"):
        find_scores(tmp_path)
