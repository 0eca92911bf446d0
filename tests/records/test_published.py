"""The papers' figures: each with its source and protocol, in agreement with the papers' words."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import pytest
from pybtex.database import parse_file

from cnnbook.records import published
from cnnbook.records.published import TOP5, figures, table, value

ROOT = Path(__file__).resolve().parents[2]


def test_every_figure_is_of_a_paper_of_the_bibliography():
    papers = parse_file(ROOT / "references.bib").entries
    assert {figure.paper for figure in figures()} <= set(papers)
    assert all(figure.place and str(figure.protocol) for figure in figures())


def test_a_network_has_one_figure_of_a_measure_in_a_paper():
    counted = Counter((f.paper, f.network, f.measure) for f in figures())
    assert [key for key, times in counted.items() if times > 1] == []


def test_top_5_errors_are_below_top_1_errors_of_the_same_network():
    pairs = {(f.paper, f.place, f.network, f.measure): f.value for f in figures()}
    both = [(*key[:3], TOP5) for key in pairs if key[3] == published.TOP1]
    both = [key for key in both if key in pairs]
    assert len(both) > 20
    for key in both:
        assert pairs[key] < pairs[(*key[:3], published.TOP1)], key


@pytest.mark.parametrize(
    "difference, stated",
    [
        # ResNeXt, section 5.1: without shortcuts the error rises by 3.9 points.
        (
            value("xie2016", "ResNeXt-50 without shortcuts")
            - value("xie2016", "ResNeXt-50, 32×4d"),
            3.9,
        ),
        # ResNeXt, section 5.1: 32×4d is 1.7 points better than ResNet-50, at 101 layers 0.8.
        (value("xie2016", "ResNet-50, 1×64d") - value("xie2016", "ResNeXt-50, 32×4d"), 1.7),
        (value("xie2016", "ResNet-101, 1×64d") - value("xie2016", "ResNeXt-101, 32×4d"), 0.8),
        # ResNet, section 4.1: ResNet-34 is 2.8 points better than ResNet-18, 3.5 than plain-34.
        (value("he2015", "ResNet-18") - value("he2015", "ResNet-34"), 2.85),
        (value("he2015", "plain-34") - value("he2015", "ResNet-34"), 3.5),
        # ZFNet, section 5.1: the network of figure 3 is 1.7 points (top-5) better than AlexNet.
        (value("krizhevsky2012", "AlexNet", TOP5) - value("zeiler2013", "ZFNet", TOP5), 1.7),
    ],
)
def test_differences_are_those_that_the_papers_state(difference, stated):
    assert difference == pytest.approx(stated, abs=0.051)


def test_a_figure_says_how_it_was_measured():
    shown = table("szegedy2014").protocol
    assert shown["GoogLeNet, 1 crop"] == "ImageNet validation, one crop, one network"
    assert shown["7 GoogLeNets"] == "ImageNet validation, 144 crops, 7 networks averaged"
    assert table("he2015", "table 6").protocol["ResNet-110, best"].endswith("the best of five runs")


def test_what_is_not_there_is_named_with_what_is():
    with pytest.raises(ValueError, match="no figure of 'he2014'; there are .*he2015"):
        value("he2014", "ResNet-34")
    with pytest.raises(ValueError, match="no top-1 error for 'ResNet-35' here; it has .*ResNet-34"):
        value("he2015", "ResNet-35")
    with pytest.raises(ValueError, match="he2015, table 2"):
        table("he2015", "table 99")
