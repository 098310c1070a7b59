"""The catalogue for machines: the format of `pasprobe sla catalogue --json`, which is fixed."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from analysis.catalogue_types import LimitRow, Parameter, PenaltyRow, ReportItem, Service


def catalogue_object(services: Iterable[Service]) -> dict[str, Any]:
    """All services, numbers as decimal strings."""
    return {"services": [_service(service) for service in services]}


def _service(service: Service) -> dict[str, Any]:
    return {
        "id": service.id,
        "section": service.section,
        "value_basis": service.value_basis,
        "windows": list(service.windows),
        "levels": list(service.levels),
        "profiles": list(service.profiles),
        "parameters": [_parameter(parameter) for parameter in service.parameters],
        "contractual_report": [_item(item) for item in service.contractual_report],
        "technical_report": [_item(item) for item in service.technical_report],
    }


def _parameter(parameter: Parameter) -> dict[str, Any]:
    return {
        "id": parameter.id,
        "limits": [_limit(row) for row in parameter.limits],
        "penalties": [_penalty(row) for row in parameter.penalties],
        "clause": parameter.clause,
        "lines": list(parameter.lines),
    }


def _limit(row: LimitRow) -> dict[str, Any]:
    return {
        "when": dict(row.when),
        "value": str(row.value),
        "unit": row.unit,
        "target_share": None if row.target_share is None else str(row.target_share),
    }


def _penalty(row: PenaltyRow) -> dict[str, Any]:
    return {
        "when": dict(row.when),
        "rate": str(row.rate),
        "unit": row.unit,
        "per": row.per,
        "step": str(row.step),
        "basis": row.basis,
    }


def _item(item: ReportItem) -> dict[str, Any]:
    return {"id": item.id, "text": item.text}
