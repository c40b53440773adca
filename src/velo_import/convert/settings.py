"""SET of Flink's: which options become properties of the job, and which have no effect or another one here."""

from __future__ import annotations

from dataclasses import dataclass, field
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from velo_engine.errors import Location, VeloError
from velo_engine.sql.flink.statements import ResetOption, SetOption
from velo_engine.sql.property_keys import (
    EMIT_KEYS,
    READ_WHEN_LIVE,
    PropertyKind,
    fixed_setting,
    property_key,
)
from velo_engine.sql.source_text import SourceText
from velo_import.convert.program import Piece, planned
from velo_import.mapped_text import MappedText, with_defaults
from velo_import.model import Construct, Outcome

SEMANTICS = {"emit.semantics": "flink"}
"""Every converted job emits as Flink does."""

_BATCH = (
    "the converted job streams: what its results are in the end is what a batch gives, and before that they change; "
    "a table without a watermark needs none in a batch"
)


@dataclass(slots=True)
class Settings:
    """The properties of the converted job, as far as the script has said them."""

    current: dict[str, str] = field(default_factory=lambda: dict(SEMANTICS))
    _used: dict[str, str] = field(default_factory=dict)
    """With what values statements were converted."""

    changes_nothing: bool = True
    """Whether every option of the scripts means here what it means in Flink."""

    def used(self) -> None:
        """A statement that makes rows stands here."""
        self._used |= self.current

    def set(self, statement: SetOption) -> Construct:
        """What becomes of SET."""
        found = self._set(statement)
        self.changes_nothing = self.changes_nothing and found.outcome is Outcome.SAME
        return found

    def _set(self, statement: SetOption) -> Construct:
        place = statement.place.location
        key, value = statement.key, with_defaults((statement.value or "").strip())
        if key is None:
            return Construct(place, "SET", "set", "left out", Outcome.SAME, "it lists options")
        written = f"SET '{key}' = '{value}'"
        feature = f"option {key}"
        fixed = fixed_setting(key)
        if fixed is not None and fixed[0] == "execution.runtime-mode" and value.casefold() == "batch":
            return Construct(place, written, feature, "left out", Outcome.DIFFERS, _BATCH)
        if fixed is None and _reason_without_effect(key) is not None:
            return Construct(place, written, feature, "left out", Outcome.SAME, _reason_without_effect(key))
        refusal = _refusal(key, value, place)
        if refusal is not None:
            return Construct(place, written, feature, "left out", Outcome.NOT_CONVERTED, refusal, "set it nowhere")
        if fixed is not None:
            return Construct(place, written, feature, "left out", Outcome.SAME, "it is what the engine does")
        return self._changed(key, value, Construct(place, written, feature, "a property of the job", Outcome.SAME))

    def _changed(self, key: str, value: str, construct: Construct) -> Construct:
        name = property_key(key).name
        before = self._used.get(name)
        self.current[name] = value
        if before is None or before == value:
            return construct
        reason = f"it holds for the whole job; statements above stood under {before}"
        return Construct(
            construct.location, construct.written, construct.feature, construct.became, Outcome.DIFFERS, reason
        )

    def reset(self, statement: ResetOption) -> Construct:
        """What becomes of RESET."""
        place = statement.place.location
        if statement.key is None:
            self.current = dict(SEMANTICS)
            return Construct(place, "RESET", "reset", "properties left out", Outcome.SAME)
        self.current.pop(property_key(statement.key).name, None)
        return Construct(place, f"RESET '{statement.key}'", "reset", "the property is left out", Outcome.SAME)


def _reason_without_effect(key: str) -> str | None:
    found = property_key(key)
    if found.kind is PropertyKind.WITHOUT_MEANING:
        return found.reason
    if found.kind not in (PropertyKind.JOB, PropertyKind.EVENT_TIME):
        return "it configures Flink's runtime or its client"
    if found.name in READ_WHEN_LIVE:
        return "it says how the job is operated: say it to velo run"
    return None


def _refusal(key: str, value: str, place: Location) -> str | None:
    """Why the engine does not take the setting."""
    name = property_key(key).name
    if name == "time.zone":
        try:
            ZoneInfo("UTC" if value.casefold() == "default" else value)
        except (ZoneInfoNotFoundError, ValueError, OSError):
            return f"there is no time zone {value}"
    if name in EMIT_KEYS and value.casefold() not in ("false", "0 ms", "0s"):
        return "results that come early or late differ from those of a window that is emitted once"
    probe = Piece(MappedText(), SourceText("", ""), place)
    probe.text.add("SELECT 1 AS one")
    try:
        planned([probe], {key: value})
    except VeloError as error:
        return error.message
    return None
