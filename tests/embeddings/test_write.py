"""Written tables come back bit by bit, appear whole or not at all, and say when they are damaged."""

from __future__ import annotations

import json
import pickle
import subprocess
import sys

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from safetensors import safe_open
from safetensors.numpy import save_file

from perturbridge.embeddings import as_embedding, convert_embedding, read_embedding, write_embedding
from perturbridge.errors import DataError, EmbeddingError
from perturbridge.values import EmbeddingCard, GeneEmbedding

finite = st.floats(width=32, allow_nan=False, allow_infinity=False)


@given(data=st.data())
def test_what_is_written_comes_back(data, tmp_path_factory):
    names = data.draw(st.lists(st.text(min_size=1, max_size=8), min_size=1, max_size=6, unique=True))
    shape = data.draw(st.tuples(st.integers(1, 4), st.integers(1, 4)))
    embedding = GeneEmbedding(
        vectors=data.draw(hnp.arrays(np.float32, shape, elements=finite)),
        genes=tuple(names),
        rows=data.draw(hnp.arrays(np.int64, len(names), elements=st.integers(0, shape[0] - 1))),
        card=EmbeddingCard(name=data.draw(st.text(min_size=1, max_size=5)), license=data.draw(st.text(max_size=5))),
    )
    path = tmp_path_factory.mktemp("w") / "x.safetensors"
    write_embedding(embedding, path)
    again = read_embedding(path, aliases=None)
    assert again.vectors.tobytes() == embedding.vectors.tobytes()
    assert again.genes == embedding.genes
    assert again.rows.tolist() == embedding.rows.tolist()
    assert (again.card.name, again.card.license) == (embedding.card.name, embedding.card.license)


def test_findings_travel_with_the_table(table, tmp_path):
    embedding = as_embedding({**table, "ctrl": np.zeros(5)}, name="mine")
    write_embedding(embedding, tmp_path / "x.safetensors")
    assert read_embedding(tmp_path / "x.safetensors").findings == embedding.findings


def test_same_table_same_bytes_in_every_process(table, tmp_path):
    code = (
        "import sys, numpy as np\nfrom perturbridge.embeddings import as_embedding, write_embedding\n"
        "t = {f'G{i}': np.arange(3.0) + i for i in range(5)}\nwrite_embedding(as_embedding(t, name='x'), sys.argv[1])"
    )
    files = [tmp_path / f"{seed}.safetensors" for seed in range(2)]
    for seed, file in enumerate(files):
        subprocess.run([sys.executable, "-c", code, str(file)], check=True, env={"PYTHONHASHSEED": str(seed)})
    assert files[0].read_bytes() == files[1].read_bytes()


def test_half_storage_rounds_once_and_reads_as_float32(table, tmp_path):
    embedding = as_embedding(table, name="mine")
    write_embedding(embedding, tmp_path / "half.safetensors", storage="float16")
    half = read_embedding(tmp_path / "half.safetensors")
    assert half.vectors.dtype == np.float32
    np.testing.assert_array_equal(half.vectors, embedding.vectors.astype(np.float16).astype(np.float32))


def test_half_storage_refuses_what_it_cannot_hold(tmp_path):
    embedding = as_embedding({"A": [1e5, 1.0]}, name="x")
    with pytest.raises(EmbeddingError, match=r"1e\+05, beyond float16"):
        write_embedding(embedding, tmp_path / "x.safetensors", storage="float16")
    assert not list(tmp_path.iterdir())


def test_bad_targets(table, tmp_path):
    embedding = as_embedding(table, name="mine")
    with pytest.raises(EmbeddingError, match="another suffix"):
        write_embedding(embedding, tmp_path / "x.pickle")
    with pytest.raises(DataError, match="storage is 'int8'"):
        write_embedding(embedding, tmp_path / "x.safetensors", storage="int8")
    with pytest.raises(DataError, match="cannot be written"):
        write_embedding(embedding, tmp_path / "absent" / "x.safetensors")
    assert not list(tmp_path.iterdir())


def test_an_interrupted_write_leaves_the_old_file(table, tmp_path, monkeypatch):
    path = tmp_path / "x.safetensors"
    write_embedding(as_embedding(table, name="old"), path)
    before = path.read_bytes()
    monkeypatch.setattr("perturbridge._files.sync", lambda path: (_ for _ in ()).throw(OSError("disk full")))
    with pytest.raises(OSError, match="disk full"):
        write_embedding(as_embedding(table, name="new"), path)
    assert path.read_bytes() == before
    assert [file.name for file in tmp_path.iterdir()] == ["x.safetensors"]


def _own(path):
    with safe_open(path, framework="numpy") as file:
        return {key: file.get_tensor(key) for key in file.keys()}, json.loads(file.metadata()["perturbridge"])  # noqa: SIM118


