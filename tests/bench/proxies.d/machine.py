"""Programs and processes: installed where they are missing, pinned, accounted, stopped by their own pid."""

import os
import shutil
import signal
import socket
import subprocess
import time
from pathlib import Path


class Missing(Exception):
    """A rival cannot be had or does not start; says why."""


def run(argv, seconds=900, **more):
    """Runs to the end; its output. `Missing` with the last line said when it fails."""
    try:
        done = subprocess.run([str(word) for word in argv], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                              stderr=subprocess.STDOUT, timeout=seconds, text=True, errors="replace", **more)
    except (OSError, subprocess.TimeoutExpired) as error:
        raise Missing(f"{Path(argv[0]).name}: {error}") from error
    if done.returncode != 0:
        said = [line for line in done.stdout.splitlines() if line.strip()] or ["nothing was said"]
        raise Missing(f"{Path(argv[0]).name} ended with {done.returncode}: {said[-1].strip()[:160]}")
    return done.stdout


def debian(packages, present):
    """Installs Debian packages unless `present()`; services of theirs are not started."""
    if present():
        return
    root = [] if os.geteuid() == 0 else ["sudo", "-n"]
    quiet = dict(os.environ, DEBIAN_FRONTEND="noninteractive", RUNLEVEL="1")
    install = root + ["apt-get", "install", "-y", "-q", "--no-install-recommends", *packages]
    try:
        run(install, env=quiet)
    except Missing:
        run(root + ["apt-get", "update", "-q"], env=quiet)
        run(install, env=quiet)
    if not present():
        raise Missing(f"{' '.join(packages)}: installed, and not there")


def programs(*names):
    return lambda: all(shutil.which(name) for name in names)


def python(folder, packages):
    """A venv under the folder with these packages; the folder of its programs."""
    venv = folder / "venv"
    wanted = venv / "-".join(["has", *sorted(p.split("=")[0].split("[")[0] for p in packages)])
    if not wanted.exists():
        if not (venv / "bin/python").exists():
            run(["python3", "-m", "venv", venv])
        run([venv / "bin/pip", "install", "-q", "--disable-pip-version-check", *packages])
        wanted.touch()
    return venv / "bin"


def free_port():
    with socket.create_server(("127.0.0.1", 0)) as taken:
        return taken.getsockname()[1]


def cores():
    """The core of the proxy and that of load and upstream; the same one where there is only one."""
    allowed = sorted(os.sched_getaffinity(0))
    return allowed[-1], allowed[0]


class Process:
    """A program on one core; its own account and that of its children."""

    def __init__(self, argv, folder, name, core, **more):
        self.name, self.log = name, folder / f"{name}.log"
        pinned = ["taskset", "-c", str(core), *[str(word) for word in argv]]
        with open(self.log, "wb") as log:
            self.child = subprocess.Popen(pinned, stdin=subprocess.DEVNULL, stdout=log, stderr=log, cwd=folder, **more)

    def wait_until(self, answers, seconds=30):
        until = time.monotonic() + seconds
        while not answers():
            if self.child.poll() is not None or time.monotonic() > until:
                said = self.log.read_text(errors="replace").strip().splitlines() or ["nothing was said"]
                self.stop()
                raise Missing(f"{self.name} did not start: {said[-1][:160]}")
            time.sleep(0.05)

    def pids(self):
        found, look = [], [self.child.pid]
        while look:
            pid = look.pop()
            found.append(pid)
            for children in Path(f"/proc/{pid}/task").glob("*/children"):
                try:
                    look += [int(word) for word in children.read_text().split()]
                except OSError:
                    pass
        return found

    def cpu_s(self):
        """CPU seconds so far, of all its threads, those that have ended too (clock_getcpuclockid of each process)."""
        total = 0.0
        for pid in self.pids():
            try:
                total += time.clock_gettime((~pid << 3) | 2)
            except OSError:
                pass
        return total

    def memory_bytes(self, which="VmHWM"):
        total = 0
        for pid in self.pids():
            try:
                lines = Path(f"/proc/{pid}/status").read_text().splitlines()
            except OSError:
                continue
            total += sum(int(line.split()[1]) * 1024 for line in lines if line.startswith(which + ":"))
        return total

    def forget_peak(self):
        for pid in self.pids():
            try:
                Path(f"/proc/{pid}/clear_refs").write_text("5")
            except OSError:
                pass

    def stop(self):
        if self.child.poll() is None:
            self.child.send_signal(signal.SIGTERM)
            try:
                self.child.wait(40)
            except subprocess.TimeoutExpired:
                self.child.kill()
                self.child.wait()
        return self.child.returncode
