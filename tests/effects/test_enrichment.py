"""Gene sets that a predicted effect moves, through gseapy."""

import sys

import numpy as np
import pytest

from perturbridge.effects import enrich
from perturbridge.errors import DataError
from perturbridge.values import Prediction, as_names

GENES = tuple(f"G{i}" for i in range(200))


def prediction(delta, name="X"):
    return Prediction(
        perturbations=as_names([name]),
        genes=GENES,
        delta=np.asarray(delta)[None],
        status=("predicted",),
        detail=("",),
        model="m",
    )


@pytest.fixture
def moved():
    delta = np.random.default_rng(0).normal(size=200)
    delta[:20] += 2.0
    delta[20:40] -= 2.0
    return prediction(delta, "G199")


def test_moved_sets_are_found_with_their_direction(moved, tmp_path):
    sets = {"up": GENES[:20], "down": GENES[20:40], "still": GENES[60:120], "small": GENES[:3]}
    table = enrich(moved, sets, permutations=200).set_index("gene_set")
    assert sorted(table.index) == ["down", "still", "up"]
    assert table.loc["up", "nes"] > 1.5 > -1.5 > table.loc["down", "nes"]
    assert max(table.loc["up", "fdr"], table.loc["down", "fdr"]) < 0.05 < table.loc["still", "p"]
    assert (table["perturbation"] == "G199").all()
    file = tmp_path / "sets.gmt"
    file.write_text(
        "".join("\t".join([name, "about", *(f"{g},1.0" for g in genes)]) + "\n" for name, genes in sets.items())
    )
    again = enrich(moved, file, permutations=200).set_index("gene_set")
    assert again.loc[table.index, "nes"].tolist() == table["nes"].tolist()


def test_the_target_itself_does_not_rank(moved):
    sets = {"own": (*GENES[100:110], "G199")}
    assert "G199" not in enrich(moved, sets, permutations=20)["leading"][0]


def test_genes_that_never_move_have_no_rank(moved):
    delta = np.array(moved.delta[0])
    delta[100:] = 0.0
    table = enrich(prediction(delta, "G0"), {"half": GENES[90:110], "still": GENES[100:130]}, permutations=20)
    assert table[["gene_set", "n_genes"]].to_numpy().tolist() == [["half", 10]]
    with pytest.raises(DataError, match="zero in every gene"):
        enrich(prediction(np.zeros(200), "G0"), {"half": GENES[90:110]})


def test_misuse_is_explained(moved, tmp_path, monkeypatch):
    with pytest.raises(
        DataError, match="None of 1 gene sets has 10 to 500 of the 200 measured genes; the largest has 0"
    ):
        enrich(moved, {"other": ["A", "B"]})
    (tmp_path / "empty.gmt").write_text("\n")
    with pytest.raises(DataError, match="holds no gene set in 0 lines"):
        enrich(moved, tmp_path / "empty.gmt")
    with pytest.raises(DataError, match="cannot be read as text"):
        enrich(moved, tmp_path / "nowhere.gmt")
    with pytest.raises(DataError, match="is zero in every gene"):
        enrich(prediction(np.zeros(200)), {"a": GENES[:20]})
    monkeypatch.setitem(sys.modules, "gseapy", None)
    with pytest.raises(DataError, match=r"needs gseapy.*perturbridge\[enrichment\]"):
        enrich(moved, {"a": GENES[:20]})
