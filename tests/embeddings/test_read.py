"""One table in every form that is in use: each gives the same embedding, whatever the file is called."""

from __future__ import annotations

import gzip
import hashlib
import json
import pickle
import shutil
import warnings
from pathlib import Path

import anndata as ad
import numpy as np
import pandas as pd
import pytest
import scipy.sparse as sp
import torch
from safetensors.numpy import save_file

from perturbridge.embeddings import as_embedding, read_aliases, read_embedding, write_embedding
from perturbridge.errors import EmbeddingError

from .conftest import GENES


def _frame(table):
    return pd.DataFrame(np.stack(list(table.values())), index=list(table))


def _lines(table, separator):
    return "".join(f"{g}{separator}{separator.join(repr(float(x)) for x in v)}\n" for g, v in table.items())


def _pickle(protocol, form):
    return lambda t, p: p.write_bytes(pickle.dumps({g: form(v) for g, v in t.items()}, protocol))


def _text(change):
    return lambda t, p: change(_frame(t), p)


MAKERS = {
    **{f"pickle {n} of lists": _pickle(n, lambda v: v.tolist()) for n in range(6)},
    **{f"pickle {n} of arrays": _pickle(n, lambda v: v) for n in range(6)},
    "pickle of float64": _pickle(4, lambda v: v.astype(float)),
    "pickle of rows": _pickle(4, lambda v: v[None]),
    "pickle of names and matrix": lambda t, p: p.write_bytes(
        pickle.dumps({"genes": list(t), "embeddings": np.stack(list(t.values()))})
    ),
    "torch": lambda t, p: torch.save({g: torch.tensor(v) for g, v in t.items()}, p),
    "torch before 1.6": lambda t, p: torch.save(
        {g: torch.tensor(v) for g, v in t.items()}, p, _use_new_zipfile_serialization=False
    ),
    "torch of arrays": lambda t, p: torch.save(dict(t), p),
    "torch of names and matrix": lambda t, p: torch.save(
        {"genes": list(t), "embeddings": torch.tensor(np.stack(list(t.values())))}, p
    ),
    "npz of names and matrix": lambda t, p: _npz(p, genes=np.array(list(t)), vectors=np.stack(list(t.values()))),
    "npz of columns": lambda t, p: _npz(p, symbols=np.array(list(t)), X=np.stack(list(t.values())).T),
    "npz of object names": lambda t, p: _npz(p, genes=np.array(list(t), object), vectors=np.stack(list(t.values()))),
    "npz of genes": lambda t, p: _npz(p, **t),
    "npz of a dict": lambda t, p: _npz(p, arr_0=np.array(dict(t), dtype=object)),
    "npy of a dict": lambda t, p: _npy(p, np.array(dict(t), dtype=object)),
    "csv": _text(lambda f, p: f.to_csv(p)),
    "csv with title": _text(lambda f, p: f.to_csv(p, index_label="gene")),
    "csv without header": _text(lambda f, p: f.to_csv(p, header=False)),
    "csv with byte-order mark": _text(lambda f, p: f.to_csv(p, encoding="utf-8-sig")),
    "csv with more text": _text(lambda f, p: f.assign(note="x").to_csv(p, index_label="symbol")),
    "csv of columns": _text(lambda f, p: f.T.to_csv(p)),
    "csv with semicolons": _text(lambda f, p: f.to_csv(p, sep=";")),
    "tsv": _text(lambda f, p: f.to_csv(p, sep="\t")),
    "tsv of columns without index": _text(lambda f, p: f.T.to_csv(p, sep="\t", index=False)),
    "tsv of columns with dimensions": _text(lambda f, p: f.add_prefix("PC").T.to_csv(p, sep="\t")),
    "tsv from R": lambda t, p: p.write_text("\t".join(f"V{i}" for i in range(5)) + "\n" + _lines(t, "\t")),
    "tsv.gz": _text(lambda f, p: p.write_bytes(gzip.compress(f.to_csv(sep="\t").encode()))),
    "word2vec": lambda t, p: p.write_text(f"{len(t)} 5\n" + _lines(t, " ")),
    "word2vec without header": lambda t, p: p.write_text(_lines(t, " ")),
    "parquet": _text(lambda f, p: f.rename(columns=str).to_parquet(p)),
    "parquet with a gene column": _text(
        lambda f, p: f.rename(columns=str).rename_axis("gene").reset_index().to_parquet(p)
    ),
    "parquet of columns": _text(lambda f, p: f.T.rename(index=str).to_parquet(p)),
    "parquet of lists": lambda t, p: pd.DataFrame({"gene": list(t), "vector": list(t.values())}).to_parquet(p),
    "h5ad": _text(lambda f, p: _h5ad(f.to_numpy(), p, obs=f.index)),
    "h5ad of columns": _text(lambda f, p: _h5ad(f.to_numpy().T, p, var=f.index)),
    "h5ad csr": _text(lambda f, p: _h5ad(sp.csr_matrix(f.to_numpy()), p, obs=f.index)),
    "h5ad csc": _text(lambda f, p: _h5ad(sp.csc_matrix(f.to_numpy().T), p, var=f.index)),
    "folder": lambda t, p: _folder(t, p, "genes.json", list(t)),
    "folder with rows": lambda t, p: _folder(t, p, "gene_to_idx.json", {g: i for i, g in enumerate(t)}),
    "folder with meta": lambda t, p: _folder(t, p, "meta.json", {"genes": list(t)}),
    "zarr": lambda t, p: _zarr(t, p),
    "safetensors of genes": lambda t, p: save_file(dict(t), p),
    "safetensors with json names": lambda t, p: save_file(
        {"embeddings": np.stack(list(t.values()))}, p, metadata={"genes": json.dumps(list(t))}
    ),
    "safetensors with name lines": lambda t, p: save_file(
        {"embeddings": np.stack(list(t.values()))}, p, metadata={"names": "\n".join(t)}
    ),
    "own": lambda t, p: _own(t, p),
}


