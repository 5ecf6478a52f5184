"""Reports: means that add up, a page that parses, JSON and Markdown that say the same."""

import json
import math
import re
from dataclasses import replace
from html.parser import HTMLParser

import pytest
from tiny_sets import EXTENT, Known, elaborate, faulty, ground, its_truth, one_layer, poster

from layerstudio.document import Document
from layerstudio.pipelines.evaluation import published
from layerstudio.pipelines.evaluation.charts import line_chart
from layerstudio.pipelines.evaluation.markdown import markdown
from layerstudio.pipelines.evaluation.plan import Plan
from layerstudio.pipelines.evaluation.reading import open_dataset
from layerstudio.pipelines.evaluation.report import report_of
from layerstudio.pipelines.evaluation.report_files import save_report
from layerstudio.pipelines.evaluation.running import run
from layerstudio.pipelines.evaluation.scores import Outcome
from layerstudio.pipelines.evaluation.summary import PSNR_CAP, summarise
from layerstudio.pipelines.evaluation.web import page

NASTY = "b <img src=x onerror=1> & | \N{SNOWMAN}.psd"
VOID = {"meta", "img"}


class Page(HTMLParser):
    """Checks that tags close in order, and collects what a page refers to and says."""

    def __init__(self, text):
        super().__init__()
        self.open, self.addresses, self.words, self.tags = [], [], [], []
        self.feed(text)
        self.close()
        assert self.open == []

    def handle_starttag(self, tag, attrs):
        self.tags.append(tag)
        self.addresses += [v for k, v in attrs if k in ("src", "href", "srcset", "action")]
        if tag not in VOID:
            self.open.append(tag)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        self.words.append(data)


@pytest.fixture(scope="module")
def report(tmp_path_factory):
    """Three samples (one with a nasty name, one of one layer), one broken file, three contestants,
    one of which fails once."""
    folder = tmp_path_factory.mktemp("set")
    poster().save(folder / "a.psd")
    elaborate().save(folder / NASTY)
    Document(EXTENT, (ground(),)).save(folder / "c.psd")
    (folder / "d.psd").write_bytes(b"8BPS")
    contestants = (Known(its_truth, "truth"), Known(one_layer, "one"), Known(faulty, "faulty"))
    plan = Plan(open_dataset(folder), contestants, edits=3, thumb_side=40)
    return report_of(plan, [record for batch in run(plan) for record in batch])


class TestSummaries:
    def test_the_truth_is_perfect_and_nothing_is_infinite(self, report):
        truth = report.summaries()[0]
        assert (truth.count, truth.failed) == (3, 0)
        assert [row.rgb_l1 for row in truth.all.rows] == [0] * 4
        assert [row.alpha_iou for row in truth.all.rows] == [1] * 4
        assert truth.all.rgb_l1_interval == (0, 0)
        assert truth.published.count == 2
        assert truth.cld.means.layer_psnr == truth.recomposition.psnr == PSNR_CAP
        assert truth.cld.equal == truth.cld.layers == 3 + 4 + 1
        assert truth.recomposition.exact == 3

    def test_samples_that_the_published_command_skips_count_both_ways(self, report):
        one = report.summaries()[1]
        assert (one.all.count, one.published) == (3, None)
        assert one.cld.samples == 3 and one.cld_by_index.samples == 1
        assert one.cld.missing == 2 + 3

    def test_a_mean_is_the_mean_of_the_samples(self, report):
        mine = [o for o in report.outcomes if o.contestant == "one"]
        values = [o.scores.layerd.at(0).alpha_iou for o in mine]
        means = report.summaries()[1].all
        assert means.rows[0].alpha_iou == pytest.approx(sum(values) / 3)
        low, high = means.alpha_iou_interval
        assert min(values) - 1e-9 <= low < means.rows[0].alpha_iou < high <= max(values) + 1e-9

    def test_a_sample_that_stopped_earlier_counts_with_its_last_row(self, report):
        """At most three merges were allowed; the truth needs none, one layer cannot merge."""
        for summary in report.summaries():
            assert len(summary.all.rows) == len(summary.all.colours) == 4

    def test_failures_are_left_out_and_the_common_samples_told_apart(self, report):
        faulty_one = report.summaries()[2]
        assert (faulty_one.count, faulty_one.failed) == (2, 1)
        assert [summary.count for summary in report.common()] == [2, 2, 2]
        assert summarise("nobody", report.outcomes, 3).all is None

    def test_without_failures_there_is_no_other_set(self, report):
        whole = replace(report, outcomes=tuple(o for o in report.outcomes if o.scores))
        assert whole.common() == ()


