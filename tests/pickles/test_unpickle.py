"""The allow-list unpickler: every plain form comes back, nothing else is even imported."""

from __future__ import annotations

import collections
import os
import pickle
import struct
import sys

import numpy as np
import pytest

from perturbridge._pickles import safe_unpickle
from perturbridge.errors import EmbeddingError

PROTOCOLS = range(pickle.HIGHEST_PROTOCOL + 1)
VALUES = {
    "list": [1.5, -2.0],
    "double": np.arange(3.0),
    "half": np.arange(3, dtype=np.float16),
    "whole": np.arange(3),
    "fortran": np.asfortranarray(np.arange(6.0).reshape(2, 3)),
    "axes": np.arange(24.0).reshape(2, 3, 4).transpose(1, 2, 0),
    "strided": np.arange(10.0)[::3],
    "names": np.array(["TP53", "MYC"]),
    "objects": np.array(["TP53", None], dtype=object),
    "scalar": np.float32(0.25),
    "ordered": collections.OrderedDict(a=1),
    "bytes": b"\x00\xff",
}


class Payload:
    def __init__(self, *reduced):
        self.reduced = reduced

    def __reduce__(self):
        return self.reduced


@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_plain_values_come_back(protocol):
    got = safe_unpickle(pickle.dumps(VALUES, protocol), where="file")
    assert list(got) == list(VALUES)
    for name, value in VALUES.items():
        np.testing.assert_array_equal(got[name], value)
        assert getattr(got[name], "dtype", None) == getattr(value, "dtype", None)


@pytest.mark.parametrize("core", ["numpy.core", "numpy._core"])
@pytest.mark.parametrize("protocol", [2, 4, 5])
def test_arrays_of_numpy_1_and_2_are_read(core, protocol):
    data = pickle.dumps({"TP53": np.arange(3.0), "MYC": np.float64(2)}, protocol)
    ours = b"numpy._core" if b"numpy._core" in data else b"numpy.core"
    if protocol >= 4:

        def spelled(name: bytes) -> bytes:
            return b"\x8c" + struct.pack("B", len(name)) + name

        for module in (b".multiarray", b".numeric"):
            data = data.replace(spelled(ours + module), spelled(core.encode() + module))
        # The frame says how long it is; without it the pickle is as valid.
        data = data[:2] + data[11:] if data[2:3] == b"\x95" else data
    else:
        data = data.replace(b"c" + ours, b"c" + core.encode())
    assert core.encode() in data
    got = safe_unpickle(data, where="file")
    np.testing.assert_array_equal(got["TP53"], np.arange(3.0))
    assert got["MYC"] == 2


@pytest.mark.parametrize("protocol", PROTOCOLS)
@pytest.mark.parametrize(
    ("payload", "refused"),
    [
        (Payload(os.system, ("touch PWNED",)), r"(posix|nt)\.system"),
        (Payload(eval, ("open('PWNED', 'w')",)), r"(builtins|__builtin__)\.eval"),
        (Payload(getattr, (collections.OrderedDict, "__class__")), r"(builtins|__builtin__)\.getattr"),
        (Payload(np.load, ("PWNED",)), r"numpy\.load"),
    ],
)
def test_code_is_refused_by_name_and_not_run(payload, refused, protocol, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(EmbeddingError, match=refused) as caught:
        safe_unpickle(pickle.dumps({"TP53": payload}, protocol), where="GenePT.pickle")
    assert "nothing was run" in str(caught.value)
    assert "GenePT.pickle" in caught.value.problem
    assert not list(tmp_path.iterdir())


def test_a_refused_module_is_not_imported(tmp_path, monkeypatch):
    (tmp_path / "trap_module_of_this_test.py").write_text("raise SystemExit('imported')")
    monkeypatch.syspath_prepend(tmp_path)
    with pytest.raises(EmbeddingError, match=r"trap_module_of_this_test\.run"):
        safe_unpickle(b"\x80\x02ctrap_module_of_this_test\nrun\n.", where="file")
    assert "trap_module_of_this_test" not in sys.modules


def test_every_opcode_that_names_a_global_is_guarded():
    for data in (b"(cos\nsystem\no.", b"(ios\nsystem\n.", b"\x80\x04\x8c\x02os\x8c\x06system\x93."):
        with pytest.raises(EmbeddingError, match=r"os\.system"):
            safe_unpickle(data, where="file")


def test_an_array_cannot_be_born_large():
    big = b"\x80\x02cnumpy\nndarray\n(J\xff\xff\xff\x7fK\x10tR."
    with pytest.raises(EmbeddingError, match="not a whole pickle"):
        safe_unpickle(big, where="file")
    reborn = pickle.dumps(Payload(np.empty(0).__reduce__()[0], (np.ndarray, (1 << 40,), b"d")), 2)
    with pytest.raises(EmbeddingError, match="shape"):
        safe_unpickle(reborn, where="file")
    filled = np.arange(4.0).__reduce__()[2]
    short = (filled[0], (1 << 40,), *filled[2:])

    class Array:
        def __reduce__(self):
            reconstruct, args, _ = np.arange(4.0).__reduce__()
            return reconstruct, args, short

    with pytest.raises(EmbeddingError, match="not a whole pickle"):
        safe_unpickle(pickle.dumps(Array(), 2), where="file")


def test_a_pickle_cannot_change_numpy_or_the_stand_ins():
    flip = b"\x80\x02cnumpy\ndtype\nX\x02\x00\x00\x00f8\x85R(K\x03X\x01\x00\x00\x00>NNNJ\xff\xff\xff\xffJ\xff\xff\xff\xffK\x00tb."
    safe_unpickle(flip, where="file")
    assert np.dtype("f8").str == np.ones(1).dtype.str
    alter = b"\x80\x02c_codecs\nencode\n}X\x03\x00\x00\x00bad\x4b\x01sb."
    with pytest.raises(EmbeddingError, match="not a whole pickle"):
        safe_unpickle(alter, where="file")


def test_structured_and_dated_arrays_are_refused():
    for array in (np.zeros(2, dtype=[("a", "f4")]), np.zeros(2, dtype="M8[s]")):
        with pytest.raises(EmbeddingError, match="numbers of kind"):
            safe_unpickle(pickle.dumps(array, 4), where="file")


@pytest.mark.parametrize("cut", [1, 20, 60])
def test_a_cut_pickle_is_an_error_of_ours(cut):
    data = pickle.dumps({"TP53": np.arange(30.0)}, 4)
    with pytest.raises(EmbeddingError, match="not a whole pickle"):
        safe_unpickle(data[:-cut], where="file")


def test_parts_kept_elsewhere_are_refused():
    with pytest.raises(EmbeddingError, match="keeps parts of itself elsewhere"):
        safe_unpickle(b"\x80\x02X\x03\x00\x00\x00abcQ.", where="file")


def test_the_cure_knows_what_was_pickled():
    with pytest.raises(EmbeddingError) as caught:
        safe_unpickle(b"\x80\x02cpandas.core.frame\nDataFrame\n.", where="file")
    assert "to_parquet" in caught.value.cure
