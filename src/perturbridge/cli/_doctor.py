"""`perturbridge doctor`: what an issue report needs."""

from __future__ import annotations

from ._options import Json

__all__ = ["doctor"]


def doctor(as_json: Json = False) -> None:
    """Print versions, machine, devices and threads, and check the tables that ship; paste it into an issue report.

    Example: `perturbridge doctor`
    """
    from perturbridge import pipeline

    from ._show import console, print_findings, print_json, print_table

    found = pipeline.doctor()
    if as_json:
        print_json(found)
        return
    memory = found["memory_bytes"]
    rows = [
        ("perturbridge", found["perturbridge"]),
        ("Python", found["python"]),
        ("system", found["system"]),
        ("CPUs, memory", f"{found['cpus']}, {f'{memory / 2**30:.1f} GiB' if memory else 'unknown'}"),
        ("devices", ", ".join(found["devices"])),
        ("threads", ", ".join(f"{name}={value}" for name, value in found["threads"].items())),
        ("tables", ", ".join(f"{name} {state}" for name, state in found["tables"].items()) or "none"),
    ]
    print_table("", ("", ""), rows)
    versions = [(name, told["installed"], told["required"]) for name, told in found["versions"].items()]
    print_table("\nLibraries", ("name", "installed", "required"), versions)
    print_findings(found["findings"])
    if not found["findings"]:
        console().print("\nNothing is missing.")
