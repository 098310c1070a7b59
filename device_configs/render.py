"""Templates: what a device's configuration should be, from the inventory and variables.

A folder `templates` beside the configuration file holds `*.j2` and `variables/`: TOML files
`role/firewall.toml`, `group/NAME.toml`, `pas/ID.toml`, `device/ID.toml`, each of which may replace
what the ones before it say. A table `{ env = "NAME" }` or `{ file = "..." }` is a secret, read when
it is used and nowhere kept. A template that is not in the folder is looked for in this package.
"""

from __future__ import annotations

import ipaddress
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any
from urllib.parse import quote

import jinja2

from device_configs.errors import DeviceConfigError
from inventory.models import Configuration
from inventory.operations import Device
from inventory.secrets import Secret

PACKAGED = Path(__file__).with_name("templates")


class RenderError(DeviceConfigError):
    """A template cannot be rendered: file, line, what is missing, where to write it."""


def render(
    device: Device, configuration: Configuration, folder: Path, environ: Mapping[str, str]
) -> str:
    """The configuration that the device's template gives.

    In the template: `device`, the list `pas` of its access points, `administration`, and all
    variables by their names. Filters: `address`, `network`, `netmask`, `wildcard` of `A/LEN`.
    Raises `RenderError`, `inventory.errors.SecretError`.
    """
    if device.template is None:
        raise RenderError(device.id, "it has no template", 'write template = "NAME.j2"')
    values = _with_secrets(variables(device, folder), folder, environ, "")
    sites = [pas for pas in configuration.pas if pas.id in device.pas]
    contract = configuration.contract
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader([folder, PACKAGED]),
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
        # Configurations are no HTML.
        autoescape=False,
    )
    environment.filters |= {
        "address": lambda text: str(_interface(text).ip),
        "network": lambda text: str(_interface(text).network.network_address),
        "netmask": lambda text: str(_interface(text).netmask),
        "wildcard": lambda text: str(_interface(text).hostmask),
    }
    try:
        return environment.get_template(device.template).render(
            device=device,
            pas=sites,
            administration=None if contract is None else contract.administration,
            **values,
        )
    except jinja2.TemplateNotFound as error:
        raise RenderError(
            device.id,
            f"there is no template {error.name} in {folder} nor among the packaged ones",
            f"write it, or use one of {', '.join(p.name for p in sorted(PACKAGED.glob('*.j2')))}",
        ) from None
    except jinja2.TemplateSyntaxError as error:
        place = f"{error.filename or device.template}:{error.lineno}"
        raise RenderError(device.id, f"{place}: {error.message}", "correct the template") from None
    except jinja2.UndefinedError as error:
        file = folder / "variables" / "device" / f"{quote(device.id, safe='')}.toml"
        raise RenderError(
            device.id, f"{_place(error, device.template)}: {error.message}", f"define it in {file}"
        ) from None
    except (ValueError, TypeError) as error:
        raise RenderError(
            device.id, f"{_place(error, device.template)}: {error}", "correct the variable"
        ) from None


def variables(device: Device, folder: Path) -> dict[str, Any]:
    """All variables of a device, secrets as they are written. `RenderError` names file and line."""
    layers: list[tuple[str, str]] = [("role", device.role)]
    if device.group is not None:
        layers.append(("group", device.group))
    layers += [("pas", pas) for pas in device.pas]
    layers.append(("device", device.id))
    found: dict[str, Any] = {}
    for layer, name in layers:
        file = folder / "variables" / layer / f"{quote(name, safe='')}.toml"
        try:
            text = file.read_text()
        except FileNotFoundError:
            continue
        except (OSError, UnicodeDecodeError) as error:
            raise RenderError(str(file), f"cannot be read ({error})", "make it readable") from None
        try:
            found |= tomllib.loads(text)
        except tomllib.TOMLDecodeError as error:
            raise RenderError(str(file), str(error), "correct the TOML") from None
    return found


def _with_secrets(value: Any, folder: Path, environ: Mapping[str, str], name: str) -> Any:
    """The value with each reference to a secret replaced by the secret."""
    if isinstance(value, dict):
        if value.keys() <= {"env", "file"} and value:
            if "file" in value:
                value = {"file": folder / value["file"]}
            return Secret(**value).reveal(environ)
        return {key: _with_secrets(v, folder, environ, key) for key, v in value.items()}
    if isinstance(value, list):
        return [_with_secrets(one, folder, environ, name) for one in value]
    return value


def _interface(text: str) -> ipaddress.IPv4Interface:
    return ipaddress.IPv4Interface(text)


def _place(error: Exception, template: str) -> str:
    """File and line of the template in which it went wrong."""
    place = template
    trace = error.__traceback__
    while trace is not None:
        name = trace.tb_frame.f_code.co_filename
        if name.endswith(".j2"):
            place = f"{Path(name).name}:{trace.tb_lineno}"
        trace = trace.tb_next
    return place
