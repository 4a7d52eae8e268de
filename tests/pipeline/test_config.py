"""Configuration: one set of names, round trip through TOML, faults named."""

from __future__ import annotations

import tomllib
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from perturbridge.errors import DataError
from perturbridge.pipeline import RunConfig, config_from_mapping, config_to_toml, read_config


def test_unknown_setting_names_the_nearest():
    with pytest.raises(DataError, match=r"1 settings are unknown, the first is 'flods'.*'folds'"):
        config_from_mapping({"screen": "a.h5ad", "flods": 3})


@pytest.mark.parametrize(("key", "value"), [("folds", 1), ("kernel", "poly"), ("seed", -1), ("target_sum", 0)])
def test_a_value_that_does_not_fit_names_its_setting(key, value):
    with pytest.raises(DataError, match=f"the first is '{key}'"):
        config_from_mapping({"screen": "a.h5ad", key: value})


@given(label=st.text(min_size=1), column=st.text(min_size=1))
def test_toml_round_trip_takes_any_text(label, column):
    config = RunConfig(screen=Path("/x/s.h5ad"), control=(label,), perturbation=column, folds=7)
    values = tomllib.loads(config_to_toml(config))
    assert config_from_mapping(values) == config


def test_paths_in_a_file_start_at_its_folder(tmp_path):
    (tmp_path / "genept.npz").touch()
    file = tmp_path / "config.toml"
    file.write_text('screen = "s.h5ad"\nembedding = ["genept.npz", "go_words"]\n')
    config = read_config(file)
    assert config.screen == tmp_path / "s.h5ad"
    assert config.embedding == (str(tmp_path / "genept.npz"), "go_words")


def test_a_file_that_is_no_toml_is_refused(tmp_path):
    (tmp_path / "c.toml").write_text("screen = ")
    with pytest.raises(DataError, match="cannot be read as TOML"):
        read_config(tmp_path / "c.toml")
    with pytest.raises(DataError, match="cannot be read as TOML"):
        read_config(tmp_path / "none.toml")
