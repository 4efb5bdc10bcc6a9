#!/usr/bin/env python3
"""Checks what an access log proves, with nothing of Sekisho: RFC 6962/9162 trees, C2SP signed notes, Ed25519.

    verify.py KEYS proof FILE            is this record in the log that was signed?   (c2sp.org/tlog-proof)
    verify.py KEYS since OLD FILE        is OLD, a checkpoint kept elsewhere, the beginning of what is signed now?

KEYS: a file of public keys, as /.well-known/sekisho-audit-key tells them. Needs the package `cryptography`.
Exit code 0: proven. 1: not proven, and why.
"""
import base64, hashlib, sys
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

class NotProven(Exception):
    pass

def need(holds, why):
    if not holds:
        raise NotProven(why)

def sha(*parts):
    return hashlib.sha256(b"".join(parts)).digest()

def leaf(line):
    return sha(b"\0", line)

def node(left, right):
    return sha(b"\1", left, right)

def plain(text):
    return base64.b64decode(text, validate=True)

def keys_of(path):
    keys = {}
    for line in open(path, encoding="utf-8").read().split():
        name, key_id, key = line.split("+", 2)
        key = plain(key)
        need(key[0] == 1 and len(key) == 33, "a key is not Ed25519")
        need(sha(name.encode(), b"\n", key)[:4].hex() == key_id, "a key's id is not its own")
        keys[name, bytes.fromhex(key_id)] = Ed25519PublicKey.from_public_bytes(key[1:])
    return keys

def checkpoint(note, keys):
    """The origin, size and root that one of the keys signed."""
    body, _, lines = note.partition("\n\n")
    origin, size, root, end = (body + "\n").split("\n")
    signed = False
    for line in lines.removesuffix("\n").split("\n"):
        dash, name, value = line.split(" ")
        need(dash == "\u2014", "a signature is not written as one")
        key = keys.get((name, plain(value)[:4]))
        if key and origin.startswith(name + "/"):
            key.verify(plain(value)[4:], (body + "\n").encode())
            signed = True
    need(signed and end == "", "none of the keys signed it")
    return origin, int(size), plain(root)

def folded(index, last, steps):
    """RFC 9162 2.1.3.2 and 2.1.4.2: each step of a path, and whether it is a left neighbour."""
    for step in steps:
        need(last > 0, "the proof is too long")
        if index % 2 or index == last:
            yield step, True
            while index % 2 == 0 and index:
                index, last = index >> 1, last >> 1
        else:
            yield step, False
        index, last = index >> 1, last >> 1
    need(last == 0, "the proof is too short")

def proof(keys, path):
    head, _, note = open(path, encoding="utf-8").read().partition("\n\n")
    kind, extra, index, *hashes = head.split("\n")
    need(kind == "c2sp.org/tlog-proof@v1" and extra[:6] == "extra " and index[:6] == "index ", "not a proof")
    line, index = plain(extra[6:]), int(index[6:])
    origin, size, root = checkpoint(note, keys)
    need(0 <= index < size, "it is not in the tree")
    found = leaf(line)
    for step, is_left in folded(index, size - 1, map(plain, hashes)):
        found = node(step, found) if is_left else node(found, step)
    need(found == root, "the root is another one")
    return f"one of the {size} records of {origin}:\n{line.decode()}"

def since(keys, old_path, path):
    head, _, note = open(path, encoding="utf-8").read().partition("\n\n")
    kind, _, *hashes = head.split("\n")
    old_origin, old, old_root = checkpoint(open(old_path, encoding="utf-8").read(), keys)
    origin, new, root = checkpoint(note, keys)
    need(kind == "sekisho/consistency@v1" and origin == old_origin and old <= new, "not of this checkpoint")
    steps = list(map(plain, hashes))
    if old in (0, new):
        need(not steps and (old == 0 or root == old_root), "the root is another one")
    else:
        steps = steps if old & (old - 1) else [old_root] + steps
        index, last = old - 1, new - 1
        while index % 2:
            index, last = index >> 1, last >> 1
        need(steps, "the proof is too short")
        was = now = steps[0]
        for step, is_left in folded(index, last, steps[1:]):
            was = node(step, was) if is_left else was
            now = node(step, now) if is_left else node(now, step)
        need(was == old_root and now == root, "the root is another one")
    return f"of the {old} records of {origin} that were signed none was changed or taken away; now {new}"

if __name__ == "__main__":
    ways = {"proof": proof, "since": since}
    try:
        print("Proven:", ways[sys.argv[2]](keys_of(sys.argv[1]), *sys.argv[3:]))
    except InvalidSignature:
        sys.exit("NOT PROVEN: a signature is not by the key that it names")
    except NotProven as why:
        sys.exit(f"NOT PROVEN: {why}")
    except (IndexError, KeyError, TypeError, ValueError) as error:
        sys.exit(f"NOT PROVEN: {error!r}\n{__doc__}")
