"""One TOML table into one model, with everything that is wrong in it.

A table with a mistake is understood as far as it goes: what was wrong is left out, a misspelt key
is taken for the one it was meant to be, and the rest is read again, so that the rules between
tables (`inventory.checks`) can speak about it in the same run.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from copy import deepcopy
from dataclasses import dataclass, field
from difflib import get_close_matches
from typing import Annotated, Any, get_args, get_origin

from pydantic import TypeAdapter, ValidationError
from pydantic.fields import FieldInfo
from pydantic_core import ErrorDetails

from inventory.checks import nearest
from inventory.models import Configuration
from inventory.secrets import Secret
from inventory.table import Table
from inventory.toml_lines import Place
from inventory.values import Reading

_REMEDIES = {
    "string_type": "write a text in quotes",
    "string_too_short": "write something, or leave the key out",
    "int_type": "write a whole number without quotes",
    "bool_type": "write true or false",
    "tuple_type": "write a list: [ ... ]",
    "model_type": "write a table: { ... }",
    "dict_type": "write a table: { ... }",
    "path_type": "write a file name in quotes",
}
_PATTERNS = {
    "^[A-Z]{2}$": 'write the two capital letters of ISO 3166-1, as "IT"',
    "^[A-Za-z0-9][": "use letters, digits and . _ / : @ + -, beginning with a letter or digit",
    "^https?://": 'write "http://host:port"',
    "^(icmp|tcp": 'write "icmp" or "tcp:443"',
    "^([01]": 'write "08:00"',
    "^(([01]": 'write "20:00"',
}


@dataclass(frozen=True, slots=True)
class Mistake:
    """What is wrong at a place within one table."""

    place: Place
    message: str
    remedy: str


@dataclass(slots=True)
class Understood:
    """One table as far as it could be understood."""

    model: Table | None
    """The whole table; None as soon as there is a mistake."""
    fields: dict[str, Any]
    mistakes: list[Mistake] = field(default_factory=list)
    doubtful: list[Place] = field(default_factory=list)
    """Where a wrong value was left out: a later finding about it would be a consequence."""


def table_models() -> dict[str, tuple[str, type[Table], bool]]:
    """TOML key -> (field of `Configuration`, model, whether it is an array of tables)."""
    found = {}
    for name, info in Configuration.model_fields.items():
        model = next(_models_in(info.annotation))
        found[key_of(name, info)] = (name, model, get_origin(info.annotation) is tuple)
    return found


def key_of(name: str, info: FieldInfo) -> str:
    """How a field is called in TOML."""
    return info.validation_alias if isinstance(info.validation_alias, str) else name


def understand(model: type[Table], raw: Mapping[str, Any], context: Reading) -> Understood:
    """Read a table; never raises, the mistakes are in the answer."""
    data: dict[str, Any] = deepcopy(dict(raw))
    result = Understood(None, {})
    instance: Table | None = None
    while instance is None:
        try:
            instance = model.model_validate(data, context=context, by_alias=True, by_name=False)
        except ValidationError as error:
            details = _causes(error.errors(include_url=False))
            before = [*result.doubtful]
            removed = [_take_note(detail, model, data, before, result) for detail in details]
            if not any(removed):
                break
    if instance is None:
        result.fields = _field_by_field(model, data, context)
        return result
    result.fields = {name: getattr(instance, name) for name in type(instance).model_fields}
    if not result.mistakes:
        result.model = instance
    for name, info in type(instance).model_fields.items():
        if (key_of(name, info),) in result.doubtful:
            del result.fields[name]
    return result


def related(place: Place, others: list[Place]) -> bool:
    """Whether a place is one of the others, lies in one, or around one."""
    return any(p[: len(place)] == place[: len(p)] for p in others)


def secrets_in(value: object, place: Place = ()) -> Iterator[tuple[Place, Secret]]:
    """Every secret of a value, and where it stands."""
    if isinstance(value, Secret):
        yield place, value
    elif isinstance(value, Table):
        for name, info in type(value).model_fields.items():
            yield from secrets_in(getattr(value, name), (*place, key_of(name, info)))
    elif isinstance(value, tuple):
        for index, element in enumerate(value):
            yield from secrets_in(element, (*place, index))


def _causes(details: list[ErrorDetails]) -> list[ErrorDetails]:
    """Without what only follows from an error deeper inside (its list is too short without it)."""
    places = [detail["loc"] for detail in details]
    return [
        detail
        for detail, place in zip(details, places, strict=True)
        if not any(other != place and other[: len(place)] == place for other in places)
    ]


def _take_note(
    detail: ErrorDetails,
    model: type[Table],
    data: dict[str, Any],
    doubtful: list[Place],
    result: Understood,
) -> bool:
    """Record an error and take its cause out of the data; False where nothing can be taken out."""
    place = detail["loc"]
    if not related(place, doubtful):
        result.mistakes.append(_mistake(detail, model))
    if detail["type"] == "extra_forbidden":
        within = _model_at(model, place[:-1])
        meant = get_close_matches(str(place[-1]), _keys(within), n=1)
        return _remove(data, place, meant=meant[0] if meant else None)
    if place and place not in result.doubtful:
        result.doubtful.append(place)
    if detail["type"] == "missing":
        return False
    while place and isinstance(place[-1], int):
        place = place[:-1]
    return _remove(data, place)


def _remove(data: dict[str, Any], place: Place, *, meant: str | None = None) -> bool:
    """Delete a key, or give it the name that was meant; False where it is not there (any more)."""
    if not place:
        return False
    within: Any = data
    for step in place[:-1]:
        try:
            within = within[step]
        except (KeyError, IndexError, TypeError):
            return False
    if not isinstance(within, dict) or place[-1] not in within:
        return False
    value = within.pop(place[-1])
    if meant is not None:
        within.setdefault(meant, value)
    return True


def _field_by_field(
    model: type[Table], data: Mapping[str, Any], context: Reading
) -> dict[str, Any]:
    """The fields that can be read by themselves, where the table as a whole cannot."""
    fields: dict[str, Any] = {}
    for name, info in model.model_fields.items():
        key = key_of(name, info)
        if key not in data:
            if not info.is_required():
                fields[name] = info.get_default(call_default_factory=True, validated_data={})
            continue
        adapter: TypeAdapter[Any] = TypeAdapter(_annotated(info))
        try:
            fields[name] = adapter.validate_python(
                data[key], context=context, by_alias=True, by_name=False
            )
        except ValidationError:
            continue
    return fields


def _annotated(info: FieldInfo) -> Any:
    return Annotated[(info.annotation, *info.metadata)] if info.metadata else info.annotation


def _mistake(detail: ErrorDetails, model: type[Table]) -> Mistake:
    place, kind = detail["loc"], detail["type"]
    context = detail.get("ctx", {})
    key = next((str(step) for step in reversed(place) if isinstance(step, str)), "")
    if kind == "extra_forbidden":
        within = _model_at(model, place[:-1])
        remedy = nearest(str(place[-1]), _keys(within))
        return Mistake(place, f'unknown key "{place[-1]}"', remedy)
    if kind == "missing":
        return Mistake(place, f'the key "{key}" is missing', f"add {key} = ...")
    if kind == "pasprobe":
        prefix = f"{key}: " if key else ""
        return Mistake(place, f"{prefix}{context['problem']}", str(context["remedy"]))
    if kind == "literal_error":
        words = [str(word) for word in _literals_at(model, place)]
        return Mistake(
            place,
            f'{key} = "{detail["input"]}" is not one of {", ".join(words)}',
            nearest(str(detail["input"]), words),
        )
    if kind == "string_pattern_mismatch":
        pattern = str(context["pattern"])
        remedy = next((r for p, r in _PATTERNS.items() if pattern.startswith(p)), pattern)
        return Mistake(place, f'{key} = "{detail["input"]}" is not written as it must be', remedy)
    message = detail["msg"].removeprefix("Input ").removeprefix("Value ")
    return Mistake(place, f"{key} {message}", _REMEDIES.get(kind, f"correct {key}"))


def _keys(model: type[Table] | None) -> list[str]:
    return [] if model is None else [key_of(n, i) for n, i in model.model_fields.items()]


def _model_at(model: type[Table], place: Place) -> type[Table] | None:
    """The model of the table at a place, by the types alone."""
    current: type[Table] | None = model
    for step in place:
        if current is None or isinstance(step, int):
            continue
        info = next((i for n, i in current.model_fields.items() if key_of(n, i) == step), None)
        current = None if info is None else next(_models_in(info.annotation), None)
    return current


def _literals_at(model: type[Table], place: Place) -> list[Any]:
    """The words a `Literal` at a place allows."""
    steps = [step for step in place if isinstance(step, str)]
    within = _model_at(model, tuple(steps[:-1]))
    for name, info in () if within is None else within.model_fields.items():
        if key_of(name, info) == steps[-1]:
            return _leaves(info.annotation)
    return []


def _leaves(annotation: Any) -> list[Any]:
    arguments = get_args(annotation)
    if not arguments:
        return [annotation] if isinstance(annotation, str) else []
    return [leaf for argument in arguments for leaf in _leaves(argument)]


def _models_in(annotation: Any) -> Iterator[type[Table]]:
    """The models that an annotation is made of: through `| None`, tuples and `Annotated`."""
    if isinstance(annotation, type) and issubclass(annotation, Table):
        yield annotation
    elif get_origin(annotation) is not None:
        for argument in get_args(annotation):
            yield from _models_in(argument)
