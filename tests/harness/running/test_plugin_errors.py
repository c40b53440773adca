"""What a plugin does wrong is an error that names it, its part and the line; nothing of it stays."""

from __future__ import annotations

from pathlib import Path

import pytest

from velo_engine.errors import ErrorCode, VeloError
from velo_engine.formats import open_format
from velo_engine.schema import RowSchema
from velo_engine.types import BIGINT
from velo_harness import plugins
from velo_harness.assertion_types import ASSERTION_TYPES
from velo_harness.kafka.providers import KafkaChoice, chosen_provider
from velo_harness.plugin_files import conftests, load_conftests
from velo_harness.reports.outputs import known_formats, outputs, write_reports
from velo_harness.result import Outcome, RunResult
from velo_harness.runner import run_query
from velo_harness.settings import RunSettings
from velo_harness.spec_loader import load_spec

SPEC = """
application: x
sql: CREATE STREAM s AS SELECT id FROM events;
queries:
  - name: s
    inputs: [{ source: events, schema: events.schema.yaml, CHANGE }]
    assertions: [{ type: record_count, equals: 2 }]
"""
SCHEMA = "name: events\nfields: [{ name: id, type: bigint, constraints: { CONSTRAINT } }]\n"


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A project with a spec; whatever its conftest.py adds is taken back."""
    (tmp_path / "pyproject.toml").write_text("")
    before = set(plugins.plugin_manager().get_plugins())
    monkeypatch.chdir(tmp_path)
    yield tmp_path
    for plugin in set(plugins.plugin_manager().get_plugins()) - before:
        plugins.remove_plugin(plugin)


def loaded(project: Path, conftest: str) -> None:
    (project / "conftest.py").write_text(conftest)
    load_conftests([project / "x.test.yaml"])


def refused(project: Path, conftest: str) -> VeloError:
    with pytest.raises(VeloError) as refusal:
        loaded(project, conftest)
    assert refusal.value.code is ErrorCode.PLUGIN_FAILED
    assert "conftest.py" in refusal.value.message
    return refusal.value


def result_of(project: Path, change: str = "records: 2", constraint: str = ""):
    (project / "events.schema.yaml").write_text(SCHEMA.replace("CONSTRAINT", constraint))
    (project / "x.test.yaml").write_text(SPEC.replace("CHANGE", change))
    spec = load_spec(project / "x.test.yaml")
    return run_query(spec, spec.queries[0], RunSettings(), item="x::s", rerun="")


@pytest.mark.parametrize(
    ("conftest", "message", "line"),
    [
        ("def velo_generators():\n    return {}\n\nimport nothing_like_it\n", "ModuleNotFoundError", 4),
        ("def velo_generators():\n    return {\n", "SyntaxError", 2),
        ("def velo_generators():\n    x = {}\n    return x['y']\n", "KeyError: 'y'", 3),
        ("def velo_generators():\n    return [1]\n", "AttributeError", None),
        ("def velo_formats():\n    return {'json': dict}\n", 'already a format "json"', None),
        ("def velo_kafka_providers():\n    return {'memory': dict}\n", 'already a Kafka provider "memory"', None),
        ("def velo_kafka_providers():\n    return {'a:1': dict}\n", "cannot be the name", None),
        ("def velo_reporters():\n    return {'html': dict}\n", 'already a report format "html"', None),
    ],
)
def test_a_plugin_that_cannot_be_used_is_named(project: Path, conftest: str, message: str, line: int | None) -> None:
    error = refused(project, conftest)
    assert message in error.message
    if line is not None:
        assert error.location is not None
        assert (Path(error.location.file).name, error.location.line) == ("conftest.py", line)


def test_a_function_that_is_nearly_called_as_a_hook_is_an_error(project: Path) -> None:
    error = refused(project, "def velo_generator():\n    return {}\n")
    assert error.hint == 'did you mean "velo_generators"?'


def test_of_a_plugin_that_is_refused_nothing_stays(project: Path) -> None:
    refused(
        project, "def velo_formats():\n    return {'mine': dict}\ndef velo_reporters():\n    return {'json': dict}\n"
    )
    with pytest.raises(VeloError, match="is not a format"):
        open_format("mine", RowSchema.of(("id", BIGINT)), {})
    (project / "conftest.py").write_text("")


def test_what_a_plugin_added_can_be_taken_back(project: Path) -> None:
    loaded(project, "def velo_reporters():\n    return {'mine': repr}\n")
    assert "mine" in known_formats()
    (plugin,) = [p for p in plugins.plugin_manager().get_plugins() if "conftest" in str(getattr(p, "__file__", ""))]
    plugins.remove_plugin(plugin)
    assert "mine" not in known_formats()


def test_a_generator_that_raises_is_named_with_its_line(project: Path) -> None:
    loaded(project, "def bad(rng, rows, options):\n    return 1 / 0\ndef velo_generators():\n    return {'bad': bad}\n")
    error = result_of(project, constraint="generator: bad").error
    assert error.message == 'the plugin conftest.py failed in its generator "bad": ZeroDivisionError: division by zero'
    assert (error.location.line, error.location.text.strip()) == (2, "return 1 / 0")
    assert error.exit_code == 2


@pytest.mark.parametrize(
    ("values", "message"), [("[1]", "gave 1 values where 2 were asked for"), ("['x', 'y']", "gave what is no BIGINT")]
)
def test_values_that_a_generator_must_not_give_are_an_error(project: Path, values: str, message: str) -> None:
    loaded(project, f"def velo_generators():\n    return {{'g': lambda rng, rows, options: {values}}}\n")
    error = result_of(project, constraint="generator: g").error
    assert message in error.message
    assert Path(error.location.file).name == "events.schema.yaml"


def test_a_generator_that_nobody_adds_is_an_error_at_its_place(project: Path) -> None:
    error = result_of(project, constraint="generator: ibna").error
    assert (error.code, error.message) == (ErrorCode.BAD_VALUE, 'there is no generator "ibna"')


def test_generated_values_depend_on_the_seed_only(project: Path) -> None:
    generator = "def g(rng, rows, options):\n    return rng.integers(0, options['below'], rows).tolist()\n"
    loaded(project, generator + "def velo_generators():\n    return {'g': g}\n")
    constraint = "generator: { name: g, options: { below: 1000000 } }"
    assert result_of(project, constraint=constraint).outcome is Outcome.PASSED


def test_an_assertion_that_raises_is_named(project: Path) -> None:
    loaded(
        project,
        """
