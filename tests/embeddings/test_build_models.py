"""Building from texts and proteins through the real libraries, with models too small to know anything."""

from __future__ import annotations

import gzip
import json

import numpy as np
import pandas as pd
import pytest

from perturbridge.embeddings import build_from_fasta, build_from_text, read_embedding, write_embedding
from perturbridge.embeddings._fasta import choose_isoforms, read_fasta
from perturbridge.embeddings._models import choose_device
from perturbridge.errors import EmbeddingError
from perturbridge.values import EmbeddingCard

from ._tiny_models import tiny_esm2, tiny_sentences

RNG = np.random.default_rng(7)
LENGTHS = {"SHORT": 5, "MIDDLE": 30, "LONG": 75, "OTHER": 31, "EXACT": 20}
SEQUENCES = {gene: "".join(RNG.choice(list("LAGVSERTIDPKQNFYMHWC"), n)) for gene, n in LENGTHS.items()}


@pytest.fixture(scope="module")
def esm2(tmp_path_factory):
    return tiny_esm2(tmp_path_factory.mktemp("models") / "esm2_tiny")


@pytest.fixture(scope="module")
def sentences(tmp_path_factory):
    return tiny_sentences(tmp_path_factory.mktemp("models") / "sentences_tiny")


@pytest.fixture
def fasta(tmp_path):
    path = tmp_path / "proteins.fa"
    path.write_text("".join(f">{gene}\n{text[:17]}\n{text[17:]}\n" for gene, text in SEQUENCES.items()))
    return path


@pytest.fixture(scope="module")
def residues(esm2):
    """Return the last layer at each residue of a sequence, straight from the library."""
    import torch
    from transformers import AutoTokenizer, EsmModel

    tokenizer = AutoTokenizer.from_pretrained(esm2)
    model = EsmModel.from_pretrained(esm2, add_pooling_layer=False).eval()

    def layer(sequence):
        with torch.no_grad():
            hidden = model(**tokenizer(sequence, return_tensors="pt")).last_hidden_state[0]
        return hidden[1:-1].double().numpy()

    return layer


def table_of(embedding):
    return dict(zip(embedding.genes, embedding.vectors[embedding.rows], strict=True))


def test_the_mean_over_residues_is_that_of_the_library(fasta, esm2, residues):
    built = build_from_fasta(fasta, esm2, batch_tokens=200, device="cpu")
    assert built.genes == tuple(sorted(SEQUENCES))
    for gene, vector in table_of(built).items():
        np.testing.assert_allclose(vector, residues(SEQUENCES[gene]).mean(axis=0), atol=2e-5)


def test_windows_cover_every_residue_once(fasta, esm2, residues):
    built = build_from_fasta(fasta, esm2, window=20, overlap=8, device="cpu")
    for gene, vector in table_of(built).items():
        sequence = SEQUENCES[gene]
        sums, counts = np.zeros((len(sequence), 16)), np.zeros((len(sequence), 1))
        starts = sorted({min(s, max(len(sequence) - 20, 0)) for s in range(0, len(sequence), 12)})
        for start in starts:
            if start + 20 - 12 >= len(sequence) and start != starts[0] and start != max(len(sequence) - 20, 0):
                continue
            sums[start : start + 20] += residues(sequence[start : start + 20])
            counts[start : start + 20] += 1
        np.testing.assert_allclose(vector, (sums / counts).mean(axis=0), atol=2e-5)


def test_batches_do_not_change_the_vectors(fasta, esm2):
    one, two = (build_from_fasta(fasta, esm2, batch_tokens=n, device="cpu") for n in (10, 10_000))
    np.testing.assert_allclose(one.vectors, two.vectors, atol=2e-5)


