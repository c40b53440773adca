"""`conftest.py` as a plugin without pytest: as in pytest, those from the project's root down to a spec's folder count.

A conftest.py is somebody's code. It is only run when it defines a hook of ours (which is found by parsing it, not by
running it), and only for a run: collecting, validating, explaining and importing never do.
"""

from __future__ import annotations

import ast
import hashlib
import importlib.util
import sys
from collections.abc import Iterable, Iterator
from functools import cache
from importlib.metadata import entry_points
from pathlib import Path
from types import ModuleType

from velo_engine.errors import ErrorCode, VeloError
from velo_harness.discovery import project_root
from velo_harness.plugin_guard import plugin_error
from velo_harness.plugins import GROUP, HOOKS, add_plugin, means_hook, plugin_manager
from velo_harness.programs import shown_path

NAME = "conftest.py"


def load_conftests(specs: Iterable[Path]) -> None:
    """Loads installed plugins, and every conftest.py with hooks that counts for one of the specs.

    Errors: PLUGIN_FAILED.
    """
    plugin_manager()
    found = dict.fromkeys(path for spec in specs for path in conftests(spec))
    for path in found:
        add_plugin(_module(path), shown_path(path))


def conftests(spec: Path) -> Iterator[Path]:
    """The files that count for a spec and define hooks, the outermost first. Nothing is run."""
    folder, root = spec.resolve().parent, project_root(spec)
    between = [f for f in (folder, *folder.parents) if f.is_relative_to(root)]
    for one in reversed(between):
        if defines_hooks(one / NAME):
            yield one / NAME


def may_have_plugins(spec: Path) -> bool:
    """Whether a run of a spec would load plugins. Nothing is run, and nothing imported."""
    return bool(entry_points(group=GROUP)) or any(True for _ in conftests(spec))


@cache
def defines_hooks(path: Path) -> bool:
    """Whether a file is Python that defines, at its top level, a function called as a hook, or nearly."""
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError):
        return False
    if "velo_" not in text:
        return False
    try:
        tree = ast.parse(text)
    except (SyntaxError, ValueError, RecursionError):
        return any(f"def {hook}(" in text for hook in HOOKS)
    return any(isinstance(node, ast.FunctionDef) and means_hook(node.name) for node in tree.body)


@cache
def _module(path: Path) -> ModuleType:
    """The module of a conftest.py, run once. What lies beside it can be imported meanwhile, as under pytest."""
    digest = hashlib.sha256(str(path).encode()).hexdigest()[:12]
    spec = importlib.util.spec_from_file_location(f"velo_conftest_{digest}", path)
    if spec is None or spec.loader is None:
        raise VeloError(ErrorCode.PLUGIN_FAILED, f"{shown_path(path)} cannot be loaded")
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    sys.path.insert(0, str(path.parent))
    try:
        spec.loader.exec_module(module)
    except (Exception, SystemExit) as error:
        del sys.modules[spec.name]
        raise plugin_error(shown_path(path), "cannot be loaded", error, str(path)) from error
    finally:
        sys.path.remove(str(path.parent))
    return module
