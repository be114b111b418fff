"""The report of a run: plain values, and one page that needs nothing from elsewhere."""

import re
from dataclasses import replace

import numpy as np

from evershelf.models.interactions import Interactions
from evershelf.training.pipeline import learn
from evershelf.training.report import PAGE_NAME, REPORT_NAME, report_of, write_report
from evershelf.training.validate import Verdict, validate


def test_a_report_tells_data_checks_trials_and_figures(tmp_path, data, quick_settings):
    """Promise: every trial and check is in both forms, and the page loads nothing and runs nothing."""
    trained = learn(data, quick_settings)
    checks = validate(data, quick_settings)
    report = report_of(data, checks, trained.selection, trained.comparison, trained.fitted.serving, seed=7)
    write_report(tmp_path, report)
    assert report["data"]["sha256"] == data.sha256()
    assert sum(report["data"]["events_a_stretch"]) == len(data.interactions)
    assert len(report["trials"]) == trained.selection.candidates == 4
    assert max(trial["ndcg_at_20"] for trial in report["trials"]) == trained.selection.ndcg_at_20
    page = (tmp_path / PAGE_NAME).read_text()
    assert all(check.name in page for check in checks)
    assert page.count("<svg") == 3
    assert not re.search(r"<script|src=|href=|url\(|@import", page)
    assert (tmp_path / REPORT_NAME).stat().st_size < 100_000


def test_a_page_is_safe_from_what_data_contain(tmp_path, data, quick_settings):
    """Promise: whatever a detail says, it is text."""
    checks = [replace(check, detail="<b>&") for check in validate(data, quick_settings)]
    trained = learn(data, quick_settings)
    write_report(
        tmp_path, report_of(data, checks, trained.selection, trained.comparison, trained.fitted.serving, seed=7)
    )
    assert "<b>" not in (tmp_path / PAGE_NAME).read_text()


def test_repeated_events_are_noticed(data, quick_settings):
    """Promise: events that differ in nothing but their id warn."""
    seen = data.interactions
    twice = Interactions(
        *(np.repeat(column, 2) for column in (seen.users, seen.items, seen.days, seen.kinds)),
        seen.user_count,
        seen.item_count,
    )
    found = {check.name: check.verdict for check in validate(replace(data, interactions=twice), quick_settings)}
    assert found["duplicates"] is Verdict.WARN
