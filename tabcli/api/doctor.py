"""doctor: whether this machine, and a Ray cluster, can do what is asked of them; and if not, why."""

import os
import shutil
from dataclasses import dataclass
from pathlib import Path

from tabcli import storage
from tabcli.api.sources import versions
from tabcli.engines import cluster
from tabcli.engines.calls import Engine
from tabcli.engines.running import n_cores
from tabcli.errors import TabcliError, UsageError
from tabcli.shown import Shown
from tabcli.storage import named, url_of

FREE_GIGABYTES = 1.0
"""With less of the disk free, a prep of real tables may not fit."""


@dataclass(frozen=True)
class Finding:
    """A fact that was checked. `advice`: what to do, where something is wrong; else empty."""

    name: str
    found: str
    advice: str = ""


@dataclass(frozen=True, repr=False)
class Checkup(Shown):
    """What `doctor` returns: its findings in order."""

    findings: list[Finding]

    @property
    def healthy(self) -> bool:
        """Whether nothing needs to be done."""
        return not any(f.advice for f in self.findings)

    def brief(self) -> dict[str, str]:
        return {f.name: f"{f.found}: {f.advice}" if f.advice else f.found for f in self.findings}


def doctor(on: Engine = "processes", at: Path | str | None = None) -> Checkup:
    """Looks at this machine and, with `on="ray"`, at the cluster of RAY_ADDRESS. Raises nothing: it says what is wrong.

    on: where networks are to be trained, as in `train`.
    at: a URL, such as s3://bucket/folder: whether files can be written, read and removed there.
    """
    own = versions()
    libraries = ", ".join(f"{name} {own[name]}" for name in own if name != "tabcli")
    gigabytes = shutil.disk_usage(Path.cwd()).free / 1e9
    full = "" if gigabytes >= FREE_GIGABYTES else "free some space: preps and runs are written here"
    findings = [
        Finding("tabcli", own["tabcli"]),
        Finding("libraries", libraries),
        Finding("cores", str(n_cores())),
        Finding("disk", f"{gigabytes:.1f} GB free in {Path.cwd()}", full),
    ]
    asked = [*([_of_storage(named(at))] if at is not None else []), *(_of_cluster() if on == "ray" else [])]
    return Checkup([*findings, *asked])


def _of_storage(url: str) -> Finding:
    """Whether a file can be written to a URL, read and removed; others there are counted."""
    if url_of(url) is None:
        return Finding("storage", f"{url} is no URL", "give one such as s3://bucket/folder")
    probe, content = f"{url}/.tabcli-doctor-{os.urandom(4).hex()}", b"doctor"
    try:
        there = len(storage.listing(url, deep=False))
        storage.write(probe, content)
        same = storage.read(probe) == content
        storage.remove(probe)
    except TabcliError as error:
        return Finding("storage", error.message, error.hint or "look at the URL")
    found = f"{url} can be written and read; {there} files there"
    return Finding("storage", found, "" if same else "what was written is not what is read: use another storage")


def _of_cluster() -> list[Finding]:
    address = os.environ.get(cluster.ADDRESS)
    found = [Finding("address", address or f"none: Ray is started on this machine; {cluster.ADDRESS} names a cluster")]
    if address:
        found.append(_token())
    try:
        nodes, wanted = cluster.nodes(), cluster.versions()
    except UsageError as error:
        return [*found, Finding("Ray", error.message, error.hint or "")]
    for node in nodes:
        size = f"{node.cores} cores, {node.gigabytes:.1f} GB"
        other = [f"{name} {node.versions[name]}" for name in node.versions if node.versions[name] != wanted[name]]
        advice = f"it has {', '.join(other)}; here are {', '.join(wanted.values())}: install the same" if other else ""
        found.append(Finding(f"node {node.address}", size, node.said or advice))
    return found


def _token() -> Finding:
    """Whether this process has a token to show to the cluster; clusters since Ray 2.61 demand one."""
    mode = os.environ.get("RAY_AUTH_MODE", "")
    path = Path(os.environ.get("RAY_AUTH_TOKEN_PATH", "~/.ray/auth_token")).expanduser()
    if os.environ.get("RAY_AUTH_TOKEN") or path.is_file():
        advice = "" if mode == "token" else "set RAY_AUTH_MODE=token here and on every node, or they refuse each other"
        return Finding("token", "there", advice)
    wrong = mode == "token"
    return Finding("token", "none", f"copy {path} from the head: RAY_AUTH_MODE is token" if wrong else "")
