"""FastAPI and httpx: the answer is parsed, edited, written."""

import json
from contextlib import asynccontextmanager

import httpx
from fastapi import FastAPI, Request, Response


@asynccontextmanager
async def lifespan(app):
    limits = httpx.Limits(max_connections=128, max_keepalive_connections=128)
    async with httpx.AsyncClient(base_url="http://127.0.0.1:@UPSTREAM@", limits=limits, timeout=120) as app.state.client:
        yield


app = FastAPI(lifespan=lifespan, openapi_url=None)


@app.get("/{path:path}")
async def proxy(path: str, request: Request):
    answer = await app.state.client.get(f"/{path}?{request.url.query}")
    bundle = answer.json()
    for name in @OF_BUNDLE@:
        bundle.pop(name, None)
    for entry in bundle["entry"]:
        resource = entry["resource"]
        for name in @OF_RESOURCE@:
            resource.pop(name, None)
        for name in @OF_META@:
            resource["meta"].pop(name, None)
    text = json.dumps(bundle, ensure_ascii=False, separators=(",", ":"))
    return Response(text, status_code=answer.status_code, media_type="application/fhir+json")
