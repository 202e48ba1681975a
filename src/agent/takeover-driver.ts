import type { Clock } from '../base/clock.ts';
import { slug, type NodeId } from '../base/ids.ts';
import type { ActionResult, Versioned } from '../decide/failover/observation.ts';
import type { Action, Takeover } from '../decide/failover/state.ts';
import type { Order, OrderReply } from '../ports/agent.ts';
import type { EpochRecord, FenceRecord, OperationRecord, ReplicationMode, SyncRecord } from '../ports/records.ts';
import { type GroupStore, put } from './group-store.ts';

type Of<D extends Action['do']> = Extract<Action, { do: D }>;
type SendOrder = (node: NodeId, order: Order) => Promise<OrderReply>;

const NEW: OperationRecord = {
  id: '',
  kind: 'takeover',
  epoch: 0,
  actor: '',
  reason: { code: '', text: '' },
  state: 'running',
  request: null,
  driver: null,
  steps: [],
};

/** Carries out the driver's actions of P5, one each, and says how they ended. Decides nothing. */
export class TakeoverDriver {
  readonly #me: NodeId;
  readonly #group: GroupStore;
  readonly #clock: Clock;
  readonly #send: SendOrder;
  readonly #mode: ReplicationMode;
  #steps: OperationRecord['steps'] = [];
  /** The journal entry of the operation that is carried out, as it was read or begun. */
  #entry: { readonly record: OperationRecord; readonly modRevision: number } = { record: NEW, modRevision: 0 };
  #stepBeganAtMs = 0;
  /** Since when nobody can write, once a hand-over has told. */
  #closedAtMs: number | null = null;

  constructor(me: NodeId, mode: ReplicationMode, group: GroupStore, clock: Clock, send: SendOrder) {
    this.#me = me;
    this.#mode = mode;
    this.#group = group;
    this.#clock = clock;
    this.#send = send;
  }

  #note(name: string, what: string, more: { readonly pauseMs?: number } = {}): void {
    const nowMs = this.#clock.nowMs();
    const step = { name, atWallMs: this.#clock.wallMs(), tookMs: nowMs - this.#stepBeganAtMs, what, ...more };
    this.#steps = [...this.#steps, step];
    this.#stepBeganAtMs = nowMs;
  }

  /** Intent and epoch n+1 in one transaction, comparing epoch and sync record; the lease of the old reign goes with it, or went (P1.1, P1.2). */
  async begin(action: Of<'begin-takeover'>): Promise<ActionResult> {
    const { keys } = this.#group;
    const systemId = this.#group.view().epoch?.value.systemId ?? '';
    const operation = action.move?.operation ?? `takeover-${action.epoch}-${slug(this.#me)}`;
    if (action.move === null) this.#opened({ ...NEW, id: operation, actor: this.#me, reason: action.reason }, 0);
    const { modRevision: journalModRevision } = this.#entry;
    const epoch: EpochRecord = { n: action.epoch, holder: this.#me, systemId, operation };
    const wrote = await this.#group.write(
      [
        { key: keys.epoch, modRevision: action.epochModRevision },
        { key: keys.sync, modRevision: action.record.modRevision },
        // F23: without another proof the old primary's time must be over, in the store itself (P3.1).
        ...(action.leaseMustBeGone ? [{ key: keys.lease, modRevision: 0 }] : []),
        // One that was cancelled, or is carried out by another node by now, writes no epoch.
        ...(action.move === null ? [] : [{ key: keys.journal(operation), modRevision: journalModRevision }]),
      ],
      [
        put(keys.journal(operation), this.#journal(action.epoch, 'running')),
        put(keys.epoch, epoch),
        ...(action.leaseMustBeGone ? [] : [{ delete: keys.lease }]),
      ],
      `epoch ${action.epoch}`,
    );
    const modRevision =
      wrote.kind === 'done' ? wrote.value.revision : wrote.kind === 'unknown' ? await this.#readBackEpoch(epoch) : null;
    if (modRevision === null)
      return { of: 'begin-takeover', kind: wrote.kind === 'unknown' ? 'unknown' : 'refused', why: whyOf(wrote) };
    this.#note('epoch', `epoch ${action.epoch} and the intent are written`);
    return { of: 'begin-takeover', kind: 'done', epoch: action.epoch, epochModRevision: modRevision, operation };
  }

  /** By its whole content: an operation that was carried on by another driver wrote an epoch of its own before (P1.1). */
  async #readBackEpoch(mine: EpochRecord): Promise<number | null> {
    const now = await this.#group.readReign();
    const found = now.kind === 'done' ? now.value.epoch : null;
    const { n, holder, operation } = found?.value ?? {};
    return n === mine.n && holder === mine.holder && operation === mine.operation ? (found?.modRevision ?? null) : null;
  }

