"""The cell level of a run: nothing of the test side is seen, the gate holds, what is written predicts again."""

from dataclasses import replace

import anndata as ad
import numpy as np
import pytest

import perturbridge as pb
from perturbridge.errors import DataError
from perturbridge.latent import Training
from perturbridge.numerics import energy_distance
from perturbridge.pipeline import RunConfig, run
from perturbridge.pipeline import _cell_latent as cell_latent
from perturbridge.pipeline import _cell_level as stages
from perturbridge.pipeline._cell_decoder import way_back
from perturbridge.pipeline._cell_distances import squared_mmd
from perturbridge.pipeline._cell_latent import CellLatent, rows_of
from perturbridge.pipeline._cell_level import cell_level
from perturbridge.pipeline._cell_scores import _stack_weight
from perturbridge.values import AuditReport, Check, Labels, Latent


@pytest.fixture(scope="module", autouse=True)
def brief():
    """A few epochs: these tests ask who sees what, not how good the latent is."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Training, "epochs_for", lambda self, n_cells: 8)
        yield


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """A screen without contexts, so that nothing is audited and tests stay quick, and its finished run."""
    folder = tmp_path_factory.mktemp("cells")
    simulated = pb.simulate.screen(
        pb.open_embedding("go_words"),
        n_perturbations=20,
        n_genes=40,
        cells_per_perturbation=30,
        n_controls=150,
        n_contexts=1,
        n_samples=1,
        seed=3,
    )
    pb.write_screen(simulated, folder / "s.h5ad")
    adata = ad.read_h5ad(folder / "s.h5ad")
    adata.obs = adata.obs[["perturbation"]]
    adata.write_h5ad(folder / "s.h5ad")
    return folder, run(RunConfig(screen=folder / "s.h5ad", folds=4), folder / "run")


def test_a_run_ends_in_predicted_cells(made):
    folder, done = made
    assert done.cells.status == "done"
    assert done.manifest["cell_level"]["gate"]["override"]
    assert {"latent", "alignment", "response", "coordinates.safetensors", "cells.json"} == {
        path.name for path in (folder / "run" / "cells").iterdir()
    }
    html = (folder / "run" / "report.html").read_text()
    for title in ("Can the latent be trusted?", "Where perturbations move cells", "What are predicted cells worth"):
        assert title in html


def test_test_perturbations_are_in_nothing_that_was_fitted(made):
    _, done = made
    test = set(done.cross_validation.split.folds[0].test)
    assert not test & set(done.cells.alignment.perturbations)
    assert not test & set(done.cells.response.perturbations_)
    assert done.cells.alignment.split_hash == done.cross_validation.split.hash
    latent = done.cells.latent.used
    names = {latent.labels["condition"].categories[code] for code in latent.labels["condition"].codes}
    assert not {str(name) for name in test} & names


def test_what_test_cells_hold_changes_nothing(made, tmp_path):
    folder, done = made
    adata = ad.read_h5ad(folder / "s.h5ad")
    test = {str(name) for name in done.cross_validation.split.folds[0].test}
    rows = np.flatnonzero(adata.obs["perturbation"].astype(str).isin(test))
    values = adata.X.tolil()
    values[rows] = np.roll(adata.X[rows].toarray(), 7, axis=1)
    adata.X = values.tocsr()
    adata.write_h5ad(tmp_path / "changed.h5ad")
    screen = pb.read_screen(tmp_path / "changed.h5ad")
    again = cell_level(
        screen, pb.pseudobulk(screen), [pb.open_embedding("go_words")], split=done.cross_validation.split
    )
    np.testing.assert_array_equal(again.latent.used.z, done.cells.latent.used.z)
    for a, b in zip(again.alignment.displacements, done.cells.alignment.displacements, strict=True):
        np.testing.assert_array_equal(a[0].shift, b[0].shift)
    np.testing.assert_array_equal(again.held_out.delta, done.cells.held_out.delta)


def test_cells_are_predicted_from_the_folder_alone(made):
    folder, done = made
    unseen = str(done.cross_validation.split.folds[0].test[0])
    cells = pb.predict_cells(folder / "run", [unseen], n_cells=20, seed=1)
    again = pb.predict_cells(folder / "run", [unseen], n_cells=20, seed=1)
    np.testing.assert_array_equal(cells.expression, again.expression)
    assert cells.expression.shape == (20, 40)
    assert (cells.expression == cells.expression.round()).all()
    counts = np.asarray(ad.read_h5ad(folder / "s.h5ad").X.sum(axis=1)).ravel()
    np.testing.assert_allclose(cells.library_size, counts[cells.controls])
    table = pb.cells_to_anndata(cells)
    assert set(table.obs["perturbation"]) == {unseen}
    pb.write_cells(cells, folder / "cells.h5ad")
    back = ad.read_h5ad(folder / "cells.h5ad")
    np.testing.assert_array_equal(back.X.toarray(), cells.expression)
    np.testing.assert_array_equal(back.obsm["X_perturbridge"], cells.z)


def _failing(latent):
    check = Check(name="readout_within", question="?", verdict="fail", evidence="It leaks.", cure="Mend it.")
    return AuditReport(
        latent=latent.name,
        fingerprint=latent.fingerprint,
        checks=(check,),
        n_cells=latent.n_cells,
        n_dims=latent.n_dims,
    )


@pytest.fixture
def leaky(monkeypatch):
    """Make every audit of a run fail."""

    def failing(latent, *, seed, progress):
        report = _failing(latent)
        return CellLatent(own=latent, used=latent, first=report, report=report, repair=None)

    monkeypatch.setattr(stages, "audited", failing)


@pytest.mark.usefixtures("leaky")
def test_a_failing_audit_stops_the_cells_and_says_so(made, tmp_path):
    folder, _ = made
    done = run(RunConfig(screen=folder / "s.h5ad", folds=4), tmp_path / "a")
    assert done.cells.status == "refused"
    assert "readout_within" in done.cells.reason
    assert "Mend it." in done.cells.reason
    assert done.cells.alignment is None
    assert "the gate stayed shut" in (tmp_path / "a" / "report.html").read_text()
    with pytest.raises(DataError, match="refused"):
        pb.predict_cells(tmp_path / "a", ["TP53"])


@pytest.mark.usefixtures("leaky")
def test_an_override_opens_the_gate_and_leaves_its_mark(made, tmp_path):
    folder, _ = made
    config = RunConfig(screen=folder / "s.h5ad", folds=4, override_audit="a <test> of it")
    done = run(config, tmp_path / "a")
    assert done.cells.status == "done"
    assert done.manifest["cell_level"]["gate"] == {
        "verdict": "fail",
        "check": "readout_within",
        "figure": "",
        "allows": "any pairs",
        "override": "a <test> of it",
    }
    html = (tmp_path / "a" / "report.html").read_text()
    assert "against the audit" in html
    assert "a &lt;test&gt; of it" in html


def test_too_few_controls_are_said_and_profiles_go_on(tmp_path):
    simulated = pb.simulate.screen(
        pb.open_embedding("go_words"), n_perturbations=8, n_genes=20, cells_per_perturbation=8, n_controls=20, seed=1
    )
    pb.write_screen(simulated, tmp_path / "s.h5ad")
    done = run(RunConfig(screen=tmp_path / "s.h5ad", folds=2), tmp_path / "a")
    assert done.cells.status == "skipped"
    assert "20 control cells" in done.cells.reason
    assert done.levels is None
    assert "20 control cells" in (tmp_path / "a" / "report.html").read_text()
    with pytest.raises(DataError, match="skipped"):
        pb.predict_cells(tmp_path / "a", ["TP53"])


def test_a_run_without_the_cell_level_has_no_cells(made, tmp_path):
    folder, _ = made
    done = run(RunConfig(screen=folder / "s.h5ad", folds=2, cell_level=False), tmp_path / "a")
    assert done.cells is None
    with pytest.raises(DataError, match="no cell level"):
        pb.predict_cells(tmp_path / "a", ["TP53"])


def test_the_way_back_undoes_an_affine_repair():
    rng = np.random.default_rng(0)
    z = rng.normal(size=(60, 4)).astype(np.float32)
    context = Labels("c", ("a", "b"), np.repeat([0, 1], 30).astype(np.int32))
    mixing, shift = rng.normal(size=(2, 4, 4)), rng.normal(size=(2, 4))
    moved = np.stack([z[i] @ mixing[c] + shift[c] for i, c in enumerate(context.codes)])
    back = way_back(Latent(z=z), Latent(z=moved), context)
    found = np.stack([moved[i] @ back["ab"[c]][:-1] + back["ab"[c]][-1] for i, c in enumerate(context.codes)])
    np.testing.assert_allclose(found, z, atol=1e-4)


def test_what_a_repair_scrambles_cannot_be_taken_back():
    rng = np.random.default_rng(1)
    a, b = (Latent(z=rng.normal(size=(400, 3))) for _ in range(2))
    with pytest.raises(DataError, match="cannot be taken back"):
        way_back(a, b, None)


def test_the_stack_trusts_whoever_is_right():
    simulated = pb.simulate.screen(
        pb.open_embedding("go_words"), n_perturbations=30, n_genes=25, cells_per_perturbation=10, seed=6
    )
    effects = pb.pseudobulk(simulated.screen)
    model = pb.EffectModel([pb.open_embedding("go_words")])
    crossed = model.clone().fit(effects).predict(effects.perturbations)
    weight, error = _stack_weight(replace(crossed, delta=effects.delta), model, effects, seed=0)
    assert weight == pytest.approx(1.0)
    assert error < 0.05
    noise = np.random.default_rng(0).normal(size=effects.delta.shape)
    assert _stack_weight(replace(crossed, delta=noise), model, effects, seed=0)[0] < 0.05


def test_energy_distance_is_that_of_its_definition():
    rng = np.random.default_rng(2)
    x, y = rng.normal(size=(7, 3)), rng.normal(size=(5, 3)) + 1
    norm = np.linalg.norm
    between = np.mean([norm(a - b) for a in x for b in y])
    within = [np.mean([norm(a - b) for i, a in enumerate(s) for j, b in enumerate(s) if i != j]) for s in (x, y)]
    assert energy_distance(x, y) == pytest.approx(2 * between - sum(within))


def test_mmd_is_that_of_its_definition_and_zero_for_one_distribution():
    rng = np.random.default_rng(3)
    x, y = rng.normal(size=(6, 2)), rng.normal(size=(9, 2)) + 1

    def k(a, b):
        middle = np.median([((p - q) ** 2).sum() for i, p in enumerate(y) for q in y[i + 1 :]])
        return np.mean([np.exp(-((a - b) ** 2).sum() / (scale * middle)) for scale in (0.5, 1.0, 2.0)])

    within = [np.mean([k(a, b) for i, a in enumerate(s) for j, b in enumerate(s) if i != j]) for s in (x, y)]
    assert squared_mmd(x, y) == pytest.approx(sum(within) - 2 * np.mean([k(a, b) for a in x for b in y]))
    same = [squared_mmd(*rng.normal(size=(2, 80, 3))) for _ in range(40)]
    assert abs(np.mean(same)) < 3 * np.std(same) / np.sqrt(len(same))


def test_counts_too_large_for_memory_are_streamed_to_the_same_kind_of_latent(made, monkeypatch):
    folder, done = made
    screen = pb.read_screen(folder / "s.h5ad")
    ends = screen.source.row_ends()
    assert cell_latent.stored_bytes(screen) == 8 * int(ends[-1])
    monkeypatch.setattr(cell_latent, "MOST_IN_MEMORY", 1000)
    split = done.cross_validation.split
    model, latent = cell_latent.encoded(
        screen, split, fold=split.folds[0].name, seed=0, device="cpu", progress=lambda *_: None
    )
    assert model.training.stream
    assert latent.z.shape == done.cells.cells.z.shape


def test_rows_of_a_latent_keep_their_labels():
    labels = {"state": Labels("s", ("a", "b"), np.array([0, 1, 0], dtype=np.int32))}
    part = rows_of(Latent(z=np.eye(3), labels=labels, trained=np.array([True, False, True])), np.array([2, 1]))
    assert part.cells.tolist() == [2, 1]
    assert part.labels["state"].codes.tolist() == [0, 1]
    assert part.trained.tolist() == [True, False]