def test_an_interrupted_build_goes_on_and_ends_in_the_same_bytes(fasta, esm2, tmp_path):
    whole = build_from_fasta(fasta, esm2, batch_tokens=40, device="cpu")
    kept, steps = tmp_path / "kept", []

    def stop(done, total):
        steps.append((done, total))
        if done == 2:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        build_from_fasta(fasta, esm2, batch_tokens=40, device="cpu", resume=kept, progress=stop)
    finished = sorted(kept.glob("*.npy"))
    assert len(finished) == 2 < steps[0][1]
    times = [file.stat().st_mtime_ns for file in finished]
    again = build_from_fasta(fasta, esm2, batch_tokens=40, device="cpu", resume=kept)
    assert [file.stat().st_mtime_ns for file in finished] == times
    np.testing.assert_array_equal(again.vectors, whole.vectors)
    with pytest.raises(EmbeddingError, match="unfinished work of another build"):
        build_from_fasta(fasta, esm2, batch_tokens=40, window=500, device="cpu", resume=kept)


def test_the_card_says_how_it_was_made(fasta, esm2, tmp_path):
    known = EmbeddingCard(name="x", source="somewhere", license="CC0", date="2024-01-01")
    built = build_from_fasta(fasta, esm2, name="esm2", card=known, device="cpu")
    card = built.card
    assert (card.source, card.license, card.date) == ("somewhere", "CC0", "2024-01-01")
    assert "model esm2_tiny (sha256 " in card.made_by
    assert "proteins.fa (sha256 " in card.made_by
    write_embedding(built, tmp_path / "x.safetensors")
    assert read_embedding(tmp_path / "x.safetensors").card.made_by == card.made_by


HEADERS = {
    ">sp|P04637|P53_HUMAN Cellular tumor antigen p53 OS=Homo sapiens OX=9606 GN=TP53 PE=1 SV=4": ("TP53", 0),
    ">tr|K7PPA8|K7PPA8_HUMAN Cellular tumor antigen p53 OS=Homo sapiens GN=TP53 PE=2 SV=1": ("TP53", 1),
    ">sp|P04637-2|P53_HUMAN Isoform 2 of Cellular tumor antigen p53 OS=Homo sapiens GN=TP53": ("TP53", 2),
    ">ENSP00000269305.4 pep chromosome:GRCh38:17 gene:ENSG00000141510.18 gene_symbol:TP53 description:x": ("TP53", 0),
    ">ENSP00000269305.4 pep chromosome:GRCh38:17 gene:ENSG00000141510.18 description:x": ("ENSG00000141510", 0),
    ">lcl|NC_1 [gene=TP53] [protein=p53]": ("TP53", 0),
    ">HLA-A": ("HLA-A", 0),
}


@pytest.mark.parametrize("head", HEADERS, ids=range(len(HEADERS)))
@pytest.mark.parametrize("packed", [True, False])
def test_headers_name_the_gene(tmp_path, head, packed):
    text = f"{head}\r\nmkv*\r\n".encode()
    (tmp_path / "x.fa").write_bytes(gzip.compress(text) if packed else text)
    ((protein,), _) = read_fasta(tmp_path / "x.fa")
    assert (protein.gene, protein.rank) == HEADERS[head]
    assert protein.sequence == "MKV"


def test_reviewed_canonical_and_longest_proteins_come_first(tmp_path):
    lines = {
        ">tr|A|A_HUMAN GN=A": "MMMMMMM",
        ">sp|B-2|B_HUMAN GN=A": "KKKKKKKKK",
        ">sp|B|B_HUMAN GN=A": "LL",
        ">x gene_symbol:C": "AA",
        ">y gene_symbol:C": "AAAA",
        ">z gene_symbol:C": "GGGG",
        ">empty": "",
        ">odd": "MK?J",
    }
    (tmp_path / "x.fa").write_text("".join(f"{head}\n{text}\n" for head, text in lines.items()))
    read, noticed = read_fasta(tmp_path / "x.fa")
    chosen, several = choose_isoforms(read)
    assert [(p.gene, p.sequence) for p in chosen] == [("A", "LL"), ("C", "AAAA"), ("odd", "MKXX")]
    assert {f.code: f.count for f in (*noticed, *several)} == {
        "empty_sequences": 1,
        "odd_letters": 1,
        "several_proteins": 2,
    }


