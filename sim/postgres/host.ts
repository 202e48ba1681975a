import type { NodeId, PlaceId } from '../../src/base/ids.ts';
import { done, type Outcome } from '../../src/base/result.ts';
import { type Machine, Process } from '../clock.ts';
import type { Links } from '../links.ts';
import type { Rng } from '../rng.ts';
import { type Delays, PgServer } from './server.ts';
import { WalReceiver, whyNotStream } from './wal-receiver.ts';
import { type DataDir, type Entry, emptyDir, isPrefix } from './wal.ts';

/** How long a backend that was busy when its postmaster died may go on. */
const OUTLIVES_MS_MAX = 3_000;

/** The machine under one node: its data directory, its keeper, and PostgreSQL when it runs. */
export class PgHost {
  readonly node: NodeId;
  readonly place: PlaceId;
  readonly machine: Machine;
  readonly links: Links;
  readonly rng: Rng;
  readonly hosts: ReadonlyMap<NodeId, PgHost>;
  delays: Delays;
  readonly #hasSlots: boolean;
  dir: DataDir = emptyDir();
  server: PgServer | null = null;
  /** PostgreSQL's parent: the only one that kills it by itself. */
  readonly keeper: Process;
  /** Directories moved aside: nothing that only one node has is ever lost (I7). */
  readonly asides: { readonly label: string; readonly wal: readonly Entry[] }[] = [];
  /** Backends that go on without a postmaster; while one lives nothing else starts on this data. */
  readonly orphans = new Set<() => void>();
  /** Called with a violation that only the model can see. */
  report: (what: string) => void = () => undefined;
  onServer: (server: PgServer) => void = () => undefined;
  onReplaced: (before: DataDir, after: DataDir) => void = () => undefined;

  constructor(parts: {
    readonly node: NodeId;
    readonly place: PlaceId;
    readonly machine: Machine;
    readonly links: Links;
    readonly rng: Rng;
    readonly hosts: ReadonlyMap<NodeId, PgHost>;
    readonly delays: Delays;
    readonly hasSlots: boolean;
  }) {
    this.node = parts.node;
    this.place = parts.place;
    this.machine = parts.machine;
    this.keeper = new Process(`${parts.node} keeper`, parts.machine);
    this.links = parts.links;
    this.rng = parts.rng;
    this.hosts = parts.hosts;
    this.delays = parts.delays;
    this.#hasSlots = parts.hasSlots;
  }

  /** The keeper spawns PostgreSQL. Null when it can't: one runs, or a backend of an earlier one does. */
  start(): PgServer | null {
    if (this.server?.process.alive === true || this.orphans.size > 0) return null;
    const process = new Process(`${this.node} postgres`, this.machine);
    this.server = new PgServer({
      node: this.node,
      place: this.place,
      process,
      dir: this.dir,
      rng: this.rng.fork(),
      delays: this.delays,
      hasSlots: this.#hasSlots,
      onRetrieve: (server) => this.#connect(server),
    });
    this.onServer(this.server);
    return this.server;
  }

  #connect(standby: PgServer): void {
    const target = standby.startupUpstream;
    const upstream = target === null ? undefined : this.hosts.get(target.node);
    if (target === null || upstream === undefined) return;
    const server = (): PgServer | null => {
      const now = upstream.server;
      if (now !== null && whyNotStream(standby, now) === null && !isPrefix(standby.dir.wal, now.dir.wal))
        this.report(`I10: ${standby.node} streams from ${now.node} from another branch that looks the same`);
      return now;
    };
    new WalReceiver(standby, this.links, target, server, upstream.place);
  }

  /** Every process of the data directory ends at once. */
  kill(): void {
    const orphans = [...this.orphans];
    this.orphans.clear();
    for (const end of orphans) end();
    this.server?.process.kill();
  }

  /**
   * The postmaster alone dies. Its children notice and leave, except a backend in the middle of a statement: it may still
   * commit, and acknowledge when nobody has to confirm.
   */
  loseThePostmaster(busy: number): void {
    const { server } = this;
    if (server === null || !server.process.alive) return;
    const { syncDefined } = server;
    server.process.kill();
    for (let i = 0; i < busy; i++) {
      let over = false;
      const end = (): void => {
        over = true;
        this.orphans.delete(end);
      };
      this.orphans.add(end);
      this.machine.scheduler.after(this.rng.between(10, OUTLIVES_MS_MAX), () => {
        if (over) return;
        end();
        this.onOrphanCommit(server, syncDefined);
      });
    }
  }

  /** The keeper's deadline: it kills by its machine's clock, when it runs at all. */
  #killAtMs: number | null = null;

  killAt(deadlineMs: number): Outcome<void> {
    this.#killAtMs = deadlineMs;
    const { server } = this;
    const look = (): void => {
      if (this.server !== server || this.#killAtMs === null || server === null) return;
      const leftMs = this.#killAtMs - this.keeper.nowMs();
      if (leftMs > 0) this.keeper.after(leftMs, look);
      else {
        this.#killAtMs = null;
        this.kill();
      }
    };
    this.keeper.after(Math.max(0, deadlineMs - this.keeper.nowMs()), look);
    return done(undefined);
  }

  onOrphanCommit: (server: PgServer, syncDefined: boolean) => void = () => undefined;

  get running(): PgServer | null {
    return this.server?.process.alive === true ? this.server : null;
  }
}
