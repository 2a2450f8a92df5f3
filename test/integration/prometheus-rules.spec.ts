import { execFile } from 'node:child_process';
import { cpSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { promisify } from 'node:util';

import { aFolder } from '../support/folder.js';
import { listedMetrics } from '../support/listed-metrics.js';
import { root } from '../support/processes.js';
import { promtool } from '../support/prometheus-binaries.js';
import { familyOf, metricsIn } from '../support/promql.js';

const run = promisify(execFile);
const folder = join(root, 'deploy/prometheus');
const tests = readdirSync(join(folder, 'tests')).map((file) => readFileSync(join(folder, 'tests', file), 'utf8'));
const operations = readFileSync(join(root, 'docs/alerts.md'), 'utf8');
const [recording, alerting] = ['recording', 'alerts'].map((each) => rulesIn(`${each}.rules.yml`));
const alerts = alerting!.map(({ name }) => name);

interface Rule {
  readonly name: string;
  readonly expr: string;
  readonly text: string;
}

/** The rules of a file that promtool takes. */
function rulesIn(file: string): Rule[] {
  const [, ...rules] = readFileSync(join(folder, file), 'utf8').split(/^ {6}- (?=(?:alert|record): )/m);
  return rules.map((text) => {
    const [, name = ''] = /^\w+: (\S+)$/m.exec(text) ?? [];
    const [, line, block] = /^ {8}expr: (?:\|\n((?: {10}.*\n)+)|(.*)$)/m.exec(text) ?? [];
    return { name, expr: line ?? block ?? '', text };
  });
}

/** What promtool says, whether it is content or not. */
async function saidBy(args: readonly string[], cwd = folder): Promise<string> {
  const { stdout, stderr } = await run(await promtool(), args, { cwd }).catch((error: unknown) => {
    const said = Object(error) as { stdout?: string; stderr?: string };
    throw new Error(`promtool ${args.join(' ')}\n${said.stdout}${said.stderr}`, { cause: error });
  });
  return stdout + stderr;
}

it('the configuration and its rules are as Prometheus wants them', async () => {
  const copy = join(aFolder(), 'prometheus');
  cpSync(folder, copy, { recursive: true });
  // It asks for the key's file as well.
  writeFileSync(join(copy, 'token-broker.key'), 'tbk_…');
  expect(await saidBy(['check', 'config', 'prometheus.yml'], copy)).toContain('2 rule files found');
  const said = await saidBy(['check', 'rules', 'recording.rules.yml', 'alerts.rules.yml']);
  expect(said).toContain(`SUCCESS: ${recording!.length} rules found`);
  expect(said).toContain(`SUCCESS: ${alerts.length} rules found`);
});

it('alerts and recording rules do what their tests say', async () => {
  const files = readdirSync(join(folder, 'tests')).map((file) => join('tests', file));
  expect(await saidBy(['test', 'rules', ...files])).toContain('SUCCESS');
  // Six hours of samples, on a busy machine.
}, 60_000);

it.each(alerts)('%s is tested where it fires, and where it must not', (alert) => {
  const expected = tests.flatMap((text) => [
    ...text.matchAll(new RegExp(`alertname: ${alert}\\n +exp_alerts:( \\[\\]|\\n +- exp_labels:)`, 'g')),
  ]);
  expect(new Set(expected.map(([, answer]) => answer!.trim()))).toEqual(new Set(['[]', '- exp_labels:']));
});

it('every recording rule is tested', () => {
  const untested = recording!.filter(({ name }) => !tests.some((text) => text.includes(`${name}{`)));
  // The alert that it is made for tests this one.
  expect(untested.map(({ name }) => name)).toEqual(['job_environment:token_broker_upstream_errors:increase10m']);
});

it('every alert says how bad it is, what happened, and which section of the guide to read', () => {
  for (const { name, text } of alerting!) {
    expect(text).toMatch(/^ {10}severity: (critical|warning)$/m);
    expect(text).toMatch(/^ {10}summary: \S/m);
    expect(text).toMatch(/^ {10}description: >-$/m);
    expect(text).toContain(`          runbook: docs/alerts.md#${name.toLowerCase()}\n`);
  }
});

it('every alert has a section in the operations guide, and every such section an alert', () => {
  // No other heading is one word of several.
  const sections = [...operations.matchAll(/^## ((?:[A-Z][a-z]+){2,})$/gm)].map(([, name]) => name);
  expect(sections).toEqual(alerts);
});

it('rules read metrics that docs/metrics.md lists, or recording rules', () => {
  const listed = listedMetrics();
  const recorded = new Set(recording!.map(({ name }) => name));
  for (const { name, expr } of [...recording!, ...alerting!]) {
    const read = metricsIn(expr);
    expect({ name, read: read.length > 0 }).toEqual({ name, read: true });
    const unknown = read.filter((metric) => !recorded.has(metric) && !listed.has(familyOf(metric, listed)));
    expect({ name, unknown }).toEqual({ name, unknown: [] });
  }
});
