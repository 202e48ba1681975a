import type { Loss } from '../checks/loss.ts';
import type { Phase } from '../checks/phases.ts';
import type { Recovery } from '../checks/recovery.ts';
import type { PrimariesByEpoch } from '../checks/single-primary.ts';
import type { SendLag } from '../checks/generator.ts';
import { type Finding, type Verdict, worstOf } from '../checks/verdict.ts';
import type { Op } from '../ledger.ts';
import type { Prediction } from '../predict.ts';
import type { DrillFiles, DrillName, Expectation } from '../trial/observation.ts';
import type { Timeline } from '../trial/timeline.ts';
import type { WayReport } from '../ways/way-figures.ts';
import type { Ways } from '../ways/ways.ts';

/** `drill --json` and the report file. Versioned: a field may be added within a version, never changed or removed. */
export interface DrillReport {
  readonly schema: 'farshore.drill/v1';
  readonly id: string;
  readonly drill: DrillName;
  readonly fault: string;
  readonly expects: Expectation;
  readonly deployment: string;
  readonly startedAt: string;
  readonly command: string;
  readonly verdict: Verdict;
  readonly why: string;
  readonly findings: readonly Finding[];
  readonly lost: { readonly region: string; readonly wasPrimary: boolean };
  readonly promoted: {
    readonly from: string;
    readonly to: string | null;
    readonly why: string;
    readonly operation: string | null;
  };
  readonly rto: {
    readonly objectiveMs: number;
    /** The slowest stream of the surviving regions; null when one never became stable. */
    readonly measuredMs: number | null;
    /** Time between two intended writes of one region: nothing shorter can be seen. */
    readonly resolutionMs: number;
    readonly windowMs: number;
    readonly predicted: Prediction;
    readonly streams: readonly StreamReport[];
  };
  /** Last write acknowledged by the old primary to first one by the new, seen by the surviving regions; null without a change. */
  readonly writeGap: {
    readonly anyRegionMs: number;
    /** Null when a surviving region never wrote again. */
    readonly slowestRegionMs: number | null;
    readonly byRegion: Readonly<Record<string, number | null>>;
  } | null;
  readonly phases: readonly Phase[];
  readonly rpo: {
    readonly objectiveMs: number;
    readonly ledger: LossReport;
    readonly orders: LossReport | null;
    /** Lost according to the new primary before the old one came back; null when it was not read then. */
    readonly lostAfterPromotion: number | null;
  };
  readonly zombies: { readonly count: number; readonly notHeld: number };
  readonly primaries: PrimariesByEpoch;
  /** `warnings` null: a server's log could not be read. */
  readonly cancelledWaits: { readonly warnings: number | null; readonly errorsReturned: number };
  readonly safeRequests: { readonly count: number; readonly failed: number; readonly deadlineMs: number } | null;
  /** Safe requests of users who came in different ways, side by side: shown, not judged. Null when the drill had none. */
  readonly ways: { readonly reports: readonly WayReport[]; readonly missing: Ways['missing'] } | null;
  readonly injection: {
    /** Null for a fault that hits no process, such as a cut. */
    readonly processes: number | null;
    readonly tookMs: number;
    readonly what: string;
    readonly evidence: string;
  } | null;
  readonly undo: {
    readonly complete: boolean;
    readonly why: string;
    readonly downMs: number | null;
    readonly rejoinMs: number | null;
    /** From the release until the record names everybody again who confirmed at the start. */
    readonly inSyncMs: number | null;
    /** It held something alone, which was saved before it was made again: that takes longer. */
    readonly diverged: boolean;
    /** From the release to the first write acknowledged to the region's own users. */
    readonly servedAgainMs: number | null;
  };
  readonly timeline: Timeline;
  readonly load: {
    readonly attempts: number;
    readonly ok: number;
    readonly fail: number;
    readonly info: number;
    readonly staleReads: number;
    readonly sendLag: SendLag;
  };
  readonly files: DrillFiles;
}

export interface StreamReport extends Recovery {
  readonly cohort: string;
  readonly region: string;
  readonly op: Op;
  /** False for the region that was lost: shown, not judged. */
  readonly judged: boolean;
}

/** `Loss` with the first twenty ids of each list; the ledger file has them all. */
export interface LossReport extends Omit<Loss, 'lost' | 'phantom' | 'duplicates' | 'holes' | 'missing' | 'extra'> {
  readonly lost: Listed;
  readonly phantom: Listed;
  readonly duplicates: Listed;
  readonly holes: Listed;
  readonly missing: readonly (Listed & { readonly node: string })[];
  readonly extra: readonly (Listed & { readonly node: string })[];
}

export interface Listed {
  readonly count: number;
  readonly first: readonly string[];
}

const LISTED_MAX = 20;
const listed = (ids: readonly string[]): Listed => ({ count: ids.length, first: ids.slice(0, LISTED_MAX) });

export const lossReport = (loss: Loss): LossReport => ({
  ...loss,
  lost: listed(loss.lost),
  phantom: listed(loss.phantom),
  duplicates: listed(loss.duplicates),
  holes: listed(loss.holes),
  missing: loss.missing.map(({ node, ids }) => ({ node, ...listed(ids) })),
  extra: loss.extra.map(({ node, ids }) => ({ node, ...listed(ids) })),
});

/** Exit code of a drill: 0 pass, 7 fail, 9 inconclusive, 10 when a fault could not be undone, whatever else was found. */
export function exitCodeOf(reports: readonly DrillReport[]): 0 | 7 | 9 | 10 {
  if (reports.some((report) => !report.undo.complete)) return 10;
  return EXIT_CODES[worstOf(reports.map((report) => report.verdict))];
}

const EXIT_CODES = { pass: 0, fail: 7, inconclusive: 9 } as const;
