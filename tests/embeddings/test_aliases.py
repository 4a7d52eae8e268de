"""The table of gene names that ships, and the user's own."""

from __future__ import annotations

import csv
import gzip
from pathlib import Path

import pytest

from perturbridge.embeddings import as_embedding, read_aliases
from perturbridge.errors import EmbeddingError

RENAMES = Path(__file__).parents[2] / "embeddings" / "gene_names" / "renames.tsv"


@pytest.fixture(scope="module")
def shipped():
    return read_aliases()


@pytest.mark.parametrize(
    ("name", "current"),
    [
        ("TP53", ("TP53", "exact")),
        ("P53", ("TP53", "alias")),
        ("SLMO2", ("PRELID3B", "previous")),
        ("SARS", ("SARS1", "previous")),
        ("QARS", ("QARS1", "previous")),
        ("SEPT2", ("SEPTIN2", "previous")),
        ("MARCH1", ("MARCHF1", "previous")),
        ("MARC1", ("MTARC1", "previous")),
        ("C1orf112", ("FIRRM", "previous")),
        ("AC118549.1", ("ZZZ3", "previous")),
        ("OCT4", ("POU5F1", "alias")),
        ("ENSA", ("ENSA", "exact")),
        ("ENSG00000141510", ("TP53", "ensembl")),
        ("ENSG00000141510.18", ("TP53", "ensembl")),
        ("7157", ("TP53", "entrez")),
        ("6901", ("TAFAZZIN", "entrez")),
        ("2-Sep", ("SEPTIN2", "excel_date")),
        ("Sep-02", ("SEPTIN2", "excel_date")),
        ("4-Oct", ("POU5F1", "excel_date")),
        ("TAZ", ("", "ambiguous")),
        ("DEC1", ("", "ambiguous")),
        ("NOV", ("", "ambiguous")),
        ("RHOXF2BB", ("", "ambiguous")),
        ("1-Mar", ("", "ambiguous")),
        ("ENSG00000999999", ("", "missing")),
        ("ENSG0000014151", ("", "missing")),
        ("AAVS1", ("", "missing")),
        ("ctrl", ("", "missing")),
        ("non-targeting", ("", "missing")),
        ("p53", ("", "missing")),
        ("Trp53", ("", "missing")),
        ("", ("", "missing")),
    ],
)
def test_what_a_name_means_today(name, current, shipped):
    assert shipped.current(name) == current


def test_every_rename_that_breaks_screens_is_known(shipped):
    with RENAMES.open() as handle:
        rows = list(csv.DictReader(handle, delimiter="\t"))
    meanings = {}
    for row in rows:
        meanings.setdefault(row["previous"], set()).add(row["symbol"])
    assert len(meanings) >= 60
    for old, new in meanings.items():
        expected = (next(iter(new)), "previous") if len(new) == 1 else ("", "ambiguous")
        assert shipped.current(old) == expected, old


def test_the_table_agrees_with_itself(shipped):
    for table in (shipped.previous, shipped.alias, shipped.excel):
        assert not set(table) & shipped.approved
        assert all(symbol in shipped.approved for symbols in table.values() for symbol in symbols)
    assert set(shipped.ensembl.values()) <= shipped.approved
    assert set(shipped.entrez.values()) <= shipped.approved
    assert len(shipped.approved) == 41059
    assert not [name for name in {*shipped.previous, *shipped.alias} if name.isdecimal()]


def test_control_labels_never_become_genes(shipped):
    # CTRL alone is a gene, a chymotrypsin.
    labels = "ctrl control Control NTC NT unperturbed AAVS1 safe-targeting NegCtrl0 INTERGENIC NO-TARGET DMSO_TF NA na"
    for label in labels.split():
        assert shipped.current(label)[0] == "", label


@pytest.mark.parametrize(("key", "asked"), [("SLMO2", "PRELID3B"), ("PRELID3B", "SLMO2"), ("SLMO2", "ENSG00000101166")])
def test_old_and_new_name_find_each_other(key, asked):
    located = as_embedding({key: [1.0], "TP53": [2.0]}, name="x").locate([asked])
    assert located.keys == (key,)
    assert located.how == ("ensembl" if asked.startswith("ENSG") else "previous",)


def test_an_ambiguous_name_is_found_only_as_a_key():
    assert as_embedding({"TAFAZZIN": [1.0], "WWTR1": [2.0]}, name="x").locate(["TAZ"]).how == ("ambiguous",)
    located = as_embedding({"TAZ": [1.0], "MYC": [2.0]}, name="x").locate(["TAZ", "TAFAZZIN", "WWTR1"])
    assert located.how == ("exact", "missing", "missing")


def test_an_own_table_replaces_the_one_that_ships(tmp_path):
    path = tmp_path / "names.tsv"
    path.write_text(
        "symbol\tprevious\talias\tensembl\tentrez\n"
        "Trp53\tp53old\ttp|TP-53\tENSMUSG00000059552.5\t22059\nMyc\t\ttp\t\t\nSeptin2\tSEPT2\t\t\t\n"
    )
    own = read_aliases(path)
    assert own.current("p53old") == ("Trp53", "previous")
    assert own.current("TP-53") == ("Trp53", "alias")
    assert own.current("tp") == ("", "ambiguous")
    assert own.current("ENSMUSG00000059552.9") == ("Trp53", "ensembl")
    assert own.current("22059") == ("Trp53", "entrez")
    assert own.current("2-Sep") == ("Septin2", "excel_date")
    assert own.current("SLMO2") == ("", "missing")
    zipped = tmp_path / "names"
    zipped.write_bytes(gzip.compress(path.read_bytes()))
    assert read_aliases(zipped).approved == own.approved


def test_an_old_name_that_is_also_an_alias_of_another_is_ambiguous(tmp_path):
    path = tmp_path / "names.tsv"
    path.write_text("symbol\tprevious\talias\nTAFAZZIN\tTAZ\t\nWWTR1\t\tTAZ\n")
    assert read_aliases(path).current("TAZ") == ("", "ambiguous")


def test_columns_may_be_few_and_in_any_order(tmp_path):
    path = tmp_path / "names.tsv"
    path.write_text("alias\tSymbol\nP53\tTP53\n\tMYC\n")
    assert read_aliases(path).current("P53") == ("TP53", "alias")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("gene\talias\nTP53\tP53\n", "no column 'symbol'"),
        ("", "no column 'symbol'"),
        ("symbol\talias\nTP53\tP53\textra\n", "3 fields for 2 columns, or no symbol, in line 2"),
        ("symbol\talias\nTP53\tP53\n\tMYC2\n", "no symbol, in line 3"),
        ("symbol\tensembl\nTP53\tENSG00000141510\nMYC\tENSG00000141510\n", "'ENSG00000141510' to 'TP53' and to 'MYC'"),
    ],
)
def test_a_bad_table_says_where(text, message, tmp_path):
    path = tmp_path / "names.tsv"
    path.write_text(text)
    with pytest.raises(EmbeddingError, match=message):
        read_aliases(path)


def test_a_table_that_cannot_be_read(tmp_path):
    with pytest.raises(EmbeddingError, match="cannot be read"):
        read_aliases(tmp_path / "absent.tsv")
    (tmp_path / "x").write_bytes(b"symbol\n\xff\xfe")
    with pytest.raises(EmbeddingError, match="not readable text"):
        read_aliases(tmp_path / "x")
    (tmp_path / "y").write_bytes(b"\x1f\x8b damaged")
    with pytest.raises(EmbeddingError, match="not readable text"):
        read_aliases(tmp_path / "y")
