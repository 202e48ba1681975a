import type { Clock } from '../base/clock.ts';
import { placeOf, type NodeId, type PlaceId } from '../base/ids.ts';
import { because } from '../base/reason.ts';
import { checksFor, obstacleAmong, quorumInReach, sayCheck, serves } from '../decide/failover/checks.ts';
import { lossOf } from '../decide/failover/loss.ts';
import type { Observation } from '../decide/failover/observation.ts';
import { isAsync } from '../decide/failover/quorum.ts';
import type {
  Candidate,
  OperationAnswer,
  OperationAsked,
  OperationsView,
  PauseAsked,
  Signed,
} from '../ports/operations.ts';
import type { OperationRecord, PausedRecord } from '../ports/records.ts';
import { type GroupStore, put } from './group-store.ts';

/** One that nobody could begin within this time ends refused. */
const START_WITHIN_MS = 15_000;

/** What a person may ask of any agent. Writes records only: who carries them out is decided by decide/failover. */
export class Operations {
  readonly #group: GroupStore;
  readonly #clock: Clock;
  readonly #observe: () => Observation | null;

  constructor(group: GroupStore, clock: Clock, observe: () => Observation | null) {
    this.#group = group;
    this.#clock = clock;
    this.#observe = observe;
  }

  view(): OperationsView {
    const { request, paused, state } = this.#group.view();
    const operations = this.#group.journal.toSorted((a, b) => beganAt(b) - beganAt(a) || b.epoch - a.epoch);
    const wallMs = this.#clock.wallMs();
    return {
      running: request?.value.id ?? null,
      paused:
        paused === null
          ? null
          : { untilWallMs: wallMs + paused.leftMs, actor: paused.actor, reason: paused.reason, leftMs: paused.leftMs },
      operations,
      store: state,
    };
  }

  /** Each node that could be asked to take over, with what keeps it from it. */
  candidates(): readonly Candidate[] {
    const o = this.#observe();
    if (o === null) return [];
    const primary = o.store.sync?.value.primary;
    // While nobody serves, what keeps a node from taking over without a person's word is what people want to know.
    const kind = primary !== undefined && serves(o, primary) ? 'switchover' : 'failover';
    return o.policy.dataNodes
      .filter((node) => node !== primary)
      .map((node) => {
        const obstacle = obstacleAmong(checksFor(o, kind, node, { fenced: null, allowLossMs: null }));
        return { node, obstacle: obstacle === null ? null : because('precheck', sayCheck(obstacle)) };
      });
  }

  async ask(asked: OperationAsked): Promise<OperationAnswer> {
    const o = this.#observe();
    if (o === null) return { kind: 'unknown', why: 'this agent has just started' };
    const target = nodeOf(o, asked);
    if (target === null) return refuse('no-such-target', `${asked.target} is no region or node with data`);
    const checks = checksFor(o, asked.kind, target, asked);
    if (asked.dryRun) {
      const record = o.store.sync?.value;
      const mayLose = (record !== undefined && isAsync(record)) || !quorumInReach(o).enough;
      const loss = asked.kind === 'failover' && mayLose ? lossOf(o, target).text : null;
      return { kind: 'checked', target, checks, loss };
    }
    const obstacle = obstacleAmong(checks);
    if (obstacle !== null) return { kind: 'refused', code: 'precheck', why: sayCheck(obstacle), checks };
    return this.#request(asked, target, o.store.epoch?.value.n ?? 0);
  }

