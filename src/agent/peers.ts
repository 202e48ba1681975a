import type { Clock } from '../base/clock.ts';
import type { NodeId } from '../base/ids.ts';
import type { PeerView, TrailPoint } from '../decide/failover/observation.ts';
import type { PeerNetwork, Pulse } from '../ports/agent.ts';

/** Longer than any takeover waits for a lease to run out, with what a standby may lag behind before it. */
const TRAIL_MS_MAX = 60_000;

interface Heard {
  pulse: Pulse | null;
  heardAtMs: number;
  brokenSinceMs: number | null;
  roleSinceMs: number;
  reign: { epoch: number; trail: TrailPoint[] } | null;
  doorAnsweredAtMs: number | null;
  doorRefusedAtMs: number | null;
}

const NOT_ASKED = { doorAnsweredAtMs: null, doorRefusedAtMs: null } as const;

/** Listens to every peer's pulses and keeps what a decision needs of them. */
export class Peers {
  readonly #clock: Clock;
  readonly #heard = new Map<NodeId, Heard>();
  readonly #stops: (() => void)[] = [];

  constructor(network: PeerNetwork, nodes: readonly NodeId[], clock: Clock, onChange: () => void) {
    this.#clock = clock;
    for (const node of nodes) {
      const nowMs = clock.nowMs();
      const heard: Heard = {
        pulse: null,
        heardAtMs: nowMs,
        brokenSinceMs: nowMs,
        roleSinceMs: nowMs,
        reign: null,
        ...NOT_ASKED,
      };
      this.#heard.set(node, heard);
      this.#stops.push(
        network.listen(node, {
          onPulse: (pulse) => this.#onPulse(heard, pulse, onChange),
          onBroken: () => {
            if (heard.brokenSinceMs !== null) return;
            heard.brokenSinceMs = clock.nowMs();
            Object.assign(heard, NOT_ASKED);
            onChange();
          },
          onDoor: (door) => {
            if (door === 'answers') heard.doorAnsweredAtMs = clock.nowMs();
            else heard.doorRefusedAtMs = clock.nowMs();
            onChange();
          },
        }),
      );
    }
  }

  #onPulse(heard: Heard, pulse: Pulse, onChange: () => void): void {
    const nowMs = this.#clock.nowMs();
    const before = heard.pulse;
    // An open primary that closes is another role: how long it was open before says nothing about how long it has been closed.
    const sameRole = before?.role === pulse.role && before.open === pulse.open && heard.brokenSinceMs === null;
    if (!sameRole) heard.roleSinceMs = nowMs;
    const changed = !sameRole || before?.storedEpoch !== pulse.storedEpoch || before?.detachable !== pulse.detachable;
    heard.pulse = pulse;
    heard.heardAtMs = nowMs;
    heard.brokenSinceMs = null;
    noteTrail(heard, pulse, nowMs);
    if (changed) onChange();
  }

  /** This process was paused: nobody else's silence during that time counts against them (P2.2). */
  forgive(pausedMs: number): void {
    const nowMs = this.#clock.nowMs();
    for (const heard of this.#heard.values()) {
      heard.heardAtMs = Math.min(nowMs, heard.heardAtMs + pausedMs);
      if (heard.brokenSinceMs !== null) heard.brokenSinceMs = Math.min(nowMs, heard.brokenSinceMs + pausedMs);
    }
  }

  view(): ReadonlyMap<NodeId, PeerView> {
    const seen = new Map<NodeId, PeerView>();
    for (const [node, heard] of this.#heard) seen.set(node, viewOf(node, heard));
    return seen;
  }

  pulse(node: NodeId): Pulse | null {
    return this.#heard.get(node)?.pulse ?? null;
  }

  close(): void {
    for (const stop of this.#stops) stop();
  }
}

const viewOf = (node: NodeId, heard: Heard): PeerView => ({
  node,
  pulse: heard.pulse,
  heardAtMs: heard.heardAtMs,
  brokenSinceMs: heard.brokenSinceMs,
  roleSinceMs: heard.roleSinceMs,
  reign: heard.reign,
  doorAnsweredAtMs: heard.doorAnsweredAtMs,
  doorRefusedAtMs: heard.doorRefusedAtMs,
});

/** Where its WAL ended, while it was an open primary: what a standby at a position surely has, by when (async, F24). */
function noteTrail(heard: Heard, pulse: Pulse, nowMs: number): void {
  const { role, open, storedEpoch, endLsn } = pulse;
  if (role !== 'primary' || !open || storedEpoch === null || endLsn === null) return;
  if (heard.reign?.epoch !== storedEpoch) heard.reign = { epoch: storedEpoch, trail: [] };
  const { trail } = heard.reign;
  trail.push({ atMs: pulse.atMs, heardAtMs: nowMs, lsn: endLsn });
  while ((trail[0]?.heardAtMs ?? nowMs) < nowMs - TRAIL_MS_MAX) trail.shift();
}
