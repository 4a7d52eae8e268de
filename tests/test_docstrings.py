"""Public docstrings hold to numpydoc; types live in annotations, so the rules about them are left out."""

from __future__ import annotations

import importlib
import inspect

import pytest
from numpydoc.validate import validate
from tests._rooms import ROOMS

# Types (PR04, RT03), sections that would only be filler (SA01, EX01, ES01, RT01), and capitals, which formulas and units do not have.
NOT_ASKED = {"PR04", "RT03", "SA01", "EX01", "ES01", "RT01", "RT04", "SS02", "SS05", "PR08"}


def public_members():
    for room in ROOMS:
        module = importlib.import_module(f"perturbridge.{room}")
        for name in module.__all__:
            if inspect.isfunction(getattr(module, name)) or inspect.isclass(getattr(module, name)):
                yield f"perturbridge.{room}.{name}"


@pytest.mark.parametrize("name", list(public_members()))
def test_docstring_holds_to_numpydoc(name):
    found = validate(name)
    # One sentence can say all there is to a small function; a list of parameters, once begun, must be whole.
    lists_parameters = "Parameters\n" in (found["docstring"] or "")
    not_asked = NOT_ASKED | (set() if lists_parameters else {"PR01"})
    assert [error for error in found["errors"] if error[0] not in not_asked] == []
