"""Which rung of a repair may be used where none passes."""

import numpy as np
import pytest

from perturbridge.audit import Repair, Rung
from perturbridge.values import AuditReport, Check, Latent


def rung(step, verdict):
    latent = Latent(z=np.eye(2))
    check = Check(name="readout_within", question="?", verdict=verdict, evidence="")
    report = AuditReport(latent="z", fingerprint=latent.fingerprint, checks=(check,), n_cells=2, n_dims=2)
    return Rung(step=step, latent=latent, report=report)


@pytest.mark.parametrize(
    ("verdicts", "used"),
    [
        (("fail", "pass"), 1),
        (("fail", "underpowered", "underpowered"), 1),
        (("fail", "underpowered", "warn"), 2),
        (("warn", "warn", "warn"), None),
        (("fail", "fail", "fail"), None),
        (("underpowered", "fail", "underpowered"), None),
    ],
)
def test_the_mildest_rung_that_lets_more_cells_be_paired(verdicts, used):
    rungs = tuple(rung(str(i), verdict) for i, verdict in enumerate(verdicts))
    repair = Repair(rungs=rungs, chosen=rungs[-1] if verdicts[-1] == "pass" else None)
    assert (repair.mildest is None) if used is None else (repair.mildest is rungs[used])
