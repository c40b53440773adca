"""Have a real Flink compile plans of recorded oracle cases, and write them down.

python -m tests.importing.record_plans

`plans/<group>__<name>.json` is what `COMPILE PLAN` wrote, on one line a node, `.sql` beside it what it was compiled
from. The answer of the case in tests/oracle is that of the same query.
"""

from __future__ import annotations

import json
import sys
import tempfile
from collections.abc import Iterator, Mapping
from pathlib import Path

from tools.flink.installation import FlinkMissingError, installation
from tools.flink.script_runner import run_statements
from tools.kafka.installation import installation as kafka

from tests.oracle.case import CASES, Definition, load

PLANS = Path(__file__).parent / "plans"

_KAFKA = "'connector'='kafka', 'topic'='{0}', 'properties.bootstrap.servers'='broker:9092', 'format'='{1}'"
_UPSERT = (
    "'connector'='upsert-kafka', 'topic'='{0}', 'properties.bootstrap.servers'='broker:9092', "
    "'key.format'='json', 'value.format'='json'"
)
_FILE = "'connector'='filesystem', 'path'='data/{0}.json', 'format'='json'"
_LOOKUP = "'connector'='scenario', 'scenario'='none', 'table'='{0}', 'format'='json'"

PLAIN = (
    *("filter/in_list", "arithmetic/precedence", "logic/case_when", "casts/booleans", "logic/in_and_between"),
    *(
        "group_by/filter_clause",
        "group_by/having_count",
        "grouping_sets/rollup",
        "two_steps/counts_of_counts",
        "casts/times_to_times",
    ),
    *(
        "tumble/closing_boundary",
        "hop/having",
        "cumulate/random_1001",
        "session/random_701",
        "group_windows/tumble_row_time",
    ),
    *("window_tables/of_a_common_table", "chained_windows/group_by_over_window", "chained_windows/legacy_chain"),
    *("window_join/of_aggregates", "window_top_n/of_rows_1701", "window_deduplicate/by_window_time", "top_n/ascending"),
    *("top_n/grouped_after", "deduplicate/keep_first_1101", "deduplicate/keep_last_by_arrival", "order_limit/limit"),
    *("order_limit/by_time_not_selected", "over/before_the_epoch", "over_values/rows_sum", "union_all/of_three"),
    *(
        "match_recognize/aggregates_of_all_rows",
        "regular_join/full_with_condition_1701",
        "semi_anti_join/not_in_1801",
        "left_join/left_first",
    ),
    *("interval_join/bounds_in_where_1201", "temporal_join/inner_with_condition_1601", "lookup_join/integer_key"),
    *(
        "lookup_join/left_with_condition_on_both",
        "unnest/array_left_with_ordinality",
        "set_operations/union_1501",
        "subqueries/scalar",
        "changelog_sources/upserts_counted",
        "values/joined",
    ),
    *("join_names/using_full", "processing_time_windows/computed_bounds"),
)
"""The cases."""

TWO_PHASES = ("group_by/filter_clause", "group_by/sum_distinct", "group_by/random_101")
"""Cases that are compiled with mini-batches, and with buckets for distinct values, too."""

_MINI_BATCH = {
    "table.exec.mini-batch.enabled": "true",
    "table.exec.mini-batch.allow-latency": "1 s",
    "table.exec.mini-batch.size": "100",
    "table.optimizer.agg-phase-strategy": "TWO_PHASE",
}
_SPLIT = {**_MINI_BATCH, "table.optimizer.distinct-agg.split.enabled": "true"}


def chosen(name: str) -> Definition:
    """The definition of a case."""
    return load(CASES / f"{name}.json").definition