def test_texts_are_encoded_as_the_library_encodes_them(sentences, tmp_path):
    from sentence_transformers import SentenceTransformer

    texts = {
        "TP53": "gene of the cell death",
        "MYC": "binds to dna",
        "KRAS": "signal receptor  and\nkinase " * 9,
        "XIST": "",
    }
    (tmp_path / "t.json").write_text(json.dumps(texts))
    pd.Series(texts, name="text").rename_axis("symbol").to_csv(tmp_path / "t.tsv", sep="\t")
    pd.DataFrame({"gene": list(texts), "summary": list(texts.values())}).to_parquet(tmp_path / "t.parquet")
    built = build_from_text(tmp_path / "t.tsv", sentences, device="cpu")
    expected = SentenceTransformer(str(sentences), device="cpu").encode(
        [" ".join(texts[g].split()) for g in built.genes]
    )
    assert built.genes == ("KRAS", "MYC", "TP53")
    np.testing.assert_allclose(built.vectors, expected, atol=1e-6)
    found = {f.code: (f.count, f.example) for f in built.findings}
    assert found == {"genes_without_text": (1, "XIST"), "texts_cut": (1, "KRAS")}
    assert "model sentences_tiny (sha256 " in built.card.made_by
    for other in (tmp_path / "t.json", tmp_path / "t.parquet", texts):
        np.testing.assert_array_equal(build_from_text(other, sentences, device="cpu").vectors, built.vectors)


def test_what_cannot_be_built_is_said(esm2, sentences, fasta, tmp_path, monkeypatch):
    with pytest.raises(EmbeddingError, match=r"is no model: .* Download the model once"):
        build_from_fasta(fasta, tmp_path)
    with pytest.raises(EmbeddingError, match="overlap by 30"):
        build_from_fasta(fasta, esm2, window=20, overlap=30)
    (tmp_path / "two.tsv").write_text("gene\ttext\nA\tone\nA\ttwo\n")
    with pytest.raises(EmbeddingError, match="several texts for 'A'"):
        build_from_text(tmp_path / "two.tsv", sentences)
    (tmp_path / "x.fa").write_text("MKV\n")
    with pytest.raises(EmbeddingError, match="begins with 'MKV"):
        build_from_fasta(tmp_path / "x.fa", esm2)
    import torch

    if not torch.cuda.is_available():
        assert choose_device("auto") == "cpu"
        with pytest.raises(EmbeddingError, match="no graphics card"):
            choose_device("cuda")
    monkeypatch.setitem(__import__("sys").modules, "transformers", None)
    with pytest.raises(EmbeddingError, match=r"pip install 'perturbridge\[embed\]'"):
        build_from_fasta(fasta, esm2)


def test_the_command_goes_on_after_an_interruption(fasta, esm2, tmp_path, monkeypatch, capsys):
    from perturbridge.cli import main
    from perturbridge.embeddings import _build_protein

    out = tmp_path / "built.safetensors"
    words = ["embed", "build", "--fasta", str(fasta), "--model", str(esm2), "--device", "cpu", "-o", str(out)]
    plain = _build_protein._summed

    def stop(*parts):
        raise KeyboardInterrupt

    monkeypatch.setattr(_build_protein, "_summed", stop)
    with pytest.raises(KeyboardInterrupt):
        from perturbridge.pipeline import build

        build(out, fasta=fasta, model=esm2, device="cpu")
    assert list((tmp_path / "built.safetensors.partial").glob("*.npy"))
    monkeypatch.setattr(_build_protein, "_summed", plain)
    assert main(words) == 0, capsys.readouterr().err
    assert not (tmp_path / "built.safetensors.partial").exists()
    np.testing.assert_array_equal(read_embedding(out).vectors, build_from_fasta(fasta, esm2, device="cpu").vectors)
