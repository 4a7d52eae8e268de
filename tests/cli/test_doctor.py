from __future__ import annotations

import json
from dataclasses import replace
from importlib import metadata

from perturbridge.embeddings import list_sources
from perturbridge.pipeline import _doctor


def test_doctor_names_versions_machine_and_tables(call):
    told = json.loads(call("doctor", "--json").out)
    assert told["versions"]["numpy"] == {"installed": metadata.version("numpy"), "required": ">=1.26"}
    assert told["versions"]["scikit-learn"]["required"] == ">=1.5"
    assert told["versions"]["transformers"]["required"] == "optional"
    assert told["tables"] == {source.name: "whole" for source in list_sources()}
    assert told["devices"][0] == "cpu"
    assert told["findings"] == []
    page = call("doctor").out
    for text in (told["python"][:6], told["system"], "Libraries", "safetensors", "Nothing is missing."):
        assert text in page


def test_doctor_says_what_is_wrong(call, monkeypatch, tmp_path):
    good = list_sources()
    broken = tmp_path / "go_words.safetensors"
    broken.write_bytes(b"other")
    monkeypatch.setattr(_doctor, "list_sources", lambda: [replace(good[0], path=str(broken)), *good[1:]])
    monkeypatch.setattr(_doctor, "_required", lambda: {"nothing-of-that-name": ">=9"})
    told = json.loads(call("doctor", "--json").out)
    assert [f["code"] for f in told["findings"]] == ["not_installed", "table_changed"]
    page = call("doctor").out
    assert "nothing-of-that-name >=9 is required and not installed" in page
    assert "Nothing is missing" not in page