def _npz(path, **arrays):
    with path.open("wb") as handle:
        np.savez(handle, **arrays)


def _folder(table, path, name, told):
    path.mkdir()
    np.save(path / "embeddings.npy", np.stack(list(table.values())))
    if name == "meta.json":
        told = told | {"sha256": {"embeddings.npy": hashlib.sha256((path / "embeddings.npy").read_bytes()).hexdigest()}}
    (path / name).write_text(json.dumps(told))


def _zarr(table, path):
    with ad.settings.override(zarr_write_format=3), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        ad.AnnData(np.stack(list(table.values())), obs=pd.DataFrame(index=list(table))).write_zarr(path)


def _npy(path, array):
    with path.open("wb") as handle:
        np.save(handle, array)


def _h5ad(values, path, **names):
    ad.AnnData(values, **{axis: pd.DataFrame(index=list(index)) for axis, index in names.items()}).write_h5ad(path)


def _own(table, path):
    written = path.with_suffix(".safetensors")
    write_embedding(as_embedding(table, name="mine"), written)
    shutil.move(written, path)


@pytest.mark.parametrize("suffix", [".bin", ".csv"])
@pytest.mark.parametrize("form", MAKERS)
def test_every_form_gives_the_same_table(form, suffix, table, tmp_path, same):
    path = tmp_path / f"my.table{suffix}"
    MAKERS[form](table, path)
    embedding = read_embedding(path)
    same(embedding)
    assert not [f for f in embedding.findings if f.level == "warning"]
    if path.is_file():
        assert embedding.card.sha256 == hashlib.sha256(path.read_bytes()).hexdigest()
    assert len(embedding.card.sha256) == 64
    assert embedding.card.id_space == "symbol"


@pytest.mark.parametrize("kind", [torch.float16, torch.bfloat16, torch.float64, torch.int32])
def test_tensors_of_other_widths_become_float32(kind, tmp_path):
    tensor = torch.tensor([1.0, -2.0, 256.0]).to(kind)
    torch.save({"TP53": tensor}, tmp_path / "x")
    np.testing.assert_array_equal(read_embedding(tmp_path / "x").vectors, [[1, -2, 256]])


