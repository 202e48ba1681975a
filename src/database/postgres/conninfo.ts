import { type NodeId, parseNodeId } from '../../base/ids.ts';
import type { PostgresConfig } from '../../ports/config.ts';
import type { Upstream } from '../../ports/database.ts';
import { applicationName } from './names.ts';
import { passfilePath } from './settings.ts';

/**
 * The value of `primary_conninfo`. The password is in a file, not here: any superuser can read this setting.
 * `fallback_application_name` has no effect, since application_name is given: it keeps whom we follow, so that an
 * agent that starts anew reads it from PostgreSQL itself.
 */
export function renderConninfo(config: PostgresConfig, upstream: Upstream): string {
  const parts: Record<string, string> = {
    host: upstream.host,
    port: String(upstream.port),
    user: 'farshore_replication',
    passfile: passfilePath(config),
    application_name: applicationName(config.group, config.node, upstream.epoch),
    fallback_application_name: upstream.node,
    connect_timeout: '2',
    tcp_user_timeout: '2000',
    sslmode: 'disable',
    gssencmode: 'disable',
  };
  return Object.entries(parts)
    .map(([key, value]) => `${key}='${value.replace(/(['\\])/g, '\\$1')}'`)
    .join(' ');
}

/** Whom a `primary_conninfo` that Farshore wrote follows; null when it is empty or somebody else's. */
export function parseConninfo(text: string): { readonly node: NodeId; readonly epoch: number } | null {
  const node = /\bfallback_application_name='([^']+)'/.exec(text)?.[1];
  const epoch = /\bapplication_name='[^']*-e(\d+)'/.exec(text)?.[1];
  return node === undefined || epoch === undefined ? null : { node: parseNodeId(node), epoch: Number(epoch) };
}
