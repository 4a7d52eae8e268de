"""What was noticed on the way and must not be hidden."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

__all__ = ["Finding"]


@dataclass(frozen=True, kw_only=True)
class Finding:
    """One thing a reader, a fit or a score noticed: counted, with an example, kept until the report.

    Parameters
    ----------
    level
        `"info"` for a decision taken, `"warning"` for something the user should look at.
    code
        Stable short name, such as `"non_integral_counts"`.
    message
        One sentence for a person.
    count
        How many cells, genes or perturbations it concerns.
    example
        The first of them, or an empty string.
    """

    level: Literal["info", "warning"]
    code: str
    message: str
    count: int = 0
    example: str = ""

    def as_json(self) -> dict[str, str | int]:
        """Return plain JSON types."""
        return {
            "level": self.level,
            "code": self.code,
            "message": self.message,
            "count": self.count,
            "example": self.example,
        }
