"""Models as managed artefacts: wanted, locked, planned, applied, verified, rolled back.

::

    from arriero import Client
    from arriero.lifecycle import Provisioner, read_lock, read_wanted

    with Client() as client:
        provisioner = Provisioner(client)
        wanted = read_wanted("models.toml")
        lock = provisioner.lock(wanted, read_lock("models.lock"))
        report = provisioner.apply(provisioner.plan(wanted, lock))

Every decision is a function of what was read, tested without a network; `Provisioner` and
`AsyncProvisioner` only run them.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from ._async import AsyncProvisioner
    from ._sync import Provisioner
    from .applying import Report
    from .comparing import Difference, difference, side_of_lock
    from .journal import Change, Journal, Load
    from .licences import classify, identifiers
    from .lockfile import Lock, LockedLayer, LockedModel, read_lock
    from .plan import Plan, Step
    from .preflight import Check, Machine, disk_check, kv_cache_bytes, memory_check
    from .verifying import Finding
    from .wanted import Smoke, Wanted, WantedModel, parse_wanted, read_wanted
    from .warm import Warmed, Watch

_PLACES = {
    "_async": ("AsyncProvisioner",),
    "_sync": ("Provisioner",),
    "applying": ("Report",),
    "comparing": ("Difference", "difference", "side_of_lock"),
    "journal": ("Change", "Journal", "Load"),
    "licences": ("classify", "identifiers"),
    "lockfile": ("Lock", "LockedLayer", "LockedModel", "read_lock"),
    "plan": ("Plan", "Step"),
    "preflight": ("Check", "Machine", "disk_check", "kv_cache_bytes", "memory_check"),
    "verifying": ("Finding",),
    "wanted": ("Smoke", "Wanted", "WantedModel", "parse_wanted", "read_wanted"),
    "warm": ("Warmed", "Watch"),
}
_PLACE_OF = {name: place for place, names in _PLACES.items() for name in names}

__all__ = (
    "AsyncProvisioner",
    "Change",
    "Check",
    "Difference",
    "Finding",
    "Journal",
    "Load",
    "Lock",
    "LockedLayer",
    "LockedModel",
    "Machine",
    "Plan",
    "Provisioner",
    "Report",
    "Smoke",
    "Step",
    "Wanted",
    "WantedModel",
    "Warmed",
    "Watch",
    "classify",
    "difference",
    "disk_check",
    "identifiers",
    "kv_cache_bytes",
    "memory_check",
    "parse_wanted",
    "read_lock",
    "read_wanted",
    "side_of_lock",
)


def __getattr__(name: str) -> Any:
    """Fetch a name when it is first used."""
    import importlib

    if name not in _PLACE_OF:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = getattr(importlib.import_module(f"{__name__}.{_PLACE_OF[name]}"), name)
    globals()[name] = value
    return value
