"""How many bytes of Redis the limiter's state of many practices takes.

The governor itself writes what a few practices leave behind, under a clock of ours: calls in every
hour of a day, answers that told what is left, and a sync in the last minute. That is then copied,
key by key, for a hundred thousand practices, of which every fifteenth was called just now.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from pathlib import Path
from uuid import UUID

import redis

from dashboard.xero.governor import Governor, Limits, Priority
from tests.storm.report import Report, verdict
from tests.support.servers import embedded_redis
from tests.support.virtual_redis import VirtualRedis

HOUR = 3600.0
SAMPLES = 20
# A sync every fifteen minutes: what it leaves for a minute and a half is there for one in ten.
CALLED_JUST_NOW = 10
GOAL = 500
AT_ONCE = 5_000


def write_samples(client: redis.Redis, hours: int) -> list[str]:
    """Let the governor write the state of some practices; return their tenant ids."""
    clock = VirtualRedis(client)
    governor = Governor(clock, Limits())  # type: ignore[arg-type]
    tenants = [_tenant(-1 - number) for number in range(SAMPLES)]
    for hour in range(hours):
        for tenant_id in tenants:
            slot = governor.acquire(tenant_id, Priority.SYNC)
            told = {"X-DayLimit-Remaining": str(4_900 - 6 * hour)}
            governor.release(slot, status=200, headers=told)
            clock.advance(HOUR / SAMPLES)
    # The minute's log holds only the last call, as with a clock that does not jump.
    for tenant_id in tenants:
        governor.release(governor.acquire(tenant_id, Priority.SYNC), status=200)
    clock.close()
    return tenants


def copied(client: redis.Redis, samples: list[str], name: str, numbers: range) -> tuple[int, int]:
    """Copy one kind of key to practices of these numbers; return the bytes and keys it took."""
    before = _used(client)
    numbered = list(numbers)
    made = 0
    for first in range(0, len(numbered), AT_ONCE):
        with client.pipeline(transaction=False) as pipeline:
            for number in numbered[first : first + AT_ONCE]:
                sample = samples[number % len(samples)]
                pipeline.copy(f"xero:{sample}:{name}", f"xero:{_tenant(number)}:{name}")
            made += sum(pipeline.execute())
    return _used(client) - before, made


def _tenant(number: int) -> str:
    return str(UUID(int=(number + SAMPLES) << 64 | 0xBA7B538AF6289C58))


def _used(client: redis.Redis) -> int:
    return int(client.info("memory")["used_memory"])


def main(arguments: list[str] | None = None) -> int:
    """Measure; return 0 if the goal was met."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--practices", type=int, default=100_000)
    parser.add_argument("--hours", type=int, default=25)
    parser.add_argument("--goal", type=int, default=GOAL, help="bytes for each practice")
    options = parser.parse_args(arguments)
    with (
        tempfile.TemporaryDirectory(prefix="chase-bench-") as folder,
        embedded_redis(Path(folder) / "redis") as url,
        redis.Redis.from_url(url) as client,
    ):
        client.config_set("appendonly", "no")
        samples = write_samples(client, options.hours)
        everybody = range(options.practices)
        days, made = copied(client, samples, "day", everybody)
        minutes, logs = copied(client, samples, "minute", everybody[::CALLED_JUST_NOW])
    report = Report(f"{options.practices} practices, calls in each of {options.hours} hours")
    each = (days + minutes) / options.practices
    report.facts["keys: days, minutes"] = f"{made}, {logs}"
    report.facts["bytes of a practice's day"] = round(days / made)
    report.facts["bytes of its minute, if it was called just now"] = round(minutes / logs)
    report.facts["bytes for each practice"] = round(each)
    report.facts["bytes for all of them"] = f"{(days + minutes) / 1e6:.1f} MB"
    report.expect(made == options.practices, f"{made} days were copied")
    report.expect(logs == len(everybody[::CALLED_JUST_NOW]), f"{logs} minutes were copied")
    report.expect(0 < each <= options.goal, f"{each:.0f} bytes, {options.goal} is the goal")
    return verdict([report])


if __name__ == "__main__":
    sys.exit(main())