def test_genept_as_distributed(data_dir):
    folder = data_dir / "embeddings"
    embedding = read_embedding(folder / "genept_ada002_adamson10.pickle")
    again = read_embedding(folder / "genept_ada002_adamson10.npz")
    assert embedding.vectors.shape == (10, 1536)
    assert embedding.name == "genept_ada002_adamson10"
    rows = again.locate(embedding.genes).rows
    np.testing.assert_array_equal(embedding.vectors[embedding.rows], again.vectors[rows])
    np.testing.assert_allclose(np.linalg.norm(embedding.vectors, axis=1), 1, atol=1e-4)
    located = embedding.locate(["TARS1", "ENSG00000044574", "HSPA5", "TP53"])
    assert located.keys == ("TARS", "HSPA5", "HSPA5", "")
    assert located.how == ("previous", "ensembl", "exact", "missing")


@pytest.mark.parametrize(
    ("file", "name"),
    [
        ("GenePT_gene_embedding_ada_text.pickle", "GenePT_gene_embedding_ada_text"),
        ("GenePT_gene_protein_embedding_model_3_text.pickle.", "GenePT_gene_protein_embedding_model_3_text"),
        ("a.tsv.gz", "a"),
        ("ESM2_(D=1280).h5ad", "ESM2_(D=1280)"),
        ("v2.1.pkl", "v2.1"),
        (".pkl", ".pkl"),
    ],
)
def test_name_is_the_file_without_its_suffixes(file, name, table, tmp_path):
    (tmp_path / file).write_bytes(pickle.dumps({g: v.tolist() for g, v in table.items()}))
    assert read_embedding(tmp_path / file).name == name
    assert read_embedding(tmp_path / file, name="mine").name == "mine"


def test_shared_vectors_are_kept_once(dump, vectors):
    shared = vectors[0].tolist()
    path = dump({"PRELID3B": shared, "SLMO2": shared, "TP53": vectors[1].tolist(), "P53": list(vectors[1].tolist())})
    embedding = read_embedding(path)
    assert embedding.vectors.shape == (2, 5)
    assert embedding.rows.tolist() == [0, 0, 1, 1]
    (found,) = [f for f in embedding.findings if f.code == "shared_vectors"]
    assert found.count == 4


def test_aliases_are_as_asked(dump, table):
    path = dump(table)
    assert read_embedding(path).locate(["P53"]).how == ("alias",)
    assert read_embedding(path, aliases=None).locate(["P53"]).how == ("missing",)
    own = path.with_suffix(".tsv")
    own.write_text("symbol\talias\nMYC\tmine\n")
    assert read_embedding(path, aliases=read_aliases(own)).locate(["mine", "P53"]).how == ("alias", "missing")


def test_tables_in_memory_pass_the_same_checks(table, same):
    same(as_embedding(table, name="mine"))
    same(as_embedding(_frame(table), name="mine"))
    with pytest.raises(EmbeddingError, match="'mine' has vectors of 2 lengths"):
        as_embedding({"A": [1.0], "B": [1.0, 2.0]}, name="mine")


def test_tables_in_memory_are_copied(table, same):
    frame = _frame(table)
    arrays = {gene: vector.copy() for gene, vector in table.items()}
    embeddings = as_embedding(frame, name="x"), as_embedding(arrays, name="x")
    frame.iloc[:, :] = 0.0
    arrays["TP53"][:] = 0
    for embedding in embeddings:
        same(embedding)
        assert embedding.vectors.flags.c_contiguous


def test_order_of_names_is_that_of_the_file(dump, table):
    assert read_embedding(dump(table)).genes == GENES


@pytest.mark.parametrize("name", ["=HYPERLINK()", "<script>", "a\nb", "基因", "../../etc", "A'); DROP"])
def test_hostile_names_are_names(name, dump, tmp_path):
    embedding = read_embedding(dump({name: [1.0, 2.0], "TP53": [2.0, 1.0]}))
    write_embedding(embedding, tmp_path / "x.safetensors")
    assert read_embedding(tmp_path / "x.safetensors").genes == (name, "TP53")


