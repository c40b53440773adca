"""Kafka's own Java client works with our brokers: it asks for other things than librdkafka, and is stricter."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest
from tools.kafka.installation import installation, java, why_unavailable

PROGRAM = Path(__file__).parent / "java" / "JavaClientChecks.java"
CHECKS = (
    *("describe_cluster", "describe_topics", "delete_topics", "list_groups"),
    *("compression_none", "compression_gzip", "compression_snappy", "compression_lz4", "compression_zstd"),
    *("end_offsets_of_admin_and_consumer", "offset_for_timestamp", "group_commits_and_resumes"),
    *("transaction_committed", "transaction_aborted", "offsets_in_transaction"),
    *("successor_fences_predecessor", "admin_fences_producer"),
)


def test_every_check_of_the_java_client_passes(kafka_bootstrap: str) -> None:
    reason = why_unavailable()
    if reason:
        pytest.skip(f"Kafka's Java client comes with Kafka: {reason}")
    fast_to_start = ("-Xmx256m", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1")
    command = [java(), *fast_to_start, "-cp", installation().class_path, str(PROGRAM), kafka_bootstrap]
    done = subprocess.run(command, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr
    what_went_wrong = dict(line.split("\t") for line in done.stdout.splitlines() if "\t" in line)
    assert what_went_wrong == dict.fromkeys(CHECKS, "")