from velo_harness.plugins import AssertionKind, AssertionType, NewAssertionType, View

def check(assertion, context):
    raise RuntimeError("no")

def velo_assertion_types():
    return [NewAssertionType(AssertionType("mine", "Fails.", ()), AssertionKind("mine", check, View.FINAL))]
""",
    )
    assert "mine" in ASSERTION_TYPES
    (project / "events.schema.yaml").write_text(SCHEMA.replace("CONSTRAINT", ""))
    (project / "x.test.yaml").write_text(
        SPEC.replace("CHANGE", "records: 2").replace("record_count, equals: 2", "mine")
    )
    spec = load_spec(project / "x.test.yaml")
    error = run_query(spec, spec.queries[0], RunSettings(), item="x::s", rerun="").error
    assert error.message == 'the plugin conftest.py failed in its assertion type "mine": RuntimeError: no'
    assert error.location.line == 5


@pytest.mark.parametrize(
    ("body", "told"),
    [
        ("import sys; sys.exit(0)", "SystemExit: 0"),
        ("return True", "TypeError: a check returns None when it holds, else a Finding, not True"),
        ("return 'wrong'", "TypeError: a check returns None when it holds, else a Finding, not 'wrong'"),
    ],
)
def test_an_assertion_that_answers_what_no_check_answers_fails(project: Path, body: str, told: str) -> None:
    """sys.exit(0) would end the run without a word and with exit code 0."""
    loaded(
        project,
        f"""
from velo_harness.plugins import AssertionKind, AssertionType, NewAssertionType, View

def check(assertion, context):
    {body}

def velo_assertion_types():
    return [NewAssertionType(AssertionType("mine", "Fails.", ()), AssertionKind("mine", check, View.FINAL))]
