// The answer is collected, parsed, edited, written.
let parts = [];
function head(r) { delete r.headersOut['Content-Length']; }
function body(r, data, flags) {
  if (data.length) parts.push(data);
  if (!flags.last) return;
  const bundle = JSON.parse(Buffer.concat(parts).toString());
  @OF_BUNDLE@.forEach((name) => delete bundle[name]);
  bundle.entry.forEach((entry) => {
    @OF_RESOURCE@.forEach((name) => delete entry.resource[name]);
    @OF_META@.forEach((name) => delete entry.resource.meta[name]);
  });
  r.sendBuffer(JSON.stringify(bundle), flags);
}
export default { head, body };
