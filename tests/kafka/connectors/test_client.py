"""Where a cluster is and how its clients are configured, and what goes wrong."""

from __future__ import annotations

from dataclasses import replace

import pytest

from velo_engine.connectors.kafka.client import ClientRole, KafkaCluster, client_configuration, cluster_from
from velo_engine.connectors.kafka.connection import ConnectionState
from velo_engine.connectors.kafka.java_properties import parse_java_properties
from velo_engine.connectors.kafka.open_client import check_cluster, open_consumer
from velo_engine.connectors.kafka.producer import KafkaWriter
from velo_engine.errors import ErrorCode, VeloError

SECRET = "dont-show-me"


def configuration(role: ClientRole = ClientRole.CONSUMER, **properties: str) -> dict[str, object]:
    return client_configuration(KafkaCluster("h:1", {k.replace("_", "."): v for k, v in properties.items()}), role)


def test_a_properties_file_is_read_as_java_does():
    text = "# comment\n! comment\n a = b \nc:d\ne f=g\nlong=one\\\n   two\nk\\:x=\\u0041\\tz\nempty=\n"

    assert parse_java_properties(text) == {
        "a": "b ",
        "c": "d",
        "e": "f=g",
        "long": "onetwo",
        "k:x": "A\tz",
        "empty": "",
    }


def test_the_login_of_a_java_client_is_taken_over():
    found = configuration(
        sasl_jaas_config=f'org.apache.kafka.common.security.plain.PlainLoginModule required username="me" password="{SECRET}";'
    )

    assert (found["sasl.username"], found["sasl.password"]) == ("me", SECRET)
    assert "sasl.jaas.config" not in found


def test_a_login_module_without_counterpart_is_refused():
    with pytest.raises(VeloError, match="Krb5LoginModule"):
        configuration(sasl_jaas_config="com.sun.security.auth.module.Krb5LoginModule required;")


def test_a_java_key_store_is_refused(tmp_path):
    with pytest.raises(VeloError, match="Java key stores"):
        configuration(ssl_truststore_location=str(tmp_path / "trust.jks"))


def test_a_trust_store_of_pem_needs_no_password(tmp_path):
    (tmp_path / "trust.pem").write_text("-")

    found = configuration(
        ssl_truststore_location=str(tmp_path / "trust.pem"), ssl_truststore_password=SECRET, ssl_truststore_type="PEM"
    )

    assert found["ssl.ca.location"] == str(tmp_path / "trust.pem")
    assert not [key for key in found if "truststore" in key]


def test_certificates_in_the_properties_are_taken_over():
    found = configuration(ssl_truststore_certificates="A", ssl_keystore_certificate_chain="B", ssl_keystore_key="C")

    assert (found["ssl.ca.pem"], found["ssl.certificate.pem"], found["ssl.key.pem"]) == ("A", "B", "C")


def test_a_certificate_that_is_not_there_is_named(tmp_path):
    with pytest.raises(VeloError, match=r"nowhere\.pem") as caught:
        configuration(ssl_ca_location=str(tmp_path / "nowhere.pem"))

    assert caught.value.code is ErrorCode.FILE_NOT_FOUND


def test_settings_that_only_tune_the_java_client_are_left_out():
    found = configuration(max_poll_records="5", value_deserializer="x", fetch_max_wait_ms="7")

    assert found.keys().isdisjoint({"max.poll.records", "value.deserializer", "fetch.max.wait.ms"})
    assert found["fetch.wait.max.ms"] == "7"


def test_nothing_is_committed_behind_the_jobs_back():
    found = configuration()

    assert found["enable.auto.commit"] is False
    assert found["isolation.level"] == "read_committed"


def test_the_command_line_comes_before_the_environment_and_that_before_the_file(tmp_path):
    file = tmp_path / "client.properties"
    file.write_text("bootstrap.servers=file:1\nsasl.username=file\nclient.id=file\n")
    environment = {"VELO_KAFKA_SASL_USERNAME": "env", "VELO_KAFKA_IMAGE": "apache/kafka", "HOME": "/"}

    assert cluster_from("line:1", file, environment) == KafkaCluster(
        "line:1", {"sasl.username": "env", "client.id": "file"}
    )
    assert cluster_from(None, file, {"VELO_KAFKA_BOOTSTRAP_SERVERS": "env:1"}).bootstrap_servers == "env:1"
    assert cluster_from(None, None, {}) is None


def test_secrets_are_not_shown():
    cluster = KafkaCluster("h:1", {"sasl.password": SECRET})

    assert SECRET not in repr(cluster)


def test_a_file_of_properties_that_is_not_there(tmp_path):
    with pytest.raises(VeloError) as caught:
        cluster_from(None, tmp_path / "nothing", {})

    assert caught.value.code is ErrorCode.FILE_NOT_FOUND


# -- what a broker, or none, answers


def failure(cluster: KafkaCluster) -> VeloError:
    with pytest.raises(VeloError) as caught:
        check_cluster(replace(cluster, connect_timeout_s=1.0))
    return caught.value


def test_no_broker_at_the_address(capfd):
    error = failure(KafkaCluster("127.0.0.1:1"))

    assert error.exit_code == 3
    assert "127.0.0.1:1" in error.message
    assert "Connection refused" in error.message
    assert "--brokers" in (error.hint or "")
    assert capfd.readouterr().err == ""


def test_a_host_that_nobody_knows():
    error = failure(KafkaCluster("no-such-host.invalid:9092"))

    assert error.exit_code == 3
    assert "does not resolve" in error.message


def test_a_listener_without_login(kafka_bootstrap, capfd):
    login = {"security.protocol": "SASL_PLAINTEXT", "sasl.mechanism": "PLAIN", "sasl.username": "me"}
    error = failure(KafkaCluster(kafka_bootstrap, {**login, "sasl.password": SECRET}))

    assert error.exit_code == 3
    assert "sasl.username" in (error.hint or "") or "no broker answers" in error.message
    assert SECRET not in str(error)
    assert capfd.readouterr().err == ""


def test_a_listener_without_tls(kafka_bootstrap, capfd):
    error = failure(KafkaCluster(kafka_bootstrap, {"security.protocol": "SSL"}))

    assert error.exit_code == 3
    assert "security.protocol" in (error.hint or "")
    assert capfd.readouterr().err == ""


def test_a_missing_topic(open_source):
    with pytest.raises(VeloError, match="no such topic") as caught:
        open_source("nobody-made-this-topic")

    assert caught.value.exit_code == 3
    assert "velo kafka topics" in (caught.value.hint or "")


def test_a_client_property_that_does_not_exist(capfd):
    with pytest.raises(VeloError, match=r"foo\.bar") as caught:
        open_consumer(KafkaCluster("127.0.0.1:1", {"foo.bar": "1"}), ConnectionState())

    assert caught.value.code is ErrorCode.BAD_PROPERTY
    assert capfd.readouterr().err == ""


def test_a_writer_without_broker_says_so():
    with pytest.raises(VeloError, match="no broker answers"):
        KafkaWriter(KafkaCluster("127.0.0.1:1", connect_timeout_s=0.3))


def test_a_broker_that_answers(cluster):
    check_cluster(cluster)
