from __future__ import annotations

import warnings

import numpy as np
import pandas as pd
import pytest
from anndata import AnnData, settings
from hypothesis import given
from hypothesis import strategies as st

from perturbridge.errors import DataError
from perturbridge.screens import read_screen
from perturbridge.values import CONTROL_CODE, UNASSIGNED_CODE

GENES = ["A", "B", "C", "CTRL", *(f"G{i}" for i in range(8))]


def said(screen, start):
    return next(line for line in screen.explanation if line.startswith(start))


CONVENTIONS = {
    "gears": ("condition", ["ctrl", "A+ctrl", "ctrl+B", "A+B"], ["A", "A+B", "B"], ["ctrl"]),
    "scperturb": ("perturbation", ["control", "A", "B", "A_B"], ["A", "A+B", "B"], ["control"]),
    "perturbench": ("condition", ["control", "A", "B+A"], ["A", "A+B"], ["control"]),
    "replogle": ("gene", ["non-targeting", "A", "B", "CTRL"], ["A", "B", "CTRL"], ["non-targeting"]),
    "vcc": ("target_gene", ["non-targeting", "A", "B"], ["A", "B"], ["non-targeting"]),
    "xu": ("gene_target", ["NO-TARGET", "A", "B"], ["A", "B"], ["NO-TARGET"]),
    "dixit": (
        "perturbation",
        ["INTERGENIC1", "INTERGENIC2", "A", "B,A", "control"],
        ["A", "A+B"],
        ["INTERGENIC1", "INTERGENIC2"],
    ),
    "frangieh": (
        "perturbation",
        ["NO_SITE_1", "ONE_NON-GENE_SITE_4", "A_1", "A_2,B_1"],
        ["A", "A+B"],
        ["NO_SITE_1"],
    ),
    "adamson": ("perturbation", ["63(mod)_pBA580", "A_pDS031", "B_pDS2", "*"], ["A", "B"], ["63(mod)_pBA580"]),
    "norman raw": (
        "guide_identity",
        ["NegCtrl0_NegCtrl0__NegCtrl0_NegCtrl0", "A_NegCtrl0__A_NegCtrl0", "A_B__A_B"],
        ["A", "A+B"],
        ["NegCtrl0_NegCtrl0__NegCtrl0_NegCtrl0"],
    ),
    "cellxgene": (
        "genetic_perturbation_id",
        ["non-targeting_1", "A", "B || A", "na"],
        ["A", "A+B"],
        ["non-targeting_1"],
    ),
    "papalexi": ("target", ["NT", "A", "B"], ["A", "B"], ["NT"]),
    "crop-seq": ("gene", ["CTRL", "A", "B"], ["A", "B"], ["CTRL"]),
    "spelled otherwise": ("Target Gene", ["Non-Targeting", "A", "B"], ["A", "B"], ["Non-Targeting"]),
}


@pytest.mark.parametrize("convention", CONVENTIONS)
def test_every_convention_is_found_without_arguments(make_adata, convention):
    column, labels, perturbations, controls = CONVENTIONS[convention]
    screen = read_screen(make_adata(labels, column=column, genes=GENES, n_cells=60))
    assert [str(p) for p in screen.perturbations] == perturbations
    assert sorted(screen.control_labels) == sorted(controls)
    assert (screen.perturbation_column, screen.preset) == (column, "detected")
    # Cell by cell, against a reading of each label alone.
    for i in range(60):
        label, code = labels[i % len(labels)], screen.perturbation_codes[i]
        if label in controls:
            assert code == CONTROL_CODE
        elif label in ("control", "*", "na", "ONE_NON-GENE_SITE_4"):
            assert code == UNASSIGNED_CODE
        else:
            assert code >= 0
            assert all(gene in label for gene in screen.perturbations[code].genes)
    assert column in said(screen, "Perturbation column")
    assert controls[0] in said(screen, "Control label" if len(controls) == 1 else f"{len(controls)} control labels")


@pytest.mark.parametrize("preset", ["gears", "scperturb", "replogle", "vcc"])
def test_presets_say_the_same_as_detection(make_adata, preset):
    column, labels, perturbations, controls = CONVENTIONS[preset]
    screen = read_screen(make_adata(labels, column=column, genes=GENES), preset=preset)
    assert [str(p) for p in screen.perturbations] == perturbations
    assert list(screen.control_labels) == controls
    assert screen.preset == preset
    assert f"from preset {preset!r}" in screen.explanation[0]


