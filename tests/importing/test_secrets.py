"""Secrets of a job: hidden in what people read, variables in the program."""

from __future__ import annotations

import json

import pytest

from tests.importing.fixpoint import exported_job
from velo_engine.connectors.kafka.client import ClientRole, KafkaCluster, client_configuration, settings_of
from velo_engine.engine import Engine
from velo_engine.errors import ErrorCode, VeloError
from velo_engine.sql.flink.script import parse_script
from velo_import.convert.job import convert_job
from velo_import.convert.secrets import SecretNames, masked, shown
from velo_import.model import ConvertedJob
from velo_import.report import Reported, report_json
from velo_import.shadow_config import shadow_config_text

LOGIN = 'org.apache.kafka.common.security.plain.PlainLoginModule required username="bob" password="hunter2secret";'
JOB = f"""
CREATE TABLE trades (symbol STRING, quantity BIGINT) WITH ('connector' = 'kafka', 'topic' = 'trades',
    'properties.bootstrap.servers' = 'k:9092', 'format' = 'json', 'properties.sasl.jaas.config' = '{LOGIN}',
    'properties.ssl.truststore.password' = 'tr4stpw');
CREATE TABLE users (id BIGINT, name STRING) WITH ('connector' = 'jdbc', 'table-name' = 'users',
    'url' = 'jdbc:mysql://root:urlpw99@db:3306/x?user=a&password=qpw77&useSSL=false', 'password' = 'dbpw55');
CREATE TABLE totals (symbol STRING, quantity BIGINT) WITH ('connector' = 'kafka', 'topic' = 'totals',
    'properties.bootstrap.servers' = 'k:9092', 'format' = 'json', 'properties.sasl.jaas.config' = '{LOGIN}');
INSERT INTO totals SELECT symbol, quantity FROM trades;
SELECT id, name FROM users;
"""
SECRETS = ("hunter2secret", "tr4stpw", "urlpw99", "qpw77", "dbpw55")


def converted(text: str = JOB) -> ConvertedJob:
    return convert_job("job", [parse_script(text, file="job.sql")])


@pytest.mark.parametrize(
    ("value", "hidden"),
    [
        ("jdbc:mysql://db/x?user=a&password=qpw77", "jdbc:mysql://db/x?user=a&password=***"),
        ("mysql://root:urlpw99@db:3306/x", "mysql://root:***@db:3306/x"),
        ("mongodb://u:p%40q@a:1,b:2/x?ssl=true", "mongodb://u:***@a:1,b:2/x?ssl=true"),
        ("jdbc:oracle:thin:scott/tiger@//db:1521/x", "jdbc:oracle:thin:scott/***@//db:1521/x"),
        (
            "jdbc:sqlserver://db;user=sa;password=s3;encrypt=true",
            "jdbc:sqlserver://db;user=sa;password=***;encrypt=true",
        ),
        ("jdbc:mysql://${USER}:${PW}@db/x?password=${PW}", "jdbc:mysql://${USER}:${PW}@db/x?password=${PW}"),
        ("http://es:9200/path@2", "http://es:9200/path@2"),
        ("users.password_resets", "users.password_resets"),
    ],
)
def test_passwords_in_values(value: str, hidden: str) -> None:
    assert masked(value) == hidden


def test_options_that_people_read() -> None:
    assert shown({"password": "x", "token": "${TOKEN}", "url": "http://u:p@h", "topic": "t"}) == {
        "password": "***",
        "token": "${TOKEN}",
        "url": "http://u:***@h",
        "topic": "t",
    }


