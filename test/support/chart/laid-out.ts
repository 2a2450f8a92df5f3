import { mkdirSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';

import { Deployment } from 'kubernetes-models/apps/v1/Deployment';
import { ConfigMap } from 'kubernetes-models/v1/ConfigMap';

import { allOf, type KubernetesObject, theOne } from './kubernetes.js';

type Files = Readonly<Record<string, string>>;

/** Lays the files that a pod would have mounted out under a folder.
 *  @param given what each Secret and ConfigMap holds that is not among the objects, by its name
 *  @returns the environment of its container, with the paths as they are here */
export function laidOut(
  objects: readonly KubernetesObject[],
  given: Readonly<Record<string, Files>>,
  folder: string,
): Record<string, string> {
  const pod = podIn(objects);
  const [container] = pod.containers;
  const mounts = container!.volumeMounts ?? [];
  for (const { name, mountPath } of mounts) {
    const { secret, configMap } = pod.volumes!.find((volume) => volume.name === name)!;
    const source = secret?.secretName ?? configMap?.name ?? '';
    const content = secret ? given[source] : (configMapIn(objects, source) ?? given[source]);
    if (!content) throw new Error(`nobody gave the content of ${mountPath}`);
    const items = secret?.items ?? Object.keys(content).map((key) => ({ key, path: key }));
    for (const { key, path } of items) writeInto(join(folder, mountPath, path), content[key]);
  }
  const isMounted = (value: string) => mounts.some(({ mountPath }) => value.startsWith(mountPath));
  return Object.fromEntries(
    container!.env!.map(({ name, value = '' }) => [name, isMounted(value) ? join(folder, value) : value]),
  );
}

/** What the Deployment among the objects starts. */
export function podIn(objects: readonly KubernetesObject[]) {
  const pod = theOne(Deployment, objects).spec?.template.spec;
  if (!pod) throw new Error('the Deployment has no pod');
  return pod;
}

function configMapIn(objects: readonly KubernetesObject[], name: string): Files | undefined {
  return allOf(ConfigMap, objects).find(({ metadata }) => metadata?.name === name)?.data;
}

function writeInto(file: string, content: string | undefined): void {
  // A pod would wait for a key that is not there.
  if (content === undefined) throw new Error(`nothing is there for ${file}`);
  mkdirSync(dirname(file), { recursive: true });
  writeFileSync(file, content);
}
