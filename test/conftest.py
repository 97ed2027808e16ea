"""Every test is seeded; tests marked `gpu` skip, and say so, without a CUDA device."""

import numpy as np
import pytest
import torch
from hypothesis import settings

# The same examples each time, and no time limit: machines are busy.
settings.register_profile("suite", deadline=None, derandomize=True, max_examples=50)
settings.load_profile("suite")


@pytest.fixture(autouse=True)
def seeded() -> None:
    np.random.seed(0)
    torch.manual_seed(0)


def pytest_runtest_setup(item: pytest.Item) -> None:
    if item.get_closest_marker("gpu") and not torch.cuda.is_available():
        pytest.skip("no CUDA device on this machine")
