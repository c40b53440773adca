"""Plugins of velostream among pytest's own: a conftest.py, or any other plugin module, that defines hooks of ours."""

from __future__ import annotations

from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from collections.abc import Iterator

_LOADED = pytest.StashKey[list[ModuleType]]()


def load(config: pytest.Config) -> None:
    """Takes in what the modules that pytest has loaded so far add, and installed packages. Raises VeloError.

    pytest has imported them already; here nothing is.
    """
    from velo_harness.plugins import add_plugin, is_plugin, plugin_manager
    from velo_harness.programs import shown_path

    plugin_manager()
    loaded = config.stash.setdefault(_LOADED, [])
    for module in _modules(config):
        if module not in loaded and is_plugin(module):
            add_plugin(module, shown_path(Path(module.__file__)) if module.__file__ else module.__name__)
            loaded.append(module)


def unload(config: pytest.Config) -> None:
    """Takes back what the session's modules added."""
    if config.stash.get(_LOADED, None):
        from velo_harness.plugins import remove_plugin

        for module in config.stash[_LOADED]:
            remove_plugin(module)


def _modules(config: pytest.Config) -> Iterator[ModuleType]:
    """The modules among pytest's plugins that can have hooks of ours, in the order of their names."""
    named = sorted(config.pluginmanager.list_name_plugin(), key=lambda pair: pair[0])
    for _, plugin in named:
        if isinstance(plugin, ModuleType) and any(name.startswith("velo_") for name in vars(plugin)):
            yield plugin
