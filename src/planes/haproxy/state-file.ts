import type { HaproxyAudience } from '../../ports/config.ts';
import type { Desired, ServerState } from './desired.ts';
import type { Upstream } from './config-file.ts';
import { LAST_RESORT, readsOf } from './names.ts';

/**
 * HAProxy's file of server states (its management.txt, "show servers state"): what it reads when it starts, so that a region that was drained,
 * stands by or is not known yet gets nothing before the driver has spoken. Only closed servers are in it. HAProxy finds them by their names;
 * the port counts, since it would take another one over.
 */
const COLUMNS =
  'be_id be_name srv_id srv_name srv_addr srv_op_state srv_admin_state srv_uweight srv_iweight srv_time_since_last_change srv_check_status srv_check_result srv_check_health srv_check_state srv_agent_state bk_f_forced_id srv_f_forced_id srv_fqdn srv_port srvrecord srv_use_ssl srv_check_port srv_check_addr srv_agent_addr srv_agent_port';

/** As in `srv_op_state` and `srv_admin_state`: stopped by a person's maintenance; running, and drained by one. */
const WORDS: Readonly<Record<Exclude<ServerState, 'ready'>, string>> = { maint: '0 1', drain: '2 8' };

export function stateText(servers: Desired['servers'], upstreams: readonly Upstream[]): string {
  const portOf = new Map<string, number>(upstreams.map(({ region, port }) => [region, port]));
  const lines = [...servers].flatMap(([server, { state }]) => {
    const slash = server.indexOf('/');
    const [backend, region] = [server.slice(0, slash), server.slice(slash + 1)];
    const port = portOf.get(region);
    if (state === 'ready' || port === undefined) return [];
    return [`1 ${backend} 1 ${region} - ${WORDS[state]} 1 1 0 1 0 0 0 0 0 0 - ${port} - 0 0 - - 0`];
  });
  return `${['1', `# ${COLUMNS}`, ...lines].join('\n')}\n`;
}

/** Before anybody has told which regions serve: none. */
export function nobodyServes(audiences: readonly HaproxyAudience[], upstreams: readonly Upstream[]): string {
  const closed = audiences.flatMap(({ name, tiers, lastResort }) => [
    ...tiers.flat().map((region) => `${readsOf(name)}/${region}`),
    ...lastResort.map((region) => `${readsOf(name)}${LAST_RESORT}/${region}`),
  ]);
  return stateText(new Map(closed.map((server) => [server, { state: 'maint', weight: null }])), upstreams);
}
