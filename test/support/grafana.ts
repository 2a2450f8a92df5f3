import { readFileSync } from 'node:fs';
import { join } from 'node:path';

import { root } from './processes.js';

export interface Panel {
  readonly id: number;
  readonly type: string;
  readonly title: string;
  readonly gridPos: { readonly x: number; readonly y: number; readonly w: number; readonly h: number };
  readonly datasource?: unknown;
  readonly targets?: readonly { readonly expr: string; readonly datasource: unknown }[];
}

export interface Dashboard {
  readonly schemaVersion: number;
  readonly panels: readonly Panel[];
  readonly templating: { readonly list: readonly { readonly name: string; readonly definition?: string }[] };
  readonly annotations: { readonly list: readonly { readonly name: string; readonly expr?: string }[] };
}

/** The dashboard as it is handed in. */
export function grafanaDashboard(): Dashboard {
  return JSON.parse(readFileSync(join(root, 'deploy/grafana/token-broker.json'), 'utf8')) as Dashboard;
}

/** Its queries, with their variables as Grafana would fill them in at first. */
export function queriesOf({ panels, templating, annotations }: Dashboard): { where: string; query: string }[] {
  const found = [
    ...panels.flatMap(({ title, targets = [] }) => targets.map(({ expr }) => ({ where: title, query: expr }))),
    ...annotations.list.flatMap(({ name, expr }) => (expr === undefined ? [] : [{ where: name, query: expr }])),
    // `label_values(query, label)` is Grafana's own; what stands in it is a query.
    ...templating.list.flatMap(({ name, definition }) => {
      const [, query] = /^label_values\((.+), \w+\)$/.exec(definition ?? '') ?? [];
      return query === undefined ? [] : [{ where: `variable ${name}`, query }];
    }),
  ];
  return found.map(({ where, query }) => ({ where, query: withVariables(query) }));
}

function withVariables(query: string): string {
  return query.replaceAll('$__rate_interval', '1m').replaceAll('$job', 'token-broker').replaceAll('$instance', '.*');
}
