"""No record stops a format: each becomes a row or is refused with a reason, whatever its neighbours are.

`python -m tests.engine.formats.hostile` does the same with 100 000 records of every format.
"""

import random

import pytest
from tests.engine.formats.hostile import batches, check, hostile, targets

from velo_engine.formats import open_format

pytest.importorskip("grpc_tools", reason="compiling .proto files needs grpcio-tools")

TARGETS = targets(random.Random(1))
BY_NAME = pytest.mark.parametrize("target", TARGETS, ids=[target.name for target in TARGETS])


@BY_NAME
def test_hostile_records_become_rows_or_are_refused(target):
    rows = refused = 0
    for records in batches(target, 625, seed=1):
        decoded = check(target, records)
        rows, refused = rows + decoded.table.num_rows, refused + len(decoded.failures)
    assert rows > 50
    assert refused > 3 if target.name == "raw" else refused > 50


@BY_NAME
def test_a_hostile_record_does_not_touch_its_neighbours(target):
    rng = random.Random(7)
    records = [hostile(rng, target.valid) for _ in range(60)]
    together = check(target, records)
    alone = [check(target, [record]) for record in records]
    # As JSON, since NaN does not equal itself, and Python has no dates beyond the year 9999.
    as_json = open_format("json", target.schema, {}).encode
    assert as_json(together.table) == [row for d in alone for row in as_json(d.table)]
    assert [f.reason for f in together.failures] == [f.reason for d in alone for f in d.failures]
