"""What a device says when it does not do as it is told."""

from __future__ import annotations


class Refused(Exception):  # noqa: N818 - what a device does, not what goes wrong
    """A command that changed nothing; `text` is the device's answer."""

    def __init__(self, text: str) -> None:
        super().__init__(text)
        self.text = text
