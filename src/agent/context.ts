import type { Clock } from '../base/clock.ts';
import type { NodeId } from '../base/ids.ts';
import type { decideFailover } from '../decide/failover/decide.ts';
import type { PeerNetwork } from '../ports/agent.ts';
import type { AgentConfig } from '../ports/config.ts';
import type { Coordination } from '../ports/coordination.ts';
import type { RegionDatabase, Upstream } from '../ports/database.ts';
import type { GatewayControl } from '../ports/gateway.ts';
import type { Log } from '../telemetry/log.ts';

/** Everything an agent touches, handed in: the simulator hands in its own. */
export interface AgentDeps {
  readonly config: AgentConfig;
  readonly clock: Clock;
  readonly store: Coordination;
  readonly network: PeerNetwork;
  /** Null on a site. */
  readonly database: RegionDatabase | null;
  readonly gateway: GatewayControl | null;
  readonly log: Log;
  readonly decide: typeof decideFailover;
}

/** Where a standby here gets the WAL of `node` from: the near end of the link. Null for a node that is not a peer. */
export function upstreamOf(config: AgentConfig, node: NodeId, epoch: number): Upstream | null {
  const address = config.peers.find((peer) => peer.node === node)?.postgres;
  return address === undefined || address === null ? null : { node, epoch, host: address.host, port: address.port };
}
