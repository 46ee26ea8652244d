"""No distribution executes what it reads, and the document on security lists what the code does."""

from __future__ import annotations

import re

import pytest
from dangers import dangers
from distributions import FOLDERS
from documents import ROOT

from pal_core.runtime.environment import SCRUBBED, SECRET, scrubbed

SOURCES = [path for folder in FOLDERS for path in sorted((folder / "src").rglob("*.py"))]
ALLOWED: dict[str, set[str]] = {
    # MACE saves its models as pickles; the user asks for this with --trust, and no kernel does it.
    "plugins/pal-mace/src/pal_mace/pickled.py": {"19: torch.load without weights_only=True", "19: weights_only=False"},
}
"""Files and what is dangerous in them, with the reason beside it."""
DOCUMENT = (ROOT / "docs" / "explanation" / "security.md").read_text(encoding="utf-8")


def test_nothing_that_executes_what_it_reads_is_called():
    found = {p.relative_to(ROOT).as_posix(): set(dangers(p.read_text(encoding="utf-8"))) for p in SOURCES}
    assert {name: what for name, what in found.items() if what} == ALLOWED
    assert len(found) > 100


@pytest.mark.parametrize(
    "text",
    [
        "import pickle",
        "def f():\n    from dill import loads",
        "import yaml.loader as y",
        "eval(x)",
        "exec(compile(x, '', 'exec'))",
        "os.system('ls')",
        "from os import system",
        "subprocess.run(x, shell=True)",
        "torch.load(f)",
        "torch.load(f, weights_only=False)",
        "np.load(f)",
        "np.load(f, allow_pickle=True)",
        "np.savez(f, allow_pickle=True)",
        "tempfile.mktemp()",
        "server.listen(5)",
    ],
)
def test_danger_is_seen(text):
    assert dangers(text)


@pytest.mark.parametrize(
    "text",
    [
        "torch.load(f, weights_only=True)",
        "np.load(f, allow_pickle=False)",
        "subprocess.run(x)",
        "re.compile(x)",
        "model.eval()",
        "json.loads(x)",
    ],
)
def test_harmless_call_is_let_pass(text):
    assert dangers(text) == []


def _listed(heading: str) -> set[str]:
    """Words in code font below a heading, up to the next one."""
    part = DOCUMENT.split(f"### {heading}\n", 1)[1].partition("\n#")[0]
    return set(re.findall(r"`([^`]+)`", part))


def test_document_lists_the_variables_by_which_mpi_programs_find_their_world():
    assert _listed("Variables of MPI and of job steps") == {f"{name}*" for name in SCRUBBED}


def test_document_lists_what_makes_a_variable_look_like_a_secret():
    named = _listed("Variables that look like secrets")
    assert named == set(EXAMPLES)
    for name, whole in EXAMPLES.items():
        assert SECRET.search(whole), name
        assert scrubbed({whole: "x"}) == {}


EXAMPLES = {
    "TOKEN": "HF_TOKEN",
    "SECRET": "MY_SECRET_2",
    "PASSWORD": "DB_PASSWORD",
    "PASSWD": "MYSQL_PASSWD",
    "PASSPHRASE": "GPG_PASSPHRASE",
    "CREDENTIAL": "GOOGLE_APPLICATION_CREDENTIALS",
    "APIKEY": "APIKEY",
    "API_KEY": "WANDB_API_KEY_FILE",
    "PRIVATEKEY": "PRIVATEKEY",
    "PRIVATE_KEY": "MY_PRIVATE_KEY_FILE",
    "ACCESSKEY": "ACCESSKEY",
    "ACCESS_KEY": "S3_ACCESS_KEY_ID",
    "BEARER": "BEARER",
    "COOKIE": "SESSION_COOKIE",
    "JWT": "SLURM_JWT",
    "KUBECONFIG": "KUBECONFIG",
    "PGPASS": "PGPASSFILE",
    "_AUTH": "REGISTRY_AUTH",
    "AUTH_": "AUTH_HEADER",
    "_KEY": "SIGNING_KEY",
    "_PASS": "SMTP_PASS",
    "_PAT": "GITHUB_PAT",
    "_PWD": "DB_PWD",
    "_DSN": "SENTRY_DSN",
    "DATABASE_URL": "DATABASE_URL",
    "AWS_": "AWS_PROFILE",
    "AZURE_": "AZURE_TENANT",
    "SSH_AUTH_SOCK": "SSH_AUTH_SOCK",
    "SSH_AGENT_PID": "SSH_AGENT_PID",
    "SSH_ASKPASS": "SSH_ASKPASS_REQUIRE",
    "GPG_AGENT_INFO": "GPG_AGENT_INFO",
    "NETRC": "NETRC",
}
"""Words of the document, each with a variable."""


def test_every_word_of_the_pattern_is_in_the_document():
    words = set(re.findall(r"[A-Z_]{3,}", re.sub(r"\(\?!\w+\)", "", SECRET.pattern).replace("_?", "_")))
    assert {w for w in words if not any(w.strip("_") in e for e in EXAMPLES)} == set()


@pytest.mark.parametrize("name", ["HOME", "PWD", "OLDPWD", "PATH", "TOKENIZERS_PARALLELISM", "LM_LICENSE_FILE",
                                  "XTBPATH", "VASP_PP_PATH", "KEYBOARD", "MONKEY", "AUTHOR"])  # fmt: skip
def test_what_calculations_need_stays(name):
    assert scrubbed({name: "x"}) == {name: "x"}
