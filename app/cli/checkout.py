"""What comes with the source checkout only: simulators and the conversation suite live beside the tests."""

import importlib
import sys
from pathlib import Path
from types import ModuleType

from core.errors import ConfigurationError

ROOT = Path(__file__).parents[2]


def from_checkout(name: str) -> ModuleType:
    """A module of `tests`. Raises ConfigurationError where the product is installed without its source, and
    ModuleNotFoundError for a module that the checkout has not."""
    if not (ROOT / "tests" / "simulators" / "__init__.py").exists():
        raise ConfigurationError("this command needs the source checkout: clone it and run `make setup`")
    if str(ROOT) not in sys.path:
        sys.path.insert(0, str(ROOT))
    return importlib.import_module(name)
