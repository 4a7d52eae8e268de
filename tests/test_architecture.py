"""The rules of the house, held by tests: what may be imported, how large things may grow, what a public name owes its reader."""

from __future__ import annotations

import ast
import importlib
import inspect
import subprocess
import sys
from pathlib import Path

import pytest
from tests._rooms import ROOMS

import perturbridge

SOURCE = Path(perturbridge.__file__).parent
FILES = sorted(path for path in SOURCE.rglob("*.py"))
HEAVY = ("torch", "ot", "sklearn", "anndata", "matplotlib", "pandas", "scipy", "numba", "h5py")

identify = pytest.mark.parametrize("path", FILES, ids=lambda p: str(p.relative_to(SOURCE)))


def _loaded_after(code: str) -> set[str]:
    script = f"import sys\n{code}\nprint(' '.join(sorted({{m.split('.')[0] for m in sys.modules}})))"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    return set(done.stdout.split("\n")[-2].split())


def test_import_loads_nothing_heavy():
    assert not _loaded_after("import perturbridge") & {*HEAVY, "numpy"}


def test_help_loads_nothing_heavy():
    code = "from perturbridge.cli import main\ntry:\n    main(['--help'])\nexcept SystemExit:\n    pass"
    assert not _loaded_after(code) & set(HEAVY)


def test_profile_path_never_imports_torch():
    assert "torch" not in _loaded_after("import perturbridge.pipeline")


@identify
def test_files_stay_small(path):
    assert len(path.read_text(encoding="utf-8").splitlines()) <= 400


def test_median_file_is_about_130_lines():
    lengths = sorted(len(p.read_text(encoding="utf-8").splitlines()) for p in FILES if p.name != "__init__.py")
    assert lengths[len(lengths) // 2] <= 150


@identify
def test_modules_speak_and_functions_stay_small(path):
    tree = ast.parse(path.read_text(encoding="utf-8"))
    assert ast.get_docstring(tree), "a module needs a docstring"
    for node in ast.walk(tree):
        if isinstance(node, ast.FunctionDef):
            first = node.body[1 if ast.get_docstring(node) and len(node.body) > 1 else 0]
            code = (node.end_lineno or 0) - first.lineno
            assert code <= 60, f"{node.name} runs over {code} lines"


@identify
def test_no_state_at_module_level(path):
    tree = ast.parse(path.read_text(encoding="utf-8"))
    for node in tree.body:
        assert not isinstance(node, ast.AugAssign | ast.For | ast.While | ast.With), (
            f"work at import, line {node.lineno}"
        )
        value = getattr(node, "value", None)
        is_export = isinstance(node, ast.Assign) and getattr(node.targets[0], "id", "") == "__all__"
        if isinstance(node, ast.Assign | ast.AnnAssign) and not is_export:
            assert not isinstance(value, ast.List | ast.Dict | ast.Set | ast.ListComp | ast.DictComp), (
                f"a mutable value at module level, line {node.lineno}"
            )


@pytest.mark.parametrize("room", ROOMS)
def test_room_says_what_it_takes_and_gives(room):
    module = importlib.import_module(f"perturbridge.{room}")
    lines = [line for line in (module.__doc__ or "").splitlines() if line]
    assert [line.split(":")[0] for line in lines[1:] if line.split(":")[0] in ("Takes", "Gives", "Depends on")] == [
        "Takes",
        "Gives",
        "Depends on",
    ]


@pytest.mark.parametrize("room", ROOMS)
def test_exports_are_true_and_unique(room):
    module = importlib.import_module(f"perturbridge.{room}")
    names = list(module.__all__)
    assert len(names) == len(set(names))
    for name in names:
        assert hasattr(module, name)


def test_public_names_are_true_unique_and_never_a_room():
    names = list(perturbridge.__all__)
    assert len(names) == len(set(names))
    rooms = {path.name for path in SOURCE.iterdir() if path.is_dir()}
    assert not rooms & set(names)
    for name in names:
        assert getattr(perturbridge, name) is not None
    assert set(names) <= set(dir(perturbridge))


def test_unknown_public_name_is_an_attribute_error():
    with pytest.raises(AttributeError, match="no attribute 'audit_latants'"):
        _ = perturbridge.audit_latants


def _public_callables():
    for room in ROOMS:
        module = importlib.import_module(f"perturbridge.{room}")
        for name in module.__all__:
            member = getattr(module, name)
            if inspect.isfunction(member) or inspect.isclass(member):
                yield pytest.param(member, id=f"{room}.{name}")


@pytest.mark.parametrize("member", list(_public_callables()))
def test_public_members_are_documented_with_few_positional_arguments(member):
    assert inspect.getdoc(member), "needs a docstring"
    functions = (
        [member]
        if inspect.isfunction(member)
        else [f for n, f in vars(member).items() if inspect.isfunction(f) and not n.startswith("_")]
    )
    for function in functions:
        assert inspect.getdoc(function), f"{function.__qualname__} needs a docstring"
        kinds = [p.kind for n, p in inspect.signature(function).parameters.items() if n not in ("self", "cls")]
        positional = sum(
            k in (inspect.Parameter.POSITIONAL_ONLY, inspect.Parameter.POSITIONAL_OR_KEYWORD) for k in kinds
        )
        assert positional <= 3, f"{function.__qualname__} takes {positional} positional arguments"
        assert inspect.Parameter.VAR_KEYWORD not in kinds, f"{function.__qualname__} takes **kwargs"


def test_the_project_writes_and_trusts_no_pickle():
    for path in FILES:
        tree = ast.parse(path.read_text(encoding="utf-8"))
        for node in ast.walk(tree):
            if isinstance(node, ast.Call):
                called = ast.unparse(node.func)
                assert called not in ("pickle.load", "pickle.loads", "pickle.dump", "pickle.dumps", "joblib.load"), path
                if called == "torch.load":
                    assert any(k.arg == "weights_only" and ast.unparse(k.value) == "True" for k in node.keywords), path
