#!/usr/bin/env python3
"""Reads a URL behind the gate for a declared purpose, with the standard library alone.

    TOKEN=eyJ… python3 examples/clients/ask.py http://127.0.0.1:8443/donors/d-000001 coordination

    … ask.py URL expert-opinion basis=consent recipient=expert

The body goes to standard output, all else to standard error. Exit codes: 0 released; 1 refused, and asking again will
not help; 2 the request has to be changed (a parameter without `=`, too); 3 sign in again; 4 try again later, since the
gate cannot be reached, or the answer did not arrive whole; 64 wrong usage.
"""

import http.client
import json
import os
import sys
import time
import urllib.error
import urllib.request

ATTEMPTS = 3


class Refused(Exception):
    """The gate refused. `kind` is stable; `detail` is for people."""

    def __init__(self, status, problem):
        self.status = status
        self.kind = problem.get("type", "").rpartition(":")[2]
        self.detail = problem.get("detail", "refused")
        self.decision = problem.get("decision", "")
        self.reasons = problem.get("reasons", [])
        self.purposes = problem.get("purposes", [])
        super().__init__(f"{status} {self.kind}: {self.detail}")


class Incomplete(Exception):
    """The gate cut the connection: what came is not the whole, and is thrown away."""


class Unreachable(Exception):
    """Nobody answered."""


class NoRedirect(urllib.request.HTTPRedirectHandler):
    """A token is never taken to another place."""

    def redirect_request(self, *_):
        return None


def ask(url, token, purpose, **parameters):
    """The body that the gate releases for this purpose, and its decision field.

    `parameters` are those of the field: basis, recipient, organization, reason, reference, act, source.
    """
    headers = {"Authorization": f"Bearer {token}", "Purpose-Of-Use": declaration(purpose, **parameters)}
    opener = urllib.request.build_opener(NoRedirect)
    for attempt in range(1, ATTEMPTS + 1):
        try:
            with opener.open(urllib.request.Request(url, headers=headers), timeout=60) as answer:
                return answer.read(), answer.headers.get("Purpose-Of-Use-Decision", "")
        except urllib.error.HTTPError as error:
            if error.code in (429, 503) and attempt < ATTEMPTS:
                time.sleep(min(float(error.headers.get("Retry-After", "1")), 30))
                continue
            raise Refused(error.code, problem(error)) from None
        except urllib.error.URLError as error:
            raise Unreachable(error.reason) from error
        except (http.client.HTTPException, OSError) as error:
            raise Incomplete from error
    raise AssertionError("unreachable: the last attempt returns or raises")


def declaration(purpose, **parameters):
    """An item of structured fields (RFC 9651): the purpose as a token, each text as a Display String."""
    return purpose + "".join(f";{name}={display(text)}" for name, text in parameters.items())


def display(text):
    """RFC 9651 section 4.1.11: any letters, as percent-encoded UTF-8."""
    plain = lambda byte: 0x20 <= byte < 0x7F and byte not in b'%"'
    return '%"' + "".join(chr(byte) if plain(byte) else f"%{byte:02x}" for byte in text.encode()) + '"'


def problem(error):
    try:
        told = json.loads(error.read())
    except (ValueError, http.client.HTTPException, OSError):
        return {}
    return told if isinstance(told, dict) else {}


def main():
    token = os.environ.get("TOKEN", "")
    if len(sys.argv) < 3 or not token:
        print(__doc__, file=sys.stderr)
        return 64
    for word in sys.argv[3:]:
        if "=" not in word:
            print(f"`{word}` is no parameter: write NAME=TEXT", file=sys.stderr)
            return 2
    parameters = dict(word.split("=", 1) for word in sys.argv[3:])
    try:
        body, decision = ask(sys.argv[1], token, sys.argv[2], **parameters)
    except Unreachable as unreachable:
        print(f"the gate cannot be reached: {unreachable}", file=sys.stderr)
        return 4
    except Incomplete:
        print("the answer did not arrive whole", file=sys.stderr)
        return 4
    except ValueError:
        # Not the words of the error: they may hold the token.
        print("the URL, the token or the declaration cannot be sent as it is", file=sys.stderr)
        return 2
    except Refused as refused:
        print(f"{refused} (decision {refused.decision or 'none'})", file=sys.stderr)
        for reason in refused.reasons:
            print(f"  {reason['code']} [{reason['clause'] or '-'}]", file=sys.stderr)
        if refused.purposes:
            print("you may declare:", ", ".join(refused.purposes), file=sys.stderr)
        return {400: 2, 401: 3, 429: 4, 502: 4, 503: 4, 504: 4}.get(refused.status, 1)
    print(decision, file=sys.stderr)
    sys.stdout.buffer.write(body)
    return 0


if __name__ == "__main__":
    sys.exit(main())
