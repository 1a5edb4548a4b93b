"""A few shapes of SVG, built as a tree, so that no text can become markup.

Text from outside goes through `plain` and is then escaped by the serialiser, always. The picture is self-contained:
no script, no link, no font and no image from elsewhere, and its colours follow the reader's light or dark theme.
"""

from typing import Literal
from xml.etree.ElementTree import Element, SubElement, indent, tostring

from .plain import plain

Anchor = Literal["start", "middle", "end"]

_LIGHT = {
    "card": "#ffffff", "edge": "#d0d7de", "ink": "#1f2328", "soft": "#59636e", "grid": "#eaeef2",
    "good": "#1a7f37", "bad": "#cf222e", "odd": "#9a6700", "undone": "#0969da", "veil": "#fff1f0", "inbar": "#ffffff",
}  # fmt: skip
_DARK = {
    "card": "#0d1117", "edge": "#30363d", "ink": "#e6edf3", "soft": "#9198a1", "grid": "#21262d",
    "good": "#3fb950", "bad": "#f85149", "odd": "#d29922", "undone": "#58a6ff", "veil": "#1f1214", "inbar": "#0d1117",
}  # fmt: skip
_SANS = "-apple-system, BlinkMacSystemFont, 'Segoe UI', 'Noto Sans', 'DejaVu Sans', Helvetica, Arial, sans-serif"
_MONO = "ui-monospace, SFMono-Regular, Menlo, Consolas, 'DejaVu Sans Mono', monospace"


class Picture:
    """An SVG document under construction. Colours are names: `good`, `bad`, `ink` and the others above.

    Args:
        title: what a screen reader says first.
        description: what it says then.
        inline: it stands in a page, which brings `stylesheet()` by itself: pages that allow no inline style have none.
    """

    def __init__(self, title: str, description: str, width: float, height: float, *, inline: bool = False) -> None:
        self._root = Element("svg")
        for name, value in {
            "xmlns": "http://www.w3.org/2000/svg",
            "viewBox": f"0 0 {width:g} {height:g}",
            "width": f"{width:g}",
            "height": f"{height:g}",
            "role": "img",
            "aria-labelledby": "title description",
        }.items():
            self._root.set(name, value)
        for tag, text in (("title", title), ("desc", description)):
            SubElement(self._root, tag, id="title" if tag == "title" else "description").text = plain(text, 1000)
        if not inline:
            SubElement(self._root, "style").text = stylesheet()
        self._texts: list[Element] = []
        self._hatching()

    def _hatching(self) -> None:
        pattern = SubElement(SubElement(self._root, "defs"), "pattern", id="hatch", width="6", height="6")
        pattern.set("patternUnits", "userSpaceOnUse")
        pattern.set("patternTransform", "rotate(45)")
        SubElement(pattern, "rect", {"class": "f-odd", "width": "2.4", "height": "6"})

    def box(
        self, x: float, y: float, width: float, height: float, fill: str, *, edge: str = "", round_: float = 3
    ) -> None:
        """Draw a rectangle with rounded corners."""
        classes = " ".join(filter(None, [f"f-{fill}", edge and f"s-{edge}"]))
        shape = SubElement(self._root, "rect", {"class": classes})
        for name, value in {"x": x, "y": y, "width": width, "height": height, "rx": round_}.items():
            shape.set(name, f"{value:.4g}" if abs(value) < 1 else f"{value:.1f}")

    def line(
        self, x1: float, y1: float, x2: float, y2: float, colour: str, *, width: float = 1, dash: str = ""
    ) -> None:
        """Draw a line."""
        shape = SubElement(self._root, "line", {"class": f"s-{colour}", "stroke-width": f"{width:g}"})
        for name, value in {"x1": x1, "y1": y1, "x2": x2, "y2": y2}.items():
            shape.set(name, f"{value:.1f}")
        if dash:
            shape.set("stroke-dasharray", dash)

    def path(self, drawing: str, colour: str, *, width: float = 1.5, filled: bool = False) -> None:
        """Draw a path; `drawing` is never made from outside text."""
        kind = f"f-{colour}" if filled else f"n s-{colour}"
        SubElement(self._root, "path", {"class": kind, "stroke-width": f"{width:g}", "d": drawing})

    def text(
        self, x: float, y: float, text: str, style: str = "ink", *, anchor: Anchor = "start", limit: int = 120
    ) -> None:
        """Write one line over all shapes, whenever they are drawn.

        `style` names a colour and any of `mono`, `bold`, `small`, `big`, and `halo`: a rim in the colour of the card
        that keeps it legible on what it crosses.
        """
        shape = Element("text", {"class": " ".join(f"t-{word}" for word in style.split())})
        self._texts.append(shape)
        for name, value in {"x": x, "y": y}.items():
            shape.set(name, f"{value:.1f}")
        if anchor != "start":
            shape.set("text-anchor", anchor)
        shape.text = plain(text, limit)

    def svg(self) -> str:
        """Return the document."""
        self._root.extend(self._texts)
        self._texts = []
        indent(self._root, space=" ")
        return tostring(self._root, encoding="unicode") + "\n"


def stylesheet() -> str:
    """Return the style of all pictures, light and dark."""
    fixed = (
        f"text{{font:12px {_SANS}}}.t-mono{{font-family:{_MONO}}}.t-small{{font-size:11px}}.t-big{{font-size:17px}}"
        ".t-bold{font-weight:600}.t-halo{paint-order:stroke;stroke-width:5px;stroke-linejoin:round}.n{fill:none}rect,path,line{stroke-linecap:round}.f-hatch{fill:url(#hatch)}"
    )
    return f"{fixed}{_colours(_LIGHT)}@media(prefers-color-scheme:dark){{{_colours(_DARK)}}}"


def _colours(theme: dict[str, str]) -> str:
    names = "".join(f".f-{name},.t-{name}{{fill:{code}}}.s-{name}{{stroke:{code}}}" for name, code in theme.items())
    return f"{names}.t-halo{{stroke:{theme['card']}}}"
