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


SECRETS = {
    "GITHUB_TOKEN": "x",
    "hf_token": "x",
    "CLIENT_SECRET": "x",
    "DB_PASSWORD": "x",
    "MYSQL_PASSWD": "x",
    "SMTP_PASS": "x",
    "GOOGLE_APPLICATION_CREDENTIALS": "x",
    "WANDB_API_KEY": "x",
    "MY_PRIVATE_KEY": "x",
    "AWS_PROFILE": "x",
    "SSH_AUTH_SOCK": "x",
}
HARMLESS = {
    "HOME": "/home/me",
    "LM_LICENSE_FILE": "27000@host",
    "TOKENIZERS_PARALLELISM": "false",
    "KRB5CCNAME": "FILE:/tmp/x",
    "PASSES": "3",
    "TURBODIR": "/opt",
}


def test_variables_that_look_like_secrets_are_taken_out():
    assert scrubbed(SECRETS | HARMLESS) == HARMLESS


def test_variables_that_are_wanted_stay():
    environment = {"WANDB_API_KEY": "x", "OMPI_MCA_btl": "self", "AWS_PROFILE": "x"}
    assert scrubbed(environment, ["WANDB_API_KEY", "OMPI_MCA_btl"]) == {"WANDB_API_KEY": "x", "OMPI_MCA_btl": "self"}
