import type { Clock } from '../base/clock.ts';
import { slug, type NodeId } from '../base/ids.ts';
import type { Reason } from '../base/reason.ts';
import type { ActionResult, Versioned } from '../decide/failover/observation.ts';
import type { Action, Takeover } from '../decide/failover/state.ts';
import type { Order, OrderReply } from '../ports/agent.ts';
import type { EpochRecord, FenceRecord, OperationRecord, ReplicationMode, SyncRecord } from '../ports/records.ts';
import { type GroupStore, put } from './group-store.ts';

type Of<D extends Action['do']> = Extract<Action, { do: D }>;
type SendOrder = (node: NodeId, order: Order) => Promise<OrderReply>;

/** Carries out the driver's actions of P5, one each, and says how they ended. Decides nothing. */
export class TakeoverDriver {
  readonly #me: NodeId;
  readonly #group: GroupStore;
  readonly #clock: Clock;
  readonly #send: SendOrder;
  readonly #mode: ReplicationMode;
  #steps: OperationRecord['steps'] = [];
  #reason: Reason = { code: '', text: '' };
  #stepBeganAtMs = 0;

  constructor(me: NodeId, mode: ReplicationMode, group: GroupStore, clock: Clock, send: SendOrder) {
    this.#me = me;
    this.#mode = mode;
    this.#group = group;
    this.#clock = clock;
    this.#send = send;
  }

  #note(name: string, what: string): void {
    const nowMs = this.#clock.nowMs();
    this.#steps = [...this.#steps, { name, atWallMs: this.#clock.wallMs(), tookMs: nowMs - this.#stepBeganAtMs, what }];
    this.#stepBeganAtMs = nowMs;
  }

  /** Intent and epoch n+1 in one transaction, comparing epoch and sync record; the lease of the old reign goes with it (P1.1, P1.2). */
  async begin(action: Of<'begin-takeover'>): Promise<ActionResult> {
    const { keys } = this.#group;
    const systemId = this.#group.view().epoch?.value.systemId ?? '';
    const operation = `takeover-${action.epoch}-${slug(this.#me)}`;
    this.#steps = [];
    this.#reason = action.reason;
    this.#stepBeganAtMs = this.#clock.nowMs();
    const epoch: EpochRecord = { n: action.epoch, holder: this.#me, systemId, operation };
    const wrote = await this.#group.write(
      [
        { key: keys.epoch, modRevision: action.epochModRevision },
        { key: keys.sync, modRevision: action.record.modRevision },
      ],
      [
        put(keys.journal(operation), this.#journal(action.epoch, operation, 'running')),
        put(keys.epoch, epoch),
        { delete: keys.lease },
      ],
      `epoch ${action.epoch}`,
    );
    const modRevision =
      wrote.kind === 'done'
        ? wrote.value.revision
        : wrote.kind === 'unknown'
          ? await this.#readBackEpoch(operation)
          : null;
    if (modRevision === null)
      return { of: 'begin-takeover', kind: wrote.kind === 'unknown' ? 'unknown' : 'refused', why: whyOf(wrote) };
    this.#note('epoch', `epoch ${action.epoch} and the intent are written`);
    return { of: 'begin-takeover', kind: 'done', epoch: action.epoch, epochModRevision: modRevision, operation };
  }

  async #readBackEpoch(operation: string): Promise<number | null> {
    const now = await this.#group.readReign();
    return now.kind === 'done' && now.value.epoch?.value.operation === operation ? now.value.epoch.modRevision : null;
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
      [put(keys.fence(takeover.epoch), fence), put(keys.sync, sync)],
      'the record of the takeover',
    );
    const stands = wrote.kind === 'done' || (wrote.kind === 'unknown' && (await this.#recordStands(takeover, target)));
    if (stands) this.#note('record', `fence ${fence.kind}; solo: ${target}`);
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
    const { takeover, target, w, names, restarted } = action;
    const reply = await this.#send(target, {
      ...this.#orderOf(takeover, 'promote'),
      do: 'promote',
      w,
      names,
      restarted,
    });
    const why =
      reply.kind === 'done' ? `promoted at ${reply.position.lsn}, timeline ${reply.position.timeline}` : reply.why;
    if (reply.kind === 'done') this.#note('promote', `${target}: ${why}, after ${Math.round(reply.tookMs)} ms there`);
    return { of: 'promote', epoch: takeover.epoch, kind: reply.kind, why };
  }

  async close(action: Of<'close-operation'>): Promise<void> {
    const { takeover, state, why } = action;
    this.#note(state, why.text);
    const { keys } = this.#group;
    const record = this.#journal(takeover.epoch, takeover.operation, state);
    await this.#group.write(
      [{ key: keys.epoch, modRevision: takeover.epochModRevision }],
      [put(keys.journal(takeover.operation), record)],
      'the journal',
    );
  }

  #journal(epoch: number, id: string, state: OperationRecord['state']): OperationRecord {
    return { id, kind: 'takeover', epoch, actor: this.#me, reason: this.#reason, state, steps: this.#steps };
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
