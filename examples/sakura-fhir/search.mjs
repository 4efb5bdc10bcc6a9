// What the in-memory repository does not compare: chains to any depth, `_has`, quantities and composites of them. Without these
// a server tells nothing to who asks so, and that a gate tells nothing either would show nothing.
const PREFIX = /^(gt|lt|ge|le|sa|eb|ap|ne|eq)?(-?[\d.]+(?:e-?\d+)?)(?:\|.*)?$/i;

/** Quantities are compared by their number, whatever the unit. */
function compares(value, asked) {
  const [, prefix = 'eq', text] = PREFIX.exec(asked) ?? [];
  const number = Number(text);
  if (typeof value !== 'number' || !Number.isFinite(number)) return false;
  switch (prefix) {
    case 'gt': case 'sa': return value > number;
    case 'lt': case 'eb': return value < number;
    case 'ge': return value >= number;
    case 'le': return value <= number;
    case 'ap': return Math.abs(value - number) <= Math.abs(number) / 10;
    case 'ne': return value !== number;
    default: return value === number;
  }
}

export function searching(core, repository) {
  const all = (kind) => [...(repository.resources.get(kind)?.values() ?? [])];
  const parameter = (kind, code) => core.getSearchParameters(kind)?.[code];
  const at = (expression, value) => core.evalFhirPath(expression, value);

  /** The references of a record by a parameter, as `Type/id`. */
  const led = (record, code) => at(parameter(record.resourceType, code)?.expression ?? '{}', record).map((to) => to?.reference);

  const codes = (value) => [value?.coding ?? [], value?.code ? value : []].flat();
  function fits(found, asked) {
    if (typeof found?.value === 'number') return compares(found.value, asked);
    const [code, system] = asked.split('|').reverse();
    return codes(found).some((one) => one.code === code && (!system || one.system === system));
  }

  /** Each component of a composite, of one and the same base. */
  function composite(record, known, value) {
    const asked = value.split('$');
    return at(known.expression, record).some((base) =>
      asked.length === known.component?.length &&
      known.component.every((part, n) => at(part.expression, base).some((found) => fits(found, asked[n]))));
  }

  /** The ids of those records of a type for which this holds. */
  async function ids(kind, name, value) {
    const [, other, back, rest] = /^_has:(\w+):([\w-]+):(.+)$/.exec(name) ?? [];
    if (other) {
      const found = await ids(other, rest, value);
      const from = all(other).filter((record) => found.has(record.id)).flatMap((record) => led(record, back));
      return new Set(from.filter((to) => to?.startsWith(`${kind}/`)).map((to) => to.slice(kind.length + 1)));
    }
    const [, along, only, on] = /^([\w-]+)(?::([A-Z]\w+))?\.(.+)$/.exec(name) ?? [];
    if (along) {
      const targets = (parameter(kind, along)?.target ?? []).filter((target) => !only || target === only);
      const ends = new Set();
      for (const target of targets) for (const id of await ids(target, on, value)) ends.add(`${target}/${id}`);
      return new Set(all(kind).filter((record) => led(record, along).some((to) => ends.has(to))).map((record) => record.id));
    }
    const known = parameter(kind, name);
    const own = { quantity: (record) => at(known.expression, record).some((found) => fits(found, value)), composite: (record) => composite(record, known, value) };
    if (known && own[known.type]) return new Set(all(kind).filter(own[known.type]).map((record) => record.id));
    const query = new URLSearchParams([[name, value], ['_count', '1000']]);
    const bundle = await repository.search(core.parseSearchRequest(`${kind}?${query}`));
    return new Set((bundle.entry ?? []).map((entry) => entry.resource.id));
  }

  const compared = (kind, name) => /^_has:|\./.test(name) || ['quantity', 'composite'].includes(parameter(kind, name)?.type);

  /** The parameters, with the ids of what they leave in place of those that are compared here. */
  return async function narrowed(kind, parameters) {
    const left = new URLSearchParams();
    for (const [name, value] of parameters) {
      if (!compared(kind, name)) left.append(name, value);
      else left.append('_id', [...(await ids(kind, name, value))].join(',') || 'none');
    }
    return left;
  };
}
