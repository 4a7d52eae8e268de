"""Build the table of gene names that ships: approved symbols with what else each gene has been called.

Inputs, all public facts about symbols:

* an Ensembl gene table (parquet): `ensembl_gene_id`, `symbol`, `synonyms` (joined by `|`, in capitals);
* an earlier HGNC list of approved symbols with Entrez ids (tab-separated, two columns);
* `renames.tsv` beside this script: renames that are known to break screens, checked by hand; a name given twice is ambiguous.

Rules:

* A symbol is approved if the Ensembl table has it.
* An old name was approved in the earlier list, is not approved now, and is a synonym of a gene whose present symbol was not in
  that list. Other synonyms are aliases.
* A synonym that the earlier list had as a gene of its own, beside the gene it is now a synonym of, is dropped: it is not known
  which of the two is meant (`AAVS1`, a locus within PPP1R12C, is one).
* A name in `renames.tsv` means what that file says and nothing else.

    python embeddings/gene_names/build.py --ensembl genes.parquet --symbols symbol_entrez.txt --out gene_names.tsv.gz
"""

from __future__ import annotations

import argparse
import gzip
import re
from collections import defaultdict
from pathlib import Path

import pandas as pd

HERE = Path(__file__).parent
# What tables write where there is no name.
NO_NAME = frozenset({"NA", "NAN", "NONE", "NULL"})
ORF = re.compile(r"C(\d+|X|Y)ORF(\d+)")


def read_synonyms(table: pd.DataFrame) -> dict[str, set[str]]:
    """Return each synonym with the approved symbols that have it; `C1ORF112` is spelled `C1orf112` again."""
    approved = set(table["symbol"])
    meanings: dict[str, set[str]] = defaultdict(set)
    for symbol, text in zip(table["symbol"], table["synonyms"].fillna(""), strict=True):
        for synonym in filter(None, text.split("|")):
            name = ORF.sub(r"C\1orf\2", synonym) if ORF.fullmatch(synonym) else synonym
            if name not in approved and name not in NO_NAME and not name.isdecimal():
                meanings[name].add(symbol)
    return meanings


def sort_out(
    meanings: dict[str, set[str]], renames: dict[str, set[str]], entrez_of: dict[str, str]
) -> dict[str, dict[str, set[str]]]:
    """Return for each symbol its former symbols, aliases and the Entrez ids of its former symbols."""
    found: dict[str, dict[str, set[str]]] = {what: defaultdict(set) for what in ("previous", "alias", "entrez")}
    for name in sorted(set(meanings) | set(renames)):
        means = renames.get(name) or meanings[name]
        # The genes whose present symbol is younger than the list, which may therefore have had this name in it.
        younger = {symbol for symbol in means if symbol not in entrez_of}
        was_approved = name in entrez_of
        for symbol in means:
            if name in renames or (was_approved and symbol in younger):
                found["previous"][symbol].add(name)
            elif len(means) > 1 or not was_approved:
                # One meaning of several is never dropped: it would make the others look certain.
                found["alias"][symbol].add(name)
        if was_approved and len(younger) == 1:
            found["entrez"][younger.pop()].add(entrez_of[name])
    return found


def main() -> None:
    """Read, sort out, write."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--ensembl", type=Path, required=True)
    parser.add_argument("--symbols", type=Path, required=True)
    parser.add_argument("--out", type=Path, required=True)
    options = parser.parse_args()

    genes = pd.read_parquet(options.ensembl, columns=["ensembl_gene_id", "symbol", "synonyms"]).dropna(subset="symbol")
    # One row of the table is a screen's control and no gene.
    genes = genes[genes["ensembl_gene_id"].str.fullmatch(r"ENSG\d{11}")]
    listed = pd.read_csv(options.symbols, sep="\t", dtype=str, keep_default_na=False)
    entrez_of = dict(zip(listed.iloc[:, 0], listed.iloc[:, 1], strict=True))
    renames: dict[str, set[str]] = defaultdict(set)
    for old, new in pd.read_csv(HERE / "renames.tsv", sep="\t").itertuples(index=False):
        renames[old].add(new)

    meanings = read_synonyms(genes)
    found = sort_out(meanings, renames, entrez_of)
    ensembl = genes.groupby("symbol")["ensembl_gene_id"].agg(sorted)
    with options.out.open("wb") as raw, gzip.GzipFile("", fileobj=raw, mode="wb", compresslevel=9, mtime=0) as out:
        out.write(b"symbol\tprevious\talias\tensembl\tentrez\n")
        for symbol in sorted(set(genes["symbol"])):
            entrez = (found["entrez"][symbol] | {entrez_of.get(symbol, "")}) - {""}
            lists = found["previous"][symbol], found["alias"][symbol], ensembl[symbol], entrez
            out.write("\t".join([symbol, *("|".join(sorted(names)) for names in lists)]).encode() + b"\n")
    print(f"{len(ensembl)} symbols, {len(meanings)} other names, {options.out.stat().st_size} bytes")


if __name__ == "__main__":
    main()
