import { z } from 'zod';
import { KNOBS, type KnobName } from '../base/knobs.ts';
import { formatDuration } from './duration.ts';
import { duration, size } from './quantities.ts';
import { latencyObjectives, planSection, usersSection } from './planning-schema.ts';
import { trafficSection } from './traffic-schema.ts';

const DAY_MS = 86_400_000;

/** The knobs that a file may set, under their names without the unit. The lease has its own place: `database.lease`. */
export const TIMINGS = (Object.keys(KNOBS) as KnobName[])
  .filter((knob) => knob !== 'leaseTtlMs')
  .map((knob) => ({ key: knob.replace(/Ms$/, ''), knob }));

/** For editors. A knob without a sentence here shows its default and bounds. */
const TIMING_WORDS: Partial<Record<KnobName, string>> = {
  tickMs: 'How often an agent looks and decides, besides at every event.',
  pulseEveryMs: 'How often an agent tells the others that it lives.',
  heartbeatEveryMs: 'How often the primary commits a row of its own.',
  brokenAfterMs: 'A connection to the primary that broke and cannot be opened again for this long: it is suspected.',
  silentAfterMs: 'A primary that is silent for this long is suspected. Shorter pauses are tolerated.',
  wedgedAfterMs: 'A primary that answers but commits nothing for this long is suspected. Longer than evictAfter.',
  evictAfterMs: 'A standby that does not confirm for this long no longer has to.',
  takeoverPatienceMs: 'How long a takeover may take before another one begins.',
};

const timings = z.strictObject(
  Object.fromEntries(
    TIMINGS.map(({ key, knob }) => {
      const { min, max, value } = KNOBS[knob];
      const words = [TIMING_WORDS[knob], `Default ${formatDuration(value)}.`].filter((each) => each !== undefined);
      return [key, duration(min, max, words.join(' ')).optional()];
    }),
  ),
);

const region = z.strictObject({
  id: z.string().describe('A region of the catalogue: `aws:eu-west-1`, `azure:westeurope`, `gcp:us-east4`.'),
  role: z
    .enum(['active', 'passive'])
    .optional()
    .describe(
      'Active regions serve users. Default: in active-passive the first region is active and the others are passive; in the other models all are active.',
    ),
  weight: z
    .int()
    .min(0)
    .max(1_000)
    .optional()
    .describe(
      'With the traffic policy `weighted`: share of the users, relative to the other regions. 0: none. Default 1.',
    ),
  capacity: z
    .number()
    .positive()
    .max(1_000_000_000)
    .optional()
    .describe('Requests per second that the region can serve; users beyond it go to the next one. Default: no bound.'),
  control: z
    .enum(['owned', 'attached', 'managed', 'observe'])
    .optional()
    .describe('Who runs PostgreSQL there. `owned` (default): Farshore. The others are not built yet.'),
  nodes: z
    .int()
    .min(1)
    .max(9)
    .optional()
    .describe(
      'PostgreSQL servers in this region. Default 1. With two or more the loss of one is repaired inside the region.',
    ),
  store: z
    .boolean()
    .optional()
    .describe('Does a member of the coordination store live here? Default false. Needs three or five members in all.'),
});

const site = z.strictObject({
  id: z.string().describe('A region of the catalogue that holds no data of this deployment.'),
  store: z
    .boolean()
    .optional()
    .describe(
      'Does it hold the coordination store? Default false. On one site: the embedded store. On three or five sites and regions: etcd, one member each.',
    ),
  witness: z.boolean().optional().describe('Does it observe the primary and vote? Default true.'),
});

const residencyRule = z.strictObject({
  name: z.string().min(1).describe('For people: it appears in errors, status and reports.'),
  jurisdiction: z.string().describe('A bloc (`EU`, `EEA`) or the two letters of a country: `DE`.'),
  data: z.enum(['all']).describe('Which data the rule is about: `all`.'),
});

