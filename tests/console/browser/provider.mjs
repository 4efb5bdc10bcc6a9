// A real OpenID provider on loopback: whoever names himself is believed, and is in the group of his name.
//   node provider.mjs CLIENT SECRET REDIRECT     prints its issuer, and serves until it is ended
import { createRequire } from "node:module";
import { createServer } from "node:http";
import { randomBytes } from "node:crypto";
import { pathToFileURL } from "node:url";

const require = createRequire(process.env.MODULES + "/");
const { default: Provider } = await import(pathToFileURL(require.resolve("oidc-provider")));
const [client, secret, redirect] = process.argv.slice(2);
const server = createServer();
await new Promise((listening) => server.listen(0, "127.0.0.1", listening));
const issuer = `http://127.0.0.1:${server.address().port}`;
const provider = new Provider(issuer, {
  clients: [{ client_id: client, client_secret: secret, redirect_uris: [redirect], grant_types: ["authorization_code"], response_types: ["code"] }],
  claims: { openid: ["sub"], groups: ["groups"] },
  conformIdTokenClaims: false,
  cookies: { keys: [randomBytes(16).toString("hex")] },
  findAccount: async (_, id) => ({ accountId: id, claims: async () => ({ sub: id, groups: [`group-${id}`] }) }),
});
server.on("request", provider.callback());
console.log(issuer);