  async #request(asked: OperationAsked, target: NodeId, epoch: number): Promise<OperationAnswer> {
    const { keys } = this.#group;
    const atWallMs = this.#clock.wallMs();
    const id = `${asked.kind}-${atWallMs.toString(36)}`;
    const record: OperationRecord = {
      id,
      kind: asked.kind,
      epoch: 0,
      actor: asked.actor,
      reason: { code: 'asked', text: asked.reason },
      state: 'requested',
      request: {
        target,
        epoch,
        requestedAtWallMs: atWallMs,
        startWithinMs: START_WITHIN_MS,
        fenced: asked.fenced as PlaceId | null,
        allowLossMs: asked.allowLossMs,
      },
      driver: null,
      steps: [{ name: 'request', atWallMs, tookMs: 0, what: `${asked.kind} to ${target}, asked by ${asked.actor}` }],
    };
    const wrote = await this.#group.write(
      [{ key: keys.slot, modRevision: 0 }],
      [put(keys.slot, { id }), put(keys.journal(id), record)],
      'the operation',
    );
    if (wrote.kind === 'done') return { kind: 'accepted', id, what: `${asked.kind} to ${target}` };
    const read = await this.#group.readOperation(null);
    const inSlot = read.kind === 'done' ? (read.value.slot?.value.id ?? null) : null;
    if (inSlot === id) return { kind: 'accepted', id, what: `${asked.kind} to ${target}` };
    if (wrote.kind === 'unknown') return { kind: 'unknown', why: wrote.why };
    return refuse('operation-runs', `${inSlot ?? 'another operation'} is not over; one runs at a time`);
  }

  /** Possible until the epoch is written: the write that begins the takeover compares the journal entry. */
  async cancel(id: string, { actor, reason }: Signed): Promise<OperationAnswer> {
    const read = await this.#group.readOperation(id);
    if (read.kind !== 'done') return { kind: 'unknown', why: read.why };
    const { record, slot } = read.value;
    if (record === null) return refuse('no-such-operation', `the journal has no ${id}`);
    if (slot?.value.id !== id) return refuse('over', `${id} is over: ${record.value.state}`);
    if (record.value.epoch !== 0)
      return refuse('too-late', `${id} has written epoch ${record.value.epoch}: it goes on to its end`);
    const { keys } = this.#group;
    const what = `cancelled by ${actor}: ${reason}`;
    const step = { name: 'cancelled', atWallMs: this.#clock.wallMs(), tookMs: 0, what };
    const cancelled: OperationRecord = { ...record.value, state: 'cancelled', steps: [...record.value.steps, step] };
    const wrote = await this.#group.write(
      [
        { key: keys.journal(id), modRevision: record.modRevision },
        { key: keys.slot, modRevision: slot.modRevision },
      ],
      [put(keys.journal(id), cancelled), { delete: keys.slot }],
      id,
    );
    if (wrote.kind === 'done') return { kind: 'accepted', id, what };
    return wrote.kind === 'unknown'
      ? { kind: 'unknown', why: wrote.why }
      : refuse('changed', `${id} went on meanwhile: look, and try again`);
  }

  /** No automatic takeover begins until then (F19). What people ask for still works. */
  async pause({ forMs, actor, reason }: PauseAsked): Promise<OperationAnswer> {
    const record: PausedRecord = { untilWallMs: this.#clock.wallMs() + forMs, actor, reason };
    const wrote = await this.#group.write([], [put(this.#group.keys.paused, record)], 'the pause');
    if (wrote.kind !== 'done') return { kind: 'unknown', why: wrote.why };
    return {
      kind: 'accepted',
      id: 'pause',
      what: `automatic takeovers are paused until ${new Date(record.untilWallMs).toISOString()}`,
    };
  }

  async resume({ actor }: Signed): Promise<OperationAnswer> {
    const wrote = await this.#group.write([], [{ delete: this.#group.keys.paused }], 'the pause');
    if (wrote.kind !== 'done') return { kind: 'unknown', why: wrote.why };
    return { kind: 'accepted', id: 'resume', what: `automatic takeovers are on again, by ${actor}` };
  }
}

const beganAt = (record: OperationRecord): number => record.steps[0]?.atWallMs ?? 0;

const refuse = (code: string, why: string): OperationAnswer => ({ kind: 'refused', code, why, checks: [] });

/** The node that is meant: named itself, or the one of the region that could take over, else its first. */
function nodeOf(o: Observation, asked: OperationAsked): NodeId | null {
  const named = o.policy.dataNodes.filter((node) => node === asked.target || placeOf(node) === asked.target);
  const able = named.find((node) => obstacleAmong(checksFor(o, asked.kind, node, asked)) === null);
  return able ?? named[0] ?? null;
}
