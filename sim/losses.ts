import type { NodeId } from '../src/base/ids.ts';
import type { FenceRecord } from '../src/ports/records.ts';
import type { Acked } from './clients.ts';
import type { World } from './world.ts';

/** Two clocks that run at rates within 0.1 % of each other, and the end of a lease that is looked at now and then. */
const TOLERANCE_MS = 20;

/**
 * An acknowledged write may be missing under a new reign in two cases. A person accepted the loss (P3.3). Or, async (P8.3, F24),
 * the fence of that reign says so, the writes that are missing lie within the time that it names, and the deployment allows as
 * much. In both everything is saved in the end (I7).
 */
export class Losses {
  readonly #world: World;
  readonly #violation: (what: string) => void;
  readonly #lost = new Set<Acked>();
  readonly #beganAtMs = new Map<number, number>();

  constructor(world: World, violation: (what: string) => void) {
    this.#world = world;
    this.#violation = violation;
  }

  began(epoch: number): void {
    this.#beganAtMs.set(epoch, this.#world.scheduler.nowMs);
  }

  /** P2.3: past its deadline, and so after a newer reign began, an old primary answers nothing. */
  judgeAck(acked: Acked): void {
    if (this.#world.policy.mode !== 'async') return;
    for (const [epoch, atMs] of this.#beganAtMs) {
      if (epoch <= acked.epoch || acked.leftAtMs <= atMs) continue;
      this.#violation(
        `I3: write ${acked.id} was acknowledged by ${acked.server.node} under ${acked.epoch}, ${Math.round(acked.leftAtMs - atMs)} ms after epoch ${epoch} began`,
      );
      return;
    }
  }

  /** `epoch` began without this write. */
  add(node: NodeId, epoch: number, acked: Acked, fence: FenceRecord | undefined): void {
    if (this.#lost.has(acked)) return;
    this.#lost.add(acked);
    const { loss, lossAccepted } = fence ?? {};
    const what = `${node} under epoch ${epoch} lacks write ${acked.id}, acknowledged by ${acked.server.node} under ${acked.epoch}`;
    if (this.#world.policy.mode !== 'async') {
      if (lossAccepted === undefined) this.#violation(`I3: ${what}`);
      return;
    }
    if (loss === undefined) return this.#violation(`I3: ${what}, and its fence says that nothing is lost`);
    const { async: limits } = this.#world.policy;
    const isAllowed = loss.ms !== null && limits !== null && loss.ms <= limits.rpoMs;
    if (!isAllowed && lossAccepted === undefined)
      return this.#violation(`I6: ${what}, and nobody accepted ${loss.text}`);
    if (loss.ms === null) return;
    const { acked: all } = this.#world.ledger;
    const lastMs = Math.max(...all.filter((it) => it.epoch === acked.epoch).map((it) => it.leftAtMs));
    if (lastMs - acked.leftAtMs > loss.ms + TOLERANCE_MS)
      this.#violation(
        `I6: ${what} ${Math.round(lastMs - acked.leftAtMs)} ms before its end; the fence says ${loss.text}`,
      );
  }

  /** I7: whatever was lost is in what its node saved, or still in its data. */
  judgeSaved(): void {
    const hosts = [...this.#world.hosts.values()];
    const isSaved = ({ count, entry }: Acked): boolean =>
      hosts.some(
        ({ dir, asides }) => dir.wal[count - 1] === entry || asides.some(({ wal }) => wal[count - 1] === entry),
      );
    for (const acked of this.#lost)
      if (!isSaved(acked)) return this.#violation(`I7: write ${acked.id} was lost, and nobody saved it`);
  }

  get count(): number {
    return this.#lost.size;
  }
}
