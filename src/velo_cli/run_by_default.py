"""Words that mean another command: `velo test x.sql` runs it, `velo run DIR --shadow` is `velo shadow DIR`."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from typer.core import TyperGroup

RUN = "run"
SHADOW = "shadow"


class RunByDefault(TyperGroup):
    """A group that runs paths: `velo-test specs/` means `velo-test run specs/`."""

    def resolve_command(self, ctx: Any, args: list[str]) -> Any:
        """The command that the words mean. A word that is neither a command nor a path is an error, as usual."""
        if args and args[0] not in self.commands and _is_path(args[0]):
            args = [RUN, *args]
        return super().resolve_command(ctx, args)


class RunBeside(TyperGroup):
    """A group in which running beside Flink is comparing: `velo run DIR --shadow …` means `velo shadow DIR …`."""

    def resolve_command(self, ctx: Any, args: list[str]) -> Any:
        """The command that the words mean; behind `--shadow` all options are those of `velo shadow`."""
        flag = f"--{SHADOW}"
        if args and args[0] == RUN and flag in args:
            args = [SHADOW, *(word for word in args[1:] if word != flag)]
        return super().resolve_command(ctx, args)


def _is_path(word: str) -> bool:
    return not word.startswith("-") and (word.endswith((".sql", ".yaml", ".yml", "/")) or Path(word).exists())
