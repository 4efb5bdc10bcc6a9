"""One caller's connection to one gate: what he sends as he writes it, and everything that he gets, to the byte."""

import json
import re
import socket
import zlib

import brotli
import zstandard

# What differs between any two answers, and tells nothing: of fixed length each, put out of the comparison.
DECISION = re.compile(rb"\b[0-9a-f]{32}\b")
CURSOR = re.compile(rb"(_cursor=)([A-Za-z0-9_-]+)")


class Answer:
    def __init__(self, status, fields, chunks, body):
        self.status, self.fields, self.chunks, self.raw = status, fields, chunks, body
        self.coding = dict(fields).get("content-encoding", "")
        self.body = decoded(self.coding, body) if chunks[-1:] != ["cut"] else body

    def seen(self):
        """Everything, in a form that two worlds share."""
        steady = lambda text: CURSOR.sub(lambda found: found[1] + b"?" * len(found[2]), DECISION.sub(b"?" * 32, text))
        body = steady(self.body)
        fields = [(name, steady(value.encode())) for name, value in self.fields if name != "date"]
        # A coded body of what differs by chance is of a length by chance; else it has to be the same.
        wire = (self.chunks, self.raw) if body == self.body else None
        return self.status, fields, body, wire if self.coding else self.chunks

    def json(self):
        try:
            return json.loads(self.body)
        except ValueError:
            return {}

    def next(self):
        links = self.json().get("link", []) if isinstance(self.json(), dict) else []
        return next((link["url"] for link in links if link["relation"] == "next"), None)


def decoded(coding, body):
    if not body:
        return body
    if coding == "gzip":
        return zlib.decompress(body, 31)
    if coding == "deflate":
        return zlib.decompress(body)
    if coding == "br":
        return brotli.decompress(body)
    if coding == "zstd":
        return zstandard.ZstdDecompressor().decompressobj().decompress(body)
    return body


class Caller:
    """One connection, kept while the gate keeps it."""

    def __init__(self, port, host, fields):
        self.port, self.host, self.fields = port, host, fields
        self.stream = self.reader = self.asked = None

    def send(self, method, target, fields=(), body=None):
        lines = [f"{method} {target} HTTP/1.1", f"host: {self.host}", *self.fields, *(f"{n}: {v}" for n, v in fields)]
        if body is not None:
            lines.append(f"content-length: {len(body)}")
        self.asked = method, ("\r\n".join(lines) + "\r\n\r\n").encode() + (body or b"")
        try:
            if self.stream is not None:
                self.stream.sendall(self.asked[1])
                return
        except OSError:
            pass
        self.connect()

    def connect(self):
        self.close()
        self.stream = socket.create_connection(("127.0.0.1", self.port), timeout=60)
        self.stream.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.reader = self.stream.makefile("rb")
        self.stream.sendall(self.asked[1])

    def close(self):
        for end in (self.reader, self.stream):
            if end is not None:
                end.close()
        self.stream = self.reader = None

    def receive(self):
        try:
            first = self.reader.readline()
        except OSError:
            first = b""
        if not first:  # it had been closed between two requests
            self.connect()
            first = self.reader.readline()
        status = int(first.split()[1])
        fields = []
        while (line := self.reader.readline()) not in (b"\r\n", b""):
            name, _, value = line.decode("latin-1").partition(":")
            fields.append((name.lower(), value.strip()))
        told = dict(fields)
        chunks, body = [], b""
        if self.asked[0] == "HEAD" or status in (204, 304):
            pass
        elif told.get("transfer-encoding") == "chunked":
            while (size := int(self.reader.readline() or b"-1", 16)) > 0:
                chunks.append(size)
                body += self.reader.read(size)
                self.reader.readline()
            if size < 0:  # cut
                chunks.append("cut")
                self.close()
                return Answer(status, fields, chunks, body)
            while (line := self.reader.readline()) not in (b"\r\n", b""):
                fields.append(("trailer " + line.decode("latin-1"), ""))
        else:
            body = self.reader.read(int(told.get("content-length", 0)))
        if told.get("connection") == "close":
            self.close()
        return Answer(status, fields, chunks, body)
