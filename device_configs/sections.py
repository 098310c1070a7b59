"""A configuration text as sections: commands with what stands below them, noise left out.

Pure. Indentation makes the sections (PIX 6 has none); a banner and a certificate are one command
of several lines, because a device reads them as one.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Literal

Family = Literal["pix6", "asa", "ios"]
"""How a command line behaves: PIX 6 and older, PIX 7 and ASA, IOS."""

Path = tuple[str, ...]
"""The headers above a command, outermost first."""

_NOISE = re.compile(
    r"(!|:|end$|exit-address-family$|Cryptochecksum:|Building configuration|Current configuration|"
    r"Using \d+ out of|(PIX|ASA) Version |ntp clock-period |boot-(start|end)-marker$|"
    r"\[OK\]|Saved$)"
)
_VERSION = re.compile(r"version \d")
"""Of the software, unless it stands below a header (`router rip`)."""
_FIREWALL = re.compile(r"^(?:: Saved|(?:PIX|ASA) Version | ?nameif )", re.M)
"""Its banners are lines of their own, without marks around them."""
_MACRO = re.compile(r"macro name \S+$")
_BANNER = re.compile(
    r"(?:banner (?:\S+ )?|aaa authentication (?:banner|fail-message) )"
    r"(?P<mark>\^C|\x03|[^\w\s])(?P<rest>.*)$"
)
_CERTIFICATE = re.compile(r"certificate (?:self-signed |ca |rollback )*[0-9A-Fa-f]+$")
_IN_NVRAM = re.compile(r"\s*(?P<text>certificate .+) nvram:\S+$")
"""How IOS writes a certificate into the startup configuration."""
_MASK = re.compile(r"(?<!\S)(\*+|<removed>|<value removed>|<secret hidden>)(?!\S)")
_MASKABLE = re.compile(r"(key|password|passwd|secret|community|pre-shared-key|host|user)\b", re.I)
_PIX_VERSION = re.compile(r"^PIX Version (?P<major>\d+)\.(?P<minor>\d+)", re.M)


@dataclass(frozen=True, slots=True)
class Line:
    """One command and what stands below it."""

    text: str
    """The command without indentation; of a block, its first line."""
    children: tuple[Line, ...] = ()
    block: tuple[str, ...] = ()
    """The other lines of a command of several lines, as they stand."""

    @property
    def command(self) -> str:
        """What is sent: one command, of several lines where it is a block."""
        return "\n".join((self.text, *self.block))


def family(platform: str, text: str) -> Family:
    """Which rules a device of `platform` follows; the text tells PIX 6 from PIX 7.

    A PIX text without its version line is PIX 6 when interfaces are named by `nameif ethernetN`.
    """
    if platform.startswith("cisco_asa"):
        return "asa"
    if not platform.startswith("cisco_pix"):
        return "ios"
    if release := pix_release(text):
        return "pix6" if release < (7, 0) else "asa"
    return "asa" if re.search(r"^interface .*\n +\S", text, re.M) else "pix6"


def pix_release(text: str) -> tuple[int, int] | None:
    """Major and minor release of a PIX, from its version line."""
    found = _PIX_VERSION.search(text)
    return (int(found["major"]), int(found["minor"])) if found else None


def parse(text: str) -> tuple[Line, ...]:
    """The sections of a configuration, in its order. An ASA shows an object twice, with
    its value and with its NAT, and a template may come back to an interface; that is one section
    here.

    Left out: comments, the version, checksums, dates, and what else a device prints for people.
    """
    rows = text.lstrip("\ufeff").replace("\r", "").split("\n")
    marks = not _FIREWALL.search(text)
    root = _Open(-1, "")
    stack = [root]
    objects: dict[str, _Open] = {}
    index = 0
    while index < len(rows):
        row = rows[index].rstrip()
        index += 1
        bare = row.lstrip(" \t")
        indent = _indent(row)
        if not bare or _NOISE.match(bare) or (indent == 0 and _VERSION.match(bare)):
            continue
        block, index = _block(bare, rows, index, marks=marks)
        while stack[-1].indent >= indent:
            stack.pop()
        text, above = _squeezed(bare), stack[-1]
        section = objects.get(text) if above is root else None
        if section is None:
            section = _Open(indent, text, block)
            if above.children is None:
                above.children = []
            above.children.append(section)
            if above is root and text.startswith(("object ", "interface ")):
                objects[text] = section
        section.indent = indent
        stack.append(section)
    return _closed(root.children)


def _squeezed(text: str) -> str:
    """Runs of blanks as one, except in words that are meant as they are written."""
    if re.match(r"(description|name|banner|remark)\b| remark ", text) or " remark " in text:
        return text
    return " ".join(text.split())


def _block(bare: str, rows: list[str], index: int, *, marks: bool) -> tuple[tuple[str, ...], int]:
    """The further lines of a banner, a macro or a certificate that begins with `bare`."""
    if _MACRO.match(bare):
        end = next((i for i in range(index, len(rows)) if rows[i].strip() == "@"), None)
    elif marks and (banner := _BANNER.match(bare)) and banner["mark"] not in banner["rest"]:
        end = next((i for i in range(index, len(rows)) if banner["mark"] in rows[i]), None)
    elif _CERTIFICATE.match(bare):
        end = next((i for i in range(index, len(rows)) if rows[i].strip() == "quit"), None)
    else:
        return (), index
    # An end mark that never comes is no block: the text goes on as it stands.
    return ((), index) if end is None else (tuple(rows[index : end + 1]), end + 1)


class _Open:
    """A section while it is read."""

    __slots__ = ("block", "children", "indent", "text")

    def __init__(self, indent: int, text: str, block: tuple[str, ...] = ()) -> None:
        self.indent = indent
        self.text = text
        self.block = block
        self.children: list[_Open] | None = None

    def closed(self) -> Line:
        return Line(self.text, _closed(self.children), self.block)


def _closed(sections: list[_Open] | None) -> tuple[Line, ...]:
    return () if sections is None else tuple([one.closed() for one in sections])


def walk(lines: Iterable[Line], above: Path = ()) -> Iterator[tuple[Path, Line]]:
    """Every command with the headers above it, in the order of the text."""
    for line in lines:
        yield above, line
        yield from walk(line.children, (*above, line.text))


def hostname(text: str) -> str | None:
    """The name that a configuration gives its device."""
    found = re.search(r"^hostname (\S+)", text.replace("\r", ""), re.M)
    return found[1].strip('"') if found else None


def unended(lines: Iterable[Line]) -> str | None:
    """The first banner, macro or certificate whose end mark is missing; None where all have one.

    A device would take the commands behind it for its text.
    """
    for _, line in walk(lines):
        if not line.block and (_MACRO.match(line.text) or _CERTIFICATE.match(line.text)):
            return line.text
        banner = _BANNER.match(line.text)
        if not line.block and banner and banner["mark"] not in banner["rest"]:
            return line.text
    return None


def masked(lines: Iterable[Line]) -> tuple[str, ...]:
    """The commands whose secret the device has hidden: they must never be sent back."""
    return tuple(line.text for _, line in walk(lines) if _hides(line.text))


def revealed(text: str, known: str) -> str:
    """The text with each secret that the device hides taken from `known`, where it has the same
    command in the same section; what a device will not show cannot be compared. So with a
    certificate that IOS keeps in a file of its own.
    """
    if not _MASK.search(text) and " nvram:" not in text:
        return text
    secrets: dict[tuple[Path, str], str] = {}
    for above, line in walk(parse(known)):
        if line.block:
            secrets[above, line.text] = line.command
            continue
        for word in line.text.split():
            # Whichever word it is that the device hides.
            secrets[above, line.text.replace(word, "*", 1)] = line.text
    rows = []
    for path, row in _rows(text):
        if (kept := _IN_NVRAM.match(row)) is not None or _hides(row):
            shown = kept["text"] if kept else _MASK.sub("*", _squeezed(row.strip()), count=1)
            found = secrets.get((path, shown))
            row = row if found is None else " " * _indent(row) + found
        rows.append(row)
    return "\n".join(rows)


def _rows(text: str) -> Iterator[tuple[Path, str]]:
    """Every row as it stands, with the headers above it."""
    above: list[tuple[int, str]] = []
    for row in text.replace("\r", "").split("\n"):
        indent = _indent(row)
        while above and above[-1][0] >= indent:
            above.pop()
        yield tuple(header for _, header in above), row
        above.append((indent, row.strip()))


def _indent(row: str) -> int:
    start = row[: len(row) - len(row.lstrip(" \t"))]
    return len(start.expandtabs())


def _hides(row: str) -> bool:
    return bool(_MASK.search(row) and _MASKABLE.search(row))


def uncovered(text: str, known: str) -> tuple[tuple[str, str], ...]:
    """The commands whose secret the device hides in `text` and `known` tells: as they stand there,
    with the headers above them, and as `known` has them.
    """
    hidden, clear = walk(parse(text)), walk(parse(revealed(text, known)))
    return tuple(
        (" / ".join((*above, line.text)), other.text)
        for (above, line), (_, other) in zip(hidden, clear, strict=True)
        if line.text != other.text
    )


def without_lost(text: str, running: str) -> tuple[str, tuple[str, ...]]:
    """The text without the commands whose secret it hides and that `running` has no more: nobody
    can type them. And these commands, with the headers above them.
    """
    if not _MASK.search(text):
        return text, ()
    there = {(above, line.text) for above, line in walk(parse(running))}
    rows, lost = [], []
    for path, row in _rows(text):
        if _hides(row) and (path, _squeezed(row.strip())) not in there:
            lost.append(" / ".join((*path, row.strip())))
        else:
            rows.append(row)
    return "\n".join(rows), tuple(lost)