def test_another_secret_has_another_name() -> None:
    names = SecretNames()
    login = {"properties.sasl.jaas.config": 'x required password="one";'}
    assert names.referred(login) == (
        {"properties.sasl.jaas.config": 'x required password="${KAFKA_PASSWORD}";'},
        ("KAFKA_PASSWORD",),
    )
    assert names.referred(login)[1] == ("KAFKA_PASSWORD",)
    other = {"properties.sasl.jaas.config": 'x required password="two";'}
    assert names.referred(other)[1] == ("KAFKA_PASSWORD_2",)
    assert names.referred({"avro-confluent.basic-auth.user-info": "u:p"}) == (
        {"avro-confluent.basic-auth.user-info": "${SCHEMA_REGISTRY_BASIC_AUTH_USER_INFO}"},
        ("SCHEMA_REGISTRY_BASIC_AUTH_USER_INFO",),
    )
    assert names.referred({"avro-confluent.url": "https://u:p@registry"})[0] == {
        "avro-confluent.url": "${SCHEMA_REGISTRY_URL}"
    }


def test_no_secret_is_in_what_an_import_writes() -> None:
    job = converted()
    exported = exported_job(job)
    for text in (job.app_sql, report_json([Reported(job)]), shadow_config_text(job), exported.sql):
        assert [one for one in SECRETS if one in text] == []


def test_the_program_has_variables_for_what_its_clients_need() -> None:
    job = converted()
    plan = Engine().plan(job.app_sql, variables={"KAFKA_PASSWORD": "p1", "KAFKA_SSL_TRUSTSTORE_PASSWORD": "p2"})
    properties = plan.sources["trades"].properties
    assert properties["properties.sasl.jaas.config"] == LOGIN.replace("hunter2secret", "p1")
    assert properties["properties.ssl.truststore.password"] == "p2"
    without = Engine().plan(job.app_sql, variables={})  # tests need neither
    assert without.sources["trades"].properties["properties.sasl.jaas.config"] == LOGIN.replace("hunter2secret", "")
    (of_trades, of_totals) = [one for one in job.constructs if one.feature == "secrets of a connector"]
    assert of_trades.became == "${KAFKA_PASSWORD} and ${KAFKA_SSL_TRUSTSTORE_PASSWORD}"
    assert of_trades.reason is not None
    assert "set KAFKA_PASSWORD, KAFKA_SSL_TRUSTSTORE_PASSWORD" in of_trades.reason
    assert of_totals.became == "${KAFKA_PASSWORD}"


def test_nobody_logs_in_with_a_secret_that_is_not_set() -> None:
    without = Engine().plan(converted().app_sql, variables={})
    settings = settings_of(without.sources["trades"].properties, given=False)
    with pytest.raises(VeloError) as refused:
        client_configuration(KafkaCluster("localhost:9092", settings), ClientRole.CONSUMER)
    assert refused.value.code is ErrorCode.UNSET_VARIABLE
    assert "KAFKA_" in (refused.value.hint or "")


def test_an_export_has_them_too_and_says_where_none_is() -> None:
    exported = exported_job(converted())
    (trades,) = [one for one in exported.statements if one.name == "trades"]
    assert 'password="${KAFKA_PASSWORD}";' in trades.sql
    assert "'properties.ssl.truststore.password' = '${KAFKA_SSL_TRUSTSTORE_PASSWORD}'" in trades.sql
    (users,) = [one for one in exported.statements if one.name == "users"]
    assert "'jdbc:mysql://root:***@db:3306/x?user=a&password=***&useSSL=false'" in users.sql
    said = [note.message for note in exported.notes]
    assert "url, password of users: the import kept no secrets" in said
    assert not [one for one in said if "of trades" in one]


def test_the_shadow_config_has_the_same_variables() -> None:
    text = shadow_config_text(converted())
    assert 'password=\\"${KAFKA_PASSWORD}\\"' in text
    assert "${KAFKA_SSL_TRUSTSTORE_PASSWORD}" in text


def test_the_report_keeps_names_only() -> None:
    (job,) = json.loads(report_json([Reported(converted())]))["jobs"]
    (trades,) = [table for table in job["tables"] if table["name"] == "trades"]
    assert trades["production"]["properties.ssl.truststore.password"] == "${KAFKA_SSL_TRUSTSTORE_PASSWORD}"
