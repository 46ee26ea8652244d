"""The environment that an oracle's process gets."""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping

__all__ = ["SCRUBBED", "SECRET", "scrubbed"]

SCRUBBED = (
    *("OMPI_", "PMIX_", "PMI_", "PRTE_", "MPIEXEC_", "MPICH_", "HYDRA_", "HYDI_", "I_MPI_", "MV2_", "MVP_", "PAL_"),
    *("PALS_", "FLUX_", "SLURM_PROCID", "SLURM_LOCALID", "SLURM_NODEID", "SLURM_STEP", "SLURM_GTIDS"),
    *("SLURM_TASK_PID", "SLURM_PMI", "SLURM_SRUN_COMM"),
)
"""Beginnings of variables that an oracle's process doesn't get, so that it can start an MPI program of its own."""

SECRET = re.compile(
    # Not TOKENIZERS_PARALLELISM, which is no secret.
    r"TOKEN(?!IZ)|SECRET|PASSWORD|PASSWD|PASSPHRASE|CREDENTIAL|API_?KEY|PRIVATE_?KEY|ACCESS_?KEY|(^|_)KEY$"
    r"|_PASS$|_PWD$|_PAT$|PGPASS|JWT|COOKIE|(^|_)AUTH(_|$)|BEARER|DATABASE_URL$|_DSN$|KUBECONFIG"
    r"|^AWS_|^AZURE_|^SSH_AUTH_SOCK$|^SSH_AGENT_PID$|^SSH_ASKPASS|^GPG_AGENT_INFO$|^NETRC$",
    re.IGNORECASE,
)
"""Names of variables that look like secrets: no calculation needs them, and its output may be shown to others."""


def scrubbed(environment: Mapping[str, str], wanted: Collection[str] = ()) -> dict[str, str]:
    """The environment without variables by which MPI programs find their world, and without secrets.

    Parameters
    ----------
    environment : mapping of str to str
    wanted : collection of str
        Names of variables that stay, whatever they look like.
    """
    return {k: v for k, v in environment.items() if k in wanted or not (k.startswith(SCRUBBED) or SECRET.search(k))}
