from __future__ import annotations

import pytest
from manager_story import Story


@pytest.fixture
def story(tmp_path):
    """Begins stories in one run directory; a new one ends the last."""
    stories = []

    def make(**more) -> Story:
        if stories:
            stories.pop().host.close()
        stories.append(Story(tmp_path, **more))
        return stories[-1]

    yield make
    for one in stories:
        one.host.close()
