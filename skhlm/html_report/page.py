"""One HTML page that needs nothing else: text, tables, pictures as data, no script, no network."""

from __future__ import annotations

import base64
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from html import escape
from io import BytesIO
from typing import Any

import numpy as np
import pandas as pd
from pandas.api.types import is_numeric_dtype

_DPI = 110  # pixels of a picture by inch; a page shows them one to one where there is room
_COLOURS = 128
_LEGIBLE, _SCREEN = 0.7, 900  # share of its width, and pixels, below which a picture is scrolled
_LONG = 40  # characters of a cell that may take several lines
_STYLE = """
body { font: 16px/1.5 system-ui, sans-serif; color: #1b1b1b; max-width: 62rem;
       margin: 2rem auto; padding: 0 1rem; }
h1 { margin-bottom: 0; } h2 { margin-top: 2.5rem; border-bottom: 1px solid #ccc; }
nav a { margin-right: 1.2em; display: inline-block; } img { max-width: 100%; height: auto; }
pre { background: #f5f5f5; padding: 1rem; overflow-x: auto; }
table { border-collapse: collapse; font-variant-numeric: tabular-nums; font-size: 0.9rem; }
th, td { padding: 0.25rem 0.6rem; border-bottom: 1px solid #ddd; text-align: left; }
th, td { white-space: nowrap; } td.long { white-space: normal; min-width: 18rem; }
th.number, td.number { text-align: right; } div.wide { overflow-x: auto; }
li { overflow-wrap: anywhere; }
td.pass { color: #00664b; } td.warn { color: #8a4b00; font-weight: bold; }
td.note { color: #1f4e9c; } td.fail { color: #a30000; font-weight: bold; }
figure { margin: 1.5rem 0; }
figcaption { color: #555; font-size: 0.9rem; }
"""


@dataclass(frozen=True)
class Section:
    """A heading and what stands below it, as HTML."""

    title: str
    parts: Sequence[str]


def render(title: str, subtitle: str, sections: Iterable[Section]) -> str:
    """The page."""
    sections = list(sections)
    links = "".join(f'<a href="#{_anchor(s)}">{escape(s.title)}</a>' for s in sections)
    body = "".join(
        f'<section id="{_anchor(s)}"><h2>{escape(s.title)}</h2>{"".join(s.parts)}</section>'
        for s in sections
    )
    return (
        '<!DOCTYPE html><html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f'<link rel="icon" href="data:,"><title>{escape(title)}</title><style>{_STYLE}</style>'
        f"</head><body><h1>{escape(title)}</h1>{paragraph(subtitle)}<nav>{links}</nav>{body}"
        "</body></html>\n"
    )


def paragraph(text: str) -> str:
    """A paragraph of plain text."""
    return f"<p>{escape(text)}</p>"


def formula(text: str) -> str:
    """Lines that keep their spaces."""
    return f"<pre>{escape(text)}</pre>"


def bullets(texts: Iterable[str]) -> str:
    """A list of plain texts."""
    return f"<ul>{''.join(f'<li>{escape(text)}</li>' for text in texts)}</ul>"


def table(frame: pd.DataFrame, most: int = 40) -> str:
    """A frame's first rows as a table; numbers with four significant digits."""
    head = "".join(
        f"<th{_NUMBER * is_numeric_dtype(frame[name])}>{escape(str(name))}</th>" for name in frame
    )
    rows = frame.head(most).itertuples(index=False, name=None)
    body = "".join(f"<tr>{''.join(map(_cell, row))}</tr>" for row in rows)
    more = len(frame) - most
    note = paragraph(f"... and {more} more rows.") if more > 0 else ""
    return (
        f'<div class="wide"><table><thead><tr>{head}</tr></thead>'
        f"<tbody>{body}</tbody></table></div>{note}"
    )


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
    few = image.quantize(_COLOURS, dither=Image.Dither.NONE)
    buffer = BytesIO()
    few.save(buffer, "png")
    data = base64.b64encode(buffer.getvalue()).decode("ascii")
    least = min(round(_LEGIBLE * image.width), _SCREEN)
    return (
        f'<figure><div class="wide"><img src="data:image/png;base64,{data}" alt="{escape(caption)}"'
        f' style="min-width: {least}px"></div><figcaption>{escape(caption)}</figcaption></figure>'
    )


_NUMBER = ' class="number"'


def _cell(value: object) -> str:
    """One cell; verdicts have their colours."""
    if isinstance(value, float):
        return f"<td{_NUMBER}>{'' if pd.isna(value) else _number(value)}</td>"
    if isinstance(value, int) and not isinstance(value, bool):
        return f"<td{_NUMBER}>{value}</td>"
    text = "/".join(map(str, value)) if isinstance(value, tuple) else str(value)
    kind = text if text in ("pass", "note", "warn", "fail") else "long" if len(text) > _LONG else ""
    return f'<td class="{kind}">{escape(text)}</td>' if kind else f"<td>{escape(text)}</td>"


def _number(value: float) -> str:
    """Four significant digits; large numbers are whole ones."""
    return f"{value:.0f}" if 1e4 <= abs(value) < 1e9 else f"{value:.4g}"


def _anchor(section: Section) -> str:
    return section.title.lower().replace(" ", "-")
