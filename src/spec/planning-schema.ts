import { z } from 'zod';
import { duration } from './quantities.ts';

export const PROVIDERS = ['aws', 'azure', 'gcp'] as const;
/** What the rules of law distinguish (facts/residency-rules.json). */
export const DATA_CLASSES = [
  'personal',
  'health',
  'payment',
  'card',
  'financial',
  'banking',
  'government',
  'public-sector',
] as const;

const percent = (description: string) => z.number().gt(0).max(100).describe(description);

export const usersSection = z
  .array(
    z.strictObject({
      country: z.string().describe('Two letters: `DE`.'),
      at: z
        .string()
        .optional()
        .describe(
          'Where they are, `52.52,13.40`: latitude and longitude. Default: as the internet users of the country are. The country says whose law holds; an entry with a place needs a share.',
        ),
      metro: z
        .string()
        .optional()
        .describe(
          'A big city of the country, `Osaka`: its users are counted there. Default: as the internet users of the country are. An entry with a metro needs a share.',
        ),
      share: percent(
        'Percent of all users. On every entry, and together 100; or on none: then by internet users.',
      ).optional(),
    }),
  )
  .min(1)
  .max(250);

export const latencyObjectives = z
  .array(
    z.strictObject({
      within: duration(
        5,
        60_000,
        'From the user to the nearest serving region, last mile included; what of it: `metric`.',
      ),
      for: percent('Percent of the users that are served within that time.'),
      country: z.string().optional().describe('Only about the users of this country. Default: all.'),
      metric: z
        .enum(['rtt', 'ttfb'])
        .optional()
        .describe(
          '`rtt` (default): one round trip. `ttfb`: until the first byte of an answer is there, with the connection, the server and the trips to the primary of `plan.firstByte`.',
        ),
    }),
  )
  .min(1)
  .max(16);

const usd = z.number().min(0).max(1e9);

/** What `farshore plan` may choose from, and what it counts with. Everything has a default. */
export const planSection = z.strictObject({
  providers: z.array(z.enum(PROVIDERS)).min(1).optional().describe('Default: all three.'),
  pin: z.array(z.string()).max(16).optional().describe('Regions that must be chosen.'),
  ban: z.array(z.string()).max(132).optional().describe('Regions that must not: `aws:me-south-1`, or `aws:me-*`.'),
  data: z.array(z.enum(DATA_CLASSES)).optional().describe('Classes of data, for the rules of law. Default: personal.'),
  services: z
    .array(z.string().min(1))
    .max(50)
    .optional()
    .describe(
      'Services that the application needs. A region is left out when your regions.json names its services and one is missing; no free data says where they exist, so elsewhere they are shown as unknown.',
    ),
  regions: z
    .strictObject({
      min: z.int().min(2).max(5).optional().describe('At least.'),
      max: z.int().min(2).max(5).optional().describe('At most; more take longer to prove.'),
    })
    .optional()
    .describe(
      'How many. Default: 2 for active-passive; from 2, or 3 for global, to as many as the latency objective needs (at most 4).',
    ),
  budget: usd.optional().describe('US dollars a month, at most.'),
  minSeparation: z.number().min(0).max(20_000).optional().describe('Kilometres between any two regions. Default 100.'),
  syncWithin: duration(
    1,
    10_000,
    'The longest round trip that a commit may wait for with RPO 0. Default 40ms.',
  ).optional(),
  worstLoss: percent(
    'Percent of users still within the first latency objective after the loss of any one region.',
  ).optional(),
  hazards: z
    .enum(['avoid', 'accept'])
    .optional()
    .describe('`avoid` (default): no two regions of one war zone, fault, grid. `accept`: shown only.'),
  carbon: z
    .number()
    .gt(0)
    .max(2_000)
    .optional()
    .describe(
      'Grams of CO2 equivalent per kWh of the grid, at most. A region without data counts as the lowest of its country; what stays unknown passes, and is shown.',
    ),
  lastMile: duration(0, 1_000, 'The users’ access network, there and back. Default 15ms.').optional(),
  firstByte: z
    .strictObject({
      connection: z
        .enum(['tls', 'tcp', 'kept'])
        .optional()
        .describe(
          'How a request finds its connection. `tls` (default): a new one, 3 round trips with the request. `tcp`: a new one in the clear, 2. `kept`: it is there, 1.',
        ),
      server: duration(
        0,
        60_000,
        'What the application takes for its answer, database beside it included. Default 50ms.',
      ).optional(),
      primaryTrips: z
        .int()
        .min(0)
        .max(100)
        .optional()
        .describe(
          'Round trips of a request to the primary, where the application is in another region. Default 0: it reads the copy beside it.',
        ),
    })
    .optional()
    .describe('What lies between a round trip and the first byte of an answer, for objectives with `metric: ttfb`.'),
  load: z
    .strictObject({
      instances: z
        .int()
        .min(1)
        .max(1_000)
        .optional()
        .describe('Machines of 8 processors and 32 GiB that serve all users. Default 4.'),
      storage: z.number().min(0).max(1e6).optional().describe('GiB of database in each region. Default 200.'),
      egress: z.number().min(0).max(1e7).optional().describe('GB of answers to users a month. Default 2000.'),
      changes: z.number().min(0).max(1e7).optional().describe('GB of write-ahead log a month. Default 200.'),
    })
    .optional()
    .describe('What the application needs, for the price.'),
  support: z
    .number()
    .min(0)
    .max(30)
    .optional()
    .describe('Support plan of the provider, percent of the rest. Default 0.'),
});
