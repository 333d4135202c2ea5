"""What the API loads with this room: nothing that takes seconds."""

import subprocess
import sys
from pathlib import Path

PROGRAM = """
import sys
from contracts.settings import Settings
from datasets.request import DatasetRequest
import datasets.uploads.upload
for name in ("mnist", "digits"):
    body = {"source": {"type": name, "first": 10}, "labels": "one_hot"}
    DatasetRequest.model_validate(body).build(Settings(mnist_dir=None))
heavy = {"torch", "pandas", "sklearn", "scipy", "mlxtend", "matplotlib", "sqlalchemy", "fastapi"}
print(*sorted(heavy & set(sys.modules)))
"""


def test_no_heavy_package_is_imported():
    root = Path(__file__).parents[2]
    run = subprocess.run([sys.executable, "-c", PROGRAM], cwd=root, capture_output=True, text=True, check=True)
    assert run.stdout.strip() == ""
