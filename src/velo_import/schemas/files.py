"""The data schemas of a converted job, by their paths in its folder."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from velo_engine import Engine
from velo_harness.drafting.new_files import editor_line
from velo_harness.drafting.source_drafts import column_uses, schema_drafts
from velo_import.model import ConvertedJob

FOLDER = "schemas"


def schema_files(job: ConvertedJob, samples: Mapping[str, Any] | None = None) -> dict[str, str]:
    """`schemas/<source>.schema.yaml` for every table that a converted statement reads.

    `samples` are rows (pyarrow tables) of tables by name: what they show replaces what is guessed.
    """
    plan = Engine().plan(job.app_sql, variables={})
    drafts = schema_drafts(plan, column_uses(plan), editor_line("data", depth=1))
    return {f"{FOLDER}/{draft.source}.schema.yaml": draft.text for draft in drafts}
