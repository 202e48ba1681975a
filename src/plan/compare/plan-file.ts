import { z } from 'zod';

/** What a comparison reads of a plan that was written with `farshore plan --json`; everything else in the file is left alone. */
export const planFile = z.looseObject({
  schema: z.literal('farshore.plan/v1'),
  name: z.string(),
  request: z.record(z.string(), z.unknown()),
  mode: z.string(),
  strategy: z.looseObject({ name: z.string() }),
  regions: z
    .array(
      z.looseObject({
        id: z.string(),
        role: z.string(),
        serves: z.boolean(),
        share: z.number(),
        machines: z.number(),
        toPrimaryMs: z.number(),
      }),
    )
    .min(2),
  reads: z.looseObject({
    objectives: z.array(
      z.looseObject({
        withinMs: z.number(),
        // Plans of before there was another.
        metric: z.enum(['rtt', 'ttfb']).default('rtt'),
        country: z.string().nullable(),
        asked: z.number(),
        reached: z.number(),
        low: z.number(),
        high: z.number(),
      }),
    ),
    p50Ms: z.number(),
    p95Ms: z.number(),
  }),
  writes: z.looseObject({ commitWaitMs: z.number(), meanMs: z.number(), p95Ms: z.number() }),
  losses: z.array(z.looseObject({ region: z.string(), coverage: z.number(), p95Ms: z.number() })),
  cost: z.looseObject({
    usd: z.number(),
    lines: z.array(z.looseObject({ region: z.string().nullable(), what: z.string(), usd: z.number() })),
  }),
  availability: z.looseObject({ total: z.number() }),
  // Plans of before had neither checksums nor the user's own files.
  facts: z.array(z.looseObject({ pack: z.string(), asOf: z.string(), sha256: z.string().nullable().default(null) })),
  ownFacts: z
    .array(z.looseObject({ file: z.string(), asOf: z.string().nullable(), sha256: z.string() }))
    .nullable()
    .default(null),
});

export type PlanFile = z.infer<typeof planFile>;
