"""The dead letter queue."""

import json

import pytest

from velo_engine.connectors.dead_letters import DeadLetter, DeadLetterFile, DeadLetterQueue, letters_to_writer
from velo_engine.connectors.records import MemoryWriter
from velo_engine.connectors.topics import TopicStore
from velo_engine.errors import VeloError


def letter(offset: int, raw: bytes | None = b"x", row: str | None = None) -> DeadLetter:
    return DeadLetter("trades", 0, offset, f"reason {offset % 2}", raw, "by_minute", row)


def test_all_letters_are_counted_the_first_are_kept_and_each_is_passed_on():
    seen = []
    queue = DeadLetterQueue(max_size=2, forward=seen.append)
    for i in range(5):
        queue.add(letter(i))
    assert (queue.count, queue.dropped, [kept.offset for kept in queue.letters]) == (5, 3, [0, 1])
    assert [passed.offset for passed in seen] == [0, 1, 2, 3, 4]


@pytest.mark.parametrize(
    ("raw", "fields"),
    [
        (b'{"a":\n', {"raw": '{"a":\n'}),
        (b"\xff\x00", {"raw_base64": "/wA="}),
        (None, {}),
        (b"", {"raw": ""}),
    ],
)
def test_a_letter_is_one_line_with_its_original_bytes(raw, fields):
    written = letter(7, raw, row='{"price":1.10}').to_json()
    assert b"\n" not in written
    assert b'"row":{"price":1.10}' in written
    read = json.loads(written)
    assert read.pop("row") == {"price": 1.1}
    assert read == {
        "source": "trades",
        "partition": 0,
        "offset": 7,
        "reason": "reason 1",
        "statement": "by_minute",
        **fields,
    }


def test_a_letter_has_the_key_of_its_record():
    def written(key: bytes | None) -> dict[str, object]:
        return json.loads(DeadLetter("trades", 0, 7, "no number", None, "by_minute", key=key).to_json())

    assert written(b"DE")["key"] == "DE"
    assert written(b"\xff")["key_base64"] == "/w=="
    assert not {"key", "key_base64", "raw"} & written(None).keys()


def test_letters_are_in_the_file_as_they_come(tmp_path):
    path = tmp_path / "deep" / "letters.jsonl"
    file = DeadLetterFile(path)
    queue = DeadLetterQueue(max_size=0, forward=file.add)
    queue.add(letter(1))
    assert json.loads(path.read_bytes())["offset"] == 1
    queue.add(letter(2))
    file.close()
    assert [json.loads(line)["offset"] for line in path.read_bytes().splitlines()] == [1, 2]
    with pytest.raises(VeloError, match="was not created by this run"):
        DeadLetterFile(path)


def test_letters_can_go_to_a_topic_as_the_records_they_were():
    topics = TopicStore()
    queue = DeadLetterQueue(forward=letters_to_writer(MemoryWriter(topics), "dlq", {"trades": "market.trades"}))
    marked = (("source", b"\xff"), ("source", None))
    queue.add(DeadLetter("trades", 2, 7, "no number", b"\xff{", "by_minute", key=b"\xfe", headers=marked))
    queue.add(DeadLetter("file", 0, 3, "division by zero", None, "by_minute", '{"n":0}'))
    queue.add(DeadLetter("trades", 2, 8, "the record has no value", None, "by_minute", key=b"k"))

    first, second, tombstone = topics.get("dlq").records()

    assert (first.value, second.value, tombstone.value) == (b"\xff{", b'{"n":0}', None)
    assert (first.key, second.key, tombstone.key) == (b"\xfe", None, b"k")
    assert first.headers[:2] == marked
    assert dict(first.headers[2:]) == {
        "velo.reason": b"no number",
        "velo.statement": b"by_minute",
        "velo.source": b"trades",
        "velo.topic": b"market.trades",
        "velo.partition": b"2",
        "velo.offset": b"7",
    }
    assert dict(second.headers)["velo.row"] == b'{"n":0}'
    assert dict(second.headers)["velo.topic"] == b"file"