  async detach(action: Of<'detach'>): Promise<ActionResult> {
    const { node, takeover } = action;
    const reply = await this.#send(node, { ...this.#orderOf(takeover, 'detach'), do: 'detach' });
    if (reply.kind === 'done') {
      this.#note(
        `detach ${node}`,
        `at ${reply.position.lsn}, timeline ${reply.position.timeline}, after ${Math.round(reply.tookMs)} ms there`,
      );
      return { of: 'detach', epoch: takeover.epoch, node, kind: 'done', position: reply.position };
    }
    return { of: 'detach', epoch: takeover.epoch, node, kind: reply.kind, why: reply.why };
  }

  /** Fence evidence and "solo: target" in one transaction (P1.5, P4.3): from here only the target may be promoted. */
  async record(action: Of<'record-takeover'>): Promise<ActionResult> {
    const { keys } = this.#group;
    const { takeover, target } = action;
    const fence: FenceRecord = { ...action.fence, atWallMs: this.#clock.wallMs() };
    const sync: SyncRecord = {
      version: takeover.record.value.version + 1,
      epoch: takeover.epoch,
      primary: target,
      mode: this.#mode,
      w: 0,
      names: [],
    };
    const wrote = await this.#group.write(
      [
        { key: keys.epoch, modRevision: takeover.epochModRevision },
        { key: keys.sync, modRevision: takeover.record.modRevision },
      ],
      [
        put(keys.fence(takeover.epoch), fence),
        put(keys.sync, sync),
        put(keys.journal(takeover.operation), this.#journal(takeover.epoch, 'running')),
        // A position of what was given up would disqualify the only one who may still be promoted (P1.4, I6).
        ...(fence.lossAccepted === undefined ? [] : [{ delete: keys.position }]),
      ],
      'the record of the takeover',
    );
    const stands = wrote.kind === 'done' || (wrote.kind === 'unknown' && (await this.#recordStands(takeover, target)));
    if (stands)
      this.#note(
        'record',
        `fence ${fence.kind}; solo: ${target}${fence.loss === undefined ? '' : `; lost: ${fence.loss.text}`}`,
      );
    return {
      of: 'record-takeover',
      epoch: takeover.epoch,
      kind: stands ? 'done' : wrote.kind === 'unknown' ? 'unknown' : 'refused',
      why: whyOf(wrote),
    };
  }

  async #recordStands(takeover: Takeover, target: NodeId): Promise<boolean> {
    const now = await this.#group.readReign();
    const sync: Versioned<SyncRecord> | null = now.kind === 'done' ? now.value.sync : null;
    return sync?.value.epoch === takeover.epoch && sync.value.primary === target;
  }

  async promote(action: Of<'promote'>): Promise<ActionResult> {
    const { takeover, target, w, names, restarted, fence } = action;
    const reply = await this.#send(target, {
      ...this.#orderOf(takeover, 'promote'),
      do: 'promote',
      w,
      names,
      restarted,
      fence,
    });
    const why =
      reply.kind === 'done' ? `promoted at ${reply.position.lsn}, timeline ${reply.position.timeline}` : reply.why;
    if (reply.kind === 'done') {
      const pause = this.#closedAtMs === null ? {} : { pauseMs: this.#clock.nowMs() - this.#closedAtMs };
      this.#note('promote', `${target}: ${why}, after ${Math.round(reply.tookMs)} ms there`, pause);
    }
    return { of: 'promote', epoch: takeover.epoch, kind: reply.kind, why };
  }

  async close(action: Of<'close-operation'>): Promise<void> {
    const { takeover, state, why } = action;
    this.#note(state, why.text);
    const { keys } = this.#group;
    const record = this.#journal(takeover.epoch, state);
    await this.#group.write(
      [{ key: keys.epoch, modRevision: takeover.epochModRevision }],
      [put(keys.journal(takeover.operation), record)],
      'the journal',
    );
  }

  /** F16: takes up an operation that a person asked for, comparing the journal entry: nobody else does then, and no cancel was missed. */
  async claim(action: Of<'claim-operation'>): Promise<ActionResult> {
    const { operation } = action;
    const { keys } = this.#group;
    const answer = (kind: 'done' | 'refused' | 'unknown', why: string): ActionResult => ({
      of: 'claim-operation',
      operation,
      kind,
      why,
    });
    const read = await this.#group.readOperation(operation);
    if (read.kind !== 'done') return answer('unknown', read.why);
    const { record, slot } = read.value;
    if (record === null || slot?.value.id !== operation || record.modRevision !== action.modRevision)
      return answer('refused', `${operation} was changed by somebody else`);
    this.#opened(record.value, record.modRevision);
    this.#note('claim', `${this.#me} carries it out`);
    const wrote = await this.#group.write(
      [{ key: keys.journal(operation), modRevision: record.modRevision }],
      [put(keys.journal(operation), this.#journal(record.value.epoch, 'running'))],
      'the journal',
    );
    if (wrote.kind !== 'done') return answer(wrote.kind, wrote.why);
    this.#entry = { ...this.#entry, modRevision: wrote.value.revision };
    return answer('done', '');
  }

  async handOver(action: Of<'hand-over'>): Promise<ActionResult> {
    const { operation, primary, epoch, epochModRevision } = action;
    const order: Order = { operation, step: 'hand-over', epoch, epochModRevision, by: this.#me, do: 'hand-over' };
    const reply = await this.#send(primary, order);
    if (reply.kind !== 'done') {
      const code = reply.kind === 'refused' ? reply.code : 'unknown';
      this.#note(`hand-over ${primary}`, `${reply.kind}: ${reply.why}`);
      return { of: 'hand-over', operation, kind: reply.kind, code, why: reply.why };
    }
    const { timeline, lsn } = reply.position;
    if (reply.closedForMs !== undefined) this.#closedAtMs = this.#clock.nowMs() - reply.closedForMs;
    this.#note(
      `hand-over ${primary}`,
      `stopped at ${lsn}, timeline ${timeline}, after ${Math.round(reply.tookMs)} ms there`,
    );
    return {
      of: 'hand-over',
      operation,
      kind: 'done',
      handedOver: { node: primary, timeline, lsn, evidence: reply.evidence ?? '' },
    };
  }

  /** Writes how an operation that a person asked for ended, and frees the slot. Written by whoever carries it out, or nobody did. */
  async closeRequest(action: Of<'close-request'>): Promise<void> {
    const { operation, ending } = action;
    const { keys } = this.#group;
    const read = await this.#group.readOperation(operation);
    if (read.kind !== 'done' || read.value.record === null || read.value.slot?.value.id !== operation) return;
    const { record, slot } = read.value;
    if (record.value.driver !== null && record.value.driver !== this.#me) return;
    if (this.#entry.record.id !== operation) this.#opened(record.value, record.modRevision);
    this.#note(ending.state, ending.why.text);
    await this.#group.write(
      [
        { key: keys.journal(operation), modRevision: record.modRevision },
        { key: keys.slot, modRevision: slot.modRevision },
      ],
      [put(keys.journal(operation), this.#journal(record.value.epoch, ending.state)), { delete: keys.slot }],
      'the journal',
    );
  }

  #opened(record: OperationRecord, modRevision: number): void {
    this.#entry = { record, modRevision };
    this.#steps = record.steps;
    this.#closedAtMs = null;
    this.#stepBeganAtMs = this.#clock.nowMs();
  }

  #journal(epoch: number, state: OperationRecord['state']): OperationRecord {
    return { ...this.#entry.record, epoch, state, driver: this.#me, steps: this.#steps };
  }

  #orderOf(takeover: Takeover, step: string) {
    return {
      operation: takeover.operation,
      step,
      epoch: takeover.epoch,
      epochModRevision: takeover.epochModRevision,
      by: this.#me,
    };
  }
}

const whyOf = (outcome: { readonly kind: string; readonly why?: string }): string => outcome.why ?? 'done';
