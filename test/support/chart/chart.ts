import { execFile } from 'node:child_process';
import { readFileSync, writeFileSync } from 'node:fs';
import { delimiter, join } from 'node:path';
import { promisify } from 'node:util';

import { Ajv } from 'ajv';
import { parse, parseAllDocuments } from 'yaml';

import { isExecutable } from '../debian-packages.js';
import { aFolder } from '../folder.js';
import { root } from '../processes.js';
import type { KubernetesObject } from './kubernetes.js';
import { renderTemplates } from './renderer.js';

const run = promisify(execFile);
export const chartFolder = join(root, 'deploy/chart');

export type Values = Record<string, unknown>;

export const defaultValues = parse(read('values.yaml')) as Values;
export const chartFile = parse(read('Chart.yaml')) as Record<'name' | 'version' | 'appVersion', string>;
/** In which Helm installs: what others need comes first. */
const ORDER = [
  'NetworkPolicy',
  'PodDisruptionBudget',
  'ServiceAccount',
  'ConfigMap',
  'Service',
  'Deployment',
  'HorizontalPodAutoscaler',
  'ServiceMonitor',
];
const isValid = new Ajv({ allErrors: true, strict: true, strictTypes: false }).compile(
  JSON.parse(read('values.schema.json')) as object,
);

function read(file: string): string {
  return readFileSync(join(chartFolder, file), 'utf8');
}

/** What is installed with these values.
 *  @throws Error what the schema or the templates have against them */
export async function rendered(values: Values = {}): Promise<KubernetesObject[]> {
  return objectsIn(await renderedText(values));
}

/** The same as text, as `helm template` gives it. */
export async function renderedText(values: Values = {}): Promise<string> {
  const objections = objectionsTo(values);
  if (objections.length > 0) throw new Error(objections.join('\n'));
  const helm = await findHelm();
  if (helm !== undefined) {
    const file = join(aFolder(), 'values.json');
    writeFileSync(file, JSON.stringify(values));
    return (await run(helm, ['template', 'token-broker', chartFolder, '--values', file])).stdout;
  }
  const files = Object.entries(await renderedFiles(values)).filter(([name]) => name.endsWith('.yaml'));
  return files
    .flatMap(([name, text]) => text.split(/^---\n/m).map((each) => ({ name, text: each.trim() })))
    .filter(({ text }) => text !== '')
    .toSorted((a, b) => placeOf(a.text) - placeOf(b.text))
    .map(({ name, text }) => `---\n# Source: token-broker/templates/${name}\n${text}\n`)
    .join('');
}

function placeOf(text: string): number {
  return ORDER.indexOf(/^kind: (\w+)$/m.exec(text)?.[1] ?? '');
}

/** What Helm prints after an installation. */
export async function renderedNotes(values: Values = {}): Promise<string> {
  return (await renderedFiles(values))['NOTES.txt'] ?? '';
}

function renderedFiles(given: Values): Promise<Record<string, string>> {
  const values = merged(defaultValues, given);
  const { name: Name, version: Version, appVersion: AppVersion } = chartFile;
  const objects = {
    Chart: { Name, Version, AppVersion },
    Release: { Name: 'token-broker', Namespace: 'default' },
  };
  return renderTemplates({ chart: chartFolder, values, objects });
}

/** What the chart's schema has against values, over its defaults: where, and what must be there; empty if nothing. */
export function objectionsTo(given: Values): string[] {
  if (isValid(merged(defaultValues, given))) return [];
  return (isValid.errors ?? []).map(({ instancePath, message, params }) => {
    const more = Object.values(params as Record<string, unknown>).join(', ');
    return `at ${instancePath || '/'}: ${message} (${more})`;
  });
}

/** As Helm merges: objects deeply, everything else is replaced, and null takes a default away. */
function merged(defaults: Values, given: Values): Values {
  const all = { ...defaults };
  for (const [name, value] of Object.entries(given)) {
    const before = all[name];
    if (value === null && name in defaults) delete all[name];
    else all[name] = isMap(before) && isMap(value) ? merged(before, value) : value;
  }
  return all;
}

function isMap(value: unknown): value is Values {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

/** The objects in a text of YAML, read as Kubernetes reads it: by version 1.1, in which `yes` and `0440` are no texts. */
export function objectsIn(text: string): KubernetesObject[] {
  return parseAllDocuments(text, { version: '1.1' }).map((document) => {
    if (document.errors[0]) throw document.errors[0];
    return document.toJS() as KubernetesObject;
  });
}

async function findHelm(path = process.env['PATH'] ?? ''): Promise<string | undefined> {
  for (const folder of path.split(delimiter)) {
    const helm = join(folder, 'helm');
    if (folder !== '' && (await isExecutable(helm))) return helm;
  }
  return undefined;
}