""",
    )
    (project / "events.schema.yaml").write_text(SCHEMA.replace("CONSTRAINT", ""))
    (project / "x.test.yaml").write_text(
        SPEC.replace("CHANGE", "records: 2").replace("record_count, equals: 2", "mine")
    )
    spec = load_spec(project / "x.test.yaml")
    error = run_query(spec, spec.queries[0], RunSettings(), item="x::s", rerun="").error
    assert error.message == f'the plugin conftest.py failed in its assertion type "mine": {told}'
    assert error.exit_code == 2


def test_a_conftest_that_leaves_while_it_is_loaded_is_an_error(project: Path) -> None:
    error = refused(project, "import sys\nsys.exit(0)\ndef velo_formats():\n    return {}\n")
    assert error.message.endswith("cannot be loaded: SystemExit: 0")


def test_a_report_that_raises_is_named_and_others_are_written(project: Path) -> None:
    loaded(project, "def velo_reporters():\n    return {'mine': lambda run: run.nothing}\n")
    wanted = outputs(None, [project / "r.mine", project / "r.json"])
    with pytest.raises(VeloError, match='failed in its report format "mine"'):
        write_reports(RunResult(()), wanted)
    assert (project / "r.json").exists()


def test_a_provider_that_raises_is_named(project: Path) -> None:
    loaded(
        project,
        "def made():\n    raise OSError('no cluster')\ndef velo_kafka_providers():\n    return {'mine': made}\n",
    )
    with pytest.raises(VeloError, match='its Kafka provider "mine": OSError: no cluster'):
        chosen_provider(KafkaChoice(kafka="mine"), {})


def test_a_format_that_raises_is_named(project: Path) -> None:
    loaded(
        project,
        "class F:\n    def __init__(self, *a): pass\n    def decode(self, m): raise OSError('x')\n    encode = decode\ndef velo_formats():\n    return {'mine': F}\n",
    )
    made = open_format("MINE", RowSchema.of(("id", BIGINT)), {})
    with pytest.raises(VeloError, match='failed in its format "mine": OSError: x'):
        made.decode([b"1"])


def test_conftests_count_from_the_root_down_and_only_with_hooks(project: Path) -> None:
    hook = "def velo_reporters():\n    return {}\n"
    for folder, text in ((".", hook), ("a", "import pytest\n"), ("a/b", hook), ("other", hook)):
        (project / folder).mkdir(exist_ok=True)
        (project / folder / "conftest.py").write_text(text)
    found = [path.relative_to(project).as_posix() for path in conftests(project / "a/b/x.test.yaml")]
    assert found == ["conftest.py", "a/b/conftest.py"]


@pytest.mark.parametrize("text", ["", "def velo_client():\n    return 1\n", "velo_reporters = 5\n"])
def test_a_conftest_without_hooks_is_never_run(project: Path, text: str) -> None:
    loaded(project, text + "raise SystemExit('was run')\n")


def test_a_conftest_imports_what_lies_beside_it(project: Path) -> None:
    (project / "beside_it.py").write_text("FORMATS = {'beside': str}\n")
    loaded(project, "from beside_it import FORMATS\ndef velo_reporters():\n    return FORMATS\n")
    assert "beside" in known_formats()


@pytest.mark.parametrize(
    ("conftest", "level"), [("def velo_assertion_types():\n    raise SystemExit\n", "warning"), ("", "error")]
)
def test_validating_runs_no_plugin_and_says_what_one_may_add(project: Path, conftest: str, level: str) -> None:
    from velo_harness.validating.files import validate

    (project / "conftest.py").write_text(conftest)
    (project / "events.schema.yaml").write_text(SCHEMA.replace("CONSTRAINT", ""))
    (project / "x.test.yaml").write_text(
        SPEC.replace("CHANGE", "records: 2").replace("record_count, equals: 2", "mine")
    )
    (finding,) = validate([project / "x.test.yaml"], RunSettings()).findings
    assert (finding.code, finding.level.value) == (ErrorCode.UNKNOWN_ASSERTION, level)