@pytest.mark.parametrize("convention", ["norman raw", "perturbench"])
def test_the_norman_preset_reads_raw_and_curated_files(make_adata, convention):
    column, labels, perturbations, _ = CONVENTIONS[convention]
    screen = read_screen(make_adata(labels, column=column, genes=GENES), preset="norman")
    assert [str(p) for p in screen.perturbations] == perturbations


def test_a_preset_that_does_not_fit_says_what_is_missing(make_adata):
    with pytest.raises(
        DataError,
        match=r"none of the columns of preset 'replogle' \(gene\). Say perturbation=, one of 'condition', 'gem_group'",
    ):
        read_screen(make_adata(), preset="replogle")
    with pytest.raises(DataError, match=r"none of the control labels 'ctrl'; its labels are"):
        read_screen(make_adata(["control", "A"]), preset="gears")
    with pytest.raises(DataError, match=r"preset is 'gear'\. Use one of 'gears'"):
        read_screen(make_adata(), preset="gear")


def test_what_is_named_beside_a_preset_wins(make_adata):
    adata = make_adata(["ctrl", "A+ctrl", "other"], obs={"mine": ["x", "A", "B"] * 16})
    screen = read_screen(adata, preset="gears", perturbation="mine", control="x")
    assert [str(p) for p in screen.perturbations] == ["A", "B"]
    assert list(read_screen(adata, preset="gears", control="other").control_labels) == ["other"]


def test_columns_that_say_the_same_are_one(make_adata):
    adata = make_adata(["ctrl", "A+ctrl", "A+B"])
    adata.obs["perturbation"] = adata.obs["condition"].map({"ctrl": "control", "A+ctrl": "A", "A+B": "B+A"})
    screen = read_screen(adata)
    assert screen.perturbation_column == "condition"
    assert "'perturbation' says the same" in screen.explanation[0]


def test_a_treatment_column_gives_way_to_genes(make_adata):
    adata = make_adata(
        ["ctrl", "stim"], obs={"gene": np.repeat(["non-targeting", "A", "B", "non-targeting"], 12)}, genes=GENES
    )
    screen = read_screen(adata)
    assert screen.perturbation_column == "gene"
    assert "unlike those of 'condition'" in screen.explanation[0]


def test_columns_that_disagree_are_listed_not_chosen(make_adata):
    adata = make_adata(
        ["ctrl", "A+ctrl", "B+ctrl"], obs={"target": np.repeat(["non-targeting", "A", "B", "C"], 12)}, genes=GENES
    )
    with pytest.raises(
        DataError,
        match=r"2 columns could name the perturbation and disagree: 'condition' \(2 perturbations, controls 'ctrl' 16\); 'target'.*perturbation='condition' or perturbation='target'",
    ):
        read_screen(adata)
    assert read_screen(adata, perturbation="target").preset == "explicit"


def test_no_control_lists_the_labels_that_were_seen(make_adata):
    with pytest.raises(
        DataError,
        match=r"Column 'condition' has no label that reads like a control; its labels are 'A' 16, 'B' 16, 'parental' 16\. Say which label is the control",
    ):
        read_screen(make_adata(["A", "B", "parental"]))
    with pytest.raises(DataError, match=r"its labels are 'X0' 4, .* and 4 more"):
        read_screen(make_adata([f"X{i}" for i in range(12)]), perturbation="condition")
    screen = read_screen(make_adata(["A", "B", "parental"]), control="parental")
    assert list(screen.control_labels) == ["parental"]
    with pytest.raises(DataError, match=r"none of the control labels 'WT'"):
        read_screen(make_adata(["A", "ctrl"]), control="WT")
    with pytest.raises(DataError, match=r"none of the control labels 'WT'"):
        read_screen(make_adata(["A", "ctrl"]), perturbation="condition", control=("ctrl", "WT"))


def test_controls_only_is_refused(make_adata):
    with pytest.raises(DataError, match=r"holds controls only"):
        read_screen(make_adata(["ctrl", "ctrl2"]), perturbation="condition")


@pytest.mark.parametrize("flag", [[True, False, False], [1, 0, 0], ["yes", "no", "no"]])
def test_a_yes_no_column_tells_the_controls(make_adata, flag):
    screen = read_screen(make_adata(["parental", "A", "B"], obs={"is_control": flag * 16}))
    assert list(screen.control_labels) == ["parental"]
    crossed = make_adata(["parental", "A", "B"], obs={"is_control": [True, False] * 24})
    with pytest.raises(DataError, match=r"no label that reads like a control"):
        read_screen(crossed)