@pytest.mark.parametrize(
    ("tensors", "about", "message"),
    [
        ({"rows": np.array([9, 0, 0, 0, 0, 0], np.int32)}, {}, "rows"),
        ({"rows": np.array([0], np.int32)}, {}, "rows"),
        ({"genes": np.frombuffer(b'["A"]', np.uint8)}, {}, "rows"),
        ({"genes": np.frombuffer(b"[1, 2]", np.uint8)}, {}, "not a list of text"),
        ({"genes": np.frombuffer(b"{", np.uint8)}, {}, "JSONDecodeError"),
        ({"vectors": np.full((6, 5), np.nan, np.float32)}, {}, "NaN"),
        ({"vectors": None}, {}, "vectors"),
        ({}, {"card": {"name": 3}}, "card"),
        ({}, {"card": {"license": "x"}}, "'name'"),
        ({}, {"format": "embedding/2"}, "embedding/2"),
        ({}, {"findings": [{"level": "info"}]}, "Finding"),
    ],
)
def test_damage_is_an_error_of_ours(tensors, about, message, table, tmp_path):
    path = tmp_path / "x.safetensors"
    write_embedding(as_embedding(table, name="mine"), path)
    parts, told = _own(path)
    parts = {key: value for key, value in {**parts, **tensors}.items() if value is not None}
    save_file(parts, path, metadata={"perturbridge": json.dumps({**told, **about})})
    with pytest.raises(EmbeddingError, match=f"damaged perturbridge table.*{message}"):
        read_embedding(path)


@pytest.mark.parametrize("keep", [0.2, 0.9, 0.999])
def test_a_cut_file_is_an_error_of_ours(keep, table, tmp_path):
    path = tmp_path / "x.safetensors"
    write_embedding(as_embedding(table, name="mine"), path)
    data = path.read_bytes()
    path.write_bytes(data[: int(len(data) * keep)])
    with pytest.raises(EmbeddingError):
        read_embedding(path)


def test_a_cell_of_noise_anywhere_never_crashes(table, tmp_path):
    """Bytes changed at random: an embedding or an error of ours, nothing else."""
    path = tmp_path / "x.safetensors"
    write_embedding(as_embedding(table, name="mine"), path)
    data = path.read_bytes()
    rng = np.random.default_rng(0)
    for _ in range(300):
        changed = bytearray(data)
        for at in rng.integers(0, len(data), 3):
            changed[at] = int(rng.integers(256))
        path.write_bytes(bytes(changed))
        try:
            read_embedding(path, aliases=None)
        except EmbeddingError:
            continue


def test_convert_keeps_provenance_and_shares_vectors(tmp_path, vectors):
    shared = vectors[0].tolist()
    source, target = tmp_path / "GenePT.pickle.", tmp_path / "genept.safetensors"
    source.write_bytes(pickle.dumps({"A": shared, "B": shared, "C": vectors[1].tolist(), "ctrl": [0.0] * 5}))
    card = EmbeddingCard(name="genept", license="see record", date="2024-03", id_space="ensembl")
    report = convert_embedding(source, target, card=card)
    assert (report["n_names"], report["n_vectors"], report["n_dims"]) == (3, 2, 5)
    assert report["source_bytes"] == source.stat().st_size
    assert report["target_bytes"] == target.stat().st_size
    assert any("zero" in line for line in report["findings"])
    json.dumps(report)
    embedding = read_embedding(target)
    assert embedding.card == EmbeddingCard(
        name="genept",
        license="see record",
        date="2024-03",
        made_by="converted from GenePT.pickle.",
        sha256=report["source_sha256"],
    )
    assert read_embedding(source).card.sha256 == report["source_sha256"]
    assert read_embedding(target, name="other").card.sha256 == report["source_sha256"]


def test_converting_twice_changes_nothing(table, dump, tmp_path):
    one, two = tmp_path / "1.safetensors", tmp_path / "2.safetensors"
    convert_embedding(dump(table), one)
    convert_embedding(one, two)
    assert one.read_bytes() == two.read_bytes()


def test_nothing_is_written_when_the_source_is_refused(tmp_path, dump):
    with pytest.raises(EmbeddingError):
        convert_embedding(dump({"A": [1.0], "B": [1.0, 2.0]}, name="x.pickle"), tmp_path / "y.safetensors")
    assert [file.name for file in tmp_path.iterdir()] == ["x.pickle"]


def test_the_real_pickle_converts_without_loss(data_dir, tmp_path):
    source = data_dir / "embeddings" / "genept_ada002_adamson10.pickle"
    report = convert_embedding(source, tmp_path / "x.safetensors")
    assert report["findings"] == []
    one, two = read_embedding(source), read_embedding(tmp_path / "x.safetensors")
    np.testing.assert_array_equal(one.vectors, two.vectors)
    assert (one.genes, one.card.sha256) == (two.genes, two.card.sha256)
