"""How much disk a run takes. The shares were measured (docs/experiments.md, 2026-11-22)."""

from unsung.config import registry
from unsung.config.schema import Params
from unsung.data.providers.base import Facts

FLAC, DELTA, PARTS = 0.5, 0.65, 0.6  # of the samples' own bytes: stems, shards, estimates with 24 bits
STEMS = 4  # of a song, at most


def disk(params: Params) -> str:
    """One line: gigabytes of an hour of song, and of the dataset if its hours are known."""
    samples = 3600 * params.audio.sample_rate * params.audio.channels / 1e9
    stems, shards = 2 * STEMS * samples * FLAC, 2 * STEMS * samples * DELTA
    parts = 3 * (len(params.model.targets) + 1) * samples * PARTS
    line = f"An hour of {STEMS} stems takes about {stems:.1f} GB as stems, and {shards:.1f} GB of shards or, of the test songs"
    line += f", {parts:.1f} GB of estimates"
    facts: Facts = registry.module(registry.PROVIDERS, params.data.provider).FACTS
    if not facts.hours:
        return line
    total = float(facts.hours.split()[-1]) * (stems + max(shards, parts))
    return f"{line}; the {facts.hours} hours of {facts.title} {total:.0f} GB, beside the recordings (docs/data.md#disk)"
