"""What each latent holds of context and of biology, on cells that neither its encoder nor its adversary has seen.

Fit on half of the cells, all latents with 16 dimensions, all networks but the autoencoder at learning rate 4e-3; probes on the other half by a standardized logistic regression (and, for the
context, boosted trees). *random*: 4-fold; AUC within strata of perturbation and state, averaged over strata by size, so that a context
that goes with biology does not count; accuracy and F1 over all. *held out*: the probe never saw the sample it is tested on; one
sample of every context at a time. state, perturbation: AUC, 4-fold. Planted: half of the cells of a perturbation lie in one context.
"""

from __future__ import annotations

import sys
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
from sklearn.ensemble import HistGradientBoostingClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import accuracy_score, f1_score, roc_auc_score
from sklearn.model_selection import LeaveOneGroupOut, StratifiedKFold
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

ROOT = Path(__file__).parents[2]
N_LATENT = 16
# (name, design or reference, tools on top of it)
METHODS = {
    "PCA": (),
    "autoencoder": (),
    "VAE, not told": (),
    "VAE": (),
    "VAE + mmd": (("mmd", 20.0),),
    "VAE + hsic": (("hsic", 30.0),),
    "VAE + adversary": (("adversary", 3.0),),
    "VAE + club": (("club", 2.0),),
    "VAE + context block": (("classifier", 1.0), ("cross_covariance", 10.0), ("mmd", 20.0)),
    **dict.fromkeys(("perturbridge", "scanvi", "scidrl", "scdisinfact", "biolord", "drvi"), ()),
}


def make(name: str, *, rate: float):
    from perturbridge import latent

    if name == "PCA":
        return latent.PcaModel(N_LATENT)
    if name == "autoencoder":
        return latent.AutoencoderModel()
    training = latent.Training(precision="fp32", patience=None, learning_rate=rate)
    if not name.startswith("VAE"):
        return latent.latent_design(name, n_latent=N_LATENT, training=training)
    divided = "block" in name
    tools = [
        latent.Separation(
            kind=kind,
            strength=strength,
            block="context" if kind == "classifier" else "bio",
            within=("state",) if kind == "cross_covariance" else ("perturbation", "state"),
        )
        for kind, strength in METHODS[name]
    ]
    return latent.LatentModel(
        None if name == "VAE, not told" else "context",
        architecture=latent.Architecture(n_latent=N_LATENT, n_latent_context=4 if divided else 0),
        training=training,
        penalties=tools,
        name=name,
    )


def measure(model, screen, rows, *, probe_sample=None) -> dict[str, float]:
    """Fit on `rows`, probe the rest."""
    from perturbridge.latent import one_hot_genes

    started = time.process_time()
    if getattr(model, "name", "") == "biolord":
        model.fit(screen, rows=rows, embedding=one_hot_genes(screen))
    else:
        model.fit(screen, rows=rows)
    spent = time.process_time() - started
    rest = np.setdiff1d(np.arange(screen.n_cells), rows)
    z = model.encode(screen).z[rest]
    perturbation = screen.perturbation_codes[rest]
    context = screen.context.codes[rest]
    state = np.zeros(len(rest), dtype=int) if screen.state is None else screen.state.codes[rest]
    stratum = np.unique(np.stack([perturbation, state]), axis=1, return_inverse=True)[1].reshape(-1)
    random = _out_of_fold(_logistic(), z, context)
    trees = _out_of_fold(HistGradientBoostingClassifier(max_iter=50, random_state=0), z, context)
    figures = {
        "context AUC": auc_within(random, context, stratum),
        "trees": auc_within(trees, context, stratum),
        "accuracy": accuracy_score(context, random.argmax(1)),
        "F1": f1_score(context, random.argmax(1), average="macro"),
    }
    if probe_sample is not None:
        figures |= _held_out(z, context, probe_sample[rest])
    for name, labels in (("state", state), ("perturbation", perturbation)):
        if len(np.unique(labels)) > 1:
            codes = np.unique(labels, return_inverse=True)[1]
            figures[f"{name} AUC"] = _auc(_out_of_fold(_logistic(), z, codes), codes)
    return figures | {"cpu s": spent}


def auc_within(scores, labels, strata) -> float:
    """AUC of one label against the rest within each stratum, averaged over labels, then over strata by size."""
    found, weights = [], []
    for s in np.unique(strata):
        here = strata == s
        each = [
            roc_auc_score(labels[here] == c, scores[here, c])
            for c in range(scores.shape[1])
            if 5 <= (labels[here] == c).sum() <= here.sum() - 5
        ]
        if each:
            found.append(np.mean(each))
            weights.append(here.sum())
    return float(np.average(found, weights=weights))


def _auc(scores, labels) -> float:
    present = np.unique(labels)
    return float(np.mean([roc_auc_score(labels == c, scores[:, c]) for c in present]))


def _held_out(z, context, sample) -> dict[str, float]:
    figures: dict[str, list[float]] = {"held-out AUC": [], "held-out accuracy": [], "held-out F1": []}
    for train, test in LeaveOneGroupOut().split(z, context, sample):
        scores = _logistic().fit(z[train], context[train]).predict_proba(z[test])
        figures["held-out AUC"].append(_auc(scores, context[test]))
        figures["held-out accuracy"].append(accuracy_score(context[test], scores.argmax(1)))
        figures["held-out F1"].append(f1_score(context[test], scores.argmax(1), average="macro"))
    return {name: float(np.mean(values)) for name, values in figures.items()}


