"""How critical an incident is: annex 1 of the procedure (5.1), with its thresholds as data.

Minor (mineur): a reduced number of tills or values. Major (majeur): several shops for one operator
or value, or several operators or values in one shop. Critical (critique): all operators, all
values, all shops. The annex joins these three by strokes; `critical` says whether one of them
complete is enough ("any") or all of them must be ("all", so that one cut shop stays major, as the
second half of major wants it).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from incidents.tickets import Criticality, Hit, Severity


@dataclass(frozen=True, slots=True)
class Rules:
    """`[incident.criticality]`; totals that are None are not known and never complete."""

    shops: int | None = None
    operators: int | None = None
    values: int | None = None
    minor_tills: int = 2
    """So many tills of one shop are still a reduced number."""
    minor_values: int = 1
    minor_operators: int = 1
    critical: Literal["all", "any"] = "all"


def reckoned(hit: Hit, affected: int, severity: Severity, rules: Rules) -> Criticality:
    """By what is said of tills, shops, operators and values, else by the number of PAS."""
    if hit != Hit():
        return criticality_of(hit, rules)
    return criticality_of_pas(affected, severity, rules)


def criticality_of(hit: Hit, rules: Rules) -> Criticality:
    """By what is known of what is hit; nothing known is minor."""
    if _critical(hit, rules):
        return "critical"
    several_shops = hit.shops is not None and hit.shops > 1
    much_of_one = (
        (hit.operators or 0) > rules.minor_operators
        or (hit.values or 0) > rules.minor_values
        or (hit.tills or 0) > rules.minor_tills
    )
    return "major" if several_shops or much_of_one else "minor"


def criticality_of_pas(count: int, severity: Severity, rules: Rules) -> Criticality:
    """Where only PAS are known: a blocked PAS is a shop with all its operators and values."""
    blocked = severity == "blocking"
    if blocked and rules.shops is not None and count >= rules.shops > 1:
        return "critical"
    return "major" if blocked or count > 1 else "minor"


def _critical(hit: Hit, rules: Rules) -> bool:
    pairs = (
        (hit.shops, rules.shops),
        (hit.operators, rules.operators),
        (hit.values, rules.values),
    )
    complete = [part is not None and whole is not None and part >= whole for part, whole in pairs]
    if rules.critical == "any":
        return any(complete)
    # A dimension whose total nobody configured does not exist here.
    asked = [done for done, (_, whole) in zip(complete, pairs, strict=True) if whole is not None]
    return bool(asked) and all(asked)
