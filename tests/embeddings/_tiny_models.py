"""Randomly initialized models of a few thousand weights, saved as their libraries save them."""

from __future__ import annotations

import json
import warnings
from typing import TYPE_CHECKING

import torch

if TYPE_CHECKING:
    from pathlib import Path

RESIDUES = [
    "L",
    "A",
    "G",
    "V",
    "S",
    "E",
    "R",
    "T",
    "I",
    "D",
    "P",
    "K",
    "Q",
    "N",
    "F",
    "Y",
    "M",
    "H",
    "W",
    "C",
    "X",
    "B",
    "U",
    "Z",
    "O",
    ".",
    "-",
]


def tiny_esm2(folder: Path, *, seed: int = 0) -> Path:
    from transformers import EsmConfig, EsmModel, EsmTokenizer

    folder.mkdir(parents=True, exist_ok=True)
    vocabulary = ["<cls>", "<pad>", "<eos>", "<unk>", *RESIDUES, "<null_1>", "<mask>"]
    (folder / "vocab.txt").write_text("\n".join(vocabulary))
    config = EsmConfig(
        vocab_size=len(vocabulary),
        hidden_size=16,
        num_hidden_layers=2,
        num_attention_heads=2,
        intermediate_size=24,
        max_position_embeddings=1026,
        position_embedding_type="rotary",
        token_dropout=True,
        pad_token_id=1,
        mask_token_id=len(vocabulary) - 1,
    )
    with torch.random.fork_rng(), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        torch.random.manual_seed(seed)
        EsmModel(config, add_pooling_layer=False).save_pretrained(folder)
        EsmTokenizer(str(folder / "vocab.txt")).save_pretrained(folder)
    return folder


def tiny_sentences(folder: Path, *, seed: int = 0) -> Path:
    from sentence_transformers import SentenceTransformer
    from sentence_transformers.sentence_transformer.modules import Normalize, Pooling, Transformer
    from transformers import BertConfig, BertModel, BertTokenizerFast

    words = [
        "gene",
        "protein",
        "kinase",
        "cell",
        "death",
        "repair",
        "of",
        "the",
        "and",
        "dna",
        "binds",
        "to",
        "receptor",
        "signal",
    ]
    bert = folder.parent / f"{folder.name}_bert"
    bert.mkdir(parents=True, exist_ok=True)
    vocabulary = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", *words, *"abcdefghijklmnopqrstuvwxyz"]
    vocabulary += [f"##{letter}" for letter in "abcdefghijklmnopqrstuvwxyz"]
    (bert / "vocab.txt").write_text("\n".join(vocabulary))
    config = BertConfig(
        vocab_size=len(vocabulary),
        hidden_size=16,
        num_hidden_layers=2,
        num_attention_heads=2,
        intermediate_size=24,
        max_position_embeddings=32,
    )
    with torch.random.fork_rng(), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        torch.random.manual_seed(seed)
        BertModel(config).save_pretrained(bert)
        BertTokenizerFast(vocab_file=str(bert / "vocab.txt")).save_pretrained(bert)
        layer = Transformer(str(bert), max_seq_length=24)
        SentenceTransformer(modules=[layer, Pooling(16), Normalize()], device="cpu").save(str(folder))
    assert json.loads((folder / "modules.json").read_text())
    return folder
