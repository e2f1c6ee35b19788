"""One HTML page that needs nothing else: text, tables, pictures and data, no network."""

from __future__ import annotations

import base64
import json
import zlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from html import escape
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np

from skhlm.html_report.room import Flexible, size_of

_DPI = 110  # pixels of a picture by inch; a page shows them one to one where there is room
_COLOURS = 128
_SMALLER = (0.75, 0.5)  # shares of a picture's pixels where there is no room for all
_MOST_LETTERS = 4000  # of a paragraph, in which names of any length may be
_LEGIBLE, _SCREEN = 0.7, 900  # share of its width, and pixels, below which a picture is scrolled
_FILES = Path(__file__).parent
_STYLES = ("static/vendor/uplot/uPlot.min.css", "static/page.css")
_SCRIPTS = (
    "static/vendor/uplot/uPlot.iife.min.js",
    "static/data.js",
    "static/tables.js",
    "static/explorer.js",
)
# What a browser may do with the page: show what is in it, and ask nobody for anything.
_POLICY = "default-src 'none'; img-src data:; style-src 'unsafe-inline'; script-src 'unsafe-inline'"


@dataclass(frozen=True)
class Section:
    """A heading and what stands below it, as HTML."""

    title: str
    parts: Sequence[str]


def render(title: str, subtitle: str, summary: Iterable[str], sections: Iterable[Section]) -> str:
    """The page: its title, what is to be known before all else, and the sections."""
    sections, title = list(sections), _cut(title)
    links = "".join(f'<a href="#{_anchor(s)}">{escape(s.title)}</a>' for s in sections)
    body = "".join(
        f'<section id="{_anchor(s)}"><h2>{escape(s.title)}</h2>{"".join(s.parts)}</section>'
        for s in sections
    )
    return (
        '<!DOCTYPE html><html lang="en"><head><meta charset="utf-8">'
        f'<meta http-equiv="Content-Security-Policy" content="{_POLICY}">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f'<link rel="icon" href="data:,"><title>{escape(title)}</title>'
        f"<style>{_read(_STYLES)}</style></head>"
        f'<body><header><h1>{escape(title)}</h1><p class="subtitle">{escape(subtitle)}</p>'
        f'</header><div class="cards">{"".join(summary)}</div><nav>{links}</nav>{body}'
        f"<script>{_read(_SCRIPTS)}</script></body></html>\n"
    )


def paragraph(text: str, kind: str = "") -> str:
    """A paragraph of plain text."""
    text = escape(_cut(text))
    return f'<p class="{kind}">{text}</p>' if kind else f"<p>{text}</p>"


def heading(text: str) -> str:
    """The heading of a part of a section."""
    return f"<h3>{escape(text)}</h3>"


def formula(text: str) -> str:
    """Lines that keep their spaces."""
    return f"<pre>{escape(_cut(text))}</pre>"


def bullets(texts: Iterable[str]) -> str:
    """A list of plain texts; nothing where there are none."""
    rows = "".join(f"<li>{escape(_cut(text))}</li>" for text in texts)
    return f"<ul>{rows}</ul>" if rows else ""


def terms(meanings: Iterable[tuple[str, str]]) -> str:
    """Terms, and what each means."""
    rows = (f"<dt>{escape(term)}</dt><dd>{escape(_cut(text))}</dd>" for term, text in meanings)
    return f"<dl>{''.join(rows)}</dl>"


def card(kind: str, title: str, parts: Iterable[str]) -> str:
    """A box in the colour of a verdict, which its title says, too."""
    return f'<div class="card {kind}"><h2>{escape(title)}</h2>{"".join(parts)}</div>'


def picture(figure: Any, caption: str) -> str:
    """A matplotlib figure, closed afterwards, as an image inside the page."""
    from matplotlib import pyplot as plt
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from PIL import Image

    figure.set_dpi(_DPI)
    canvas: Any = FigureCanvasAgg(figure)
    canvas.draw()  # once: savefig would draw everything twice, for the layout alone at first
    image = Image.fromarray(np.asarray(canvas.buffer_rgba())).convert("RGB")
    plt.close(figure)

    def shorter(most: int) -> str:
        for share in _SMALLER:
            if size_of(made := _figure(image, caption, share)) <= most:
                return made
        return paragraph(f"There is no room for this picture. {caption}", "left-out")

    return Flexible(_figure(image, caption, 1.0), shorter)


def _figure(image: Any, caption: str, share: float) -> str:
    """An image with its caption, with fewer pixels where the share is below 1, shown as large."""
    from PIL import Image

    width, height = image.size
    if share < 1:
        image = image.resize((round(width * share), round(height * share)))
    few = image.quantize(_COLOURS, dither=Image.Dither.NONE)
    buffer = BytesIO()
    few.save(buffer, "png")
    data = base64.b64encode(buffer.getvalue()).decode("ascii")
    least, caption = min(round(_LEGIBLE * width), _SCREEN), escape(_cut(caption))
    return (
        f'<figure><div class="wide"><img src="data:image/png;base64,{data}" alt="{caption}"'
        f' width="{width}" style="min-width: {least}px"></div><figcaption>{caption}</figcaption>'
        "</figure>"
    )


def packed(content: Any) -> str:
    """Anything that JSON can hold as letters that no HTML is made of; `data.js` reads them."""
    text = json.dumps(content, allow_nan=False, separators=(",", ":"), ensure_ascii=False)
    data = zlib.compress(text.encode("utf-8", "backslashreplace"), 9)
    return base64.b64encode(data).decode("ascii")


def _cut(text: str) -> str:
    """A text that is no longer than a page can bear."""
    return text if len(text) <= _MOST_LETTERS else f"{text[: _MOST_LETTERS - 1]}\u2026"


def _read(names: Iterable[str]) -> str:
    """Files of this folder, one after the other."""
    return "\n".join((_FILES / name).read_text("utf-8") for name in names)


def _anchor(section: Section) -> str:
    return section.title.lower().replace(" ", "-")
