"""The public name of the Python client: `import ntkd; ntkd.Client().kernel(x).ntk`."""

from client import *  # noqa: F403
from client import __all__ as __all__