def test_an_unknown_column_is_found_by_what_it_holds(make_adata):
    adata = make_adata(["ctrl", "A", "B"], column="whatever", genes=GENES)
    assert "the only one with control labels and measured genes" in read_screen(adata).explanation[0]
    with pytest.raises(
        DataError, match=r"has no cell column that could name the perturbation; it has 'whatever', 'gem_group'"
    ):
        read_screen(make_adata(["ctrl", "thing", "stuff"], column="whatever", genes=GENES))
    adata.obs["also"] = np.repeat(["non-targeting", "A", "B", "C"], 12)
    with pytest.raises(DataError, match=r"2 columns could name the perturbation and disagree"):
        read_screen(adata)


def test_a_misspelled_column_gets_near_names(make_adata):
    with pytest.raises(
        DataError, match=r"no cell column 'conditon', which perturbation= asks for. Nearest names: 'condition'"
    ):
        read_screen(make_adata(), perturbation="conditon")


def test_unassigned_cells_are_counted_with_their_labels(make_adata):
    labels = pd.Categorical(["ctrl", "A+ctrl", "multiplet", None, "nan", "ctrl"] * 8)
    adata = make_adata(["x"])
    adata.obs["condition"] = labels
    screen = read_screen(adata)
    finding = next(f for f in screen.findings if f.code == "unassigned_labels")
    assert finding.count == 24 == (screen.perturbation_codes == UNASSIGNED_CODE).sum()
    assert "'' 16, 'multiplet' 8" in finding.message


def test_a_control_that_was_left_out_is_pointed_at(make_adata):
    screen = read_screen(make_adata(["ctrl", "A+ctrl", "non-targeting"]), control="ctrl")
    finding = next(f for f in screen.findings if f.code == "several_control_kinds")
    assert "the baseline is control 16 cells; 16 cells are kept apart" in finding.message
    assert "(non-targeting 16)" in finding.message
    assert screen.other_controls.categories == ("non-targeting",)
    # In a file that tags cells without a guide `control` these are no controls of any kind.
    dixit = read_screen(make_adata(["INTERGENIC1", "control", "A", "B"], column="perturbation"))
    finding = next(f for f in dixit.findings if f.code == "unassigned_labels")
    assert "'control' reads like a control but is not among those used" in finding.message
    assert dixit.other_controls is None


def test_labels_that_cannot_be_split_and_guides_that_were_joined_are_said(make_adata):
    screen = read_screen(make_adata(["control", "A_1", "A_2", "B_XYZ", "B"], column="perturbation"))
    codes = {f.code: f for f in screen.findings}
    assert codes["labels_not_split"].example == "B_XYZ"
    assert codes["labels_joined"].example == "A: A_1, A_2"
    assert codes["labels_joined"].count == 1


def test_hostile_labels_stay_text(make_adata):
    labels = ["ctrl", "<script>alert(1)</script>", "=cmd()", "../../x", "A\nB", "é" * 300]
    screen = read_screen(make_adata(labels), perturbation="condition")
    assert {str(p) for p in screen.perturbations} == set(labels[1:])


def test_the_adamson_file_of_gears_is_recognized(make_adata):
    targets = ["HSPA5", "HSPA9", "SEC61A1", "SCYL1", "YIPF5"]
    found = read_screen(make_adata(["ctrl", *(f"{t}+ctrl" for t in targets)]))
    assert "gears_adamson_controls" in [f.code for f in found.findings]
    for labels in (
        ["control", *targets],
        ["ctrl", *(f"{t}+ctrl" for t in targets[:2])],
        ["ctrl", "HSPA5+HSPA9", *(f"{t}+ctrl" for t in targets)],
    ):
        assert "gears_adamson_controls" not in [f.code for f in read_screen(make_adata(labels)).findings]


GUIDES = {
    "guides alone": ("sgRNA", ["NTg1", "Ag1", "Ag2", "Bg1"], ["A", "B"]),
    "cell ranger": ("feature_call", ["non-targeting_1", "A_1", "A_2|B_1", "A_1|A_2"], ["A", "A+B"]),
    "positions": ("sgID_AB", ["non-targeting_00001", "A_+_53715438.23-P1P2|A_-_53715355.23-P1P2"], ["A"]),
}


