"""How much a stress run does."""

from __future__ import annotations

from dataclasses import dataclass, replace

DEFAULT_RECORDS = 100_000


@dataclass(frozen=True, slots=True)
class StressSettings:
    """The key `stress_test` of specs, and the options of `velo-test stress` that stand in its place."""

    enabled: bool = False
    """Whether plain runs repeat each query at volume; the command always does."""
    records: int | None = None
    """Of each generated stream; None: `rate_per_second` times `duration_seconds`, else `DEFAULT_RECORDS`."""
    rate_per_second: float | None = None
    """Records come at this pace, over all inputs, in real time; None: as fast as they are taken."""
    duration_seconds: float | None = None
    """With a rate: how long records come. Without: the run is repeated until so much time is over."""

    @property
    def records_of_each(self) -> int:
        """Records of each generated stream."""
        if self.records is not None:
            return self.records
        if self.rate_per_second is not None and self.duration_seconds is not None:
            return max(int(self.rate_per_second * self.duration_seconds), 1)
        return DEFAULT_RECORDS

    def overridden(
        self, records: int | None, rate_per_second: float | None, duration_seconds: float | None
    ) -> StressSettings:
        """With what is given here in place of its own; a pace or a time given here makes the number of records."""
        paced = rate_per_second is not None or duration_seconds is not None
        return replace(
            self,
            records=records if records is not None or paced else self.records,
            rate_per_second=self.rate_per_second if rate_per_second is None else rate_per_second,
            duration_seconds=self.duration_seconds if duration_seconds is None else duration_seconds,
        )
