"""Installs every built wheel alone in a clean environment and looks at it: `python tools/check_wheels.py [dist]`.

The gateway's wheel must give a command that answers a request. The SDK's must bring no gateway and no web server. Each
extension's must bring the SDK, no gateway, and import.
"""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import tempfile
import time
import tomllib
import urllib.error
import urllib.request
import venv
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
WEB = {"starlette", "uvicorn", "httpx", "aiohttp", "fastapi", "pydantic"}

BOOK = "llm-gateway-model-book"
"""Data that plugins may depend on next to the SDK; it registers no extension."""

PROBE = """
import importlib, importlib.metadata as metadata, json, pkgutil, sys
package = importlib.import_module(sys.argv[1])
for found in pkgutil.walk_packages(package.__path__, package.__name__ + "."):
    if not found.name.endswith(("__main__", "pytest_plugin")) and ".testing" not in found.name:
        try:
            importlib.import_module(found.name)
        except Exception as error:
            if "needs the extra" not in str(error):
                raise
groups = ["plugins", "providers", "adapters", "dialects", "stores", "secrets", "credentials"]
points = [p for group in groups for p in metadata.entry_points(group="llm_gateway." + group)]
for point in points:
    point.load()
print(json.dumps({
    "distributions": sorted(d.name.lower() for d in metadata.distributions()),
    "extensions": sorted(p.name for p in points),
    "typed": (__import__("pathlib").Path(package.__file__).parent / "py.typed").is_file(),
}))
"""


def main() -> int:
    dist = Path(sys.argv[1] if len(sys.argv) > 1 else "dist").resolve()
    failures = []
    with tempfile.TemporaryDirectory(prefix="wheels-") as scratch:
        # A separate cache: uv takes a wheel for known by its name and version, and ours change under the same ones.
        os.environ["UV_CACHE_DIR"] = str(Path(scratch) / "cache")
        for project in sorted(ROOT.glob("packages/*/pyproject.toml")):
            declared = tomllib.loads(project.read_text())
            name: str = declared["project"]["name"]
            wrong = check(name, declared, dist, Path(scratch) / name)
            print(f"  {name}: {'; '.join(wrong) if wrong else 'good'}", flush=True)
            failures += wrong
        wrong = check_install(dist, Path(scratch) / "install")
        print(f"  tools/install.py: {'; '.join(wrong) if wrong else 'good'}", flush=True)
        failures += wrong
    return 1 if failures else 0


def check_install(dist: Path, folder: Path) -> list[str]:
    """What is wrong with the documented way to install: the gateway with an extra and a further distribution."""
    venv.create(folder, with_pip=True, symlinks=True)
    names = ["otel", "llm-gateway-clickhouse-tracer-plugin"]
    command = [sys.executable, str(ROOT / "tools" / "install.py"), "--dist", str(dist)]
    result = subprocess.run(
        [*command, "--python", str(folder / "bin" / "python"), *names], capture_output=True, text=True, check=False
    )
    if result.returncode:
        return [f"tools/install.py failed: {result.stderr.strip()[-1500:]}"]
    listed = subprocess.run(
        [str(folder / "bin" / "llm-gateway"), "plugins", "list"], capture_output=True, text=True, check=False
    )
    if "clickhouse-tracer" not in listed.stdout:
        return [f"the tracer is not installed: {listed.stdout}{listed.stderr}"]
    return check_command(folder)