const replication = z.strictObject({
  mode: z
    .enum(['sync', 'semi-sync', 'async'])
    .describe(
      'Who confirms a write before it is acknowledged. `sync`: every other region. `semi-sync`: as many as `confirm` says. `async`: nobody; what is lost with a region is bounded by `rpo` and `maxLoss`.',
    ),
  confirm: z.int().min(1).max(99).optional().describe('semi-sync: how many other regions confirm a write. Default 1.'),
  whenAlone: z
    .enum(['block', 'serve-with-rpo-suspended'])
    .describe(
      'When no other region can confirm, or, with async, none receives. `block`: writes wait. `serve-with-rpo-suspended`: writes go on in one place, and its loss loses them.',
    ),
  rpoWhileDegraded: duration(
    0,
    365 * DAY_MS,
    'The loss accepted while the primary is alone. Must be declared for `serve-with-rpo-suspended` with `rpo: 0s`.',
  ).optional(),
  guard: z
    .enum(['block', 'none'])
    .optional()
    .describe(
      'async: `block` makes writes wait while the best standby lags by more than the RPO. `none` (default): they go on, and more is lost if the region is lost then.',
    ),
  maxLoss: size(
    0,
    1_024 ** 4,
    'async: a failover that would lose more than this is left to a person. Default: only the RPO bounds it.',
  ).optional(),
});

const database = z.strictObject({
  replication,
  lease: duration(
    KNOBS.leaseTtlMs.min,
    KNOBS.leaseTtlMs.max,
    `The right to act as primary, in the coordination store. Default ${formatDuration(KNOBS.leaseTtlMs.value)}; not longer than the RTO.`,
  ).optional(),
});

const application = z.strictObject({
  command: z
    .array(z.string().min(1))
    .min(1)
    .describe(
      'Started once per region, as a list of words, in the folder of this file. Gets PORT, DATABASE_URL, DATABASE_URL_RO and FARSHORE_REGION; with several nodes also DATABASE_URLS and DATABASE_URLS_RO.',
    ),
  health: z
    .string()
    .regex(/^\/[!-~]*$/, { error: 'a path that starts with a slash, without blanks: /healthz' })
    .optional()
    .describe('The path that answers 200 while the application can serve. Default /healthz.'),
});

/** Records that never change. Their values are checked by `rules/dns`. */
export const DNS_TYPES = ['A', 'AAAA', 'CAA', 'CNAME', 'MX', 'SRV', 'TXT'] as const;

/** Below the zone: `www`, `_sip._tcp`, or `@` for the zone itself. */
const owner = z
  .string()
  .max(180)
  .regex(/^(@|[a-z0-9_]([a-z0-9_-]{0,61}[a-z0-9])?(\.[a-z0-9_]([a-z0-9_-]{0,61}[a-z0-9])?)*)$/, {
    error: 'a name below the zone in small letters, or "@" for the zone itself: www',
  });

