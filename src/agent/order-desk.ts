import { type Outcome, refused, unknown } from '../base/result.ts';
import { messageOf } from '../base/errors.ts';

/** Handed to work that changes the local database: asked again at every moment of acting. */
export interface Permit {
  readonly epoch: number;
  readonly signal: AbortSignal;
  /** False once a newer epoch's work was accepted: nothing more may be done. */
  valid(): boolean;
}

/** For work that only reads or can be left alone: what a takeover asks must not wait for an upstream that does not answer. */
export function unlessOvertaken<T>(permit: Permit, reading: Promise<Outcome<T>>): Promise<Outcome<T>> {
  const overtaken = new Promise<Outcome<never>>((resolve) => {
    const give = () => resolve(refused('overtaken', 'newer work was accepted meanwhile'));
    permit.signal.addEventListener('abort', give, { once: true });
  });
  return Promise.race([reading, overtaken]);
}

type Work<T> = (permit: Permit) => Promise<Outcome<T>>;

/**
 * Carries out one change of the local database at a time (P5). Work of a newer epoch cancels work of older ones that was
 * accepted before, running or waiting, so that an old order can never be obeyed late.
 */
export class OrderDesk {
  #highest = 0;
  #busy: string | null = null;
  #tail: Promise<unknown> = Promise.resolve();
  #cancels = new Set<AbortController>();

  /** What is being done now, for status; null when idle. */
  get busy(): string | null {
    return this.#busy;
  }

  get highestEpoch(): number {
    return this.#highest;
  }

  run<T>(epoch: number, name: string, work: Work<T>): Promise<Outcome<T>> {
    if (epoch < this.#highest)
      return Promise.resolve(
        refused('older-epoch', `${name} of epoch ${epoch} comes after work of epoch ${this.#highest}`),
      );
    this.overtake(epoch);
    const cancel = new AbortController();
    this.#cancels.add(cancel);
    const permit: Permit = {
      epoch,
      signal: cancel.signal,
      valid: () => !cancel.signal.aborted && epoch >= this.#highest,
    };
    const result = this.#tail
      .then(() => this.#carryOut(name, permit, work))
      .finally(() => this.#cancels.delete(cancel));
    this.#tail = result;
    return result;
  }

  /** A newer epoch is known: older work ends, though nobody has ordered anything here. */
  overtake(epoch: number): void {
    if (epoch <= this.#highest) return;
    this.#highest = epoch;
    for (const cancel of this.#cancels) cancel.abort(new Error(`a newer epoch, ${epoch}, cancels older work`));
  }

  async #carryOut<T>(name: string, permit: Permit, work: Work<T>): Promise<Outcome<T>> {
    if (!permit.valid()) return refused('overtaken', `${name} of epoch ${permit.epoch} was overtaken before it began`);
    this.#busy = name;
    try {
      return await work(permit);
    } catch (error) {
      return unknown(`${name}: ${messageOf(error)}`);
    } finally {
      this.#busy = null;
    }
  }
}
