"""The picture of the figures: how much each way grades, and where a grading's time goes.

Text stays text; the card brings its own background, so it can be read on light and dark pages.
"""

from collections.abc import Mapping
from html import escape
from typing import Any

_WIDTH, _LEFT, _RIGHT = 800, 120, 690
_ROW, _BAR = 44, 20
#: Okabe and Ito's colours, which the colour-blind can tell apart, on light and dark.
_COLOURS = {"start": "#0072b2", "imports": "#e69f00", "collect": "#56b4e9", "tests": "#009e73",
            "transfer": "#d55e00", "teardown": "#cc79a7"}  # fmt: skip
_STYLE = """\
text { font: 14px system-ui, sans-serif; fill: #1f2328 } .small { font-size: 12px }
.title { font-size: 16px; font-weight: 600 } .quiet { fill: #59636e } .card { fill: #ffffff }
.bar { fill: #57606a }
@media (prefers-color-scheme: dark) {
  text { fill: #e6edf3 } .quiet { fill: #9198a1 } .card { fill: #0d1117 } .bar { fill: #8b949e }
}"""


def draw(report: Mapping[str, Any]) -> str:
    """The SVG for a report as it stands in the JSON."""
    machine, ran = report["machine"], report["ran"]
    rates = {name: way["per_minute_by_cpu"]["median"] for name, way in report["ways"].items()}
    notes = {name: f"{way['cpu_seconds']['median']:.2f} s of CPU a grading"
             for name, way in report["ways"].items()}  # fmt: skip
    lines = [f'<rect class="card" width="{_WIDTH}" height="HEIGHT" rx="8"/>']
    y = _heading(lines, 34, f"Gradings per minute that {machine['cores']} cores can bear",
                 f"{len(ran['katas'])} katas; {ran['gradings']} gradings each way")  # fmt: skip
    for name, rate in rates.items():
        width = rate / max(rates.values()) * (_RIGHT - _LEFT)
        bar = f'<rect class="bar" x="{_LEFT}" y="{y}" width="{width:.1f}" height="{_BAR}"/>'
        y = _row(lines, y, name, bar, width, f"{rate:.0f}", notes[name])
    y = _heading(lines, y + 26, "Where the milliseconds of a small grading go",
                 "the toy kata with the libraries of a real one; warm slots")  # fmt: skip
    x = _LEFT
    for part, colour in _COLOURS.items():
        lines.append(f'<rect x="{x}" y="{y}" width="12" height="12" fill="{colour}"/>')
        lines.append(_text(x + 18, y + 11, part, "small"))
        x += 96
    y += 26
    totals = {
        name: sum(parts[part] for part in _COLOURS) for name, parts in report["parts"].items()
    }
    for name, parts in report["parts"].items():
        bars, x_part = "", float(_LEFT)
        for part, colour in _COLOURS.items():
            width = parts[part] / max(totals.values()) * (_RIGHT - _LEFT)
            bars += (f'<rect x="{x_part:.1f}" y="{y}" width="{width:.1f}" height="{_BAR}" '
                     f'fill="{colour}"/>')  # fmt: skip
            x_part += width
        told = " · ".join(f"{part} {parts[part]:.0f}" for part in _COLOURS if parts[part] >= 0.5)
        y = _row(lines, y, name, bars, x_part - _LEFT, f"{totals[name]:.0f} ms", told)
    about = f"{report['date']} · {machine['processor']}, {machine['cores']} cores"
    lines.append(_text(20, y + 22, about, "small quiet"))
    height = y + 40
    body = "\n".join(lines).replace("HEIGHT", str(height))
    return (f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {_WIDTH} {height}" '
            f'width="{_WIDTH}" height="{height}" role="img" '
            f'aria-label="Gradings per minute, and the parts of one grading">\n'
            f"<style>\n{_STYLE}\n</style>\n{body}\n</svg>\n")  # fmt: skip


def _heading(lines: list[str], y: int, title: str, quiet: str) -> int:
    lines.append(_text(20, y, title, "title"))
    lines.append(_text(20, y + 19, quiet, "small quiet"))
    return y + 34


def _row(
    lines: list[str], y: int, name: str, bars: str, width: float, value: str, note: str
) -> int:
    """A bar with its name before, its value behind, a note below; returns where the next begins."""
    lines += [_text(20, y + 15, name), bars, _text(_LEFT + width + 8, y + 15, value),
              _text(_LEFT, y + _BAR + 14, note, "small quiet")]  # fmt: skip
    return y + _ROW


def _text(x: float, y: float, words: str, kind: str = "") -> str:
    return f'<text x="{x:.0f}" y="{y:.0f}" class="{kind}">{escape(words)}</text>'
