import { hostname } from 'node:os';

/** What this process is called among the others. */
export const REPLICA_NAME = `${hostname()}-${process.pid}`;
