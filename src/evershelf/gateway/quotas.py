"""Quotas at work: what each key has left in this process; in memory, so that no outage opens or closes the door."""

from dataclasses import dataclass

from evershelf.contracts.keys import StoredKey
from evershelf.gateway.outside import Clock
from evershelf.gateway.settings import GatewaySettings
from evershelf.policy.quota import Bucket, Quota, headers, take

Headers = tuple[tuple[bytes, bytes], ...]
# More keys than PostgreSQL hands out (storage.keys.KEYS_MAX); beyond it all start anew.
BUCKETS_MAX = 10_000


@dataclass(frozen=True, slots=True)
class Taken:
    """Whether a request is inside its key's quota, what its answer says of that, and when to ask again if it is not."""

    allowed: bool
    headers: Headers = ()
    retry_after_s: int = 0


_UNMETERED = Taken(allowed=True)


class Quotas:
    """One bucket a key: that of the key itself, else the settings' one; a key with neither is not metered."""

    def __init__(self, settings: GatewaySettings, clock: Clock) -> None:
        self._default_per_s = settings.gateway_quota_per_s
        self._burst_s = settings.gateway_quota_burst_s
        self._clock = clock
        self._buckets: dict[str, Bucket] = {}

    def take(self, key: StoredKey) -> Taken:
        """Takes one request off the key's quota."""
        per_s = key.quota_per_s if key.quota_per_s is not None else self._default_per_s
        if per_s is None:
            return _UNMETERED
        quota = Quota(per_s, self._burst_s)
        verdict = take(self._buckets.get(key.key_id), quota, now_s=self._clock.monotonic_s())
        if len(self._buckets) >= BUCKETS_MAX and key.key_id not in self._buckets:
            self._buckets.clear()
        self._buckets[key.key_id] = verdict.bucket
        return Taken(verdict.allowed, headers(verdict.bucket, quota), verdict.retry_after_s)