@pytest.mark.parametrize("form", GUIDES)
def test_guides_name_the_perturbation_where_nothing_else_does(make_adata, form):
    column, labels, perturbations = GUIDES[form]
    screen = read_screen(make_adata(labels, column=column, genes=GENES))
    assert [str(p) for p in screen.perturbations] == perturbations
    # A column of targets comes first, whatever the guides say.
    adata = make_adata(["ctrl", "A", "B"], genes=GENES)
    adata.obs[column] = [labels[i % len(labels)] for i in range(48)]
    assert read_screen(adata).perturbation_column == "condition"


def test_controls_of_several_kinds_are_kept_apart(make_adata):
    labels = ["non-targeting_1", "non-targeting_2", "safe-targeting_1", "INTERGENIC3", "A", "B"]
    adata = make_adata(labels, obs={})
    screen = read_screen(adata)
    (finding,) = [f for f in screen.findings if f.code == "several_control_kinds"]
    assert "the baseline is non-targeting 16 cells; 16 cells are kept apart" in finding.message
    assert "(intergenic 8, safe-targeting 8)" in finding.message
    assert "--control non-targeting --control intergenic --control safe-targeting pools them all" in finding.message
    assert not [f for f in screen.findings if f.code == "unassigned_labels"]
    other = screen.other_controls
    for i in range(48):
        label, code = labels[i % 6], screen.perturbation_codes[i]
        assert (code == CONTROL_CODE) == label.startswith("non-")
        kind = other.categories[other.codes[i]] if other.codes[i] >= 0 else ""
        assert kind == {"safe-targeting_1": "safe-targeting", "INTERGENIC3": "intergenic"}.get(label, "")
        assert (screen.control_kinds.codes[i] == 0) == (code == CONTROL_CODE)
    same = read_screen(adata, control="non-targeting")
    assert same.control_labels == screen.control_labels == ("non-targeting_1", "non-targeting_2")
    np.testing.assert_array_equal(same.other_controls.codes, other.codes)
    two = read_screen(adata, control=["safe-targeting", "INTERGENIC3"])
    assert sorted(two.control_labels) == ["INTERGENIC3", "safe-targeting_1"]
    assert two.control_kinds.categories == ("intergenic", "safe-targeting")
    assert two.other_controls.categories == ("non-targeting",)
    every = read_screen(adata, control=["non-targeting", "intergenic", "safe-targeting"])
    (finding,) = [f for f in every.findings if f.code == "several_control_kinds"]
    assert "pools 3 kinds of controls: non-targeting 16 and intergenic 8 and safe-targeting 8 cells" in finding.message
    assert (every.perturbation_codes == CONTROL_CODE).sum() == 32
    assert every.other_controls is None
    with pytest.raises(DataError, match=r"none of the control labels 'reporter'"):
        read_screen(adata, control="reporter")


@pytest.mark.parametrize("swapped", [False, True])
def test_cells_with_several_control_guides_have_the_kind_of_their_guides(make_adata, swapped):
    labels = [
        "non-targeting_1|non-targeting_7",
        "safe-targeting_1|safe-targeting_2",
        "non-targeting_1|safe-targeting_2",
    ]
    labels = [*(labels[::-1] if swapped else labels), "A_1|non-targeting_1", "B_2"]
    screen = read_screen(make_adata(labels, column="feature_call", genes=GENES))
    assert [str(p) for p in screen.perturbations] == ["A", "B"]
    assert screen.control_labels == ("non-targeting_1|non-targeting_7",)
    assert screen.other_controls.categories == ("mixed", "safe-targeting")
    named = read_screen(make_adata(labels, column="feature_call", genes=GENES), control="safe-targeting")
    assert named.control_labels == ("safe-targeting_1|safe-targeting_2",)
    assert named.other_controls.categories == ("mixed", "non-targeting")


@given(st.permutations(["NT_1", "safe-targeting_1", "INTERGENIC2", "lacZ", "untreated", "ctrl"]), st.integers(1, 6))
def test_the_first_kind_that_occurs_is_the_baseline(labels, n):
    preferred = ["NT_1", "ctrl", "safe-targeting_1", "INTERGENIC2", "lacZ", "untreated"]
    there = [label for label in preferred if label in labels[:n]]
    if {"ctrl", "INTERGENIC2"} <= set(there) and "NT_1" not in there:
        there = ["INTERGENIC2"]
    adata = AnnData(np.ones((24, 2), dtype="f4"), var=pd.DataFrame(index=["A", "B"]))
    adata.obs = pd.DataFrame({"gene": [[*labels[:n], "A", "B"][i % (n + 2)] for i in range(24)]}, index=adata.obs_names)
    screen = read_screen(adata, x_is="counts")
    assert screen.control_labels == (there[0],)
    assert [str(p) for p in screen.perturbations] == ["A", "B"]


