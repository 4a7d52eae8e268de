"""Quickstart: a simulated screen, a model, held-out scores, a prediction.

Shows the whole profile path in Python on counts whose truth is planted. Known limit: simulated effects follow the embedding by
construction, so the margin over the baselines is larger than on most real screens.
"""

# %% A screen whose effects follow a gene embedding that ships, and what each perturbation did on average
import perturbridge as pb

go_words = pb.open_embedding("go_words")
simulated = pb.simulate.screen(go_words, n_perturbations=60, n_pairs=20, n_genes=200, cells_per_perturbation=40, seed=1)
effects = pb.pseudobulk(simulated.screen)
print(f"{simulated.screen.n_cells} cells -> {effects.delta.shape} delta (log1p-CP10k)")

# %% Five folds over perturbations, everything fitted again in each, beside every baseline
model = pb.EffectModel([go_words])
table = pb.cross_validate(model, effects, folds=5, seed=0)
print(table.headline().pivot(index="model", columns="metric", values="mean").round(3).to_string())

# %% Fit on all of them and ask for a gene that nobody perturbed here
model.fit(effects)
measured = {gene for name in effects.perturbations for gene in name.genes}
unseen = next(gene for gene in go_words.genes if gene not in measured)
prediction = model.predict([unseen])
print(unseen, prediction.status[0], prediction.delta.shape)

# %% What this example claims
best = table.comparison().set_index("metric").loc["rmse_excess"]
print(
    f"{best['model_mean']:.3f} against {best['baseline_mean']:.3f} of {best['best_baseline']}, p = {best['p_holm']:.2g}"
)
assert best["difference"] > 0, "the model should beat the best baseline on planted effects"
