from __future__ import annotations

import copy
from pathlib import Path
from typing import Any

import fake_kernels
import pytest

from pal_core.builtin import plugin
from pal_core.errors import Problem, SettingsError
from pal_core.plugins.host import PluginHost
from pal_core.settings.load import from_dict

TOY: dict[str, Any] = {
    "generator": {"kernel": "pal.toy-walker", "walkers": 4},
    "model": {"kernel": "pal.toy-model"},
    "training": {},
    "oracle": {"kernel": "pal.toy-oracle"},
    "selection": {"options": {"field": "energy", "upper": 1.0}},
    "stop": {"labels": 100},
}


@pytest.fixture
def host() -> PluginHost:
    return PluginHost.of({"pal": plugin, "fake": fake_kernels})


@pytest.fixture
def toy() -> dict[str, Any]:
    """Sound settings, to be spoilt."""
    return copy.deepcopy(TOY)


@pytest.fixture
def problems(host: PluginHost, tmp_path: Path):
    """Messages of the problems in settings given as a dict."""

    def found(data: dict[str, Any]) -> list[str]:
        with pytest.raises(SettingsError) as e:
            from_dict(data, tmp_path, host)
        assert all(isinstance(p, Problem) for p in e.value.problems)
        return [str(p) for p in e.value.problems]

    return found