def check(name: str, declared: dict[str, dict[str, object]], dist: Path, folder: Path) -> list[str]:
    """What is wrong with this distribution's wheel."""
    wheels = sorted(dist.glob(f"{name.replace('-', '_')}-*.whl"))
    if len(wheels) != 1:
        return [f"expected one wheel of {name} in {dist}, found {len(wheels)}"]
    venv.create(folder, with_pip=False, symlinks=True)
    python = folder / "bin" / "python"
    # Another program may hold one of our names on the public index: the pins allow only what was built here.
    pins = folder / "pins.txt"
    pins.write_text("".join(f"{pin}\n" for pin in built(dist)))
    install = subprocess.run(
        [*installer(python), str(wheels[0]), "--find-links", str(dist), "--constraint", str(pins)],
        capture_output=True,
        text=True,
        check=False,
    )
    if install.returncode:
        return [f"it can't be installed: {install.stderr.strip()[-1500:]}"]
    module = str(declared["tool"]["hatch"]["build"]["targets"]["wheel"]["packages"][0]).partition("/")[2]  # type: ignore[index]
    probe = subprocess.run(
        [str(python), "-I", "-c", PROBE, module], capture_output=True, text=True, check=False, cwd=folder
    )
    if probe.returncode:
        return [f"it can't be imported: {probe.stderr.strip()[-1500:]}"]
    found = json.loads(probe.stdout)
    came = set(found["distributions"])
    wrong = [] if found["typed"] else ["py.typed is missing"]
    if name == "llm-gateway":
        return wrong + check_command(folder)
    if "llm-gateway" in came:
        wrong.append("it brings the gateway")
    if name == "llm-gateway-sdk" and came & WEB:
        wrong.append(f"it brings {', '.join(sorted(came & WEB))}")
    ours = {each for each in came if each.startswith("llm-gateway")}
    if ours - {BOOK} != {name, "llm-gateway-sdk"} - {BOOK}:
        wrong.append(f"it should bring the SDK alone and brings {', '.join(sorted(ours))}")
    if name not in ("llm-gateway-sdk", BOOK) and not found["extensions"]:
        wrong.append("it registers no extension")
    return wrong


def built(dist: Path) -> list[str]:
    """`name==version` of each wheel that was built."""
    pins = []
    for wheel in sorted(dist.glob("*.whl")):
        name, version = wheel.name.split("-")[:2]
        pins.append(f"{name.replace('_', '-')}=={version}")
    return pins


def installer(python: Path) -> list[str]:
    """uv where hatch has it, which is fast; pip otherwise."""
    try:
        import uv

        return [uv.find_uv_bin(), "pip", "install", "--quiet", "--python", str(python)]
    except ImportError:
        return [sys.executable, "-m", "pip", "--python", str(python), "install", "--quiet"]


def check_command(folder: Path) -> list[str]:
    """Starts the installed command without a configuration and asks it something."""
    command = str(folder / "bin" / "llm-gateway")
    environ = {key: value for key, value in os.environ.items() if not key.endswith("_API_KEY")}
    environ.pop("PYTHONPATH", None)
    version = subprocess.run([command, "version"], capture_output=True, text=True, check=False, cwd=folder, env=environ)
    if version.returncode or not version.stdout.startswith("llm-gateway "):
        return [f"`llm-gateway version` failed: {version.stdout}{version.stderr}"]
    log = folder / "start.log"
    with log.open("w") as output:
        server = subprocess.Popen(
            [command, "start", "--port", "0"], cwd=folder, env=environ, stdout=output, stderr=output
        )
    try:
        return ask(server, log)
    finally:
        server.send_signal(signal.SIGTERM)
        try:
            server.wait(15)
        except subprocess.TimeoutExpired:
            server.kill()
            server.wait()


def ask(server: subprocess.Popen[bytes], log: Path) -> list[str]:
    body = json.dumps({"model": "any", "max_tokens": 20, "messages": [{"role": "user", "content": "Hello, wheel!"}]})
    deadline = time.monotonic() + 30
    while time.monotonic() < deadline and server.poll() is None:
        address = re.search(r"http://127\.0\.0\.1:\d+", log.read_text())
        if address is not None:
            request = urllib.request.Request(
                f"{address[0]}/anthropic/v1/messages", body.encode(), {"content-type": "application/json"}
            )
            try:
                with urllib.request.urlopen(request, timeout=10) as reply:
                    answer = json.load(reply)
                return [] if "Hello, wheel!" in json.dumps(answer) else [f"it answered {answer}"]
            except urllib.error.HTTPError as error:
                return [f"it answered {error.code}: {error.read().decode()[:500]}"]
            except OSError:
                pass
        time.sleep(0.2)
    return [f"`llm-gateway start` did not answer: {log.read_text()[-1500:]}"]


if __name__ == "__main__":
    sys.exit(main())
