"""`make gpu-check`: the engine's tests and the main job on CUDA, or a plain word that there is none."""

import os
import subprocess
import sys
import tempfile

import torch

from deploy.commands import ROOT


def main() -> None:
    """Run both, and exit with the first failure."""
    if not torch.cuda.is_available():
        print(f"gpu-check: torch {torch.__version__} finds no CUDA device here. Nothing was run.")
        return
    print(f"gpu-check: {torch.cuda.get_device_name()}, torch {torch.__version__}", flush=True)
    with tempfile.TemporaryDirectory(prefix="ntkd-gpu-") as state:
        environment = os.environ | {"NTKD_DEVICE": "cuda", "NTKD_STATE_DIR": state}
        for arguments in (("-m", "pytest", "-m", "gpu", "tests/ntk_engine"), ("-m", "deploy.demo")):
            done = subprocess.run([sys.executable, *arguments], env=environment, cwd=ROOT, check=False)
            if done.returncode:
                sys.exit(done.returncode)


if __name__ == "__main__":
    main()
