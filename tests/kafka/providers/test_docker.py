"""Specs on Kafka in a real container, where a Docker daemon and an image are there.

The image is that of VELO_KAFKA_IMAGE, the default one, or the one that `make docker-kafka` makes; none is pulled.
"""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest
from tools.kafka.local_image import IMAGE

from tests.kafka.providers.broker import own_topics
from tests.kafka.providers.test_same_report import FOLDERS, SINKS, assert_same, report
from velo_engine.errors import ErrorCode, VeloError
from velo_harness.kafka.containers import DEFAULT_IMAGE, ContainerProvider
from velo_harness.kafka.session import KafkaSession

pytestmark = pytest.mark.docker


@pytest.fixture(scope="module")
def image() -> str:
    """An image that the daemon has. The test is skipped when there is none."""
    pytest.importorskip("testcontainers")
    if shutil.which("docker") is None:
        pytest.skip("no `docker`")
    listed = subprocess.run(
        ["docker", "image", "ls", "--format", "{{.Repository}}:{{.Tag}}"], capture_output=True, text=True
    )
    if listed.returncode:
        pytest.skip(f"no Docker daemon: {listed.stderr.strip()}")
    wanted = [name for name in (os.environ.get("VELO_KAFKA_IMAGE"), DEFAULT_IMAGE, IMAGE) if name]
    there = set(listed.stdout.split())
    found = next((name for name in wanted if name in there), None)
    if found is None:
        pytest.skip(f"none of the images is there: {', '.join(wanted)} (make docker-kafka)")
    return found


@pytest.fixture
def _labelled(image: str) -> Iterator[None]:
    """Removes containers that a test left on purpose."""
    before = _containers(image)
    yield
    for container in _containers(image) - before:
        subprocess.run(["docker", "rm", "-f", container], check=True, capture_output=True)


def _containers(image: str) -> set[str]:
    label = f"label=velostream.kafka.image={image}"
    listed = subprocess.run(["docker", "ps", "-aq", "--filter", label], check=True, capture_output=True, text=True)
    return set(listed.stdout.split())


@pytest.mark.parametrize("folder", FOLDERS)
def test_in_a_container_the_report_is_the_one_in_memory(folder: Path, image: str) -> None:
    before = _containers(image)
    found = report(folder, ContainerProvider(image))
    assert found["kafka"] == "containers"
    assert found["counts"]["passed"] == len(found["queries"]) > 0
    assert_same(found, report(folder))
    assert _containers(image) == before


@pytest.mark.usefixtures("_labelled")
def test_a_reused_container_is_the_same_one_and_has_nothing_of_the_run_before(image: str) -> None:
    addresses, before = set(), _containers(image)
    for _ in range(2):
        with closing(KafkaSession(ContainerProvider(image, reuse=True))) as session:
            addresses.add(session.start().bootstrap_servers)
            assert own_topics(addresses.copy().pop()) == set()
        assert_same(report(SINKS, ContainerProvider(image, reuse=True)), report(SINKS))
    assert len(addresses) == 1
    assert len(_containers(image) - before) == 1


@pytest.mark.usefixtures("_labelled")
def test_a_kept_container_still_has_the_topics(image: str) -> None:
    provider = ContainerProvider(image, keep=True)
    address = provider.start().bootstrap_servers

    class Started:
        name, rules, stays = provider.name, provider.rules, None
        start, stop = staticmethod(lambda: _cluster(address)), staticmethod(provider.stop)

    report(SINKS, Started())
    assert any(name.startswith("sinks-of-tests.totals_") for name in own_topics(address))


def _cluster(address: str):
    from velo_engine.connectors.kafka.client import KafkaCluster

    return KafkaCluster(address)


def test_an_image_that_is_not_there_is_said(image: str) -> None:
    with pytest.raises(VeloError) as refused:
        ContainerProvider("velostream/no-such-image:1").start()
    assert refused.value.code is ErrorCode.INFRASTRUCTURE_MISSING
    assert "velostream/no-such-image:1" in refused.value.message
