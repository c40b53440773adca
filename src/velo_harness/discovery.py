"""Which files belong together (specs, programs, schemas, data), and which paths are safe."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from velo_engine.errors import ErrorCode, Location, VeloError, did_you_mean

SPEC_SUFFIXES = (".test.yaml", ".spec.yaml", ".test.yml", ".spec.yml")
SPEC_NAMES = ("test_spec.yaml", "test_spec.yml")
SCHEMA_SUFFIXES = (".schema.yaml", ".schema.yml")
_LONGEST_NAME = 200
"""No file is called by a longer name."""
SCHEMA_FOLDERS = ("schemas", "schema", "../schemas", "fixtures", ".")
DATA_FOLDERS = ("data", "../data")
ROOT_MARKERS = (".git", "pyproject.toml", "pytest.ini", "tox.ini", "setup.cfg")
"""A folder with one of these is a project's root."""


@dataclass(frozen=True, slots=True)
class PathPolicy:
    """Where the paths of specs may lead: under the project's root, or a folder allowed with `--allow-path`."""

    root: Path
    allowed: tuple[Path, ...] = ()

    @staticmethod
    def for_file(file: Path, allowed: Sequence[Path] = ()) -> PathPolicy:
        """The policy for a spec or schema file: its project's root, see `project_root`."""
        return PathPolicy(project_root(file), tuple(path.resolve() for path in allowed))

    def resolve(self, text: str, base: Path, location: Location | None = None) -> Path:
        """The absolute path that `text` means in a file of folder `base`, symbolic links followed.

        Errors: PATH_OUTSIDE_PROJECT.
        """
        path = _normalised(base / text, text, location)
        if any(path.is_relative_to(folder) for folder in (self.root, *self.allowed)):
            return path
        message = f'the path "{text}" leaves the project ({self.root})'
        hint = "move the file into the project, or allow its folder with --allow-path"
        raise VeloError(ErrorCode.PATH_OUTSIDE_PROJECT, message, location=location, hint=hint)


def _normalised(path: Path, text: str, location: Location | None) -> Path:
    try:
        return path.resolve()
    except (OSError, ValueError, RuntimeError):
        message = f'"{text}" is not a usable path'
        raise VeloError(ErrorCode.BAD_VALUE, message, location=location) from None


def project_root(file: Path) -> Path:
    """The nearest folder above `file` with a root marker.

    Without one: the working directory if it holds `file`, else the folder above the file's (specs may name `../data`).
    """
    folder = file.resolve().parent
    for candidate in (folder, *folder.parents):
        if any((candidate / marker).exists() for marker in ROOT_MARKERS):
            return candidate
    working = Path.cwd()
    if folder.is_relative_to(working) and working != Path(working.anchor):
        return working
    return folder if folder.parent == Path(folder.anchor) else folder.parent


def is_spec_name(path: Path) -> bool:
    """Whether a file is called like a spec."""
    return path.name in SPEC_NAMES or path.name.endswith(SPEC_SUFFIXES)


def find_specs(sql_file: Path) -> list[Path]:
    """The specs of `x.sql`: all that the first of these places has.

    `x.test.yaml` and `x.spec.yaml` beside it, in `../tests`, `test_spec.yaml` beside it, above it.
    """
    folder = sql_file.parent
    named = [sql_file.stem + suffix for suffix in SPEC_SUFFIXES]
    places = ((folder, named), (folder.parent / "tests", named), (folder, SPEC_NAMES), (folder.parent, SPEC_NAMES))
    return next((found for place, names in places if (found := [f for n in names if (f := place / n).is_file()])), [])


def find_sql(spec_file: Path) -> Path | None:
    """The program of a spec that names none.

    For `x.test.yaml`: `x.sql` beside it, else in `../` or its folders `sql`, `src`, `apps`; for `test_spec.yaml`: the
    only `.sql` file beside it, else the only one in those folders. None when there is none, or more than one.
    """
    folder = spec_file.parent
    for suffix in SPEC_SUFFIXES:
        if spec_file.name.endswith(suffix):
            name = spec_file.name.removesuffix(suffix) + ".sql"
            places = (folder, folder.parent, *(folder.parent / child for child in ("sql", "src", "apps")))
            return next((place / name for place in places if (place / name).is_file()), None)
    beside = sorted(folder.glob("*.sql"))
    candidates = beside or sorted(folder.glob("*/*.sql"))
    return candidates[0] if len(candidates) == 1 else None


def find_schema(name: str, base: Path, policy: PathPolicy, location: Location | None = None) -> Path | None:
    """The schema file that `name` means in a file of folder `base`, or None.

    A path to a YAML file, else `<name>.schema.yaml` in the schema folders. Errors: FILE_NOT_FOUND for a path,
    PATH_OUTSIDE_PROJECT.
    """
    if name.endswith((".yaml", ".yml")):
        path = policy.resolve(name, base, location)
        if not path.is_file():
            nearby = [_shown_from(base, schema) for schema in schema_files(base)]
            hint = did_you_mean(name, nearby, noun="schema file") if nearby else "write it: a name and fields"
            raise VeloError(ErrorCode.FILE_NOT_FOUND, f'there is no schema file "{name}"', location=location, hint=hint)
        return path
    if Path(name).name != name or len(name) > _LONGEST_NAME:
        return None
    candidates = (base / folder / f"{name}{suffix}" for folder in SCHEMA_FOLDERS for suffix in SCHEMA_SUFFIXES)
    return next((path for path in candidates if path.is_file()), None)


def require_schema(name: str, base: Path, policy: PathPolicy, location: Location | None = None) -> Path:
    """As `find_schema`, for a name that must exist. Errors: UNKNOWN_SCHEMA too."""
    found = find_schema(name, base, policy, location)
    if found is None:
        names = [_schema_name(path) for path in schema_files(base)]
        hint = did_you_mean(name, names, noun="schema file in " + ", ".join(f"{f}/" for f in SCHEMA_FOLDERS[:-1]))
        raise VeloError(ErrorCode.UNKNOWN_SCHEMA, f'there is no schema "{name}"', location=location, hint=hint)
    return found


def schema_files(base: Path) -> Iterator[Path]:
    """The schema files that a file in folder `base` may name, nearest folder first, by name."""
    for folder in SCHEMA_FOLDERS:
        place = base / folder
        if place.is_dir():
            yield from sorted(path for path in place.iterdir() if path.name.endswith(SCHEMA_SUFFIXES))


def find_data(name: str, base: Path, policy: PathPolicy, location: Location | None = None) -> Path:
    """The data file that `name` means in a file of folder `base`: relative to it, else in its data folders.

    Errors: FILE_NOT_FOUND, PATH_OUTSIDE_PROJECT.
    """
    direct = policy.resolve(name, base, location)
    if direct.is_file():
        return direct
    for folder in DATA_FOLDERS:
        path = _normalised(base / folder / name, name, location)
        if path.is_file():
            return policy.resolve(str(path), base, location)
    nearby = [p.name for f in (".", *DATA_FOLDERS) if (base / f).is_dir() for p in (base / f).iterdir() if p.is_file()]
    hint = did_you_mean(Path(name).name, nearby, noun="file here or in data/")
    raise VeloError(ErrorCode.FILE_NOT_FOUND, f'there is no data file "{name}"', location=location, hint=hint)


def _shown_from(base: Path, path: Path) -> str:
    return path.relative_to(base).as_posix() if path.is_relative_to(base) else str(path)


def _schema_name(path: Path) -> str:
    return next(path.name.removesuffix(s) for s in SCHEMA_SUFFIXES if path.name.endswith(s))
