"""One table of names: a design, its penalties and its injection are the same thing however they are asked for."""

from dataclasses import dataclass, replace

import pytest
import torch

from perturbridge.errors import DataError, FitError
from perturbridge.injection import INJECTIONS
from perturbridge.latent import (
    DESIGNS,
    Architecture,
    LatentModel,
    LatentSettings,
    Separation,
    latent_design,
    latent_settings,
    one_hot_genes,
)

from .conftest import QUICK, SMALL


@pytest.mark.parametrize("name", sorted(DESIGNS))
def test_a_design_is_the_same_by_name_by_its_settings_and_as_a_model(name):
    settings = latent_settings({"design": name, "architecture": {"n_latent": 7}})
    assert settings == DESIGNS[name](7)
    assert latent_settings(settings.as_json()) == settings
    model = latent_design(name, n_latent=7)
    assert (model.architecture, model.penalties, model.injection, model.labels, model.name) == (
        settings.architecture,
        settings.penalties,
        settings.injection,
        settings.labels,
        name,
    )


def test_what_is_named_besides_a_design_takes_its_place():
    settings = latent_settings(
        {
            "design": "perturbridge",
            "penalties": ["hsic", {"kind": "mmd", "within": ["state"], "dims": [0, 2]}],
            "injection": "film",
            "architecture": {"n_hidden": 8},
            "training": {"epochs": 3},
        }
    )
    assert settings.penalties == (
        Separation(kind="hsic"),
        Separation(kind="mmd", within=("state",), dims=(0, 2)),
    )
    assert settings.injection == INJECTIONS["film"]()
    assert settings.architecture == Architecture(n_hidden=8)
    assert settings.training.epochs == 3
    assert latent_settings({"design": "perturbridge", "penalties": []}).penalties == ()
    assert latent_settings({}) == LatentSettings()


def test_penalties_by_name_train_the_same_weights_and_are_kept_in_the_file(screen, tmp_path):
    by_name = LatentModel(architecture=SMALL, training=QUICK, penalties=("mmd", "adversary=2"))
    records = (Separation(kind="mmd", strength=20.0), Separation(kind="adversary", strength=2.0))
    as_records = LatentModel(architecture=SMALL, training=QUICK, penalties=records)
    weights = [model.fit(screen).fitted_.module.state_dict() for model in (by_name, as_records)]
    assert all(torch.equal(a, weights[1][key]) for key, a in weights[0].items())
    assert {"mmd_bio_context", "adversary_bio_context"} < set(by_name.history_[-1])
    by_name.save(tmp_path)
    assert LatentModel.load(tmp_path, device="cpu").penalties == records


@dataclass(frozen=True)
class Foreign:
    """A penalty of somebody else."""

    def build(self, *, n_bio, n_context_dims, design, source):
        class Nothing(torch.nn.Module):
            def forward(self, view):
                return {"foreign": view.z.sum() * 0}

        return Nothing()

    def as_json(self):
        return {"name": "foreign", "force": 1}


def test_a_penalty_of_another_package_is_named_in_the_file_and_not_rebuilt(screen, tmp_path):
    training = replace(QUICK, epochs=1)
    model = LatentModel(architecture=SMALL, training=training, penalties=[Foreign(), "mmd"]).fit(screen)
    model.save(tmp_path)
    loaded = LatentModel.load(tmp_path, device="cpu")
    assert loaded.penalties == (Separation(kind="mmd"),)
    assert [about["name"] for about in loaded.fitted_.penalties] == ["foreign", "separation"]


@pytest.mark.parametrize("name", sorted(INJECTIONS))
def test_an_injection_by_name_is_that_injection(screen, name):
    training = replace(QUICK, epochs=1)
    model = LatentModel(architecture=SMALL, training=training, injection=name)
    assert model.injection == INJECTIONS[name]()
    assert model.fit(screen, embedding=one_hot_genes(screen)).fitted_.injection == model.injection


@pytest.mark.parametrize(
    ("values", "error", "message"),
    [
        ({"beta": 1}, DataError, r"Put it under \[training\]"),
        ({"desing": "scvi"}, DataError, "Nearest valid names: 'design'"),
        ({"architecture": {"n_latents": 3}}, DataError, "'n_latent'"),
        ({"architecture": {"n_latent": "many"}}, DataError, "wrong type"),
        ({"training": {"beta": -1}}, FitError, "beta is -1"),
        ({"training": []}, DataError, "no table"),
        ({"penalties": "mmd"}, DataError, "Give a list"),
        ({"penalties": [{"strength": 2}]}, DataError, "and no kind"),
        ({"injection": {"name": "film", "n_projected": 3}}, DataError, "n_projected"),
    ],
)
def test_what_cannot_be_meant_is_refused(values, error, message):
    with pytest.raises(error, match=message):
        latent_settings(values)
