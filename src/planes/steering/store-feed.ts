import type { Clock } from '../../base/clock.ts';
import type { Coordination } from '../../ports/coordination.ts';
import { keysOf } from '../../ports/records.ts';
import { SharedViews } from '../looks/shared-views.ts';
import type { Steering } from './steering.ts';
import { TableWatch } from './table-watch.ts';

interface StoreFeedOptions {
  readonly coordination: Coordination;
  readonly clock: Clock;
  readonly deployment: string;
  readonly group: string;
  readonly limits: { readonly rereadEveryMs: number; readonly retryStoreMs: number };
  readonly steering: Steering;
}

/** What a plane hears from the store and tells it: the route table, and what each plane sees of the regions. */
export class StoreFeed {
  readonly #table: TableWatch;
  readonly #views: SharedViews;

  constructor({ coordination, clock, deployment, group, limits, steering }: StoreFeedOptions) {
    const keys = keysOf(deployment, group);
    this.#table = new TableWatch({
      coordination,
      clock,
      key: keys.routes,
      rereadEveryMs: limits.rereadEveryMs,
      retryStoreMs: limits.retryStoreMs,
      onTable: (text) => steering.offerTable(text),
    });
    this.#views = new SharedViews({
      coordination,
      clock,
      prefix: keys.views,
      observer: steering.view.observer,
      view: () => steering.view,
      onHeard: () => steering.hear(this.#views.peers, this.#views.connected),
    });
  }

  get store(): TableWatch['store'] {
    return this.#table.store;
  }

  /** What this plane sees has changed: tell the others soon. */
  sightChanged(): void {
    this.#views.changed();
  }

  /** Hears nothing from now on; resolves when the store has been asked to forget what this plane said. */
  stop(): Promise<void> {
    this.#table.stop();
    return this.#views.stop();
  }
}
