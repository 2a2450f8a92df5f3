/** The page of an OpenAPI document, as our generator writes one: everything in one file, without scripts. Of JSON Schema it
 *  knows what stands in there. */

/** @param {any} document
 *  @param {string} css
 *  @returns {string} HTML */
export function docsPage(document, css) {
  const { info, tags, paths, components } = document;
  const operations = Object.entries(paths).flatMap(([path, methods]) =>
    Object.entries(methods).map(([method, operation]) => ({ path, method: method.toUpperCase(), ...operation })),
  );
  const ofTag = (name) => operations.filter((each) => each.tags.includes(name));
  return `<!doctype html>
<html lang="en">
  <head>
    <meta charset="utf-8" />
    <meta name="viewport" content="width=device-width" />
    <title>${text(info.title)} API</title>
    <style>${css}</style>
  </head>
  <body>
    <nav aria-label="Operations">
      ${tags.map(({ name }) => `<h2><a href="#${name}">${name}</a></h2>\n<ul>${ofTag(name).map(link).join('')}</ul>`).join('\n')}
      <h2><a href="#schemas">schemas</a></h2>
    </nav>
    <main>
      <h1>${text(info.title)} API <small>${text(info.version)}</small></h1>
      <p>${prose(info.description)}</p>
      <p>As a document for programs: <a href="openapi.json">openapi.json</a>.</p>
      ${Object.entries(components.securitySchemes).map(scheme).join('\n')}
      ${tags.map((tag) => section(tag, ofTag(tag.name), components)).join('\n')}
      <h2 id="schemas">Schemas</h2>
      ${Object.entries(components.schemas).map(component).join('\n')}
    </main>
  </body>
</html>
`;
}

function link({ operationId, method, path }) {
  return `<li><a href="#${operationId}"><b>${method}</b> ${text(path)}</a></li>`;
}

function scheme([name, { type, scheme: kindOfKey, name: cookie, description }]) {
  const how = type === 'http' ? `Authorization: ${kindOfKey === 'basic' ? 'Basic' : 'Bearer'}` : (cookie ?? 'TLS');
  return `<p id="auth-${name}"><b>${name}</b>: <code>${text(how)}</code> — ${prose(description)}</p>`;
}

function section({ name, description }, operations, components) {
  return `<h2 id="${name}">${name}</h2>\n<p>${prose(description)}</p>\n${operations.map((each) => article(each, components)).join('\n')}`;
}

function article(operation, components) {
  const { operationId, method, path, description, security, parameters = [], requestBody, responses } = operation;
  const answers = Object.entries(responses).map(([status, response]) => {
    const { description: said, content, headers = {} } = response.$ref ? at(components, response.$ref) : response;
    const with_ = Object.keys(headers).map((name) => ` With <code>${text(name)}</code>.`);
    return `<h4>${status === 'default' ? 'Errors' : status} <small>${prose(said)}</small></h4>${with_.join('')}${bodies(content)}`;
  });
  return `<article>
<h3 id="${operationId}"><b>${method}</b> <code>${text(path)}</code></h3>
<p>${prose(description)}${shownBy(security)}</p>
${parameters.length > 0 ? `<h4>Parameters</h4>${table(parameters.map((each) => [each.name, each.schema, each.required, each.description, each.in]))}` : ''}
${requestBody ? `<h4>Body</h4>${bodies(requestBody.content)}` : ''}
${answers.join('\n')}
</article>`;
}

/** By which of the ways a caller may show itself. */
function shownBy(security) {
  const ways = [...new Set(security.flatMap((each) => Object.keys(each)))];
  return ways.length === 0 ? '' : ` By ${ways.map((name) => `<a href="#auth-${name}">${name}</a>`).join(', ')}.`;
}

function bodies(content = {}) {
  return Object.entries(content)
    .map(([type, { schema }]) => `<p><code>${text(type)}</code> ${kind(schema)}</p>${fields(schema)}`)
    .join('\n');
}

function component([name, schema]) {
  const { description } = schema;
  return `<article><h3 id="schema-${name}"><code>${name}</code></h3>
${description ? `<p>${prose(description)}</p>` : ''}${schema.properties ? '' : `<p>${kind(schema)}</p>`}${fields(schema)}</article>`;
}

/** The members of an object, or of each one that it may be; and theirs below them. */
function fields(schema) {
  const { properties, anyOf = [], oneOf = [] } = schema;
  const one = oneOf.map(({ required }) => required.map(code).join(' and ')).join(' or ');
  const choice = one === '' ? '' : `<p>Either ${one}, and not both.</p>`;
  return properties ? `${table(rowsOf(schema))}${choice}` : anyOf.map(fields).join('\n');
}

function rowsOf({ properties, required = [], anyOf = [], items }, prefix = '') {
  const inner = [...anyOf.flatMap((each) => rowsOf(each, prefix)), ...(items ? rowsOf(items, `${prefix}[]`) : [])];
  if (!properties) return inner;
  return Object.entries(properties).flatMap(([name, schema]) => {
    const place = prefix === '' ? name : `${prefix}.${name}`;
    return [[place, schema, required.includes(name), schema.description], ...rowsOf(schema, place)];
  });
}

function table(rows) {
  const body = rows.map(
    ([name, schema, isRequired, description, place = '']) =>
      `<tr><th scope="row">${text(name)} <small>${place} ${isRequired ? '' : 'optional'}</small></th><td>${kind(schema)}</td>` +
      `<td>${description ? prose(description) : ''}${limits(schema)}</td></tr>`,
  );
  const head = ['Name', 'Type', 'Meaning'].map((name) => `<th scope="col">${name}</th>`).join('');
  return `<table><thead><tr>${head}</tr></thead><tbody>${body.join('\n')}</tbody></table>`;
}

/** What a value is, in a few words. */
function kind({ $ref, type, enum: values, anyOf, items, const: only, additionalProperties }) {
  if ($ref) return `<a href="#schema-${$ref.split('/').at(-1)}">${$ref.split('/').at(-1)}</a>`;
  if (only !== undefined) return code(only);
  if (values) return values.map(code).join(' or ');
  if (anyOf) return anyOf.map(kind).join(' or ');
  if (type === 'array') return `list of ${kind(items)}`;
  if (type === 'object' && typeof additionalProperties === 'object') return `object of ${kind(additionalProperties)}`;
  return type === undefined ? 'anything' : [type].flat().join(' or ');
}

const LIMITS = ['minimum', 'maximum', 'minLength', 'maxLength', 'maxItems', 'pattern', 'format', 'default'];

function limits(schema) {
  const own = { ...schema.items, ...schema };
  const shown = LIMITS.filter((name) => own[name] !== undefined).map((name) => `${name} ${code(own[name])}`);
  return shown.length > 0 ? ` <small>${shown.join(', ')}</small>` : '';
}

function code(value) {
  return `<code>${text(typeof value === 'string' ? value : JSON.stringify(value))}</code>`;
}

/** Words, in which code stands between backticks. */
function prose(words) {
  return text(words).replaceAll(/`([^`]*)`/g, '<code>$1</code>');
}

function text(words) {
  return String(words)
    .replaceAll('&', '&amp;')
    .replaceAll('<', '&lt;')
    .replaceAll('>', '&gt;')
    .replaceAll('"', '&quot;');
}

function at(components, ref) {
  return components[ref.split('/').at(-2)][ref.split('/').at(-1)];
}
