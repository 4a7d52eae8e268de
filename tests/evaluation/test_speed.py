from __future__ import annotations

from time import process_time

import numpy as np

from perturbridge.evaluation import METRICS, score, summarize


def test_a_hundred_perturbations_take_less_than_a_second(make_effects, make_prediction):
    """All metrics, differential expression among them, and their intervals for 100 perturbations of 2,000 genes, in CPU time."""
    rng = np.random.default_rng(0)
    effects = make_effects(rng.normal(size=(150, 2000)), noise=1.0)
    test, train = effects.perturbations[:100], effects.perturbations[100:]
    prediction = make_prediction(effects.delta[:100] + 0.1, effects=effects, perturbations=test)
    start = process_time()
    frame = summarize(score(prediction, effects, train=train))
    assert process_time() - start < 1.0
    assert len(frame) == len(METRICS)
