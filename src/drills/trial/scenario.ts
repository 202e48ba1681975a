import type { NodeId, PlaceId } from '../../base/ids.ts';
import type { Deployment } from '../../spec/deployment.ts';
import type { World } from '../../world/open.ts';
import type { Detection } from '../predict.ts';
import type { DrillName, Expectation, FaultSeen, NodeRead, TrialObservation, UndoSeen } from './observation.ts';
import type { Start } from './preflight.ts';
import type { Traffic } from './traffic.ts';

/** What makes one drill differ from another; traffic, history, checks and report are the same for all. */
export interface Scenario {
  readonly name: DrillName;
  readonly fault: string;
  /** Which region is hit; null = the present primary's, of each trial anew. */
  readonly region: PlaceId | null;
  /** Planned: nothing may be lost, whatever the deployment's objective. */
  readonly planned: boolean;
  /** Users who come in different ways are there as well. */
  readonly ways: boolean;
  expect(start: Start, world: World): Expected;
  /** Everything that happens while users are there. Undoes what it did in every case, also when it throws. */
  act(stage: Stage): Promise<Acts>;
}

export interface Expected {
  /** The region whose users are hit. */
  readonly hit: PlaceId;
  readonly primary: Expectation;
  /** Whose users must be served while the fault lasts. */
  readonly served: readonly PlaceId[];
  readonly detection: Detection;
}

export interface Acts {
  readonly injected: FaultSeen;
  /** The operation that the drill asked for; left out where nothing is planned. */
  readonly asked?: TrialObservation['asked'];
  readonly afterPromotion: TrialObservation['afterPromotion'];
  readonly undo: UndoSeen;
  /** Who was primary right before t0, when that is not the one of the start. */
  readonly primaryBefore?: NodeId;
}

/** What a scenario works with. */
export interface Stage {
  readonly world: World;
  readonly deployment: Deployment;
  readonly start: Start;
  readonly expected: Expected;
  /** `drill ID`: names the holder of a fault. */
  readonly holder: string;
  readonly traffic: Traffic;
  readonly windowMs: number;
  readonly signal: AbortSignal;
  /** Notes a moment for the timeline and tells the person. */
  mark(name: string, what: string, atMs?: number): void;
  /** Waits until those who must be served (or these regions) are, for a whole window; gives up at twice the objective. */
  stable(t0Ms: number, regions?: readonly PlaceId[]): Promise<boolean>;
  /** The node that is open now, read over its own socket; null when it is still `before` (the one of the start), or cannot be read. */
  readNewPrimary(before?: NodeId): Promise<{ readonly startedMs: number; readonly read: NodeRead } | null>;
  /** Waits until everybody who confirmed at the start is the primary or confirms again. */
  whole(fromMs: number): Promise<{
    readonly atMs: number | null;
    /** Since when the record names all of them again. */
    readonly syncedMs: number | null;
    readonly holds: boolean;
    readonly why: string;
  }>;
}
