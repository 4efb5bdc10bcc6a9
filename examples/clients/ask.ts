// Reads a URL behind the gate for a declared purpose, with `fetch` (Node 18 or newer, browsers).
//
//   TOKEN=eyJ… npx tsx examples/clients/ask.ts http://127.0.0.1:8443/donors/d-000001 coordination
//
// The body goes to standard output, all else to standard error. Exit codes: 0 released; 1 refused, and asking again will
// not help; 2 the request has to be changed (a parameter without `=`, too); 3 sign in again; 4 try again later, since the
// gate cannot be reached, or the answer did not arrive whole; 64 wrong usage.

export interface Problem {
  type?: string;
  detail?: string;
  decision?: string;
  reasons?: { code: string; clause: string | null; detail: string }[];
  purposes?: string[];
}

/** The gate refused. `kind` is stable; `message` is for people. */
export class Refused extends Error {
  readonly status: number;
  readonly problem: Problem;
  constructor(status: number, problem: Problem) {
    super(problem.detail ?? "refused");
    this.status = status;
    this.problem = problem;
  }
  get kind(): string {
    return this.problem.type?.split(":").pop() ?? "";
  }
}

/** Of the field: `basis`, `recipient`, `organization`, `reason`, `reference`, `act`, `source`. */
export type Parameters = Record<string, string>;

/** The body that the gate releases for this purpose, and its decision field. Throws `Refused`; a `TypeError` of `fetch` where
 * the gate cut the connection: what came is then not the whole. */
export async function ask(
  url: string,
  token: string,
  purpose: string,
  parameters: Parameters = {},
): Promise<{ body: Uint8Array; decision: string }> {
  const attempts = 3;
  for (let attempt = 1; ; attempt++) {
    const answer = await fetch(url, {
      headers: { Authorization: `Bearer ${token}`, "Purpose-Of-Use": declaration(purpose, parameters) },
      redirect: "error", // a token is never taken to another place
      signal: AbortSignal.timeout(60_000),
    });
    if (answer.ok) {
      const body = new Uint8Array(await answer.arrayBuffer());
      return { body, decision: answer.headers.get("Purpose-Of-Use-Decision") ?? "" };
    }
    const problem = (await answer.json().catch(() => ({}))) as Problem;
    if ((answer.status === 429 || answer.status === 503) && attempt < attempts) {
      const seconds = Math.min(Number(answer.headers.get("Retry-After") ?? "1"), 30);
      await new Promise((done) => setTimeout(done, seconds * 1000));
      continue;
    }
    throw new Refused(answer.status, problem);
  }
}

/** An item of structured fields (RFC 9651): the purpose as a token, each text as a Display String. */
export function declaration(purpose: string, parameters: Parameters = {}): string {
  return purpose + Object.entries(parameters).map(([name, text]) => `;${name}=${display(text)}`).join("");
}

function display(text: string): string {
  const plain = (byte: number) => byte >= 0x20 && byte < 0x7f && byte !== 0x25 && byte !== 0x22;
  const letter = (byte: number) => (plain(byte) ? String.fromCharCode(byte) : `%${byte.toString(16).padStart(2, "0")}`);
  return `%"${Array.from(new TextEncoder().encode(text), letter).join("")}"`;
}

async function main(words: string[]): Promise<number> {
  const token = process.env["TOKEN"];
  const [url, purpose, ...rest] = words;
  if (!token || !url || !purpose) {
    console.error("usage: TOKEN=… ask.ts URL PURPOSE [NAME=TEXT]…");
    return 64;
  }
  const odd = rest.find((word) => !word.includes("="));
  if (odd !== undefined) {
    console.error(`\`${odd}\` is no parameter: write NAME=TEXT`);
    return 2;
  }
  const parameters = Object.fromEntries(rest.map((word) => word.split(/=(.*)/s, 2)));
  try {
    const { body, decision } = await ask(url, token, purpose, parameters);
    console.error(decision);
    process.stdout.write(body);
    return 0;
  } catch (error) {
    if (!(error instanceof Refused)) {
      console.error("the answer did not arrive whole, or not at all");
      return 4;
    }
    const { status, kind, problem } = error;
    console.error(`${status} ${kind}: ${error.message} (decision ${problem.decision ?? "none"})`);
    for (const reason of problem.reasons ?? []) console.error(`  ${reason.code} [${reason.clause ?? "-"}]`);
    if (problem.purposes) console.error(`you may declare: ${problem.purposes.join(", ")}`);
    const codes: Record<number, number> = { 400: 2, 401: 3, 429: 4, 502: 4, 503: 4, 504: 4 };
    return codes[status] ?? 1;
  }
}

if (typeof process !== "undefined" && process.argv[1]?.endsWith("ask.ts")) {
  void main(process.argv.slice(2)).then((code) => {
    process.exitCode = code;
  });
}
