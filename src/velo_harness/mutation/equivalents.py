"""`mutants.yaml` beside a spec: mutants that mean the same as the original, each with the reason why.

```yaml
mutants:
  - statement: clean_orders
    operator: comparison
    mutated: WHERE amount >= 0 AND customer_id IS NOT NULL
    equivalent: an amount is never 0, the data schema starts at 0.01
```
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from velo_engine.errors import Location
from velo_harness.keys import Key, ObjectFormat, read_object
from velo_harness.kinds import ListOf, Object, Text
from velo_harness.mutation.edits import ShownMutant
from velo_harness.programs import shown_path
from velo_harness.yaml_source import parse_yaml, read_text

FILE_NAME = "mutants.yaml"


@dataclass(frozen=True, slots=True)
class EquivalentEntry:
    """One mutant that is said to be equivalent."""

    statement: str
    operator: str
    mutated: str
    """The changed line as the report shows it, without the blanks around it."""
    equivalent: str
    """The reason."""
    location: Location

    def means(self, operator: str, statement: str, shown: ShownMutant) -> bool:
        """Whether it speaks of this mutant."""
        wanted = (self.operator, self.statement, " ".join(self.mutated.split()))
        return wanted == (operator, statement, " ".join(shown.mutated.split()))


ENTRY = ObjectFormat(
    "equivalent mutant",
    "A mutant that means the same as the original.",
    (
        Key("statement", Text(), "The statement it changes.", required=True),
        Key("operator", Text(), "The mutation operator, as the report names it.", required=True),
        Key("mutated", Text(), "The changed line as the report shows it.", required=True),
        Key("equivalent", Text(), "Why no input can tell it from the original.", required=True),
    ),
)
FILE = ObjectFormat(
    "mutants file", "Equivalent mutants.", (Key("mutants", ListOf(Object(ENTRY)), "The mutants.", required=True),)
)


def equivalent_entries(folder: Path) -> tuple[EquivalentEntry, ...]:
    """What `mutants.yaml` of a folder says; nothing without one. Errors: of YAML, UNKNOWN_KEY, MISSING_KEY."""
    path = folder / FILE_NAME
    if not path.is_file():
        return ()
    fields = read_object(parse_yaml(read_text(path), shown_path(path)), FILE)
    return tuple(
        EquivalentEntry(e["statement"], e["operator"], e["mutated"], e["equivalent"], e.location)
        for e in fields["mutants"]
    )
