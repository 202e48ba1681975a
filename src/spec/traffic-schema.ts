import { z } from 'zod';
import { duration } from './quantities.ts';

const HOUR_MS = 3_600_000;

const regionList = z.array(z.string()).min(1).max(16);
const places = z
  .array(z.string())
  .min(1)
  .max(260)
  .describe(
    'Countries in two letters (`DE`), blocs (`EU`, `EEA`), continents (`africa`, `asia`, `europe`, `latin-america`, `north-america`, `oceania`), or names that `networks` or `database` give.',
  );
const hostName = z
  .string()
  .regex(/^(?=.{1,253}$)([a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?\.)+[a-z0-9][a-z0-9-]{0,61}[a-z0-9]$/, {
    error: 'a host name in small letters: shop.example',
  });
const mark = z
  .strictObject({
    name: z
      .string()
      .regex(/^[!#$%&'*+.^_`|~0-9A-Za-z-]+$/, { error: 'the name of a header or cookie: x-canary' })
      .describe('Its name.'),
    value: z
      .string()
      .regex(/^\P{Cc}+$/u, { error: 'a value of at least one character, without control characters' })
      .optional()
      .describe('Default: any value.'),
  })
  .describe('What a request for the canary carries.');

/** How users are led to regions. Everything has a default; without the section the nearest region serves. */
const health = z.strictObject({
  every: duration(100, 60_000, 'Between two checks of a region. Default 500ms.').optional(),
  timeout: duration(50, 60_000, 'For a check to be answered, beyond the round trips. Default 500ms.').optional(),
  fall: z.int().min(1).max(20).optional().describe('Misses in a row until a region is unhealthy. Default 2.'),
  rise: z.int().min(1).max(100).optional().describe('Good checks in a row until it is healthy again. Default 4.'),
  bucket: z
    .int()
    .min(2)
    .max(1_000)
    .optional()
    .describe('So many misses without a long run of good answers between them make it unhealthy too. Default 6.'),
  leakAfter: z
    .int()
    .min(1)
    .max(10_000)
    .optional()
    .describe('So many good answers in a row empty the bucket. Default 20.'),
  check: z
    .enum(['http', 'tcp'])
    .optional()
    .describe('What edges ask of the application: its health path, or only to accept a connection. Default http.'),
  address: z
    .strictObject({
      check: z
        .enum(['http', 'tcp', 'tls'])
        .describe('`tls`: a handshake with a certificate for `host` that is trusted and has not ended.'),
      host: hostName.optional().describe('For `tls`. Default: the first of `hosts`.'),
    })
    .optional()
    .describe('What the DNS server asks of the address of a region. Default: the health path by HTTP.'),
  deep: z
    .strictObject({
      check: z
        .enum(['http', 'commit'])
        .describe(
          '`http`: the application answers 2xx at `path` while it can write. `commit`: the primary has committed a row within `within`, as its agent says, which commits one again and again.',
        ),
      path: z
        .string()
        .regex(/^\/[!-~]*$/, { error: 'a path that starts with a slash, without blanks: /healthz/deep' })
        .optional()
        .describe('For `http`: another path than that of `health`.'),
      within: duration(
        500,
        600_000,
        'For `commit`: how old the newest commit of the primary may be. Default 3s.',
      ).optional(),
      every: duration(100, 60_000, 'Between two of them. Default 1s.').optional(),
      timeout: duration(50, 60_000, 'To be answered, beyond the round trips. Default 1s.').optional(),
    })
    .optional()
    .describe(
      'What edges ask to learn whether a region can write. One that cannot keeps its reads; writes wait for a primary, then are refused. Default: nothing is asked.',
    ),
  observers: z
    .enum(['majority', 'own'])
    .optional()
    .describe(
      '`majority` (default): a region is down when most planes that may vote see it down. `own`: each plane believes its own eyes alone.',
    ),
});

export const trafficSection = z.strictObject({
  hosts: z.array(hostName).max(64).optional().describe('The names that users ask for. Default: any.'),
  policies: z
    .array(z.enum(['geolocation', 'latency', 'weighted', 'failover']))
    .max(4)
    .optional()
    .describe(
      'Each one decides among the regions that those before it left equal. `weighted` or `failover` come last. Default: failover for active-passive, latency for the other models.',
    ),
  geolocation: z
    .strictObject({
      rules: z
        .array(
          z.strictObject({
            places,
            regions: regionList.describe('Who serves them. The policies behind geolocation decide among these.'),
          }),
        )
        .max(64)
        .optional()
        .describe('The narrower word counts: a country before its bloc, a bloc before its continent.'),
      otherwise: regionList
        .optional()
        .describe('Who serves users of all other places, and of none. Default: every region.'),
      networks: z
        .array(
          z.strictObject({
            network: z.string().describe('`203.0.113.0/24`, `2001:db8::/32`.'),
            place: z
              .string()
              .regex(/^([A-Z]{2}|[a-z][a-z0-9-]{1,30})$/, {
                error: 'a country (DE) or a name of your own in small letters (office)',
              })
              .describe('A country (`DE`), or a name of your own that rules use (`office`).'),
            country: z
              .string()
              .regex(/^[A-Z]{2}$/, { error: 'the two letters of a country: DE' })
              .optional()
              .describe('For residency, when `place` is no country.'),
          }),
        )
        .max(256)
        .optional()
        .describe('Networks whose place is not what the database says.'),
      database: z
        .string()
        .min(1)
        .optional()
        .describe(
          'A file of your own instead of the one that comes with Farshore: MMDB, or CSV with lines `network,place,country`. Seen from the folder of this file.',
        ),
    })
    .optional()
    .describe('What the policy geolocation goes by.'),
  latency: z
    .strictObject({
      within: duration(
        0,
        10_000,
        'Regions slower than the nearest by no more than this are equal to it. Default 0s.',
      ).optional(),
      hysteresis: duration(0, 10_000, 'A region must be nearer by this much to take over. Default 5ms.').optional(),
    })
    .optional()
    .describe('What the policy latency goes by.'),
  failover: z
    .strictObject({
      order: regionList.optional().describe('Default: the order of `regions`.'),
      holdDown: duration(
        0,
        HOUR_MS,
        'A region that is back waits this long before it is preferred again. Default 0s.',
      ).optional(),
      failback: z
        .enum(['auto', 'manual'])
        .optional()
        .describe('`manual`: a region that is back waits for a person. Default auto.'),
    })
    .optional()
    .describe('What the policy failover goes by; failback and holdDown count under every policy.'),
  slowStart: duration(
    0,
    HOUR_MS,
    'A region that is back gets its users over this time, beginning with a tenth. Default 0s: all at once.',
  ).optional(),
  canary: z
    .strictObject({
      regions: regionList.describe('Where such requests go, while one of these may serve them.'),
      header: mark.optional(),
      cookie: mark.optional(),
    })
    .optional()
    .describe('Requests with this header or cookie go to these regions.'),
  affinity: z
    .enum(['none', 'cookie'])
    .optional()
    .describe('`cookie`: a user stays with the region that served him, while it may serve him. Default none.'),
  fences: z
    .array(
      z.strictObject({
        name: z.string().min(1).describe('For people: it appears in reasons and reports.'),
        users: places,
        within: z
          .string()
          .describe(
            'A bloc (`EU`) or a country: users of these places are served there and nowhere else, whatever fails.',
          ),
      }),
    )
    .max(16)
    .optional()
    .describe('Residency of users: who is served inside of a jurisdiction, and nowhere else (I11).'),
  unmapped: z
    .enum(['fenced', 'free'])
    .optional()
    .describe('Users of no known place: only where every fence allows (`fenced`, the default), or anywhere (`free`).'),
  whenAllUnhealthy: z
    .enum(['hold-last', 'open', 'closed', 'static'])
    .optional()
    .describe(
      'When every region looks unhealthy. `hold-last` (default): those that were good last. `open`: as if all were well. `closed`: an error. `static`: the regions of `static`.',
    ),
  static: regionList.optional().describe('The regions of `whenAllUnhealthy: static`, in order.'),
  health: health.optional().describe('How every plane looks at the regions.'),
});

export type TrafficSection = z.output<typeof trafficSection>;
