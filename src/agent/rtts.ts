import { Agent as HttpAgent, request } from 'node:http';
import type { Clock } from '../base/clock.ts';
import { messageOf } from '../base/errors.ts';
import type { NodeId } from '../base/ids.ts';
import type { PeerAddresses, RttsView } from '../ports/agent.ts';

/** Longer than any round trip on earth, and than a second one on a link that loses packets. */
const ANSWER_TIMEOUT_MS = 2_000;
/** What an answer would be asked of at most: a person waits for it. */
export const SAMPLES_MOST = 50;

/**
 * Measures the round trip to every peer: over one connection, opened by a first request that does not count, `samples` requests for its
 * liveness, one after the other. All peers at once. A peer that stops answering ends with what it answered before, or null.
 */
export async function measureRtts(
  node: NodeId,
  peers: readonly PeerAddresses[],
  samples: number,
  clock: Clock,
): Promise<RttsView> {
  return { node, rtts: await Promise.all(peers.map((peer) => measurePeer(peer, samples, clock))) };
}

async function measurePeer(peer: PeerAddresses, samples: number, clock: Clock): Promise<RttsView['rtts'][number]> {
  const agent = new HttpAgent({ keepAlive: true, maxSockets: 1 });
  const found: number[] = [];
  let why = '';
  try {
    await knock(peer, agent);
    for (let i = 0; i < samples; i++) {
      const sinceMs = clock.nowMs();
      await knock(peer, agent);
      found.push(clock.nowMs() - sinceMs);
    }
  } catch (error) {
    why = messageOf(error);
  } finally {
    agent.destroy();
  }
  return { node: peer.node, place: peer.place, ms: median(found), samples: found.length, why };
}

/** Any answer will do: whether the peer is well is for others to say. */
function knock(peer: PeerAddresses, agent: HttpAgent): Promise<void> {
  return new Promise((resolve, reject) => {
    const asked = request({ ...peer.agent, path: '/liveness', agent, timeout: ANSWER_TIMEOUT_MS });
    asked.on('error', reject);
    asked.on('timeout', () => asked.destroy(new Error(`no answer within ${ANSWER_TIMEOUT_MS} ms`)));
    asked.on('response', (response) => {
      response.on('error', reject);
      response.on('end', resolve);
      response.resume();
    });
    asked.end();
  });
}

function median(values: readonly number[]): number | null {
  const sorted = values.toSorted((a, b) => a - b);
  const [low, high] = [sorted[(sorted.length - 1) >> 1], sorted[sorted.length >> 1]];
  return low === undefined || high === undefined ? null : Math.round(((low + high) / 2) * 100) / 100;
}
