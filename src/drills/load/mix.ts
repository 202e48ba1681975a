import { HOST } from '../../world/layout.ts';
import type { DrillRegion } from '../drill-world.ts';
import type { CohortConfig } from './config.ts';

/** What the users of one region do per second, and how patient they are. */
export interface Mix {
  readonly sqlWritesPerSecond: number;
  readonly sqlSessions: number;
  readonly httpWritesPerSecond: number;
  readonly httpReadsPerSecond: number;
  readonly poolWaitMs: number;
  readonly writeDeadlineMs: number;
  readonly readDeadlineMs: number;
  /** See `SqlCohortConfig`; null in every honest drill. */
  readonly sqlSessionSetup: string | null;
}

/**
 * Small enough for three whole regions on two processors. As many sessions as writes per second: a write may take a whole second
 * (two long round trips and a busy machine) before the pool, and not the system, is what limits it.
 */
export const DEFAULT_MIX: Mix = {
  sqlWritesPerSecond: 12,
  sqlSessions: 12,
  httpWritesPerSecond: 4,
  httpReadsPerSecond: 10,
  poolWaitMs: 2_000,
  writeDeadlineMs: 5_000,
  readDeadlineMs: 2_000,
  sqlSessionSetup: null,
};

export const DRILL_TABLE = 'drill_ledger';

export const sqlCohortName = (region: string): string => `sql@${region}`;
export const httpCohortName = (region: string): string => `http@${region}`;
export const regionOfCohort = (cohort: string): string => cohort.slice(cohort.indexOf('@') + 1);

/** One cohort of writers and one of users per region. The ones of the region that dies stay glued to it: they find zombies. */
export function cohortsOf(regions: readonly DrillRegion[], mix: Mix): readonly CohortConfig[] {
  return regions.flatMap((region): CohortConfig[] => {
    const sql: CohortConfig = {
      kind: 'sql',
      name: sqlCohortName(region.id),
      host: HOST,
      port: region.rwPort,
      user: 'app',
      database: 'app',
      table: DRILL_TABLE,
      ratePerSecond: mix.sqlWritesPerSecond,
      deadlineMs: mix.writeDeadlineMs,
      poolWaitMs: mix.poolWaitMs,
      sessions: mix.sqlSessions,
      sessionSetup: mix.sqlSessionSetup,
    };
    if (region.edgePort === null) return [sql];
    const { httpWritesPerSecond, httpReadsPerSecond, writeDeadlineMs, readDeadlineMs } = mix;
    const rates = { writesPerSecond: httpWritesPerSecond, readsPerSecond: httpReadsPerSecond };
    const http = { kind: 'http', name: httpCohortName(region.id), host: HOST, port: region.edgePort } as const;
    const way = { resolve: null, connections: 'kept' } as const;
    return [sql, { ...http, ...way, ...rates, writeDeadlineMs, readDeadlineMs }];
  });
}
