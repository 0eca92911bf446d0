"""The first page: buttons, the picture of error against cost, and the verdicts at a glance.

`intro.md` has an empty `<div>` with an id where each of them goes, so that it stays Markdown.
"""

from __future__ import annotations

import re
from collections import Counter
from html import escape
from io import BytesIO
from pathlib import Path

import downloads
from bs4 import BeautifulSoup
from colab import opened_in_colab, repository
from figure_svg import inlined

PAGE = "intro"
LEDGER = "chapters/claims"
# A network for each step of the story: name, year, chapter.
STEPS = (
    ("alexnet", 2012, "alexnet"),
    ("vgg16", 2014, "vgg"),
    ("googlenet", 2014, "googlenet"),
    ("resnet18", 2015, "resnet"),
    ("resnet50", 2015, "resnet"),
    ("resnet152", 2015, "resnet"),
    ("resnext50_32x4d", 2017, "resnext"),
)
ALT = (
    "Top-1 error on ImageNet against multiply-adds for one image. AlexNet of 2012 errs most and "
    "costs least; VGG-16 costs most, with the largest disc; GoogLeNet, the ResNets and ResNeXt err "
    "as little or less for far fewer operations; ResNet-152 errs least."
)
VERDICTS = {
    "claim-fails": "does not hold",
    "claim-caveat": "holds with a caveat",
    "claim-undecided": "undecided",
    "claim-unmeasured": "not yet measured",
    "claim-holds": "holds",
}
PLURAL = {
    "does not hold": "do not hold",
    "holds with a caveat": "hold with a caveat",
    "holds": "hold",
}
STRIP = re.compile(r'<div id="verdicts">.*?</div>', re.DOTALL)


def table():
    """A row per network of `STEPS`: its published error, its costs, and the way to its chapter.

    The error is that of the weights that torchvision published first, on one central crop of each
    image of ImageNet's validation set.
    """
    import pandas as pd

    from cnnbook import models, profile
    from cnnbook.models.published import published_accuracy

    rows = {}
    for name, year, chapter in STEPS:
        # Heads that do not run are no part of the network that has this error.
        options = {"aux_logits": False} if name == "googlenet" else {}
        network = models.on_meta(models.create, name, **options)
        total = profile(network, input_size=(3, 224, 224)).total
        rows[name] = {
            "label": models.title(name),
            "year": year,
            "url": f"chapters/{chapter}.html",
            "error": 100 - published_accuracy(name),
            "flops": total.flops,
            "params": total.params,
        }
    return pd.DataFrame.from_dict(rows, orient="index")


def svg(figure) -> str:
    import matplotlib as mpl

    content = BytesIO()
    with mpl.rc_context({"svg.hashsalt": "cnnbook"}):
        figure.savefig(content, format="svg", metadata={"Date": None}, facecolor="none")
    return content.getvalue().decode()


def buttons(app) -> str:
    """The ways in: only those that there are."""
    pages = list(app.config.external_site_map)
    first = next(page for page in pages if page.startswith("chapters/"))
    ways = [("Start reading", f"{first}.html")]
    for page, text in (("chapters/live", "Live network"), ("chapters/explorer", "Explorer")):
        if page in pages:
            ways.append((text, f"{page}.html"))
    try:
        home = repository(Path(app.srcdir))
        ways.append(("Run in Colab", opened_in_colab(home, f"{first}.ipynb")))
    except ValueError:
        pass
    links = "".join(f'<a href="{escape(to)}">{text}</a>' for text, to in ways)
    return f'<p class="ways">{links}{downloads.place()}</p>'


def fill(app, pagename, templatename, context, doctree) -> None:
    if pagename != PAGE or "body" not in context:
        return
    body = context["body"]
    if (place := '<div id="ways"></div>') in body:
        body = context["body"] = body.replace(place, buttons(app))
    if 'id="hero"' not in body:
        return
    from cnnbook import figures

    rows = table()
    wide, narrow = (
        inlined(svg(figures.error_against_cost(rows, wide=way)), prefix, ALT)
        for way, prefix in ((True, "w"), (False, "n"))
    )
    pictures = f'<div class="is-wide">{wide}</div><div class="is-narrow">{narrow}</div>'
    context["body"] = body.replace('<div id="hero"></div>', f'<div id="hero">{pictures}</div>')


def draw_card(app, exception) -> None:
    """The picture that other sites show of the book, if they can ask for it."""
    if exception is not None or app.builder.format != "html" or not app.config.html_baseurl:
        return
    from cnnbook import figures

    figure = figures.error_against_cost(table())
    figure.set_size_inches(8, 4.2)
    figure.suptitle(app.config.project, fontsize=16, fontweight="bold")
    figure.savefig(Path(app.outdir, "_static", "card.png"), dpi=150, facecolor="white")


def verdicts(ledger: str) -> str:
    """A square for each claim of the built ledger, in the colour of its verdict, and their sum."""
    soup = BeautifulSoup(ledger, "html.parser")
    cards = {card["id"]: card for card in soup.select("div.claim[id]")}
    squares, counts = [], Counter()
    for kind, verdict in VERDICTS.items():
        for anchor, card in cards.items():
            if kind in card["class"]:
                words = card.select_one(".claim-statement").get_text().strip()
                counts[verdict] += 1
                squares.append(
                    f'<a class="{kind}" href="{LEDGER}.html#{anchor}" title="{escape(words)}">'
                    f'<span class="visually-hidden">{verdict}: {escape(words)}</span></a>'
                )
    words = "&nbsp;· ".join(
        f"{n}&nbsp;{verdict if n == 1 else PLURAL.get(verdict, verdict)}"
        for verdict, n in counts.items()
    )
    return (
        f'<p class="verdict-count"><a href="{LEDGER}.html">{len(cards)} statements of the notes '
        f'and later papers, checked</a>: {words}</p><p class="verdict-strip">{"".join(squares)}</p>'
    )


def show_verdicts(app, exception) -> None:
    """Count the ledger's cards on the first page once both are written."""
    page, ledger = (Path(app.outdir, f"{name}.html") for name in (PAGE, LEDGER))
    if exception is not None or app.builder.format != "html":
        return
    if not (page.exists() and ledger.exists()):
        return
    strip = verdicts(ledger.read_text(encoding="utf-8"))
    text = page.read_text(encoding="utf-8")
    new = STRIP.sub(lambda _: f'<div id="verdicts">{strip}</div>', text)
    page.write_text(new, encoding="utf-8")


def setup(app) -> dict:
    app.connect("html-page-context", fill, priority=700)
    app.connect("build-finished", show_verdicts, priority=400)
    app.connect("build-finished", draw_card, priority=600)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
