"""What `pasprobe demo` says while it works: a live line on a terminal, plain lines elsewhere."""

from __future__ import annotations

import sys
from types import TracebackType
from typing import TYPE_CHECKING, Self

if TYPE_CHECKING:
    from rich.progress import Progress as Bar
    from rich.progress import TaskID

    from agent.demo.run import Progress

SECOND_NS = 1_000_000_000
PLAIN_EVERY_NS = 5 * SECOND_NS


class Screen:
    """Writes to standard error, so that standard output is the result alone."""

    def __init__(self) -> None:
        self._bar: Bar | None = None
        self._task: TaskID | None = None
        self._said_ns = 0
        if sys.stderr.isatty():
            from rich.console import Console
            from rich.progress import BarColumn, TextColumn
            from rich.progress import Progress as Bar

            # Refreshed by us: a thread of its own would take turns from the packets.
            self._bar = Bar(
                TextColumn("{task.description}"),
                BarColumn(bar_width=24),
                TextColumn("{task.fields[said]}"),
                console=Console(stderr=True),
                auto_refresh=False,
                transient=True,
            )

    def __enter__(self) -> Self:
        if self._bar is not None:
            self._bar.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self._bar is not None:
            self._bar.stop()

    def stage(self, text: str) -> None:
        """Say what is being done now."""
        if self._bar is None:
            print(text, file=sys.stderr, flush=True)
            return
        self._bar.console.print(text, style="dim", highlight=False, soft_wrap=True)
        self._bar.refresh()

    def measuring(self, progress: Progress) -> None:
        """Say how far the measurement is."""
        said = f"{progress.sent} packets sent, {progress.answered} answered"
        done_s = min(progress.elapsed_ns, progress.total_ns) // SECOND_NS
        text = f"{max(0, done_s)} of {progress.total_ns // SECOND_NS} s"
        if self._bar is None:
            if progress.elapsed_ns - self._said_ns >= PLAIN_EVERY_NS:
                self._said_ns = progress.elapsed_ns - progress.elapsed_ns % PLAIN_EVERY_NS
                print(f"  {text}: {said}", file=sys.stderr, flush=True)
            return
        if self._task is None:
            self._task = self._bar.add_task("  measuring", total=progress.total_ns, said="")
        self._bar.update(self._task, completed=max(0, progress.elapsed_ns), said=f"{text}, {said}")
        self._bar.refresh()

    def measured(self) -> None:
        """The measurement is over: take its line away."""
        if self._bar is not None and self._task is not None:
            self._bar.remove_task(self._task)
            self._bar.refresh()
