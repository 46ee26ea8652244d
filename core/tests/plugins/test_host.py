"""The host finds plugins, keeps broken ones apart and names the packages of a clash."""

from __future__ import annotations

import importlib
import sys
from pathlib import Path
from types import ModuleType

import click
import pytest
from fakes import oracle_package, write_package

from pal_core.errors import KernelNotFound, PluginError
from pal_core.hookspecs import hookimpl
from pal_core.plugins.host import PluginHost
from pal_core.spec import FormatSpec, KernelSpec, Role


@pytest.fixture
def site(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """A folder on sys.path whose modules are forgotten after the test."""
    before = set(sys.modules)
    monkeypatch.syspath_prepend(tmp_path)
    importlib.invalidate_caches()
    yield tmp_path
    for name in set(sys.modules) - before:
        if str(getattr(sys.modules[name], "__file__", "") or "").startswith(str(tmp_path)):
            del sys.modules[name]


def record(host: PluginHost, distribution: str):
    return next(r for r in host.plugins if r.distribution == distribution)


def plugin(name: str, **hooks) -> ModuleType:
    """A plugin module made in memory."""
    module = ModuleType(name)
    for hook, give in hooks.items():

        def function(give=give):
            return give() if callable(give) else give

        function.__name__, function.__module__ = hook, name
        # pluggy reads the signature: the default must not count as an argument of the hook
        setattr(module, hook, hookimpl(_without_arguments(function, hook)))
    return module


def _without_arguments(function, name):
    def plain():
        return function()

    plain.__name__, plain.__module__ = name, function.__module__
    return plain


def oracle(name: str) -> KernelSpec:
    return KernelSpec(name, Role.ORACLE, "nowhere.oracle:Oracle", "nowhere.options:Options")


def test_installed_package_is_found_with_name_version_and_range(site):
    oracle_package(site, "pal-fake", "fake.one", entry="fake")
    host = PluginHost.discover()
    found = record(host, "pal-fake")
    assert (found.name, found.version, found.module) == ("fake", "1.2", "pal_fake")
    assert found.error is None
    assert set(found.requires.split(",")) == {">=0.1", "<0.2"}
    assert host.find_kernel("fake.one").target == "pal_fake_oracle:Oracle"
    assert host.provenance("fake.one") == ("pal-fake", "1.2")


def test_plugin_for_another_core_is_refused_before_its_import(site):
    write_package(site, "pal-old", "raise SystemExit('imported')", requires="pal-core>=7", entry="old")
    error = record(PluginHost.discover(), "pal-old").error
    assert error is not None
    assert "needs pal-core >=7" in error
    assert "imported" not in error
    assert "pal_old" not in sys.modules


def test_requirement_of_an_extra_is_not_the_plugin_s(site):
    oracle_package(site, "pal-fake", "fake.one", requires='pal-core>=7; extra == "new"')
    assert record(PluginHost.discover(), "pal-fake").error is None


def test_plugin_whose_import_raises_is_listed_with_its_cause_and_stops_nobody(site):
    write_package(site, "pal-bad", "x = 1\nimport nosuchmodule_xyz\n", entry="bad")
    oracle_package(site, "pal-fake", "fake.one")
    host = PluginHost.discover()
    assert record(host, "pal-bad").error == (
        "importing pal_bad failed: ModuleNotFoundError: No module named 'nosuchmodule_xyz' (pal_bad.py:2)"
    )
    assert host.find_kernel("fake.one")


def test_kernel_of_a_broken_plugin_is_refused_with_the_cause(site):
    write_package(site, "pal-bad", "1 / 0", entry="bad")
    with pytest.raises(KernelNotFound, match=r"'bad.x' of pal-bad 1.2, which is broken .*ZeroDivisionError"):
        PluginHost.discover().find_kernel("bad.x")


def test_syntax_error_names_file_and_line(site):
    write_package(site, "pal-bad", "\ndef f(:\n", entry="bad")
    assert "(pal_bad.py:2)" in str(record(PluginHost.discover(), "pal-bad").error)


def test_same_kernel_from_two_packages_names_both_and_leaves_others_alone(site):
    oracle_package(site, "pal-first", "same.name")
    oracle_package(site, "pal-second", "same.name")
    oracle_package(site, "pal-third", "other.name")
    host = PluginHost.discover()
    message = "kernel 'same.name' is given by pal-first 1.2 and by pal-second 1.2; uninstall one of them"
    assert host.clashes == (message,)
    with pytest.raises(PluginError) as e:
        host.find_kernel("same.name")
    assert str(e.value) == message
    assert "same.name" not in [k.name for k in host.kernels()]
    assert host.find_kernel("other.name")


def test_hook_that_raises_breaks_its_plugin_only():
    def fail():
        raise RuntimeError("no licence")

    host = PluginHost.of([plugin("bad", pal_kernels=fail), plugin("good", pal_kernels=[oracle("good.one")])])
    assert "pal_kernels raised RuntimeError: no licence" in str(record(host, "bad").error)
    assert [k.name for k in host.kernels()] == ["good.one"]


def test_generator_hook_that_raises_half_way_gives_nothing():
    def half():
        yield oracle("bad.one")
        raise RuntimeError("later")

    host = PluginHost.of([plugin("bad", pal_kernels=half)])
    assert host.kernels() == []
    assert "later" in str(host.plugins[0].error)


def test_unknown_hook_is_an_error_of_its_plugin():
    host = PluginHost.of([plugin("bad", pal_kernel=[])])
    assert str(host.plugins[0].error).startswith("unknown hook 'pal_kernel' (known hooks: pal_commands(), ")


def test_unknown_argument_is_an_error_of_its_plugin():
    module = ModuleType("bad")

    @hookimpl
    def pal_kernels(config):
        return []

    module.pal_kernels = pal_kernels
    error = str(PluginHost.of([module]).plugins[0].error)
    assert "hook 'pal_kernels'" in error
    assert "config" in error
    assert "known hooks" in error


def test_hook_without_mark_is_an_error_of_its_plugin():
    module = plugin("bad", pal_kernels=[])

    def pal_formats():
        return []

    pal_formats.__module__ = "bad"
    module.pal_formats = pal_formats
    assert "pal_formats is not marked with @hookimpl" in str(PluginHost.of([module]).plugins[0].error)


def test_module_without_hooks_is_an_error():
    assert "has no hooks" in str(PluginHost.of([ModuleType("empty")]).plugins[0].error)


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ("fake.one", "a KernelSpec was expected"),
        (oracle("fake"), "not of the form <plugin>.<kernel>"),
        (KernelSpec("fake.one", "oracle", "m:C", "m:O"), "one of Role.GENERATOR"),
        (KernelSpec("fake.one", Role.ORACLE, "m.C", "m:O"), "target 'm.C' is not of the form module:Class"),
    ],
)
def test_malformed_kernel_is_an_error_of_its_plugin(given, words):
    host = PluginHost.of([plugin("bad", pal_kernels=[given])])
    assert words in str(host.plugins[0].error)
    assert host.kernels() == []


