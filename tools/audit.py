"""Looks for known vulnerabilities in the installed dependencies: `python tools/audit.py`.

Exits with 1 where there are any. Where pip-audit is not installed, or its database can't be reached or knows none of
the packages, it prints SKIPPED and exits with 0.
"""

from __future__ import annotations

import importlib.util
import json
import subprocess
import sys


def main() -> int:
    if importlib.util.find_spec("pip_audit") is None:
        print("SKIPPED: pip-audit is not installed (pip install pip-audit)")
        return 0
    command = [sys.executable, "-m", "pip_audit", "--local", "--skip-editable", "--progress-spinner", "off"]
    try:
        found = subprocess.run([*command, "--format", "json"], capture_output=True, text=True, timeout=300)
        packages = json.loads(found.stdout)["dependencies"]
    except subprocess.TimeoutExpired:
        print("SKIPPED: the database of vulnerabilities did not answer")
        return 0
    except ValueError:
        print(f"SKIPPED: the audit could not be made: {found.stderr.strip()[-500:]}")
        return 0
    known = [package for package in packages if "vulns" in package]
    vulnerable = [package for package in known if package["vulns"]]
    for package in vulnerable:
        for vulnerability in package["vulns"]:
            fixed = ", ".join(vulnerability["fix_versions"]) or "no version yet"
            print(f"{package['name']} {package['version']}: {vulnerability['id']}, fixed in {fixed}")
    if not known:
        print(f"SKIPPED: the database of vulnerabilities knows none of the {len(packages)} packages")
        return 0
    print(f"{len(known)} of {len(packages)} packages looked up, {len(vulnerable)} with known vulnerabilities")
    return 1 if vulnerable else 0


if __name__ == "__main__":
    sys.exit(main())
