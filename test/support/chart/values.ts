import type { Values } from './chart.js';

const SERVICE_ACCOUNT = '/var/run/secrets/kubernetes.io/serviceaccount';

/** As docs/access.md has it. */
export const kubernetesIssuer = {
  issuer: 'https://kubernetes.default.svc.cluster.local',
  audience: 'token-broker',
  jwks_url: 'https://kubernetes.default.svc/openid/v1/jwks',
  jwks_ca_file: `${SERVICE_ACCOUNT}/ca.crt`,
  jwks_token_file: `${SERVICE_ACCOUNT}/token`,
  callers: [
    { caller: 'till', subject: 'system:serviceaccount:shops:till' },
    { caller: 'reports', subject: 'system:serviceaccount:*', claims: { '/kubernetes.io/namespace': 'reports' } },
  ],
};

/** Every option of the chart at once. */
export const everything: Values = {
  image: { repository: 'registry.example/token-broker', pullPolicy: 'Always' },
  imagePullSecrets: [{ name: 'registry' }],
  secret: { files: { VAULT_REDIS_URL: 'vault-redis-url' } },
  settings: { LOG_LEVEL: 'warn', RATE_LIMIT_PER_CALLER: 6_000_000, METRICS_CLIENTS: 50, REDIS_TLS: true },
  jwtIssuers: [kubernetesIssuer],
  vaultSecret: 'clients',
  tls: { secret: 'token-broker-tls', clientCa: 'ca.crt' },
  authorities: { configMap: 'authorities', files: { REDIS_CA_FILE: 'redis.pem', UPSTREAM_CA_FILE: 'upstream.pem' } },
  autoscaling: { requestsPerSecond: 1_000 },
  nodeOptions: '--max-old-space-size=1024',
  nodeSelector: { 'kubernetes.io/os': 'linux' },
  tolerations: [{ key: 'dedicated', operator: 'Equal', value: 'payments', effect: 'NoSchedule' }],
  priorityClassName: 'payments',
  topologySpread: 'DoNotSchedule',
  networkPolicy: {
    egress: { jwks: { to: [{ ipBlock: { cidr: '10.0.0.1/32' } }], ports: [443, 6_443] } },
  },
  serviceMonitor: {
    enabled: true,
    labels: { release: 'prometheus' },
    tlsConfig: { ca: { secret: { name: 'token-broker-tls', key: 'ca.crt' } }, serverName: 'token-broker.default.svc' },
  },
};
