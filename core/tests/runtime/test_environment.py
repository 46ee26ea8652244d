"""The environment of an oracle's process."""

from pal_core.runtime.environment import scrubbed


def test_variables_of_mpi_and_of_the_step_are_taken_out():
    environment = {
        "PATH": "/bin",
        "OMP_NUM_THREADS": "1",
        "SLURM_JOB_ID": "7",
        "SLURM_PROCID": "3",
        "SLURM_STEP_ID": "0",
        "OMPI_COMM_WORLD_SIZE": "4",
        "PMIX_RANK": "3",
        "PMI_FD": "9",
        "PRTE_LAUNCHED": "1",
        "HYDI_CONTROL_FD": "8",
        "MPICH_INTERFACE_HOSTNAME": "here",
        "I_MPI_ROOT": "/opt",
        "PAL_LAUNCHED": "1",
    }
    assert scrubbed(environment) == {"PATH": "/bin", "OMP_NUM_THREADS": "1", "SLURM_JOB_ID": "7"}