class TestPage:
    def test_it_is_whole_and_asks_nobody(self, report):
        text = page(report, 24)
        parsed = Page(text)
        assert all(a.startswith("data:image/webp;base64,") for a in parsed.addresses)
        assert len(parsed.addresses) == parsed.tags.count("img") > 12
        assert "script" not in parsed.tags and "link" not in parsed.tags
        assert "default-src 'none'" in text
        assert not re.search(r"url\(|@import|https?://", text)
        assert "{{" not in text

    def test_names_are_text(self, report):
        parsed = Page(page(report, 24))
        assert NASTY in parsed.words
        assert "x" not in parsed.addresses

    def test_it_tells_what_failed_and_what_is_missing(self, report):
        words = " ".join(Page(page(replace(report, expected=9), 24)).words)
        assert "ZeroDivisionError: a bug" in words
        assert "d.psd" in words
        assert "stopped before its end, with 5 samples to go" in words
        assert "LayerD's command would skip this sample" in words
        assert "0.0709" in words  # published

    def test_failures_of_one_kind_are_told_together(self, report):
        same = [replace(o, error="No.", scores=None) for o in report.outcomes[:3]]
        many = replace(report, outcomes=(*same, *report.outcomes[3:]))
        told = {(f.contestant, f.error): f.where for f in many.failures()}
        assert told["", report.unread[0].error] == "d.psd"
        assert len(told) == 1 + len({o.contestant for o in same}) + 1
        five = replace(many, outcomes=tuple(replace(same[0], sample=str(i)) for i in range(5)))
        assert five.failures()[1].where == "0, 1, 2 and 2 more"

    def test_the_worst_come_first(self, report):
        shown = Page(page(report, 1))
        assert "The 1 worst of 3" in " ".join(shown.words)
        assert shown.tags.count("article") == 1
        assert NASTY in shown.words[shown.words.index("Samples") :]  # it failed once
        assert Page(page(report, 0)).tags.count("img") == 0

    def test_a_run_without_a_single_score(self, report):
        nothing = replace(report, outcomes=(), samples=report.unread)
        assert "d.psd" in Page(page(nothing, 24)).words
        assert "d.psd" in markdown(nothing)
        json.dumps(nothing.to_dict(), allow_nan=False)


class TestFiles:
    def test_three_files_that_say_the_same(self, report, tmp_path):
        html, data, text = save_report(report, tmp_path, 24)
        assert sorted(p.name for p in tmp_path.iterdir()) == sorted(
            p.name for p in (html, data, text)
        )
        read = json.loads(data.read_text())
        assert read == json.loads(json.dumps(report.to_dict()))
        assert [s["contestant"] for s in read["summaries"]] == ["truth", "one", "faulty"]
        outcomes = [Outcome.from_dict({**o, "thumbs": []}) for o in read["outcomes"]]
        assert outcomes == [replace(o, thumbs=()) for o in report.outcomes]
        iou = f"{report.summaries()[1].all.rows[0].alpha_iou:.4f}"
        assert iou in html.read_text("utf-8") and iou in text.read_text("utf-8")

    def test_markdown_tables_have_as_many_cells_in_each_row(self, report):
        tables = re.split(r"\n\n", markdown(report))
        tables = [part.splitlines() for part in tables if part.startswith("|")]
        assert len(tables) >= 8
        for rows in tables:
            counts = {len(re.findall(r"(?<!\\)\|", row)) for row in rows}
            assert len(counts) == 1, rows[0]
        assert NASTY.replace("|", "\\|") in markdown(report)

    def test_the_best_of_a_column_is_bold(self, report):
        rows = [line for line in markdown(report).splitlines() if line.startswith("| truth |")]
        assert "**1.0000**" in rows[0]
        assert "**" not in next(
            line for line in markdown(report).splitlines() if line.startswith("| one |")
        )


class TestPublished:
    @pytest.mark.parametrize("row", published.LAYERD_PROTOCOL, ids=lambda row: row.system)
    def test_merges_only_help(self, row):
        assert len(row.rgb_l1) == len(row.alpha_iou) == 6
        assert list(row.rgb_l1) == sorted(row.rgb_l1, reverse=True)
        assert list(row.alpha_iou) == sorted(row.alpha_iou)

    @pytest.mark.parametrize("row", published.GREY_PROTOCOL, ids=lambda row: row.system)
    def test_the_unified_score_follows_from_the_others(self, row):
        assert row.unified == pytest.approx((row.rgb_l1 + 1 - row.alpha_iou) / 2, abs=6e-5)

    def test_each_has_a_source(self):
        rows = (*published.LAYERD_PROTOCOL, *published.GREY_PROTOCOL, *published.CLD_PROTOCOL)
        assert all("arXiv:" in row.source for row in rows)


@pytest.mark.parametrize(
    "lines", [[[0.5, 0.6, 0.65]], [[0.0], [0.0]], [[0.9105, 0.9441], [0.2, 0.9]], [[1.0, 1.0]]]
)
def test_charts_hold_all_their_points(lines):
    svg = line_chart("IoU", "merges", {str(i): line for i, line in enumerate(lines)})
    Page(svg)
    heights = [float(y) for y in re.findall(r'cy="([-\d.]+)"', svg)]
    assert len(heights) == sum(map(len, lines))
    assert all(math.isfinite(y) and 11 <= y <= 211 for y in heights)
