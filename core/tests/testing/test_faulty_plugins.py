"""The contract of plugins finds plugins that break it."""

from __future__ import annotations

import subprocess
import sys

import pytest

from pal_core.testing import PluginContract

FAULTY_PLUGIN = """
import colorsys
from dataclasses import replace
from pydantic import BaseModel
from pal_core.options import KernelOptions
from pal_core.spec import FormatSpec, KernelSpec, Role

class Bare(KernelOptions):
    level: int = 1

class Loose(BaseModel):
    pass

class Silent(KernelOptions):
    def interface(self):
        return None

class Lenient(KernelOptions):
    model_config = {"extra": "ignore"}

ME = "faulty_plugin:"
TOY = "pal_core.builtin.oracle:ToyOracle"

def pal_kernels():
    spec = KernelSpec("faulty.one", Role.ORACLE, TOY, "pal_core.options:KernelOptions", "One line")
    return CHANGES

def pal_formats():
    return [FormatSpec("table", ("csv",), "json:loads")]
"""


def plugin_contract(tmp_path, monkeypatch, changes: str = "[spec]"):
    (tmp_path / "faulty_plugin.py").write_text(FAULTY_PLUGIN.replace("CHANGES", changes))
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    monkeypatch.delitem(sys.modules, "faulty_plugin", raising=False)
    subject = PluginContract()
    subject.plugin = "faulty_plugin"
    subject.prefix = lambda: "faulty"
    subject.heavy = ("colorsys",)
    return subject


@pytest.mark.parametrize(
    ("changes", "test", "complaint"),
    [
        ("[spec]", "test_listing_imports_nothing_heavy", "listing faulty_plugin imports colorsys"),
        ("[replace(spec, name='other.one')]", "test_kernels_are_named_after_the_plugin", "must be called 'faulty.<ker"),
        ("[replace(spec, name='faulty.')]", "test_kernels_are_named_after_the_plugin", "no name after the dot"),
        ("[spec, spec]", "test_kernel_names_are_unique", "occurs twice"),
        ("[replace(spec, summary='')]", "test_kernels_have_a_summary_of_one_line", "has no summary"),
        ("[replace(spec, capabilities=frozenset({'snapshots'}))]", "test_capabilities_are_known", "'snapshots'"),
        ("[replace(spec, role=Role.MODEL)]", "test_targets_are_kernels_of_their_role", "does not derive from Model"),
        ("[replace(spec, options=ME + 'Bare')]", "test_options_are_documented", "'level' has no description"),
        ("[replace(spec, options=ME + 'Loose')]", "test_options_are_documented", "does not derive from KernelOptions"),
        ("[replace(spec, options=ME + 'Lenient')]", "test_unknown_options_are_refused", "ignore unknown keys"),
        ("[replace(spec, options=ME + 'Silent')]", "test_interfaces_are_stated", r"interface\(\) gives None"),
        ("[spec]", "test_formats_can_be_imported", "format table: a suffix has no dot"),
    ],
)
def test_faulty_plugin_is_found(changes, test, complaint, tmp_path, monkeypatch):
    subject = plugin_contract(tmp_path, monkeypatch, changes)
    with pytest.raises(AssertionError, match=complaint):
        getattr(subject, test)()


def test_plugin_that_can_not_be_imported_is_reported_with_its_traceback(tmp_path, monkeypatch):
    (tmp_path / "broken_plugin.py").write_text("import no_such_module")
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    subject = PluginContract()
    subject.plugin = "broken_plugin"
    with pytest.raises(AssertionError, match="No module named 'no_such_module'"):
        subject.test_listing_imports_nothing_heavy()


def test_plugin_without_entry_point_is_named():
    subject = PluginContract()
    subject.plugin = "nobody.plugin"
    with pytest.raises(AssertionError, match=r"no installed package has an entry point .* 'nobody.plugin'"):
        subject.prefix()


def test_importing_pal_core_does_not_import_pytest():
    code = "import pal_core.kernels, pal_core.spec, pal_core.data, sys; assert 'pytest' not in sys.modules"
    subprocess.run([sys.executable, "-c", code], check=True)
