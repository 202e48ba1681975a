import { FarshoreError } from '../base/errors.ts';
import type { Reason } from '../base/reason.ts';
import type { Candidate } from '../ports/operations.ts';
import { nearest } from '../spec/nearest.ts';
import { describeEnd } from '../world/ends.ts';
import type { World } from '../world/open.ts';
import { glanceAtWorld } from '../world/status.ts';
import { readArguments, wholeNumber } from './arguments.ts';
import { paint } from './paint.ts';
import { selectWorld } from './which-world.ts';
import { whyClient } from './why-client.ts';

const USAGE = `Usage: farshore why [SUBJECT] [--last N] [--json] [--state DIR]
       farshore why --client ADDRESS [--host NAME] [--from PLACE] [--at REGION] [--write] [--rtts LIST] [--json]

The last decisions of every agent and their reasons, also the decisions not to act. SUBJECT is a region, a node, or what was
decided: failover, role, sync-set, settings.

With --client, --host or --from: where such a client goes now and why, step by step, as an edge decides it. PLACE is a city,
a country or a name of your own instead of what the database says about the address; REGION is whose edge is asked;
LIST are round trips that the client measured itself: aws:eu-west-1=12,aws:us-east-1=95 (milliseconds).
`;

/** An entry of the agents' GET /why. */
interface Decision {
  readonly atWallMs: number;
  readonly about: string;
  readonly state: string;
  readonly why: Reason;
}
interface Told extends Decision {
  readonly node: string;
}
/** What the agents answer: their decisions, and what keeps each node from taking over now. */
interface Answer {
  readonly decisions?: readonly Decision[];
  readonly candidates?: readonly Candidate[];
}

const ABOUT = ['failover', 'role', 'sync-set', 'settings'];
const DEFAULT_LAST = 30;

/** `farshore why`: `argv` is what follows the verb. Resolves to the exit code. */
export async function why(argv: readonly string[]): Promise<number> {
  const options = {
    last: { type: 'string' },
    json: { type: 'boolean' },
    state: { type: 'string' },
    client: { type: 'string' },
    host: { type: 'string' },
    from: { type: 'string' },
    at: { type: 'string' },
    write: { type: 'boolean' },
    rtts: { type: 'string' },
  } as const;
  const { values, positionals } = readArguments(argv, options, 1);
  if (values.help === true) {
    process.stdout.write(USAGE);
    return 0;
  }
  const last = wholeNumber('last', values.last, 1, 100_000) ?? DEFAULT_LAST;
  const world = selectWorld(values.state);
  try {
    const { client = null, host = null, from = null, at = null, rtts = null, write = false } = values;
    if (client !== null || host !== null || from !== null) {
      const lines = await whyClient(world, { client, host, from, at, rtts, write }, values.json === true);
      for (const line of lines) process.stdout.write(`${line}\n`);
      return 0;
    }
    if (values.json === true) {
      const [{ told, candidates }, { ends }] = await Promise.all([
        askAgents(world, positionals[0]),
        glanceAtWorld(world),
      ]);
      process.stdout.write(
        `${JSON.stringify({ schema: 'farshore.why/v1', decisions: told.slice(-last), candidates, ends }, null, 2)}\n`,
      );
      return 0;
    }
    for (const line of await whyLines(world, positionals[0], last)) process.stdout.write(`${line}\n`);
    return 0;
  } finally {
    await world.close();
  }
}

/** The decisions about a subject, oldest first, and why the world is as it is now. */
export async function whyLines(world: World, subject: string | undefined, last: number): Promise<readonly string[]> {
  const { bold, dim } = paint(process.stdout);
  const [{ told, candidates }, now] = await Promise.all([askAgents(world, subject), glanceAtWorld(world)]);
  const lines = told.slice(-last).map(({ atWallMs, node, about, state, why: reason }) => {
    const time = new Date(atWallMs).toISOString().slice(11, 23);
    return `${dim(time)}  ${node.padEnd(22)} ${about.padEnd(9)} ${state.padEnd(12)} ${reason.text} ${dim(`[${reason.code}]`)}`;
  });
  if (told.length > last)
    lines.unshift(dim(`${told.length - last} older decisions are not shown: --last ${told.length}`));
  for (const { node, answered, why: silent } of now.answers)
    if (!answered) lines.push(`${node} does not answer: ${silent}`);
  for (const end of now.ends.toReversed()) lines.push(describeEnd(end));
  for (const { node, obstacle } of candidates)
    lines.push(obstacle === null ? `${node} could take over now` : `${node} could not take over: ${obstacle.text}`);
  lines.push(`${bold('now')}  ${now.state}: ${now.why.text}`);
  return lines;
}

interface Said {
  readonly told: readonly Told[];
  /** By an agent with data that reaches the store; the others know less. */
  readonly candidates: readonly Candidate[];
}

async function askAgents(world: World, subject: string | undefined): Promise<Said> {
  const known = [
    ...ABOUT,
    ...world.layout.places.flatMap((place) => [place.id, ...place.nodes.map((node) => node.id)]),
  ];
  if (subject !== undefined && !known.some((word) => word.includes(subject))) {
    const meant = nearest(subject, known);
    const hint = meant === null ? `one of ${known.join(', ')}` : `did you mean "${meant}"?`;
    throw new FarshoreError('FSH_USAGE', `nothing is known about "${subject}"; ${hint}`);
  }
  const answers = await world.why();
  const told = answers.flatMap(({ node, answer }) => {
    const decisions = (answer as Answer | null)?.decisions ?? [];
    return decisions.map((decision) => ({ node, ...decision }));
  });
  const candidates = answers.map(({ answer }) => (answer as Answer | null)?.candidates ?? []);
  return {
    told: told
      .filter((it) => subject === undefined || it.node.includes(subject) || it.about === subject)
      .toSorted((a, b) => a.atWallMs - b.atWallMs),
    candidates: candidates.find((each) => each.length > 0) ?? [],
  };
}
