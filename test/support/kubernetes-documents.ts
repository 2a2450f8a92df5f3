import type { Fields, KubeObject, Plural } from './kubernetes-api.js';

export const KINDS: Readonly<Record<Plural, { group: string; kind: string }>> = {
  deployments: { group: 'apps/v1', kind: 'Deployment' },
  replicasets: { group: 'apps/v1', kind: 'ReplicaSet' },
  pods: { group: 'v1', kind: 'Pod' },
  secrets: { group: 'v1', kind: 'Secret' },
};
const VERBS = ['create', 'delete', 'get', 'list', 'patch', 'update', 'watch'];

/** What there is, for `kubectl` to find its way. */
export const DISCOVERY: Readonly<Record<string, object>> = {
  '/version': { major: '1', minor: '32', gitVersion: 'v1.32.0' },
  '/api': { kind: 'APIVersions', versions: ['v1'] },
  '/apis': {
    kind: 'APIGroupList',
    apiVersion: 'v1',
    groups: [{ name: 'apps', versions: [{ groupVersion: 'apps/v1', version: 'v1' }] }],
  },
  '/api/v1': resources('v1'),
  '/apis/apps/v1': resources('apps/v1'),
};

function resources(groupVersion: string): object {
  const listed = Object.entries(KINDS)
    .filter(([, { group }]) => group === groupVersion)
    .map(([name, { kind }]) => ({ name, singularName: kind.toLowerCase(), namespaced: true, kind, verbs: VERBS }));
  return { kind: 'APIResourceList', apiVersion: 'v1', groupVersion, resources: listed };
}

/** What `kubectl get pods` shows. */
export function podTable(pods: readonly KubeObject[]): object {
  const columns = ['Name', 'Ready', 'Status', 'Restarts', 'Image'];
  return {
    apiVersion: 'meta.k8s.io/v1',
    kind: 'Table',
    columnDefinitions: columns.map((name) => ({ name, type: 'string', priority: name === 'Image' ? 1 : 0 })),
    rows: pods.map(({ metadata, spec, status }) => ({
      cells: [metadata.name, status?.['ready'], status?.['phase'], '0', imageOf(spec)],
      object: { apiVersion: 'meta.k8s.io/v1', kind: 'PartialObjectMetadata', metadata },
    })),
  };
}

export function imageOf(spec: Fields | undefined): string {
  const [container] = (spec?.['containers'] ?? []) as { image?: string }[];
  return container?.image ?? '';
}