@pytest.mark.parametrize("form", [form for form in MAKERS if not form.startswith(("h5ad", "zarr", "folder"))])
def test_a_damaged_file_is_an_error_of_ours_or_a_table(form, table, tmp_path):
    """Cut, overwritten or shifted at random: whatever the library below raises, the user meets an EmbeddingError."""
    MAKERS[form](table, tmp_path / "x")
    data = (tmp_path / "x").read_bytes()
    rng = np.random.default_rng(sum(form.encode()))
    for i in range(12):
        damaged = bytearray(data)
        at, length = int(rng.integers(len(data))), int(rng.integers(1, 20))
        if i % 3 == 0:
            damaged = damaged[: at + 1]
        else:
            damaged[at : at + length] = (
                rng.integers(0, 256, length if i % 3 == 1 else 2 * length).astype(np.uint8).tobytes()
            )
        (tmp_path / "y").write_bytes(bytes(damaged))
        try:
            embedding = read_embedding(tmp_path / "y", aliases=None)
        except EmbeddingError as error:
            assert error.cure  # noqa: PT017
        else:
            assert np.isfinite(embedding.vectors).all()


@pytest.mark.parametrize("file", sorted((Path(__file__).parent / "golden").iterdir()), ids=lambda file: file.name)
def test_bytes_that_numpy_1_wrote(file):
    """Written by numpy 1.26.4: dicts of three genes ▸ numbers -1, -0.75, ... in arrays or lists of float64 scalars."""
    embedding = read_embedding(file)
    assert embedding.genes == ("TP53", "MYC", "KRAS")
    np.testing.assert_array_equal(embedding.vectors, np.arange(12, dtype="f4").reshape(3, 4) / 4 - 1)


@pytest.mark.parametrize("where", ["varm", "obsm"])
@pytest.mark.parametrize("kind", ["h5ad", "zarr"])
@pytest.mark.parametrize("form", ["array", "frame"])
def test_a_matrix_beside_x(where, kind, form, table, tmp_path, same):
    vectors = np.stack(list(table.values()))
    names = pd.DataFrame(index=list(table))
    matrix = vectors if form == "array" else pd.DataFrame(vectors, index=names.index).rename(columns=str)
    shape = (3, len(table)) if where == "varm" else (len(table), 3)
    adata = ad.AnnData(
        np.ones(shape, dtype="f4"), **{"var" if where == "varm" else "obs": names}, **{where: {"genept": matrix}}
    )
    path = tmp_path / f"x.{kind}"
    with ad.settings.override(zarr_write_format=3), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        getattr(adata, f"write_{kind}")(path)
    same(read_embedding(path, key=f"{where}/genept"))
    same(read_embedding(f"{path}#{where}/genept"))
    with pytest.raises(EmbeddingError, match=rf"has no 'varm/other'; it has '{where}/genept'"):
        read_embedding(path, key="varm/other")


def test_a_key_is_refused_where_there_is_one_table(dump, table):
    with pytest.raises(EmbeddingError, match="is pickle and has no 'varm/x'"):
        read_embedding(dump(table), key="varm/x")


def test_folders_that_do_not_fit_are_refused(table, tmp_path):
    _folder(table, tmp_path / "a", "genes.json", list(table)[:-1])
    with pytest.raises(EmbeddingError, match=r"has shape \(6, 5\) for 5 names in genes.json"):
        read_embedding(tmp_path / "a")
    _folder(table, tmp_path / "b", "meta.json", {"genes": list(table)})
    np.save(tmp_path / "b" / "embeddings.npy", np.zeros((6, 5), "f4"))
    with pytest.raises(EmbeddingError, match=r"but meta\.json states"):
        read_embedding(tmp_path / "b")
    (tmp_path / "b" / "embeddings.npy").unlink()
    with pytest.raises(EmbeddingError, match=r"holds 0 \.npy files"):
        read_embedding(tmp_path / "b")
    _folder(table, tmp_path / "c", "notes.json", [])
    with pytest.raises(EmbeddingError, match="no list of gene names"):
        read_embedding(tmp_path / "c")


def test_ensembl_ids_with_other_versions_find_their_vector(tmp_path, vectors):
    ids = [f"ENSG{i:011d}.{i}" for i in range(6)]
    _h5ad(vectors, tmp_path / "x.h5ad", obs=pd.Index(ids))
    embedding = read_embedding(tmp_path / "x.h5ad")
    assert embedding.card.id_space == "ensembl"
    located = embedding.locate(["ENSG00000000003", "ENSG00000000004.17", "ENSA"])
    assert located.rows.tolist() == [3, 4, -1]
