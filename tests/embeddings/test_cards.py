"""Every folder of `embeddings/` has a card that is whole and true."""

from __future__ import annotations

import hashlib
import re
import tomllib
from datetime import date
from pathlib import Path

import pytest

from perturbridge.embeddings import list_sources, read_aliases, read_embedding

ROOT = Path(__file__).parents[2]
HOME = ROOT / "embeddings"
CARDS = sorted(HOME.glob("*/card.toml"))
ALWAYS = {"kind", "name", "description", "source", "license", "date", "id_space", "n_genes"}
KINDS = {
    "table": {"n_dims", "file", "storage", "bytes", "sha256", "recipe", "command", "attribution", "inputs"},
    "names": {"file", "bytes", "sha256", "recipe", "command", "inputs"},
    "download": {"n_dims", "convert", "notes", "files"},
}

each = pytest.mark.parametrize("path", CARDS, ids=lambda p: p.parent.name)


def _card(path):
    with path.open("rb") as handle:
        return tomllib.load(handle)


def _file(path, card):
    shipped = ROOT / "src" / "perturbridge" / "embeddings" / "data" / card["file"]
    return shipped if card["kind"] == "names" else path.parent / card["file"]


def test_every_folder_has_a_card():
    folders = sorted(p.name for p in HOME.iterdir() if p.is_dir() and not p.name.startswith((".", "_")))
    assert folders == [path.parent.name for path in CARDS]
    assert {"go_words", "pathways", "genept_v2_ada", "genept_v2_model3_protein", "esm2", "gene_names"} <= set(folders)


@each
def test_a_card_is_whole(path):
    card = _card(path)
    assert card["name"] == path.parent.name
    assert set(card) - {"date_note"} == ALWAYS | KINDS[card["kind"]]
    assert all(card[field] for field in card)
    assert card["id_space"] in ("symbol", "ensembl", "mixed")
    assert re.fullmatch(r"\d{4}(-\d{2}(-\d{2})?)?", card["date"])
    assert card["date"] <= date.today().isoformat()


@each
def test_a_card_tells_the_truth_about_its_file(path):
    card = _card(path)
    if card["kind"] == "download":
        assert not list(path.parent.glob("*.safetensors"))
        return
    data = _file(path, card).read_bytes()
    assert hashlib.sha256(data).hexdigest() == card["sha256"]
    assert len(data) == card["bytes"] < 5_000_000
    assert (path.parent / "build.py").exists()
    assert card["command"].startswith(f"python embeddings/{card['name']}/build.py ")


@each
def test_shapes_and_names_are_as_the_card_says(path):
    card = _card(path)
    if card["kind"] == "names":
        assert len(read_aliases().approved) == card["n_genes"]
    if card["kind"] == "table":
        embedding = read_embedding(path.parent / card["file"], aliases=None)
        assert (len(embedding.genes), embedding.n_dims) == (card["n_genes"], card["n_dims"])
        assert len(set(embedding.genes)) == card["n_genes"]
        assert card["inputs"][0]["sha256"] in embedding.card.made_by
        assert f"{card['n_genes']:,} human genes" in card["description"]


@each
def test_a_card_speaks_of_public_places_alone(path):
    text = path.read_text(encoding="utf-8")
    assert not re.search(r"/(home|work|tmp|root|mnt)/", text)
    for address in re.findall(r"https?://([^/\s\"),]+)", text):
        assert address in {"doi.org", "geneontology.org", "reactome.org", "creativecommons.org"}, address


def test_the_list_of_sources_is_the_tables():
    tables = [_card(path)["name"] for path in CARDS if _card(path)["kind"] == "table"]
    assert [source.name for source in list_sources()] == tables


@each
def test_a_license_that_asks_for_credit_gets_it(path):
    card = _card(path)
    if card["license"] == "CC-BY-4.0":
        assert "Creative Commons Attribution 4.0" in card["attribution"]
        assert "https://creativecommons.org/licenses/by/4.0/" in card["attribution"]


def test_inputs_are_the_public_tables(data_dir):
    for path in CARDS:
        for told in _card(path).get("inputs", []):
            data = (data_dir / "gene_text" / told["name"]).read_bytes()
            assert hashlib.sha256(data).hexdigest() == told["sha256"], told["name"]
