from __future__ import annotations

import pickle

from hypothesis import given
from hypothesis import strategies as st

from perturbridge._pickles import pickle_of_lists, safe_unpickle

table = st.dictionaries(st.text(max_size=8), st.lists(st.text(max_size=8), max_size=5), max_size=4)


@given(table)
def test_python_reads_what_was_meant(told):
    written = pickle_of_lists(told)
    assert pickle.loads(written) == told
    assert safe_unpickle(written, where="here") == told
