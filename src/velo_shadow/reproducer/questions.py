"""Which sink of a config a key is asked of."""

from __future__ import annotations

from velo_engine.errors import ErrorCode, VeloError, did_you_mean
from velo_shadow.config import ShadowConfig, ShadowSink
from velo_shadow.reproducer.row_keys import parse_key


def sink_of_key(config: ShadowConfig, key: str, name: str | None = None) -> ShadowSink:
    """The sink called `name`, else the only one whose key this can be.

    Errors: BAD_VALUE when there is none or more than one; those of the key when the config has one sink.
    """
    if name is not None:
        known = {sink.name: sink for sink in config.sinks}
        if name not in known:
            hint = did_you_mean(name, known, noun="sink")
            raise VeloError(ErrorCode.BAD_VALUE, f'the config has no sink "{name}"', hint=hint)
        return known[name]
    if len(config.sinks) == 1:
        return config.sinks[0]
    fitting = [sink for sink in config.sinks if _fits(key, sink)]
    if len(fitting) == 1:
        return fitting[0]
    names = [sink.name for sink in fitting or config.sinks]
    what = "several sinks have such a key" if fitting else "no sink has such a key"
    raise VeloError(ErrorCode.BAD_VALUE, f"{what}: {', '.join(names)}", hint="name the sink: --sink")


def _fits(key: str, sink: ShadowSink) -> bool:
    if not sink.key:
        return False
    try:
        parse_key(key, sink.key)
    except VeloError:
        return False
    return True