def tables(definition: Definition) -> Iterator[tuple[str, str]]:
    """Each table of a case with its CREATE TABLE, and the sink."""
    for name, table in definition.tables.items():
        if table.lookup:
            options = _LOOKUP.format(name)
        elif table.changelog == "+I -U +U -D":
            options = _KAFKA.format(name, "debezium-json")
        elif table.changelog or "PRIMARY KEY" in table.columns:
            options = _UPSERT.format(name)
        else:
            options = (_FILE if len(definition.name) % 2 else _KAFKA).format(name, "json")
        yield name, f"CREATE TABLE `{name}` ({table.columns}) WITH ({options})"
    answer = load(definition.path).answer
    columns = ", ".join(f"`{name}` {kind.split(' *')[0]}" for name, kind in answer.schema)
    yield "sink", f"CREATE TABLE `sink` ({columns}) WITH ('connector'='print')"


def record(names: Mapping[str, str], settings: Mapping[str, str]) -> None:
    """The plans of cases: names of cases to names of files."""
    statements: list[str] = []
    with tempfile.TemporaryDirectory() as scratch:
        for name, file in names.items():
            definition = chosen(name)
            declared = dict(tables(definition))
            insert = f"INSERT INTO sink {definition.query}"
            statements += [
                *(f"DROP TABLE IF EXISTS `{table}`" for table in declared),
                *declared.values(),
                f"COMPILE PLAN '{scratch}/{file}.json' FOR {insert}",
            ]
            text = "".join(f"{statement};\n" for statement in (*declared.values(), insert))
            heads = "".join(f"-- SET '{key}' = '{value}'\n" for key, value in settings.items())
            (PLANS / f"{file}.sql").write_text(heads + text, encoding="utf-8")
        run_statements(statements, jars=[kafka().flink_connector, installation().classes], settings=settings)
        for file in names.values():
            (PLANS / f"{file}.json").write_text(_short(Path(scratch) / f"{file}.json"), encoding="utf-8")


def record_statement_set() -> None:
    """The plan of two INSERTs that share a source."""
    definition = chosen("group_by/random_101")
    (declared, *_) = dict(tables(definition)).items()
    sinks = [
        "CREATE TABLE a (n BIGINT) WITH ('connector'='print')",
        "CREATE TABLE b (n BIGINT) WITH ('connector'='print')",
    ]
    inserts = "INSERT INTO a SELECT COUNT(*) FROM t; INSERT INTO b SELECT COUNT(*) FROM t WHERE k = 'A';"
    with tempfile.TemporaryDirectory() as scratch:
        path = Path(scratch) / "plan.json"
        compiled = f"COMPILE PLAN '{path}' FOR STATEMENT SET BEGIN {inserts} END"
        run_statements([declared[1], *sinks, compiled], jars=[kafka().flink_connector])
        (PLANS / "statement_set.json").write_text(_short(path), encoding="utf-8")


def _short(path: Path) -> str:
    """The plan with one line for each node."""
    plan = json.loads(path.read_text(encoding="utf-8"))
    lines = {key: ",\n".join(json.dumps(one, ensure_ascii=False) for one in plan[key]) for key in ("nodes", "edges")}
    version = json.dumps(plan["flinkVersion"])
    return f'{{"flinkVersion": {version},\n"nodes": [\n{lines["nodes"]}\n],\n"edges": [\n{lines["edges"]}\n]}}\n'


def file_of(name: str, kind: str = "") -> str:
    """The file of a case's plan."""
    definition = chosen(name)
    return f"{definition.group}__{definition.name}{kind}"


def main() -> int:
    """The command line."""
    PLANS.mkdir(exist_ok=True)
    try:
        record({name: file_of(name) for name in PLAIN if not chosen(name).config}, {})
        record({name: file_of(name, "__two_phases") for name in TWO_PHASES}, _MINI_BATCH)
        record({name: file_of(name, "__split_distinct") for name in TWO_PHASES}, _SPLIT)
        record_statement_set()
    except FlinkMissingError as missing:
        print(missing, file=sys.stderr)
        return 3
    return 0


if __name__ == "__main__":
    sys.exit(main())
