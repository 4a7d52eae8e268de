"""The wheel, unpacked elsewhere: it has the tables and reads them, without the source tree beside it."""

from __future__ import annotations

import json
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
SCRIPT = """
import json, sys
sys.path.insert(0, sys.argv[1])
import perturbridge
from perturbridge.embeddings import list_sources, open_embedding, read_aliases
embedding = open_embedding()
print(json.dumps({
    "package": perturbridge.__file__,
    "tables": [source.path for source in list_sources()],
    "shape": embedding.vectors.shape,
    "how": embedding.locate(["SLMO2", "TAZ"]).how,
    "n_symbols": len(read_aliases().approved),
}))
"""


@pytest.fixture(scope="module")
def wheel(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("wheel")
    command = [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(folder)]
    subprocess.run(command, cwd=ROOT, check=True, capture_output=True)
    (built,) = folder.glob("*.whl")
    return built


def test_the_wheel_is_the_package_and_its_tables_alone(wheel):
    with zipfile.ZipFile(wheel) as archive:
        names = archive.namelist()
    tops = {name.split("/")[0] for name in names}
    assert {top for top in tops if not top.endswith(".dist-info")} == {"perturbridge"}
    data = sorted(name for name in names if not name.endswith(".py") and "/embeddings/" in name)
    home = "perturbridge/embeddings/data"
    assert data == [
        f"{home}/gene_names.tsv.gz",
        f"{home}/go_words/card.toml",
        f"{home}/go_words/go_words.safetensors",
        f"{home}/pathways/card.toml",
        f"{home}/pathways/pathways.safetensors",
    ]
    assert "perturbridge/py.typed" in names
    assert not [name for name in names if name.endswith((".pickle", ".pkl", ".pyc"))]
    assert wheel.stat().st_size < 10_000_000


def test_the_license_travels(wheel):
    with zipfile.ZipFile(wheel) as archive:
        assert any(name.endswith("licenses/LICENSE") for name in archive.namelist())


def test_an_unpacked_wheel_opens_the_default_table(wheel, tmp_path):
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(tmp_path / "site")
    # Outside the checkout, so that nothing is found there by accident.
    done = subprocess.run(
        [sys.executable, "-c", SCRIPT, str(tmp_path / "site")], cwd=tmp_path, capture_output=True, text=True, check=True
    )
    told = json.loads(done.stdout)
    assert Path(told["package"]).is_relative_to(tmp_path / "site")
    assert len(told["tables"]) == 2
    assert all(Path(path).is_relative_to(tmp_path / "site") for path in told["tables"])
    assert told["shape"] == [17422, 128]
    assert told["how"] == ["previous", "ambiguous"]
    assert told["n_symbols"] == 41059
