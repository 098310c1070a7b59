"""The words of notices: `incidents/texts/<notice>.<language>.j2`, and what they are filled with."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import tzinfo
from functools import cache
from importlib import resources
from types import MappingProxyType
from typing import Literal

import jinja2

from incidents.errors import IncidentError
from incidents.tickets import Criticality, Severity, Ticket
from inventory.clocks import HOUR_NS, MINUTE_NS, local

Language = Literal["fr", "it", "en"]
Notice = Literal["declaration", "escalation", "plan", "firewall", "report", "call"]
CRITICALITY: Mapping[Language, Mapping[Criticality, str]] = MappingProxyType(
    {
        "fr": {"minor": "Mineur", "major": "Majeur", "critical": "Critique"},
        "it": {"minor": "Minore", "major": "Maggiore", "critical": "Critico"},
        "en": {"minor": "Minor", "major": "Major", "critical": "Critical"},
    }
)
SEVERITY: Mapping[Language, Mapping[Severity, str]] = MappingProxyType(
    {
        "fr": {"blocking": "bloquant", "non-blocking": "non bloquant"},
        "it": {"blocking": "bloccante", "non-blocking": "non bloccante"},
        "en": {"blocking": "blocking", "non-blocking": "non-blocking"},
    }
)
_FIREWALL: Mapping[Language, tuple[str, str, str]] = MappingProxyType(
    {
        "fr": ("PIX en anomalie", "cause inconnue", "rétablissement non estimé"),
        "it": ("PIX in anomalia", "causa non nota", "ripristino non stimato"),
        "en": ("PIX in trouble", "cause not known", "repair not estimated"),
    }
)
_REPAIR: Mapping[Language, str] = MappingProxyType(
    {"fr": "correction estimée", "it": "correzione stimata", "en": "estimated repair"}
)
_SHOWN_PAS = 20
_FORM = "%Y-%m-%d %H:%M:%S %z"


@dataclass(frozen=True, slots=True)
class Voice:
    """In whose name, which language and whose local time is written."""

    operator: str
    language: Language
    zone: tzinfo
    subject: str
    parties: Mapping[str, str]
    """Names by id."""

    def name_of(self, party: str) -> str:
        """The name of a party; its id where there is none of that id any more."""
        return self.parties.get(party, party)

    def at(self, ns: int) -> str:
        """An instant for people: local, to the second, with its offset."""
        return local(ns, self.zone).strftime(_FORM)


def length(ns: int) -> str:
    """A length of time for people, as `3 h 59 min`; parts of a minute are cut off."""
    hours, rest = divmod(ns, HOUR_NS)
    minutes = rest // MINUTE_NS
    return f"{hours} h {minutes:02d} min" if hours else f"{minutes} min"


def render(notice: Notice, voice: Voice, **values: object) -> str:
    """The text of a notice; a value that its template misses is a mistake of ours and raises."""
    template = _environment().get_template(f"{notice}.{voice.language}.j2")
    ticket = values.get("ticket")
    if isinstance(ticket, Ticket):
        values |= {
            "criticality": CRITICALITY[voice.language][ticket.criticality],
            "severity": SEVERITY[voice.language][ticket.severity],
        }
    functions: dict[str, Callable[..., str]] = {
        "at": voice.at, "length": length, "some": _some, "name_of": voice.name_of,
    }  # fmt: skip
    return template.render(operator=voice.operator, **functions, **values)


def subject_of(voice: Voice, ticket: Ticket) -> str:
    """The subject of a notice by the configured template (procedure, 1.4)."""
    text = voice.subject.format(
        operator=voice.operator,
        client=ticket.client or "-",
        address=ticket.address or "-",
        criticality=CRITICALITY[voice.language][ticket.criticality],
        ticket=ticket.id,
        severity=SEVERITY[voice.language][ticket.severity],
        services="+".join(ticket.services),
    )
    return one_line(text)


def firewall_subject(
    voice: Voice, device: str, address: str, cause: str, estimate_ns: int | None
) -> str:
    """Which PIX with its address, its cause if known, the estimated time of repair (1.5.2)."""
    trouble, no_cause, no_estimate = _FIREWALL[voice.language]
    repair = no_estimate if estimate_ns is None else (
        f"{_REPAIR[voice.language]} {length(estimate_ns)}"
    )  # fmt: skip
    return one_line(f"{trouble}: {device} {address} - {cause or no_cause} - {repair}")


def one_line(text: str) -> str:
    """Fit for a header: what would end a line or cannot be printed is a space."""
    return " ".join("".join(c if c.isprintable() else " " for c in text).split())


def _some(names: Sequence[str]) -> str:
    shown = ", ".join(names[:_SHOWN_PAS])
    return shown if len(names) <= _SHOWN_PAS else f"{shown}, ... +{len(names) - _SHOWN_PAS}"


@cache
def _environment() -> jinja2.Environment:
    folder = resources.files("incidents") / "texts"

    def text(name: str) -> str:
        try:
            return (folder / name).read_text(encoding="utf-8")
        except OSError as error:
            raise IncidentError(f"the text {name} is missing — install pasprobe again") from error

    return jinja2.Environment(
        loader=jinja2.FunctionLoader(text),
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
        autoescape=False,  # plain text
    )
