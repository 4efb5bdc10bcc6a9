// An OpenID provider on loopback (npm oidc-provider): discovery, JWKS, client credentials, JWT access tokens (RFC 9068).
// `node provider.mjs PORT SECRET`, in the folder that holds node_modules. Each client below is one member of staff or
// one organisation's system; SECRET, made at each start, is the secret of all of them. Keys are made at each start too.
import { generateKeyPairSync } from 'node:crypto';
import { createRequire } from 'node:module';
import { pathToFileURL } from 'node:url';

const [port, secret] = process.argv.slice(2);
const require = createRequire(`${process.cwd()}/`);
const { default: Provider } = await import(pathToFileURL(require.resolve('oidc-provider')).href);

const API = 'https://sakura.example/fhir';
const people = {
  'dr-mori': { roles: ['physician'] },
  'dr-temp': { roles: ['physician', 'astronaut'] }, // the gate's settings give the second no meaning
  'sato-billing': { roles: ['accountant'] },
  'student-ito': { roles: ['student'] },
  'clerk-abe': { roles: ['health-check-clerk'] },
  'acme-hr': { org: 'acme' },
  'globex-hr': { org: 'globex' },
  'minato-hospital': { org: 'minato-hospital' },
  'mallory': { org: 'not-registered' },
};

const key = (kid) => {
  const { privateKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' });
  return { ...privateKey.export({ format: 'jwk' }), kid, use: 'sig', alg: 'ES256' };
};

const provider = new Provider(`http://127.0.0.1:${port}`, {
  jwks: { keys: [key('today')] },
  clients: Object.keys(people).map((id) => ({
    client_id: id,
    client_secret: secret,
    grant_types: ['client_credentials'],
    id_token_signed_response_alg: 'ES256',
    redirect_uris: [],
    response_types: [],
  })),
  features: {
    clientCredentials: { enabled: true },
    devInteractions: { enabled: false },
    resourceIndicators: {
      enabled: true,
      defaultResource: () => API,
      getResourceServerInfo: () => ({
        scope: '',
        audience: API,
        accessTokenTTL: 600,
        accessTokenFormat: 'jwt',
        jwt: { sign: { alg: 'ES256' } },
      }),
    },
  },
  extraTokenClaims: (_context, token) => people[token.clientId],
});
provider.listen(Number(port), '127.0.0.1');
for (const signal of ['SIGTERM', 'SIGINT']) process.on(signal, () => process.exit(0));
