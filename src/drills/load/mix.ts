import { HOST } from '../../world/layout.ts';
import type { DrillRegion } from '../drill-world.ts';
import type { CohortConfig } from './config.ts';

/** What the users of one region do per second, and how patient they are. */
export interface Mix {
  readonly sqlWritesPerSecond: number;
  readonly sqlSessions: number;
  readonly httpWritesPerSecond: number;
  readonly httpReadsPerSecond: number;
  readonly writeDeadlineMs: number;
  readonly readDeadlineMs: number;
}

/** Small enough for three whole regions on two processors, often enough to see 50 ms. */
export const DEFAULT_MIX: Mix = {
  sqlWritesPerSecond: 20,
  sqlSessions: 8,
  httpWritesPerSecond: 5,
  httpReadsPerSecond: 10,
  writeDeadlineMs: 5_000,
  readDeadlineMs: 2_000,
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
      sessions: mix.sqlSessions,
    };
    if (region.edgePort === null) return [sql];
    const { httpWritesPerSecond, httpReadsPerSecond, writeDeadlineMs, readDeadlineMs } = mix;
    const rates = { writesPerSecond: httpWritesPerSecond, readsPerSecond: httpReadsPerSecond };
    const http = { kind: 'http', name: httpCohortName(region.id), host: HOST, port: region.edgePort } as const;
    return [sql, { ...http, ...rates, writeDeadlineMs, readDeadlineMs }];
  });
}