def test_near_matches_are_offered():
    host = PluginHost.of([plugin("fake", pal_kernels=[oracle("fake.gfn1"), oracle("fake.gfn2")])])
    with pytest.raises(KernelNotFound) as e:
        host.find_kernel("fake.gfn3", Role.ORACLE)
    assert str(e.value) == (
        "found 'fake.gfn3', expected an oracle of an installed plugin; did you mean 'fake.gfn2' or 'fake.gfn1'?"
    )


def test_package_of_a_known_prefix_is_named():
    host = PluginHost.of([])
    for prefix, package in {"schnet": "pal-schnet", "photo": "pal-photodynamics"}.items():
        with pytest.raises(KernelNotFound) as e:
            host.find_kernel(f"{prefix}.x")
        assert e.value.hint == f"pip install {package}"


def test_kernel_of_another_role_is_named_with_both_roles():
    host = PluginHost.of([plugin("fake", pal_kernels=[oracle("fake.one")])])
    with pytest.raises(KernelNotFound, match=r"'fake.one', an oracle of fake, expected a generator"):
        host.find_kernel("fake.one", Role.GENERATOR)


def test_format_is_found_by_ending_and_missing_reader_names_the_installed_ones():
    npz = FormatSpec("npz", (".npz",), read="m:f")
    host = PluginHost.of([plugin("fake", pal_formats=[npz, FormatSpec("db", (".db",), write="m:f")])])
    assert host.reader(Path("a/B.NPZ")) is npz
    with pytest.raises(PluginError, match=r"no installed format reads x.db; npz reads .npz"):
        host.reader(Path("x.db"))
    with pytest.raises(PluginError, match="did you mean 'npz'"):
        host.find_format("npy")


def test_ending_that_two_formats_read_names_both():
    formats = [plugin(n, pal_formats=[FormatSpec(n, (".xyz",), read="m:f")]) for n in ("one", "two")]
    with pytest.raises(PluginError, match=r"a.xyz could be read as one of one or as two of two"):
        PluginHost.of(formats).reader(Path("a.xyz"))


def test_command_of_a_taken_name_is_refused_with_a_warning():
    mine, theirs = click.Command("run"), click.Command("watch")
    host = PluginHost.of([plugin("fake", pal_commands=[mine, theirs])])
    commands, warnings = host.commands(taken={"run"})
    assert commands == {"watch": theirs}
    assert warnings == ["command 'run' of fake is left out: pal-core has a command of that name"]


def test_command_that_two_packages_give_is_left_out_and_both_are_named():
    both = [plugin(n, pal_commands=[click.Command("watch")]) for n in ("one", "two")]
    commands, warnings = PluginHost.of(both).commands()
    assert commands == {}
    assert warnings == ["command 'watch' is given by one and by two; uninstall one of them"]


def test_commands_of_a_plugin_whose_hook_raises_are_left_out_with_a_warning():
    def fail():
        raise ImportError("no rich")

    watch = click.Command("watch")
    host = PluginHost.of([plugin("bad", pal_commands=fail), plugin("good", pal_commands=[watch])])
    commands, (warning,) = host.commands()
    assert commands == {"watch": watch}
    assert warning.startswith("commands of bad are left out: pal_commands raised ImportError: no rich (test_host.py:")


def test_observers_of_sound_plugins_survive_one_that_raises():
    watcher = object()

    def fail():
        raise OSError("port taken")

    host = PluginHost.of([plugin("bad", pal_observers=fail), plugin("good", pal_observers=[watcher])])
    assert host.observers() == [watcher]
    assert "port taken" in str(host.plugins[0].error)
