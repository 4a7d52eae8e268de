"""Tables built from terms and sets, against scikit-learn and against planted structure."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from sklearn.decomposition import TruncatedSVD
from sklearn.feature_extraction.text import TfidfVectorizer

from perturbridge.embeddings import build_from_gmt, build_from_terms, write_embedding
from perturbridge.errors import EmbeddingError
from perturbridge.numerics import l2_normalize
from perturbridge.values import EmbeddingCard

WORDS = ("kinase", "repair", "T", "cell", "membrane", "ion", "transport", "DNA", "vitamin", "D")


@pytest.fixture
def pairs():
    rng = np.random.default_rng(0)
    terms = [" ".join(rng.choice(WORDS, 3, replace=False)) for _ in range(40)]
    rows = [(f"G{i:03d}", terms[j]) for i in range(80) for j in rng.choice(len(terms), 4, replace=False)]
    return pd.DataFrame(rows, columns=["gene", "term"]).drop_duplicates(ignore_index=True)


def _gram(vectors):
    return vectors @ vectors.T


def test_words_and_terms_agree_with_scikit_learn(pairs):
    """Two independent vectorizers side by side, no truncation: the same inner products."""
    ours = build_from_terms(pairs, n_dims=40, aliases=None)
    by_gene = pairs.groupby("gene")["term"].agg(list)
    words = TfidfVectorizer(analyzer=lambda terms: [w.lower() for t in terms for w in t.split()], sublinear_tf=True)
    terms = TfidfVectorizer(analyzer=lambda terms: list(terms), min_df=2)
    features = np.hstack([words.fit_transform(by_gene).toarray(), terms.fit_transform(by_gene).toarray()])
    values = np.linalg.svd(features, compute_uv=False)
    reference = TruncatedSVD(40, algorithm="arpack", random_state=1).fit_transform(features)
    assert ours.genes == tuple(by_gene.index)
    np.testing.assert_allclose(_gram(ours.vectors), _gram(reference), atol=2e-5)
    np.testing.assert_allclose(np.linalg.norm(ours.vectors, axis=0), values[:40], rtol=1e-5)


def test_sets_agree_with_scikit_learn(pairs, tmp_path):
    path = tmp_path / "x.gmt"
    sets = pairs.groupby("term")["gene"].agg(list)
    path.write_text("".join(f"{term}\t\t{chr(9).join(f'{g},1.0' for g in genes)}\n" for term, genes in sets.items()))
    ours = build_from_gmt(path, n_dims=10, aliases=None)
    by_gene = pairs.groupby("gene")["term"].agg(list)
    features = TfidfVectorizer(analyzer=lambda terms: list(terms)).fit_transform(by_gene)
    reference = TruncatedSVD(10, algorithm="arpack", random_state=1).fit_transform(features)
    np.testing.assert_allclose(np.abs(ours.vectors), np.abs(reference), atol=2e-5)


def test_genes_of_one_topic_lie_together():
    """Three planted topics with words of their own: the nearest neighbors of a gene share its topic."""
    rng = np.random.default_rng(1)
    rows = []
    for i in range(90):
        topic = i % 3
        for _ in range(5):
            chosen = rng.choice(30, 3, replace=False)
            rows.append((f"G{i}", " ".join(f"t{topic}w{w}" for w in chosen)))
    embedding = build_from_terms(pd.DataFrame(rows, columns=["gene", "term"]), n_dims=8, aliases=None)
    unit = l2_normalize(embedding.vectors)
    topic = np.array([int(gene[1:]) % 3 for gene in embedding.genes])
    similar = _gram(unit) - 2 * np.eye(90)
    assert (topic[similar.argmax(axis=1)] == topic).mean() > 0.97


def test_a_gene_with_more_of_the_same_does_not_drown(pairs):
    """A gene with fifty terms that share one word still lies nearest to the gene whose rarer word it has."""
    rows = [("BUSY", f"signal w{i}") for i in range(50)] + [("BUSY", "meiosis spindle"), ("RARE", "meiosis spindle")]
    rows += [(f"N{i}", f"signal v{i % 7}") for i in range(30)]
    embedding = build_from_terms(pd.DataFrame(rows, columns=["gene", "term"]), n_dims=20, aliases=None)
    at = dict(zip(embedding.genes, l2_normalize(embedding.vectors), strict=True))
    assert at["BUSY"] @ at["RARE"] > 0.3


def test_same_input_same_bytes_for_any_order_and_seed_same_vectors(pairs, tmp_path):
    files = []
    for i, table in enumerate((pairs, pairs.sample(frac=1, random_state=2), pd.concat([pairs, pairs]))):
        files.append(tmp_path / f"{i}.safetensors")
        write_embedding(build_from_terms(table, n_dims=6, aliases=None), files[-1])
    assert len({file.read_bytes() for file in files}) == 1
    one, two = (build_from_terms(pairs, n_dims=6, seed=seed, aliases=None).vectors for seed in (0, 9))
    np.testing.assert_allclose(one, two, atol=1e-5)


def test_signs_are_fixed(pairs):
    flipped = build_from_terms(pairs, n_dims=6, aliases=None).vectors
    features = build_from_terms(pairs, n_dims=6, seed=3, aliases=None).vectors
    assert (np.sign(flipped.sum(axis=0)) == np.sign(features.sum(axis=0))).all()


def test_roots_of_the_ontology_say_nothing(pairs):
    more = pd.concat([pairs, pd.DataFrame({"gene": ["LONELY", "G000"], "term": "biological_process"})])
    embedding = build_from_terms(more, n_dims=6, aliases=None)
    assert "LONELY" not in embedding.genes
    np.testing.assert_array_equal(embedding.vectors, build_from_terms(pairs, n_dims=6, aliases=None).vectors)


def test_a_gene_outside_every_dimension_has_no_vector(pairs):
    """Its words and terms are shared with nobody, so its projection is rounding error and its direction noise."""
    more = pd.concat([pairs, pd.DataFrame({"gene": ["ALONE"], "term": ["xyzzy plugh"]})])
    embedding = build_from_terms(more, n_dims=6, aliases=None)
    assert "ALONE" not in embedding.genes
    (found,) = [f for f in embedding.findings if f.code == "unseen_genes"]
    assert (found.level, found.count, found.example) == ("warning", 1, "ALONE")
    assert np.linalg.norm(embedding.vectors, axis=1).min() > 1e-3


def test_entrez_ids_become_current_symbols(pairs):
    genes = pairs["gene"].unique()
    ids = dict(zip(genes[:5], ["7157", "4609", "6901", "999999999", "3845"], strict=True))
    embedding = build_from_terms(pairs.assign(gene=pairs["gene"].map(lambda g: ids.get(g, g))), n_dims=6)
    assert {"TP53", "MYC", "TAFAZZIN", "KRAS"} <= set(embedding.genes)
    (found,) = [f for f in embedding.findings if f.code == "unmapped_genes"]
    assert (found.count, found.example) == (1, "999999999")


def test_a_gene_map_names_other_ids(pairs):
    mapping = {gene: f"SYM{i}" for i, gene in enumerate(pairs["gene"].unique()) if i}
    embedding = build_from_terms(pairs, n_dims=6, gene_map=mapping, aliases=None)
    assert all(gene.startswith("SYM") for gene in embedding.genes)
    (found,) = [f for f in embedding.findings if f.code == "unmapped_genes"]
    assert found.count == 1
    with pytest.raises(EmbeddingError, match="80 gene ids and none has a symbol"):
        build_from_terms(pairs, n_dims=6, gene_map={"x": "TP53"})


def test_old_and_new_names_of_a_gene_are_one_row(pairs):
    genes = pairs["gene"].unique()
    renamed = pairs.replace({"gene": {genes[0]: "SLMO2", genes[1]: "PRELID3B", genes[2]: "TAZ"}})
    embedding = build_from_terms(renamed, n_dims=6)
    assert "PRELID3B" in embedding.genes
    assert "SLMO2" not in embedding.genes
    assert "TAZ" in embedding.genes, "an ambiguous name is left as it is"
    assert [f.count for f in embedding.findings if f.code == "renamed_genes"] == [1]


def test_one_set_name_in_two_files_is_two_sets(tmp_path):
    for file, genes in (("a.gmt", "A B C D"), ("b.gmt", "C D E F")):
        (tmp_path / file).write_text("S\t\t" + "\t".join(genes.split()) + "\nT\t\tA\tF\n")
    embedding = build_from_gmt([tmp_path / "a.gmt", tmp_path / "b.gmt"], n_dims=3, aliases=None)
    at = dict(zip(embedding.genes, embedding.vectors, strict=True))
    assert not np.allclose(at["B"], at["E"])


def test_the_card_says_how_and_from_what(pairs, tmp_path):
    path = tmp_path / "terms.csv"
    pairs.to_csv(path, index=False)
    card = EmbeddingCard(name="", license="CC-BY-4.0", date="2020")
    embedding = build_from_terms(path, n_dims=6, seed=4, name="mine", card=card, aliases=None)
    assert (embedding.card.name, embedding.card.license, embedding.card.date) == ("mine", "CC-BY-4.0", "2020")
    assert "SVD(6), seed 4; terms.csv (sha256 " in embedding.card.made_by


@pytest.mark.parametrize("n_dims", [0, 80, 500])
def test_dimensions_that_cannot_be(n_dims, pairs):
    with pytest.raises(EmbeddingError, match=f"{n_dims} dimensions are asked of 80 genes") as caught:
        build_from_terms(pairs, n_dims=n_dims, aliases=None)
    assert "Ask for 1 to" in caught.value.cure


def test_signatures_are_refused(tmp_path):
    (tmp_path / "cgp.gmt").write_text("A_UP\t\tTP53\tMYC\nA_DN\t\tKRAS\tMYC\nB_UP\t\tTP53\tKRAS\n")
    with pytest.raises(EmbeddingError, match="3 of 3 terms named like responses"):
        build_from_gmt(tmp_path / "cgp.gmt", n_dims=2)
    taken = build_from_gmt(tmp_path / "cgp.gmt", n_dims=2, allow_signatures=True)
    assert [f.code for f in taken.findings] == ["signature_terms"]
    with pytest.raises(EmbeddingError, match="No gene-set file"):
        build_from_gmt([])


def test_the_shipped_tables_are_what_the_public_tables_give(data_dir, tmp_path):
    """Rebuilt here, compared with what ships: equal within the rounding of float16, for any BLAS."""
    from perturbridge.embeddings import open_embedding

    folder = data_dir / "gene_text"
    built = build_from_gmt([folder / "reactome2016.gmt", folder / "msigdb_hallmark.gmt"], name="pathways")
    shipped = open_embedding("pathways")
    assert built.genes == shipped.genes
    np.testing.assert_allclose(built.vectors, shipped.vectors, atol=1e-3)
