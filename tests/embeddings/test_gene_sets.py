"""Gene-term pairs as they are found in the wild."""

from __future__ import annotations

import pandas as pd
import pytest

from perturbridge.embeddings._gene_sets import check_signatures, read_gene_map, read_gmt, read_pairs
from perturbridge.errors import EmbeddingError


def _pairs(table):
    return sorted(table.itertuples(index=False, name=None))


@pytest.mark.parametrize(
    ("line", "genes"),
    [
        ("S\t\tTP53,1.0\tMYC,1.0\t", ["MYC", "TP53"]),
        ("S\tdescription\tTP53\tMYC", ["MYC", "TP53"]),
        ("S\thttp://x\tTP53,0.5e-3\tHLA-A\tTP53,1", ["HLA-A", "TP53"]),
        ("S\t> a, b, 1.0\tH1-0,-2", ["H1-0"]),
    ],
)
def test_gmt_in_the_spellings_of_msigdb_and_enrichr(line, genes, tmp_path):
    path = tmp_path / "x.gmt"
    path.write_text(line + "\n\nEmpty\t\n")
    assert _pairs(read_gmt(path)) == [(gene, "S") for gene in genes]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("S\t\tTP53\nonly words\n", "line 2 has no tab"),
        ("\t\tTP53\n", "line 1 has no set name"),
        ("S\t\tTP53\nS\t\tMYC\n", "line 2 repeats a set name"),
        ("S\t\n", "1 sets and no genes"),
        ("", "0 sets and no genes"),
    ],
)
def test_a_bad_gmt_says_where(text, message, tmp_path):
    path = tmp_path / "x.gmt"
    path.write_text(text)
    with pytest.raises(EmbeddingError, match=message):
        read_gmt(path)


@pytest.mark.parametrize("titles", [("gene", "term"), ("gene_id", "GO_term"), ("symbol", "name"), ("Gene", "other")])
@pytest.mark.parametrize("form", ["csv", "tsv", "parquet", "frame"])
def test_pairs_from_every_kind_of_table(form, titles, tmp_path):
    frame = pd.DataFrame({titles[0]: ["TP53", " MYC", "TP53", "TP53"], titles[1]: ["a b", "c", "a b", None]})
    path = tmp_path / "table"
    if form == "frame":
        path = frame
    elif form == "parquet":
        frame.to_parquet(path)
    else:
        frame.to_csv(path, sep="\t" if form == "tsv" else ",", index=False)
    assert _pairs(read_pairs(path, where="x")) == [("MYC", "c"), ("TP53", "a b")]


def test_a_gene_called_na_keeps_its_terms(tmp_path):
    (tmp_path / "x.csv").write_text("gene,term\nNA,a\nTP53,b\n")
    assert _pairs(read_pairs(tmp_path / "x.csv", where="x")) == [("NA", "a"), ("TP53", "b")]


def test_columns_that_do_not_show_are_refused():
    with pytest.raises(EmbeddingError, match="'left', 'right'; which holds genes"):
        read_pairs(pd.DataFrame({"left": ["TP53"], "right": ["a"]}), where="x")
    with pytest.raises(EmbeddingError, match="not a table that can be read"):
        read_pairs("/absent/table.csv", where="x")


def test_gene_maps(tmp_path):
    path = tmp_path / "map.txt"
    path.write_text("Approved Symbol\tEntrezGene ID\nTP53\t7157\nMYC\t4609\nNONE\t\n")
    assert read_gene_map(path) == {"7157": "TP53", "4609": "MYC"}
    assert read_gene_map({"1": "A"}) == {"1": "A"}
    path.write_text("symbol\tid\nTP53\t7157\nMYC\t7157\n")
    with pytest.raises(EmbeddingError, match="'7157' to 'TP53' and to 'MYC'"):
        read_gene_map(path)
    path.write_text("a\tb\nTP53\t7157\n")
    with pytest.raises(EmbeddingError, match="not one of symbols and one of ids"):
        read_gene_map(path)


@pytest.mark.parametrize(
    "term",
    [
        "BROWNE_HCMV_INFECTION_24HR_UP",
        "KINSEY_TARGETS_OF_EWSR1_FLI1_FUSION_DN",
        "TP53 SHRNA MCF7 HUMAN GSE3178 RNASEQ",
        "KLF1 OE HUMAN GSE43626",
        "LINCS L1000 CRISPR KO AARS",
        "GSE10239_MEMORY_VS_EFF_CD8_TCELL",
        "Genes that change after knockdown of MYC",
        "AARS Up",
    ],
)
def test_signatures_are_known_by_their_names(term):
    with pytest.raises(EmbeddingError, match="1 of 1 terms named like responses") as caught:
        check_signatures([term], allow=False, where="x")
    assert "CGP" in caught.value.cure
    (found,) = check_signatures([term], allow=True, where="x")
    assert (found.level, found.code, found.example) == ("warning", "signature_terms", term)


def test_a_few_signatures_among_many_are_a_finding():
    terms = [f"process {i}" for i in range(99)]
    assert check_signatures(terms, allow=False, where="x") == ()
    (found,) = check_signatures([*terms, "KRAS_SIGNALING_UP"], allow=False, where="x")
    assert found.count == 1


def test_no_process_or_pathway_is_taken_for_a_signature(data_dir):
    folder = data_dir / "gene_text"
    terms = read_pairs(folder / "go_bp_terms_human_entrez.parquet", where="x")["term"].tolist()
    assert check_signatures(terms, allow=False, where="GO") == ()
    for file, n in (("reactome2016.gmt", 0), ("go_bp_2021.gmt", 0), ("msigdb_hallmark.gmt", 4)):
        found = check_signatures(read_gmt(folder / file)["term"].tolist(), allow=False, where=file)
        assert sum(f.count for f in found) == n


def test_real_gene_sets(data_dir):
    reactome = read_gmt(data_dir / "gene_text" / "reactome2016.gmt")
    assert reactome["term"].nunique() == 1530
    assert not reactome["gene"].str.contains(",").any()
    assert read_gmt(data_dir / "gene_text" / "msigdb_hallmark.gmt")["term"].nunique() == 50
