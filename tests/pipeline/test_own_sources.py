"""Sources computed from the screen itself: from control cells alone, or inside each fit from its training rows alone."""

from __future__ import annotations

from dataclasses import replace

import anndata as ad
import numpy as np
import pytest

import perturbridge as pb
from perturbridge.effects import TrainingResponses
from perturbridge.errors import DataError, EmbeddingError
from perturbridge.pipeline import RunConfig, cross_validate, read_config, run
from perturbridge.pipeline._inputs import load_sources
from perturbridge.values import GeneEmbedding

BOTH = ("coexpression", "training_responses")


@pytest.fixture(scope="module")
def measured(tmp_path_factory):
    """A screen in which perturbed genes are measured, with two contexts."""
    path = tmp_path_factory.mktemp("measured") / "s.h5ad"
    simulated = pb.simulate.screen(
        pb.open_embedding("go_words"),
        n_perturbations=16,
        n_genes=40,
        cells_per_perturbation=12,
        n_controls=60,
        n_contexts=2,
        seed=4,
    )
    pb.write_screen(simulated, path)
    return path


def with_other_cells(path, out, *, where):
    """Write the screen with the values of some cells dealt out anew among them and doubled."""
    adata = ad.read_h5ad(path)
    rows = np.flatnonzero(where(adata.obs["perturbation"].astype(str).to_numpy()))
    dense = adata.X.toarray() if hasattr(adata.X, "toarray") else np.array(adata.X)
    dense[rows] = 2 * np.random.default_rng(0).permuted(dense[rows], axis=1)
    adata.X = dense
    adata.write_h5ad(out)
    return out


def vectors(path):
    config = RunConfig(screen=path, embedding=("coexpression",))
    return load_sources(config, pb.read_screen(path))[0]


def test_coexpression_sees_control_cells_alone(measured, tmp_path):
    source = vectors(measured)
    assert isinstance(source, GeneEmbedding)
    changed = with_other_cells(measured, tmp_path / "p.h5ad", where=lambda labels: labels != "control")
    assert np.array_equal(vectors(changed).vectors, source.vectors)
    controls = with_other_cells(measured, tmp_path / "c.h5ad", where=lambda labels: labels == "control")
    assert not np.allclose(vectors(controls).vectors, source.vectors)


def test_coexpression_takes_off_what_contexts_share():
    rng = np.random.default_rng(0)
    cells, contexts = rng.normal(size=(200, 6)), np.repeat([0, 1], 100)
    shifted = cells + 5.0 * np.outer(contexts, [1, 1, 1, 0, 0, 0])
    genes = tuple("ABCDEF")
    plain = pb.coexpression_embedding(cells, genes, contexts=contexts).vectors
    assert np.allclose(pb.coexpression_embedding(shifted, genes, contexts=contexts).vectors, plain, atol=1e-4)
    assert not np.allclose(pb.coexpression_embedding(shifted, genes).vectors, plain, atol=0.1)


class AllResponses:
    """The leak: responses of all rows, whatever a fit may see."""

    name = "all_responses"

    def __init__(self, effects):
        self.effects = effects

    def make(self, effects):
        return replace(
            TrainingResponses().make(self.effects), card=replace(pb.open_embedding("go_words").card, name=self.name)
        )


@pytest.mark.parametrize("leaks", [False, True])
def test_training_responses_know_nothing_of_test_rows(measured, leaks):
    """Test rows become something else entirely: only a source that has seen them changes what is predicted."""
    effects = pb.pseudobulk(pb.read_screen(measured))
    split = pb.make_split(effects, kind="perturbation", folds=2, seed=0)
    first = replace(split, folds=split.folds[:1])
    test = effects.rows(first.folds[0].test)
    delta = np.array(effects.delta)
    delta[test] = 3.0 * np.random.default_rng(0).normal(size=delta[test].shape)

    def predicted(table):
        source = AllResponses(table) if leaks else TrainingResponses()
        model = pb.EffectModel(
            [pb.open_embedding("go_words"), source], kernel="linear", without=("shrinkage", "source_weights")
        )
        return cross_validate(model, table, split=first, baselines={}).held_out.delta

    one, other = predicted(effects), predicted(replace(effects, delta=delta))
    assert np.array_equal(one, other) is not leaks


def test_run_takes_both_by_name_and_its_model_comes_back(measured, tmp_path):
    done = run(RunConfig(screen=measured, embedding=("go_words", *BOTH), folds=2, cell_level=False), tmp_path / "a")
    sources = {source["name"]: source for source in done.manifest["model"]["all"]["sources"]}
    assert set(sources) == {"go_words", *BOTH}
    assert sources["training_responses"]["leakage"]["reason"] == "computed inside the fit from training rows"
    assert sources["coexpression"]["leakage"]["reason"].startswith("Co-expression over 60 control cells")
    assert [source["name"] for source in done.manifest["embeddings"]] == ["go_words", *BOTH]
    assert "training_responses" in (tmp_path / "a" / "report.html").read_text()
    again = pb.predict(tmp_path / "a", ["TP53"])
    np.testing.assert_allclose(again.delta, done.model.predict(["TP53"]).delta, atol=1e-12)
    assert read_config(tmp_path / "a" / "config.toml").embedding == ("go_words", *BOTH)


def test_training_responses_alone_are_a_source_but_give_no_similarity(measured, tmp_path):
    config = RunConfig(screen=measured, embedding=("training_responses",), folds=2)
    assert run(config, tmp_path / "a").manifest["model"]["name"] == "perturbridge"
    with pytest.raises(DataError, match="known before any fit"):
        run(config.model_copy(update={"split": "similarity"}), tmp_path / "b")


def test_unmeasured_genes_and_a_name_twice_are_refused(measured, tmp_path):
    with pytest.raises(EmbeddingError, match="2 embeddings are called 'coexpression'"):
        run(RunConfig(screen=measured, embedding=("coexpression", "coexpression")), tmp_path / "a")
    adata = ad.read_h5ad(measured)
    adata.var_names = [f"READ{i}" for i in range(adata.n_vars)]
    adata.write_h5ad(tmp_path / "apart.h5ad")
    for name in BOTH:
        with pytest.raises(EmbeddingError, match=f"None of the 16 perturbed genes is in embedding '{name}'"):
            run(RunConfig(screen=tmp_path / "apart.h5ad", embedding=(name,)), tmp_path / "b")
    assert not (tmp_path / "b").exists()
