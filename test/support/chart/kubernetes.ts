import { ServiceMonitor } from '@kubernetes-models/prometheus-operator/monitoring.coreos.com/v1/ServiceMonitor';
import { Deployment } from 'kubernetes-models/apps/v1/Deployment';
import { HorizontalPodAutoscaler } from 'kubernetes-models/autoscaling/v2/HorizontalPodAutoscaler';
import { NetworkPolicy } from 'kubernetes-models/networking.k8s.io/v1/NetworkPolicy';
import { PodDisruptionBudget } from 'kubernetes-models/policy/v1/PodDisruptionBudget';
import { ConfigMap } from 'kubernetes-models/v1/ConfigMap';
import { Service } from 'kubernetes-models/v1/Service';
import { ServiceAccount } from 'kubernetes-models/v1/ServiceAccount';

const MODELS = [
  ConfigMap,
  Deployment,
  HorizontalPodAutoscaler,
  NetworkPolicy,
  PodDisruptionBudget,
  Service,
  ServiceAccount,
  ServiceMonitor,
];

export interface KubernetesObject {
  readonly apiVersion: string;
  readonly kind: string;
  readonly metadata: { readonly name: string };
}

/** What a model of kubernetes-models tells of itself. */
type Kind<T> = (abstract new (...args: never[]) => T) & { readonly apiVersion: string; readonly kind: string };

/** The objects of a kind. */
export function allOf<T>(Kind: Kind<T>, objects: readonly KubernetesObject[]): T[] {
  return objects.filter(({ apiVersion, kind }) => apiVersion === Kind.apiVersion && kind === Kind.kind) as T[];
}

/** The only object of a kind. */
export function theOne<T>(Kind: Kind<T>, objects: readonly KubernetesObject[]): T {
  const [one, ...more] = allOf(Kind, objects);
  if (one === undefined || more.length > 0) throw new Error(`there is not one ${Kind.kind}`);
  return one;
}

/** What Kubernetes would have against an object, by its schema, and the fields that it does not know; empty if nothing. */
export function mistakesIn(object: KubernetesObject): string[] {
  const Model = MODELS.find(({ apiVersion, kind }) => apiVersion === object.apiVersion && kind === object.kind);
  if (!Model) return [`${object.apiVersion} ${object.kind} is of no kind that the chart has`];
  const unread = new Set<string>();
  // The types of what comes from YAML are what is found out here.
  const model = watched(new Model(object as never), '', unread);
  const wrong: string[] = [];
  try {
    model.validate();
  } catch (error) {
    wrong.push(error instanceof Error ? error.message : String(error));
  }
  return [...wrong, ...[...unread].map((path) => `${path} is unknown`)];
}

/** The schemas let through what they do not know. But they look at all that they know, so the rest is never read.
 *  @param unread gets the path of each field that could be read, until it is */
function watched<T extends object>(value: T, path: string, unread: Set<string>): T {
  for (const name of Object.keys(value)) unread.add(`${path}/${name}`);
  const parts = new Map<PropertyKey, unknown>();
  return new Proxy(value, {
    get(target, name) {
      const part: unknown = Reflect.get(target, name);
      if (typeof name !== 'string' || !Object.hasOwn(target, name)) return part;
      unread.delete(`${path}/${name}`);
      if (typeof part !== 'object' || part === null) return part;
      if (!parts.has(name)) parts.set(name, watched(part, `${path}/${name}`, unread));
      return parts.get(name);
    },
  });
}
