"""A failed item names the command that runs just it again, with the options of its run."""

from __future__ import annotations

import re
import shlex

import pytest

SPEC = """\
application: again
sql: |
  CREATE TABLE things (id BIGINT, kind STRING);
  CREATE STREAM kinds AS SELECT id, kind FROM things WHERE kind <> '${KIND:none}';
  CREATE STREAM ids AS SELECT id FROM things;
queries:
  - name: kinds
    inputs: [{ source: things, records: 20, overrides: { kind: { enum: [a, b] } } }]
    assertions: [{ type: record_count, equals: 1000 }]
  - name: ids
    inputs: [{ source: things, records: 20 }]
    assertions: [{ type: record_count, equals: 1000 }]
"""


def test_the_command_gives_the_same_failure(pytester: pytest.Pytester) -> None:
    pytester.makefile(".test.yaml", again=SPEC)

    first = pytester.runpytest(
        "-p", "no:hypothesispytest", "-q", "--velo-seed", "7", "--velo-var", "KIND=a", "--velo-strict"
    )
    commands = re.findall(r"run it again: (.+)$", first.stdout.str(), re.MULTILINE)
    again = pytester.runpytest("-p", "no:hypothesispytest", *shlex.split(commands[0])[1:])

    first.assert_outcomes(failed=2)
    again.assert_outcomes(failed=1)
    assert f"run it again: {commands[0]}" in again.stdout.str()
