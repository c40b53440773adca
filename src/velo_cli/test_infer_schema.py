"""`velo-test infer-schema`: data schemas from what is there."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from velo_cli.command_line import key_values, set_debug
from velo_harness.reports.standard_output import print_out

if TYPE_CHECKING:
    from velo_harness.inference import InferredSchema

SCHEME = "kafka://"
DEFAULT_SAMPLE = 1000


def infer_schema(
    sources: Annotated[
        list[str] | None,
        typer.Argument(
            help="SQL, csv, JSON, Parquet and Avro files, Avro schemas, kafka://HOST:PORT/TOPIC", show_default=False
        ),
    ] = None,
    topic: Annotated[list[str], typer.Option(help="a topic of the cluster of --kafka (repeatable)")] = [],  # noqa: B006
    kafka: Annotated[str | None, typer.Option(help="the cluster of --topic", metavar="HOST:PORT")] = None,
    kafka_config: Annotated[Path | None, typer.Option(help="client properties for the cluster", metavar="FILE")] = None,
    sample: Annotated[int, typer.Option(min=1, help="records of a topic that are looked at")] = DEFAULT_SAMPLE,
    output: Annotated[Path, typer.Option("--output", "-o", help="the folder for the schemas")] = Path("schemas"),
    name: Annotated[str | None, typer.Option(help="what the schema is called, instead of like its file")] = None,
    var: Annotated[list[str], typer.Option(help="a value for ${NAME}, as NAME=VALUE (repeatable)")] = [],  # noqa: B006
    force: Annotated[bool, typer.Option("--force", help="overwrite schemas that are there")] = False,
    stdout: Annotated[bool, typer.Option("--print", help="write to stdout, and no file")] = False,
    debug: Annotated[bool, typer.Option("--debug", help="show the traceback of a defect")] = False,
) -> None:
    """Write data schemas: columns, types, which may be NULL, and the ranges, sets and patterns that a sample shows."""
    from velo_engine.errors import ErrorCode, VeloError
    from velo_harness.drafting.new_files import editor_files, editor_line, refuse_existing, write_files
    from velo_harness.inference import inferred_from_file

    set_debug(debug)
    line = editor_line("data", 1)
    wanted = [*(sources or []), *topic]
    if not wanted:
        raise typer.BadParameter("give a file, or --topic", param_hint="SOURCES")
    if name is not None and len(wanted) > 1:
        raise typer.BadParameter("one name for several sources", param_hint="--name")
    found: list[InferredSchema] = []
    for source in sources or []:
        if source.startswith(SCHEME):
            address, _, called = source.removeprefix(SCHEME).partition("/")
            if not called:
                raise typer.BadParameter(f"{source} names no topic: kafka://HOST:PORT/TOPIC", param_hint="SOURCES")
            found.append(_from_topic(called, address, kafka_config, sample, line, name))
        else:
            found += inferred_from_file(Path(source), line, name=name, variables=key_values(var))
    found += [_from_topic(one, kafka, kafka_config, sample, line, name) for one in topic]
    twice = next((one.name for i, one in enumerate(found) if one.name in {other.name for other in found[:i]}), None)
    if twice is not None:
        message = f'two of the sources are called "{twice}"'
        raise VeloError(ErrorCode.BAD_VALUE, message, hint="infer them one by one, with --name")
    if stdout:
        print_out("---\n".join(one.text for one in found))
        return
    files = {output / f"{one.name}.schema.yaml": one.text for one in found}
    refuse_existing(files, force=force)
    write_files({**files, **editor_files(output.absolute().parent, ("data",))})
    for path in files:
        print(path, file=sys.stderr)


def _from_topic(
    topic: str, address: str | None, config: Path | None, sample: int, line: str, name: str | None
) -> InferredSchema:
    import os

    from velo_engine.connectors.kafka.client import cluster_from
    from velo_engine.errors import ErrorCode, VeloError
    from velo_harness.inference import inferred_from_topic

    cluster = cluster_from(address, config, os.environ)
    if cluster is None:
        hint = "name it with --kafka HOST:PORT, or write kafka://HOST:PORT/TOPIC"
        raise VeloError(ErrorCode.INFRASTRUCTURE_MISSING, f'no cluster is named that has "{topic}"', hint=hint)
    return inferred_from_topic(cluster, topic, sample, line, name=name)