PRESET_FILES = {
    "vcc": ("target_gene", ["non-targeting", "A", "B"], {"batch_var": ["x", "y"]}),
    "xaira": ("gene_target", ["Non-Targeting", "A", "B"], {"gem_group": ["x", "y"]}),
    "frangieh": ("sgRNA", ["NO_SITE_1", "ONE_NON-GENE_SITE_2", "A_1,B_2", "B_1"], {"condition": ["Control", "IFNg"]}),
    "perturbench": ("condition", ["control", "A+B", "B", "A"], {"cell_line": ["x", "y"]}),
    "cellxgene": (
        "genetic_perturbation_id",
        ["non-targeting_1", "A_1 || B_1", "B_2", "na"],
        {"library_id": ["x", "y"]},
    ),
}


@pytest.mark.parametrize("preset", PRESET_FILES)
def test_presets_find_columns_and_controls(make_adata, preset):
    column, labels, context = PRESET_FILES[preset]
    levels = {name: [pair[i // len(labels) % 2] for i in range(48)] for name, pair in context.items()}
    screen = read_screen(make_adata(labels, column=column, genes=GENES, obs=levels), preset=preset)
    assert {gene for name in screen.perturbations for gene in name.genes} == {"A", "B"}
    assert (screen.context.column, screen.preset) == (next(iter(context)), preset)
    assert (screen.perturbation_codes == CONTROL_CODE).sum() == 12 * (2 if preset == "frangieh" else 1) or preset in (
        "vcc",
        "xaira",
    )


def test_a_preset_of_ones_own(make_adata, tmp_path):
    own = tmp_path / "mine.toml"
    own.write_text('perturbation = ["what"]\ncontrols = "zero"\ncontext = ["day"]\n')
    adata = make_adata(["zero", "A", "B"], column="what", obs={"day": [f"d{i // 3 % 2}" for i in range(48)]})
    screen = read_screen(adata, preset=str(own))
    assert [str(p) for p in screen.perturbations] == ["A", "B"]
    assert (screen.control_labels, screen.context.column) == (("zero",), "day")
    for text, fault in (
        ("perturbation = 3", "has 3 under 'perturbation'"),
        ("controls = ['a']", "no field 'perturbation'"),
        ("perturbation = 'x'\nbatch = 'y'", "unknown field 'batch'"),
        ("= x", "cannot be read as TOML"),
    ):
        own.write_text(text)
        with pytest.raises(DataError, match=fault):
            read_screen(adata, preset=str(own))


@pytest.mark.parametrize("stored", ["memory", "h5ad", "zarr"])
def test_a_cellxgene_file_says_itself_what_its_guides_are(make_adata, tmp_path, stored):
    ids = {"A": "ENSG00000000001", "B": "ENSG00000000002"}
    adata = make_adata(
        ["g1", "g2", "g1 || g2", "g3", "g3 || g1", "na", "g4"],
        column="genetic_perturbation_id",
        genes=[ids.get(gene, f"ENSG{i + 100:011d}") for i, gene in enumerate(GENES)],
        var={"feature_name": GENES},
        n_cells=70,
        obs={},
    )
    entry = {"protospacer_sequence": "ACGT" * 5, "protospacer_adjacent_motif": "3' NGG"}
    adata.uns["genetic_perturbations"] = {
        "g1": {"role": "targeting", "derived_features": {ids["A"]: "A"}, **entry},
        "g2": {"role": "targeting", "derived_features": {ids["B"]: "B"}, **entry},
        "g3": {"role": "control", **entry},
        "g4": {"role": "targeting", "derived_features": {ids["A"]: "A", ids["B"]: "B"}, **entry},
    }
    source = adata
    if stored != "memory":
        source = tmp_path / f"s.{stored}"
        with settings.override(zarr_write_format=3), warnings.catch_warnings():
            warnings.simplefilter("ignore")
            getattr(adata, f"write_{stored}")(source)
    screen = read_screen(source)
    assert [str(p) for p in screen.perturbations] == ["A", "A+B", "B", "g4"]
    assert screen.perturbation_codes[:7].tolist() == [0, 2, 1, -1, 0, -2, 3]
    assert "guides_named" in [f.code for f in screen.findings]
