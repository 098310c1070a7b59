"""Plans: the commands that make a running configuration the target, in a safe order.

Pure: text in, commands out. The order: lists and objects that are new, what uses them, removal in
reverse, and last of all what our own session may hang on. Equal configurations have no plan, so
"is it done" is asked by planning once more.
"""

from __future__ import annotations

from device_configs import plan_asa, plan_ios
from device_configs.errors import DeviceConfigError
from device_configs.sections import family, masked, parse, revealed, unended
from device_configs.steps import Group, Plan

__all__ = ["Group", "Plan", "boots", "equal", "plan"]


def plan(running: str, target: str, platform: str) -> Plan:
    """How the running configuration becomes the target.

    `platform` as in the inventory (`cisco_pix`, `cisco_asa`, `cisco_ios`, ...). Gaps state what the
    platform cannot do without an interruption. Raises `DeviceConfigError` where the target holds a
    secret that a device has masked (sent back it would become the secret) or a text without its
    end mark.
    """
    kind = family(platform, running if running.strip() else target)
    now, then = parse(running), parse(target)
    already = set(masked(now))
    hidden = [text for text in masked(then) if text not in already]
    if hidden:
        raise DeviceConfigError(
            "target",
            f"the secret of `{hidden[0]}` is masked, so it cannot be restored"
            + (f" (and {len(hidden) - 1} more)" if len(hidden) > 1 else ""),
            "take a backup that shows secrets, or write the line into the target by hand",
        )
    if kind == "ios":
        if (open_ended := unended(then)) is not None:
            raise DeviceConfigError(
                "target",
                f"`{open_ended}` has no end",
                "close the banner with its mark, the macro with @, the certificate with quit",
            )
        return plan_ios.plan(now, then, several=platform == "frr")
    return plan_asa.plan(now, then, kind, running)


def equal(running: str, target: str, platform: str) -> bool:
    """Whether nothing is left to do."""
    return not plan(running, target, platform)


def boots(startup: str, text: str, platform: str) -> bool:
    """Whether a startup configuration is this one, as far as the device shows it.

    An ASA masks keys in `show startup-config` and shows them nowhere else: those are not compared.
    """
    return equal(revealed(startup, text), text, platform)
