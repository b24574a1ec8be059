"""Two hosts in network namespaces, with addresses and names of their own: `python tests/ranks/two_hosts.py`, as root.

It compares training on both with one process, kills a rank, cuts the link, and slows it down to 10 Mbit/s (5 ms of
delay); each time what is printed has to name the rank, within the time that it was given, and no process may be left.
"""

import os
import shlex
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

HERE = Path(__file__).parent
HOSTS = {"xpnn-alpha": "10.77.0.1", "xpnn-beta": "10.77.0.2"}
KEEPALIVE = {f"PRTE_MCA_oob_tcp_keepalive_{name}": n for name, n in (("time", "3"), ("intvl", "1"), ("probes", "3"))}
"""Seconds after which Open MPI's daemons notice that the other host has gone; else minutes."""
AGENT = """#!/bin/sh
host=$1; shift
exec ip netns exec $host unshare --uts sh -c 'hostname "$0"; eval "$@"' "$host" "$@"
"""


def run(*words: str) -> None:
    subprocess.run(words, check=True, capture_output=True, timeout=20)


@contextmanager
def two_hosts() -> Iterator[Path]:
    """A block in which there are the hosts; gives the command that runs another one on a host."""
    with tempfile.TemporaryDirectory() as folder:
        agent = Path(folder, "agent")
        agent.write_text(AGENT)
        agent.chmod(0o755)
        try:
            for host in HOSTS:
                run("ip", "netns", "add", host)
                names = Path("/etc/netns", host, "hosts")  # which `ip netns exec` puts in the place of /etc/hosts
                names.parent.mkdir(parents=True, exist_ok=True)
                names.write_text("127.0.0.1 localhost\n" + "".join(f"{ip} {name}\n" for name, ip in HOSTS.items()))
            one, other = HOSTS
            run("ip", "link", "add", "wire", "netns", one, "type", "veth", "peer", "name", "wire", "netns", other)
            for host, address in HOSTS.items():
                run("ip", "-n", host, "addr", "add", f"{address}/24", "dev", "wire")
                run("ip", "-n", host, "link", "set", "lo", "up")
                run("ip", "-n", host, "link", "set", "wire", "up")
            yield agent
        finally:
            for host in HOSTS:
                subprocess.run(["ip", "netns", "del", host], capture_output=True, check=False)
                subprocess.run(["rm", "-rf", f"/etc/netns/{host}"], check=False)


def start(agent: Path, *arguments: str) -> "subprocess.Popen[str]":
    """Python with these arguments, on a rank of each host."""
    hosts, mpiexec = ",".join(f"{host}:1" for host in HOSTS), Path(sys.executable).with_name("mpiexec")
    words = [str(mpiexec), "--allow-run-as-root", "--with-ft", "ulfm", "--prtemca", "plm_ssh_agent", str(agent)]
    words += ["--host", hosts, "-n", "2"]
    words = [str(agent), next(iter(HOSTS)), *map(shlex.quote, [*words, sys.executable, *arguments])]
    streams = {"stdout": subprocess.PIPE, "stderr": subprocess.STDOUT, "text": True, "errors": "replace"}
    environment = os.environ | {"OPENBLAS_NUM_THREADS": "1"} | KEEPALIVE
    return subprocess.Popen(words, env=environment, cwd=HERE, **streams)


def ended(process: "subprocess.Popen[str]", mark: str, seconds: float = 90) -> str:
    """What was printed, once the run has ended and left no process whose command line has the mark."""
    text, _ = process.communicate(timeout=seconds)
    until = time.monotonic() + 15
    while mark in subprocess.run(["ps", "-eo", "args"], capture_output=True, text=True, check=True).stdout:
        if time.monotonic() > until:
            raise AssertionError(f"a process is left: {mark}")
        time.sleep(0.2)
    return text


def when_saved(folder: Path) -> None:
    """Wait until the run has saved itself."""
    until = time.monotonic() + 40
    while not list(folder.glob("step*")) and time.monotonic() < until:
        time.sleep(0.05)


def cut(agent: Path, timeout: float) -> str:
    """What the ranks say when the link is cut in the middle of a run."""
    with tempfile.TemporaryDirectory() as folder:
        process = start(agent, "faults.py", "long", folder, str(timeout))
        when_saved(Path(folder))
        run("ip", "-n", next(iter(HOSTS)), "link", "set", "wire", "down")
        try:
            return ended(process, folder)
        finally:
            run("ip", "-n", next(iter(HOSTS)), "link", "set", "wire", "up")


def slow() -> str:
    """Let the link have 10 Mbit/s, and a delay of 5 ms where the kernel has netem; says which."""
    rate = "rate", "10mbit"
    for kind, *options in (("netem", "delay", "5ms", *rate), ("tbf", *rate, "burst", "32k", "latency", "50ms")):
        try:
            for host in HOSTS:
                run("tc", "-n", host, "qdisc", "add", "dev", "wire", "root", kind, *options)
            return " ".join([kind, *options])
        except subprocess.CalledProcessError:
            continue
    raise OSError("the kernel has neither netem nor tbf")


def main() -> None:
    with two_hosts() as agent, tempfile.TemporaryDirectory() as folder:
        for what, arguments in (("equal", ("equal.py", "few")), ("killed", ("faults.py", "killed", folder, "20"))):
            began = time.monotonic()
            text = ended(start(agent, *arguments), folder)
            print(f"{what}: {time.monotonic() - began:.1f} s\n{text}", flush=True)
        began = time.monotonic()
        print(f"cut: {cut(agent, 10)}\n{time.monotonic() - began:.1f} s", flush=True)
        how = slow()
        began = time.monotonic()
        text = ended(start(agent, "equal.py", "few"), folder)
        print(f"slowed by {how}: {time.monotonic() - began:.1f} s\n{text}", flush=True)


if __name__ == "__main__":
    main()