def _logistic():
    return make_pipeline(StandardScaler(), LogisticRegression(max_iter=1000))


def _out_of_fold(probe, z, labels):
    scores = np.zeros((len(z), int(labels.max()) + 1))
    for train, test in StratifiedKFold(4, shuffle=True, random_state=0).split(z, labels):
        scores[test] = probe.fit(z[train], labels[train]).predict_proba(z[test])
    return scores


def planted(*, quick: bool, seed: int = 2, confounding: float = 0.5):
    """Biology and context known; two contexts, four samples that each hold both."""
    from perturbridge.screens import simulate

    return simulate.screen(
        n_perturbations=12,
        n_genes=120 if quick else 300,
        cells_per_perturbation=100 if quick else 200,
        n_controls=200 if quick else 600,
        n_contexts=2,
        n_samples=4,
        n_states=3,
        confounding=confounding,
        context_scale=0.4,
        effect_scale=0.3,
        state_scale=0.3,
        seed=seed,
    ).screen


def real(name: str, *, n_cells: int):
    """A screen of real cells and, where samples can be held out, the code of the fold of each cell."""
    import os

    import anndata

    from perturbridge.screens import read_screen
    from perturbridge.values import Labels

    folder = Path(os.environ["PERTURBRIDGE_DATA"])
    place, columns, fold = {
        "Kang donors": ("multibatch/kang2018_pbmc_8donors", {"context": "sample_id", "state": "cluster_id"}, None),
        "Kang IFN-β": (
            "multibatch/kang2018_pbmc_ifnb_2donors",
            {"perturbation": "group_id", "context": "donor", "state": "cluster_id", "control": "ctrl"},
            "group_id",
        ),
        "Papalexi replicates": (
            "screens/papalexi2021_thp1_eccite",
            {"perturbation": "target", "context": "bio_rep", "control": "control"},
            None,
        ),
    }[name]
    cells = anndata.read_h5ad(folder / f"{place}.h5ad")
    if cells.n_obs > n_cells:
        cells = cells[np.sort(np.random.default_rng(0).choice(cells.n_obs, n_cells, replace=False))].copy()
    if "perturbation" in columns:
        return read_screen(cells, **columns), None if fold is None else cells.obs[fold].to_numpy()
    # Nothing was perturbed: cell types stand in while the file is read, and are the states afterwards.
    screen = read_screen(cells, perturbation=columns["state"], control="CD14+ Monocytes", context=columns["context"])
    types, codes = np.unique(cells.obs[columns["state"]].to_numpy().astype(str), return_inverse=True)
    state = Labels(columns["state"], tuple(types), codes.astype(np.int32))
    return replace(screen, perturbations=(), perturbation_codes=np.full(cells.n_obs, -1), state=state), None


def compare(screen, *, data: str, methods, sample=None, rate: float = 4e-3) -> list[dict]:
    rows = np.sort(np.random.default_rng(0).permutation(screen.n_cells)[: screen.n_cells // 2])
    found = []
    for name in methods:
        if name == "scanvi" and screen.state is None:
            continue
        if name in ("biolord", "scdisinfact") and len(screen.perturbations) == 0:
            continue
        figures = measure(make(name, rate=rate), screen, rows, probe_sample=sample)
        found.append({"data": data, "latent": name} | figures)
        print(found[-1], file=sys.stderr, flush=True)
    return found


def run(*, quick: bool) -> list[dict]:
    methods = ["PCA", "VAE, not told", "VAE", "perturbridge"] if quick else list(METHODS)
    screen = planted(quick=quick)
    rows = compare(screen, data="planted", methods=methods, sample=screen.sample.codes)
    for name, n_cells in () if quick else (("Kang donors", 3000), ("Kang IFN-β", 3000), ("Papalexi replicates", 6000)):
        screen, fold = real(name, n_cells=n_cells)
        rows += compare(screen, data=name, methods=methods, sample=fold)
    draw(rows, ROOT / "runs" / "designs.svg")
    return rows


def draw(rows: list[dict], path: Path) -> None:
    """One panel per data set: how well the context is read from each latent, random (filled) and held out (open), beside biology."""
    from matplotlib.figure import Figure

    data = list(dict.fromkeys(row["data"] for row in rows))
    figure = Figure(figsize=(4 * len(data), 5), layout="constrained")
    for ax, name in zip(np.atleast_1d(figure.subplots(1, len(data), sharey=True)), data, strict=True):
        here = [row for row in rows if row["data"] == name]
        at = {method: -i for i, method in enumerate(dict.fromkeys(row["latent"] for row in rows))}
        for key, style in (
            ("context AUC", {"color": "#b4442c", "marker": "o"}),
            ("held-out AUC", {"color": "#b4442c", "marker": "o", "facecolors": "none"}),
            ("state AUC", {"color": "#1f5fa8", "marker": "s"}),
            ("perturbation AUC", {"color": "#1f5fa8", "marker": "^"}),
        ):
            drawn = [(row[key], at[row["latent"]]) for row in here if key in row]
            if drawn:
                ax.scatter(*np.array(drawn).T, label=key, s=28, **style)
        ax.axvline(0.5, color="#8a8f98", lw=1)
        ax.set_yticks(list(at.values()), list(at))
        ax.set_title(name, loc="left")
        ax.set_xlabel("AUC")
        ax.legend(fontsize=7, frameon=False)
    path.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path)
    print(f"Figure: {path}", file=sys.stderr)
