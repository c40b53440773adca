"""The compiled build of sqlglot is refused in plain words."""

from __future__ import annotations

import pytest
import sqlglot.parser

from velo_engine.errors import ErrorCode, VeloError
from velo_engine.sql.sqlglot_build import require_pure_python


def test_the_python_build_is_accepted():
    require_pure_python()


def test_the_compiled_build_is_refused_with_the_remedy(monkeypatch):
    monkeypatch.setattr(sqlglot.parser, "__file__", "site-packages/sqlglot/parser.cpython-311-x86_64-linux-gnu.so")
    with pytest.raises(VeloError, match="the compiled build of sqlglot is installed") as caught:
        require_pure_python()
    assert caught.value.code is ErrorCode.INFRASTRUCTURE_MISSING
    assert "pip uninstall sqlglotc" in caught.value.hint
