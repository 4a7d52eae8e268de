"""How much memory a step may take, and how much it will."""

from __future__ import annotations

import re
from dataclasses import dataclass
from types import MappingProxyType
from typing import TYPE_CHECKING

from perturbridge.errors import DataError

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["Forecast", "as_bytes", "resident", "show_bytes"]

_UNITS: Mapping[str, int] = MappingProxyType(
    {
        "": 1,
        "b": 1,
        "kb": 10**3,
        "mb": 10**6,
        "gb": 10**9,
        "tb": 10**12,
        "kib": 2**10,
        "mib": 2**20,
        "gib": 2**30,
        "tib": 2**40,
    }
)
# What an interpreter with numpy, h5py and the compiler takes, where the system does not say.
_TYPICAL_PROGRAM = 250 * 10**6


def as_bytes(memory: str | int) -> int:
    """Return a size in bytes.

    Parameters
    ----------
    memory
        A number of bytes, or a number with a unit: `"4GB"` (10⁹), `"4GiB"` (2³⁰), `"500 MB"`.

    Raises
    ------
    DataError
        If it is no size, or not positive.

    Examples
    --------
    >>> as_bytes("4GB"), as_bytes("1.5 MiB")
    (4000000000, 1572864)
    """
    found = re.fullmatch(r"\s*([0-9]*\.?[0-9]+)\s*([A-Za-z]*)\s*", str(memory))
    unit = _UNITS.get(found[2].lower()) if found else None
    if found is None or unit is None or float(found[1]) <= 0:
        problem = f"The memory {memory!r} is no size."
        raise DataError(problem, cure="Write a number with a unit, such as 4GB or 500MB.")
    return int(float(found[1]) * unit)


def show_bytes(n: float) -> str:
    """Return a size as text, in powers of ten.

    Examples
    --------
    >>> show_bytes(1_340_000_000), show_bytes(12_000)
    ('1.34 GB', '0.01 MB')
    """
    return f"{n / 1e9:.2f} GB" if n >= 1e9 else f"{n / 1e6:.0f} MB" if n >= 1e6 else f"{n / 1e6:.2f} MB"


def resident() -> int:
    """Return the bytes of memory that this process holds now."""
    try:
        with open("/proc/self/statm", encoding="ascii") as file:  # noqa: PTH123 a file of the kernel
            pages = int(file.read().split()[1])
    except (OSError, ValueError, IndexError):
        return _TYPICAL_PROGRAM
    import resource

    return pages * resource.getpagesize()


@dataclass(frozen=True, kw_only=True)
class Forecast:
    """What a step will take in memory, part by part, before it starts.

    Parameters
    ----------
    step
        Its name.
    parts
        Bytes by what takes them.
    budget
        Bytes that it may take, None without a limit.
    notes
        What the budget leads to, one sentence each.
    """

    step: str
    parts: Mapping[str, int]
    budget: int | None = None
    notes: tuple[str, ...] = ()

    @property
    def total(self) -> int:
        """Bytes of all parts."""
        return sum(self.parts.values())

    def sentence(self) -> str:
        """Return the forecast in words."""
        listed = ", ".join(f"{name} {show_bytes(size)}" for name, size in self.parts.items())
        of = "" if self.budget is None else f" of {show_bytes(self.budget)}"
        return " ".join([f"{self.step}: about {show_bytes(self.total)}{of} of memory ({listed}).", *self.notes])
