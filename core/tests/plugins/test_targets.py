"""Kernels without a package: file.py:Class and module:Class."""

from __future__ import annotations

import sys

import pytest

from pal_core.errors import KernelNotFound, PluginError
from pal_core.kernels import Context, Oracle
from pal_core.options import KernelOptions
from pal_core.plugins.host import PluginHost
from pal_core.spec import KernelSpec, Role

SOURCE = '''
from __future__ import annotations
from dataclasses import dataclass

from pal_core.data import Field, Schema
from pal_core.kernels import Generator, Oracle, Stop
from pal_core.options import Interface, KernelOptions
from neighbour import ANSWER


@dataclass
class Helper:
    x: int = 0


class Plain(Oracle):
    """Answers.

    At length.
    """

    interface = Interface(Schema([Field("x")]), Schema([Field("y")]))

    def label(self, sample):
        return {"y": ANSWER}


class Rich(Oracle):
    class Options(KernelOptions):
        factor: float = 2.0

    def label(self, sample):
        return {}


class Walk(Generator):
    def propose(self, feedback):
        return Stop()

    def bootstrap(self):
        return {}
'''


@pytest.fixture
def host():
    return PluginHost.of([])


@pytest.fixture
def folder(tmp_path, monkeypatch):
    (tmp_path / "neighbour.py").write_text("ANSWER = 42.0\n")
    (tmp_path / "my_kernels.py").write_text(SOURCE)
    monkeypatch.setattr(sys, "path", list(sys.path))
    monkeypatch.delitem(sys.modules, "neighbour", raising=False)
    return tmp_path


def test_class_in_a_file_runs_like_an_installed_kernel(host, folder):
    spec = host.find_kernel("my_kernels.py:Plain", Role.ORACLE, folder)
    assert (spec.name, spec.role, spec.summary) == ("my_kernels.py:Plain", Role.ORACLE, "Answers.")
    options = host.load_options(spec)()
    assert list(options.interface().produces) == ["y"]
    assert list(options.interface().consumes) == ["x"]
    cls = host.load_kernel(spec, folder)
    assert cls(options, Context("oracle")).label({}) == {"y": 42.0}
    assert host.load_kernel(spec) is cls


def test_options_class_attribute_is_used(host, folder):
    spec = host.find_kernel("my_kernels.py:Rich", base=folder)
    assert host.load_options(spec)().factor == 2.0


def test_abilities_are_seen_in_the_class(host, folder):
    assert host.find_kernel("my_kernels.py:Walk", base=folder).capabilities == {"bootstrap"}


def test_provenance_of_a_file_changes_with_its_text(host, folder):
    spec = host.find_kernel("my_kernels.py:Rich", base=folder)
    where, before = host.provenance(spec)
    assert where == str(folder / "my_kernels.py")
    (folder / "my_kernels.py").write_text(SOURCE + "\n")
    assert host.provenance(spec) != (where, before)


def test_missing_file_is_named(host, tmp_path):
    with pytest.raises(KernelNotFound, match=rf"'no.py:X' \(there is no file {tmp_path}/no.py\)"):
        host.find_kernel("no.py:X", base=tmp_path)


def test_missing_class_gets_near_matches(host, folder):
    with pytest.raises(KernelNotFound, match=r"no 'Plian' in .*my_kernels.py.*did you mean 'Plain'\?"):
        host.find_kernel("my_kernels.py:Plian", base=folder)


def test_class_of_another_role_is_refused(host, folder):
    with pytest.raises(KernelNotFound, match=r"'my_kernels.py:Plain', an oracle, expected a model"):
        host.find_kernel("my_kernels.py:Plain", Role.MODEL, folder)
    with pytest.raises(KernelNotFound, match=r"'my_kernels.py:Helper', not a subclass of a kernel"):
        host.find_kernel("my_kernels.py:Helper", Role.MODEL, folder)


def test_file_whose_import_raises_is_an_error_with_its_line_and_may_be_mended(host, tmp_path):
    (tmp_path / "broken_kernels.py").write_text("\n\n1 / 0\n")
    with pytest.raises(PluginError, match=r"ZeroDivisionError: division by zero \(broken_kernels.py:3\)"):
        host.find_kernel("broken_kernels.py:X", base=tmp_path)
    (tmp_path / "broken_kernels.py").write_text(SOURCE.replace("from neighbour import ANSWER", "ANSWER = 1"))
    assert host.find_kernel("broken_kernels.py:Rich", base=tmp_path)


def test_module_and_class_of_an_installed_module(host):
    assert host.find_kernel("pal_core.kernels:Oracle", Role.ORACLE).target == "pal_core.kernels:Oracle"
    with pytest.raises(PluginError, match=r"for a file beside the settings write 'my_kernels_xyz.py:Class'"):
        host.find_kernel("my_kernels_xyz:X", Role.ORACLE)


def test_missing_dependency_of_a_target_is_named(host, tmp_path, monkeypatch):
    (tmp_path / "heavy_xyz.py").write_text("import nosuchlibrary_xyz\n")
    monkeypatch.syspath_prepend(tmp_path)
    spec = KernelSpec("a.b", Role.ORACLE, "heavy_xyz:Oracle", "heavy_xyz:Options")
    with pytest.raises(PluginError, match=r"kernel 'a.b': importing heavy_xyz failed.*has 'nosuchlibrary_xyz'"):
        host.load_kernel(spec)


def test_target_that_is_no_kernel_is_refused(host):
    spec = KernelSpec("a.b", Role.MODEL, "pal_core.kernels:Oracle", "pal_core.kernels:Oracle")
    with pytest.raises(PluginError, match="a model class was expected"):
        host.load_kernel(spec)
    spec = KernelSpec("a.b", Role.MODEL, "pal_core.kernels:Oracle", "pathlib:Path")
    with pytest.raises(PluginError, match=r"are not a subclass of pal_core.options.KernelOptions"):
        host.load_options(spec)


def test_plain_oracle_has_no_options():
    assert Oracle.Options is KernelOptions
