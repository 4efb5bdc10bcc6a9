"""Load, exactly counted: h2load for rates, a probe of our own for latency at a fixed rate, a socket for first bytes."""

import http.client
import re
import socket
import subprocess
import time

from machine import Missing

_UNIT = {"us": 1e-6, "ms": 1e-3, "s": 1.0, "m": 60.0, "h": 3600.0}


def get(port, target, fields, seconds=60):
    """One answer: status, fields, body."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=seconds)
    try:
        connection.request("GET", target, headers=fields)
        answer = connection.getresponse()
        return answer.status, dict(answer.getheaders()), answer.read()
    finally:
        connection.close()


def answers(port, target, fields):
    """Whether it answers 200 yet."""
    def ask():
        try:
            return get(port, target, fields, 5)[0] == 200
        except (OSError, http.client.HTTPException):
            return False
    return ask


def h2load(port, target, fields, requests, connections, core, seconds=240):
    """So many requests over so many connections, HTTP/1.1: seconds taken, and how many of them were not 200."""
    argv = ["taskset", "-c", str(core), "h2load", "--h1", "-t", "1", "-n", str(requests), "-c", str(min(connections, requests))]
    for name, value in fields.items():
        argv += ["-H", f"{name}: {value}"]
    try:
        said = subprocess.run([*argv, f"http://127.0.0.1:{port}{target}"], stdin=subprocess.DEVNULL, capture_output=True,
                              text=True, timeout=seconds).stdout
    except subprocess.TimeoutExpired as error:
        raise Missing(f"{requests} requests were not answered in {seconds} s") from error
    finished = re.search(r"finished in ([\d.]+)(us|ms|s|m|h),", said)
    codes = re.search(r"status codes: (\d+) 2xx", said)
    if not finished or not codes:
        raise Missing("h2load told nothing")
    return float(finished[1]) * _UNIT[finished[2]], requests - int(codes[1])


def measured(process, port, target, fields, requests, connections, core):
    """CPU microseconds a request, requests a second, share of the core that was busy, errors."""
    before = process.cpu_s()
    took_s, errors = h2load(port, target, fields, requests, connections, core)
    time.sleep(0.03)  # what is done behind the answer is done for it, too
    cpu_s = process.cpu_s() - before
    return {"cpu_us": cpu_s / requests * 1e6, "per_s": requests / took_s, "busy": cpu_s / took_s, "errors": errors,
            "requests": requests}


def first_byte_us(port, target, fields):
    """From the request to the first byte of the body; then the connection is closed."""
    head = "".join(f"{name}: {value}\r\n" for name, value in fields.items())
    with socket.create_connection(("127.0.0.1", port), timeout=30) as stream:
        stream.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        began = time.perf_counter()
        stream.sendall(f"GET {target} HTTP/1.1\r\nHost: 127.0.0.1\r\n{head}\r\n".encode())
        seen = b""
        while True:
            piece = stream.recv(65536)
            if not piece:
                raise Missing("the answer was cut before its body")
            seen += piece
            end = seen.find(b"\r\n\r\n")
            if end >= 0 and len(seen) > end + 4:
                if not seen.startswith(b"HTTP/1.1 200"):
                    raise Missing(seen[:40].decode(errors="replace"))
                return (time.perf_counter() - began) * 1e6


def taken(port, target, fields, seconds=300):
    """All of an answer over one connection, looked at no further: bytes, seconds."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=seconds)
    try:
        began = time.perf_counter()
        connection.request("GET", target, headers=fields)
        answer = connection.getresponse()
        if answer.status != 200:
            raise Missing(f"status {answer.status}")
        size, buffer = 0, memoryview(bytearray(1 << 18))
        while count := answer.readinto(buffer):
            size += count
        return size, time.perf_counter() - began
    except http.client.HTTPException as error:
        raise Missing(f"the answer was cut: {error}") from error
    finally:
        connection.close()


def latency(probe, port, target, fields, per_s, seconds, core):
    """Microseconds at the median and the 99th percentile at a fixed rate over eight connections; errors."""
    argv = ["taskset", "-c", str(core), str(probe), "probe", str(port), target, str(per_s), str(seconds)]
    argv += [f"{name}: {value}" for name, value in fields.items()]
    done = subprocess.run(argv, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=seconds + 60)
    if done.returncode != 0:
        raise Missing(f"probe: {done.stderr.strip()[:160]}")
    count, errors, p50, p99 = done.stdout.split()
    return {"requests": int(count), "errors": int(errors), "p50_us": float(p50), "p99_us": float(p99)}