const dns = z.strictObject({
  zone: z
    .string()
    .max(60)
    .regex(/^([a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?\.)+[a-z]([a-z0-9-]{0,61}[a-z0-9])?$/, {
      error: 'a domain name in small letters: shop.example',
    })
    .describe('The domain that Farshore answers for.'),
  hosts: z
    .array(owner)
    .min(1)
    .max(1_000)
    .optional()
    .describe('Names whose addresses are led by routing: "@" is the zone itself. Default: "@" and "www".'),
  ttl: duration(
    5_000,
    3_600_000,
    'How long a resolver may keep an address that routing chose; half of it while a region is lost. Default 20s.',
  ).optional(),
  alpn: z
    .array(z.enum(['h2', 'h3', 'http/1.1']))
    .min(1)
    .optional()
    .describe('Protocols that the hosts speak, told by HTTPS records. Default: no HTTPS records.'),
  records: z
    .array(
      z.strictObject({
        name: owner.describe('Below the zone; "@" is the zone itself.'),
        type: z.enum(DNS_TYPES).describe('The type of the record.'),
        value: z.string().min(1).max(4_000).describe('As in a zone file: `10 mail.shop.example` of an MX.'),
      }),
    )
    .max(1_000)
    .optional()
    .describe('Records that never change: mail, verification texts, aliases.'),
});

/** What the edges show of themselves. Files are read where the edges run; a change of them is found without a restart. */
const edge = z.strictObject({
  tls: z
    .strictObject({
      certificates: z
        .array(
          z.strictObject({
            cert: z.string().min(1).describe('A PEM file; the chain may follow the certificate.'),
            key: z.string().min(1).describe('A PEM file with its private key, without a password.'),
          }),
        )
        .min(1)
        .max(64)
        .describe('Each host gets its own by SNI; who names none gets the first. Seen from the folder of this file.'),
      ca: z
        .string()
        .min(1)
        .optional()
        .describe(
          'A PEM file with who signed them, when this machine does not know him: what `traffic.health.address` with `tls` trusts.',
        ),
    })
    .describe('HTTPS, on a port of its own beside HTTP.'),
});

/** The deployment file as written. Strict: an unknown key is an error. Defaults and meaning come after it. */
export const deploymentFile = z.strictObject({
  farshore: z.enum(['v1']).describe('The version of this format.'),
  name: z
    .string()
    .regex(/^[a-z]([a-z0-9-]{0,30}[a-z0-9])?$/, {
      error: '1 to 32 small letters, digits and hyphens, starting with a letter: shop-eu',
    })
    .describe('Names the deployment in the store, in status and in reports.'),
  model: z
    .enum(['active-passive', 'active-active', 'global'])
    .describe('active-passive: one region serves. active-active: two or more serve. global: three or more serve.'),
  tier: z
    .enum(['critical', 'high', 'medium', 'low'])
    .optional()
    .describe(
      'Named objectives. critical (default): RTO below 1 minute, RPO 0. high: below 15 minutes and 1 minute. medium and low are not built yet.',
    ),
  objectives: z
    .strictObject({
      rto: duration(1_000, 30 * DAY_MS, 'Time until the application serves again. Default: from the tier.').optional(),
      rpo: duration(
        0,
        30 * DAY_MS,
        'Acknowledged writes that may be lost, in time. 0s: none. Default: from the tier.',
      ).optional(),
      latency: latencyObjectives.optional().describe('How near the users are served; for `farshore plan`.'),
    })
    .optional()
    .describe('What is promised to users, and measured by drills.'),
  users: usersSection
    .optional()
    .describe(
      'Where the users are; for `farshore plan`. Default: the internet users of the places that `residency` names, else of the continents of `regions`, else of the world; without mainland China and countries whose law keeps the data at home.',
    ),
  plan: planSection.optional().describe('What `farshore plan` may choose from, and what it counts with.'),
  regions: z
    .array(region)
    .min(2)
    .max(16)
    .optional()
    .describe(
      'Places that hold the data and run the application, in order of preference. `farshore plan` chooses them for a file without this key.',
    ),
  sites: z
    .array(site)
    .max(9)
    .optional()
    .describe('Places that hold no data: the coordination store and the witnesses live there.'),
  residency: z.array(residencyRule).max(16).optional().describe('Where the data must stay, whatever fails.'),
  database: database.optional().describe('How PostgreSQL is replicated between the regions.'),
  traffic: trafficSection.optional().describe('How users are led to regions.'),
  edge: edge.optional().describe('The HTTP edges that stand in front of the application. Default: plain HTTP only.'),
  timings: timings
    .optional()
    .describe('Timings of detection and failover. Leave them alone unless a drill says otherwise.'),
  application: application.optional().describe('The application that runs in every region.'),
  dns: dns.optional().describe('The authoritative DNS server that leads users to regions. Default: there is none.'),
});

/** JSON Schema (draft-07, for editors) of the deployment file, generated from the code. */
export function deploymentJsonSchema(): Record<string, unknown> {
  const { $schema, ...rest } = z.toJSONSchema(deploymentFile, { target: 'draft-07', io: 'input' });
  return {
    $schema,
    $id: 'farshore.schema.json',
    title: 'Farshore deployment, v1',
    ...rest,
  };
}
